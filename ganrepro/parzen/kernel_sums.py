"""Sums of Gaussian kernels, the inner loop of the Parzen window: one float64 matrix product serves every sigma."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, Float64
    from torch import Tensor

ROWS, COLUMNS = 512, 2048  # one block of distances: 8 MiB in float64
LOWEST = -115.0  # 2^-115 adds nothing to a sum that holds 1, and stays clear of slow denormals


class KernelSums:
    """log sum_j exp(-|x_i - s_j|^2 / 2 sigma^2) over all samples added so far, for data (n, d) and several sigmas.

    Squared distances are |x|^2 + |s|^2 - 2 x.s in float64, of vectors less `center` (d,): shorter ones lose less to
    cancellation. Kernels are float32, relative to each x's smallest |s|^2 - 2 x.s so far; sums are float64.
    """

    def __init__(
        self, data: Float[Tensor, "n d"], center: Float64[Tensor, "d"], sigmas: Float64[np.ndarray, "k"]
    ) -> None:
        self.data, self.center = data, center
        self.scales = torch.tensor(1 / (2 * sigmas**2), dtype=torch.float64, device=data.device)
        self.nearest = torch.full((len(data),), torch.inf, dtype=torch.float64, device=data.device)
        self.sums = torch.zeros(len(sigmas), len(data), dtype=torch.float64, device=data.device)
        self.longest = 0.0  # |s|^2 of the samples so far

    def log(self) -> Float64[Tensor, "k n"]:
        """The logarithm of the sums, a row for each sigma."""
        return self.sums.log() - (self.norms + self.nearest) * self.scales[:, None]

    def uncertainty(self) -> Float64[Tensor, "k n"]:
        """A bound on what float64 loses of each logarithm: d roundings of numbers as large as |x|^2 + |s|^2."""
        eps = torch.finfo(torch.float64).eps
        return eps * self.data.shape[1] * (self.norms + self.longest) * self.scales[:, None]

    @cached_property
    def norms(self) -> Float64[Tensor, "n"]:
        """|x|^2 of the data, less `center`."""
        return torch.cat([(x.double() - self.center).square().sum(1) for x in self.data.split(ROWS)])

    def add(self, samples: Float[Tensor, "m d"]) -> Iterator[None]:
        """Add the kernels of samples, block after block of the data; yields after each."""
        s = samples.double() - self.center
        norms = s.square().sum(1)
        self.longest = max(self.longest, float(norms.max()))
        product = torch.empty(ROWS * COLUMNS, dtype=torch.float64, device=s.device)
        kernels = torch.empty(ROWS * COLUMNS, dtype=torch.float32, device=s.device)
        for rows in (slice(start, start + ROWS) for start in range(0, len(self.data), ROWS)):
            x, nearest, sums = self.data[rows].double() - self.center, self.nearest[rows], self.sums[:, rows]
            for columns, of_columns in zip(s.split(COLUMNS), norms.split(COLUMNS), strict=True):
                size, shape = len(x) * len(columns), (len(x), len(columns))
                gaps = torch.addmm(of_columns, x, columns.T, alpha=-2, out=product[:size].view(shape))
                before = nearest.clone()  # inf at first: the sums, 0, are then scaled by 0
                torch.minimum(nearest, gaps.amin(1), out=nearest)
                gaps = gaps.sub_(nearest[:, None]).float()
                for total, h in zip(sums, self.scales.tolist(), strict=True):
                    terms = torch.mul(gaps, -h / math.log(2), out=kernels[:size].view(shape))
                    total.mul_(torch.exp((nearest - before) * h)).add_(terms.clamp_(min=LOWEST).exp2_().sum(1))
            yield
