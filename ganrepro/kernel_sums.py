"""Sums of Gaussian kernels: the inner loop of the Parzen window, in time little above one float32 matrix product.

Squared distances are |x|^2 + |s|^2 - 2 x.s, where cancellation makes float32 err by a tenth of a nat at small sigma.
So the error is measured, on pairs of each block, against float64; where it would show in the sum, the pairs near
enough to count in it are computed anew in float64, or the block is, when they are many.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TOLERANCE = 3e-4  # nats that float32 distances may cost; the contract is 1e-3
CAUTION = 3.0  # the largest error of a block over the largest that is measured in it
REST = 1e6  # terms with less than 1 / REST of the largest may keep their float32 error
MANY = 64  # one pair in so many computed anew costs as much as the block in float64
LOWEST = -115.0  # 2^-115 adds nothing to a sum that holds 1, and stays clear of slow denormals
PROBES = 256  # pairs whose error is measured, at least
PAIRS = 64  # vectors turned into float64 at once: they stay in cache


class Samples:
    """Samples (m, d) of any float type, centred; in float64 throughout where `exact`, else for one float32 product."""

    def __init__(self, samples: Tensor, center: Tensor, exact: bool) -> None:
        self.rows, self.center, self.exact = samples, center, exact
        kind = torch.float64 if exact else torch.float32
        self.centered = torch.empty(samples.shape, dtype=kind, device=samples.device)  # less is lost on shorter vectors
        squares = torch.empty(len(samples), dtype=torch.float64, device=samples.device)
        step = len(samples) if exact else PAIRS
        for start in range(0, len(samples), step):
            centered = samples[start : start + step].double() - center
            self.centered[start : start + step] = centered
            torch.sum(centered.square_(), 1, out=squares[start : start + step])
        self.level = squares.mean()  # added back in float64: smaller numbers again
        self.squares = (squares - self.level).to(kind)  # (m,)

    def __len__(self) -> int:
        return len(self.rows)


class KernelSums:
    """log sum_j exp(-|x_i - s_j|^2 / 2 sigma^2) over all samples added so far, for data (n, d) and several sigmas.

    Each x has a running reference, about its smallest squared distance: terms are float32 relative to it, sums float64.
    """

    def __init__(self, data: Tensor, sigmas: NDArray[np.float64]) -> None:
        self.data = data
        self.half_inverse = [1 / (2 * sigma * sigma) for sigma in sigmas.tolist()]
        self.nearest = torch.full((len(data),), torch.inf, dtype=torch.float64, device=data.device)
        self.sums = torch.zeros(len(sigmas), len(data), dtype=torch.float64, device=data.device)
        self.buffers: dict[tuple[str, torch.dtype], Tensor] = {}

    def log(self) -> Tensor:
        """(number of sigmas, n) float64."""
        scale = torch.tensor(self.half_inverse, dtype=torch.float64, device=self.sums.device)
        return self.sums.log() - self.nearest * scale[:, None]

    def add(self, samples: Samples, rows: slice, columns: int) -> None:
        """Adds the kernels of all samples to the sums of these rows, so many columns of distances at a time."""
        x = self.data[rows].double() - samples.center
        x_product = x.to(samples.centered.dtype)
        level = x.square().sum(1) + samples.level
        for start in range(0, len(samples), columns):
            block = slice(start, start + columns)
            s, squares = samples.centered[block], samples.squares[block]
            product = torch.addmm(squares, x_product, s.T, alpha=-2, out=self._buffer("product", x_product, len(s)))
            gaps, nearest = None, self.nearest[rows]
            if not samples.exact:
                gaps = self._refined(product, x, level, samples, block, nearest)
            self._accumulate(rows, *(gaps or _gaps(product, level, nearest)))

    def _refined(
        self, product: Tensor, x: Tensor, level: Tensor, samples: Samples, block: slice, nearest: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gaps and reference of a float32 product (rows, columns), its pairs that count as exact as they need be."""
        error = CAUTION * _measured_error(product, x, level, samples, block)
        if not max(self.half_inverse) * error < 1:  # not finite, too: then even the reference is worth nothing
            return _exact(x, level, samples, block, nearest)
        gaps, nearest_now = _gaps(product, level, nearest)
        inexact = [h for h in self.half_inverse if h * error > TOLERANCE]
        if not inexact:
            return gaps, nearest_now
        reach = max(math.log(REST * h * error / TOLERANCE) / h for h in inexact)
        near = np.flatnonzero(gaps.numpy() < reach)
        if near.size * MANY > gaps.numel():
            return _exact(x, level, samples, block, nearest)
        row, column = (torch.from_numpy(index) for index in np.divmod(near, gaps.shape[1]))
        squared = _squared_distances(x, row, samples, block.start + column)
        gaps.view(-1)[torch.from_numpy(near)] = (squared - nearest_now[row]).float()
        return gaps, nearest_now

    def _accumulate(self, rows: slice, gaps: Tensor, nearest: Tensor) -> None:
        """Adds exp(-h gaps) to the sums of these rows, moved from their last reference to `nearest`."""
        moved = nearest - self.nearest[rows]  # -inf at first: the sums, 0, are scaled by 0
        self.nearest[rows] = nearest
        terms = self._buffer("terms", gaps, gaps.shape[1])
        for sums, h in zip(self.sums, self.half_inverse, strict=True):
            torch.mul(gaps, -h / math.log(2), out=terms).clamp_(min=LOWEST).exp2_()
            sums[rows] = sums[rows] * torch.exp(moved * h) + terms.sum(1)

    def _buffer(self, name: str, like: Tensor, columns: int) -> Tensor:
        """An uninitialised (len(like), columns), of like's type, whose memory is used again."""
        size, key = len(like) * columns, (name, like.dtype)
        if key not in self.buffers or self.buffers[key].numel() < size:
            self.buffers[key] = torch.empty(size, dtype=like.dtype, device=like.device)
        return self.buffers[key][:size].view(len(like), columns)


def _gaps(product: Tensor, level: Tensor, nearest: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances less the smallest so far (rows, columns), float32, and that smallest."""
    nearest = torch.minimum(nearest, product.amin(1) + level)
    return product.sub_((nearest - level).to(product.dtype)[:, None]).float(), nearest


def _exact(x: Tensor, level: Tensor, samples: Samples, block: slice, nearest: Tensor) -> tuple[Tensor, Tensor]:
    """The same from a float64 product."""
    s = samples.rows[block].double() - samples.center
    product = torch.mm(x, s.T).mul_(-2).add_(s.square().sum(1) - samples.level)
    return _gaps(product, level, nearest)


def _measured_error(product: Tensor, x: Tensor, level: Tensor, samples: Samples, block: slice) -> float:
    """Largest error of squared distances in `product`, over one pair of each row and each row with the longest s.

    Of few rows, over more pairs of each: at least PROBES in all.
    """
    rows, columns = product.shape
    probes = max(rows, PROBES)
    i = torch.arange(probes) % rows
    j = torch.arange(probes) * columns // probes  # evenly over the columns
    error = (product[i, j] + level[i] - _squared_distances(x, i, samples, block.start + j)).abs().amax()
    longest = int(samples.squares[block].argmax())
    s = samples.rows[block.start + longest].double() - samples.center
    exact = x.mv(s).mul_(-2) + (s.square().sum() - samples.level)
    return float(torch.maximum(error, (product[:, longest] - exact).abs().amax()))


def _squared_distances(x: Tensor, i: Tensor, samples: Samples, j: Tensor) -> Tensor:
    """|x_i - s_j|^2 in float64, (pairs,), from differences: no cancellation."""
    squared = torch.empty(len(i), dtype=torch.float64)
    for start in range(0, len(i), PAIRS):
        some = slice(start, start + PAIRS)
        difference = (x.index_select(0, i[some]) - samples.rows.index_select(0, j[some])).add_(samples.center)
        torch.sum(difference.square_(), 1, out=squared[some])
    return squared
