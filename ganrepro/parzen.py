"""The Parzen window estimator of section 5: the log-likelihood of data under a Gaussian kernel density on samples.

LL(x) = log (1/m) sum_j exp(-|x - s_j|^2 / 2 sigma^2) - d log(sigma sqrt(2 pi)), in nats.
Distances come from blocks of a float64 matrix product (a float32 one errs by a tenth of a nat at small sigma);
every sigma is served by one pass over them, and memory is bounded whatever the sizes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ganrepro import progress

DEFAULT_GRID: NDArray[np.float64] = np.logspace(-1, 0, 10)  # the authors' grid: parzen_ll.py
FINE_GRID: NDArray[np.float64] = np.arange(0.10, 0.3001, 0.005)
ROWS, COLUMNS = 512, 8192  # one block of distances: 32 MiB in float64
LOWEST = -80.0  # exp(-80) adds nothing to a sum that holds exp(0), and stays clear of slow denormals


@dataclass(frozen=True)
class SigmaChoice:
    """The width with the highest mean log-likelihood on validation data, and the whole curve behind it."""

    sigma: float
    sigmas: NDArray[np.float64]
    mean_ll: NDArray[np.float64]
    at_edge: bool


@dataclass(frozen=True)
class ParzenResult:
    """Mean test log-likelihood in nats; se = std / sqrt(n), over the test examples, which ll holds one by one."""

    sigma: float
    mean: float
    se: float
    ll: NDArray[np.float64]
    at_edge: bool


def log_likelihood(
    samples: ArrayLike | Tensor, data: ArrayLike | Tensor, sigma: float | Sequence[float] | NDArray[np.float64],
    *, device: str | torch.device | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """Log-likelihood of each row of data (n, d) under a Parzen window on samples (m, d), in nats.

    numpy or torch, float32 or float64. Returns float64 (n,) for one sigma, (len(sigma), n) for several.
    Runs on `device`, by default where the samples are. Raises ValueError for a wrong shape, an empty or
    non-finite array, or a sigma that is not above 0. Source: section 5; `parzen_ll.py` in the authors' code.
    """
    s, x = _matrix("samples", samples, device), _matrix("data", data, device)
    x = x.to(s.device)
    if s.shape[1] != x.shape[1]:
        raise ValueError(f"samples have {s.shape[1]} columns and data {x.shape[1]}; they must agree")
    sigmas = np.atleast_1d(np.asarray(sigma, dtype=np.float64))
    if sigmas.ndim != 1 or sigmas.size == 0 or not (np.isfinite(sigmas) & (sigmas > 0)).all():
        raise ValueError(f"sigma = {sigma!r}; expected one finite number above 0, or a sequence of them")
    m, d = s.shape
    out = torch.empty(len(sigmas), len(x), dtype=torch.float64)
    for rows in progress.bar(range(0, len(x), ROWS), desc="Parzen window", unit="block"):
        out[:, rows : rows + ROWS] = _log_sum_exp(s, x[rows : rows + ROWS], sigmas).cpu()
    ll = out.numpy() - np.log(m) - d * np.log(sigmas * np.sqrt(2 * np.pi))[:, None]
    return ll[0] if np.ndim(sigma) == 0 else ll


def _log_sum_exp(s: Tensor, x: Tensor, sigmas: NDArray[np.float64]) -> Tensor:
    """(len(sigmas), n) float64: log sum_j exp(-|x_i - s_j|^2 / 2 sigma^2), streamed over blocks of samples."""
    center = s[:COLUMNS].double().mean(0)  # shorter vectors lose less in |x|^2 - 2 x.s + |s|^2
    x = x.double() - center
    x2 = x.square().sum(1)
    half_inverse = [1 / (2 * sigma * sigma) for sigma in sigmas]
    nearest = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
    sums = torch.zeros(len(sigmas), len(x), dtype=torch.float64, device=x.device)
    buffer = torch.empty(len(x), min(COLUMNS, len(s)), dtype=torch.float32, device=x.device)
    for columns in range(0, len(s), COLUMNS):
        block = s[columns : columns + COLUMNS].double() - center
        d2 = torch.addmm(block.square().sum(1), x, block.T, alpha=-2).add_(x2[:, None])  # (rows, columns)
        before, nearest = nearest, torch.minimum(nearest, d2.amin(1))
        gap = d2.sub_(nearest[:, None]).float()  # differences from the nearest: small numbers, float32 is enough
        terms = buffer[:, : gap.shape[1]]
        for i, h in enumerate(half_inverse):
            torch.mul(gap, -h, out=terms).clamp_(min=LOWEST).exp_()
            shift = torch.exp((nearest - before) * h)  # 0 at the first block, where before = inf
            sums[i] = sums[i] * shift + terms.sum(1, dtype=torch.float64)
    return sums.log() - nearest * torch.tensor(half_inverse, dtype=torch.float64, device=x.device)[:, None]


def choose_sigma(
    samples: ArrayLike | Tensor, valid: ArrayLike | Tensor,
    sigmas: Sequence[float] | NDArray[np.float64] = DEFAULT_GRID, *, device: str | torch.device | None = None,
) -> SigmaChoice:  # fmt: skip
    """The sigma of the grid with the highest mean log-likelihood on validation data (n, d).

    Warns where it stands at the grid's edge, since the best may lie beyond. Raises as `log_likelihood` does.
    """
    grid = np.asarray(sigmas, dtype=np.float64)
    return highest(grid, np.atleast_2d(log_likelihood(samples, valid, grid, device=device)).mean(1))


def highest(grid: NDArray[np.float64], mean_ll: NDArray[np.float64]) -> SigmaChoice:
    """The sigma of the grid whose mean log-likelihood is the highest. Warns where it stands at the grid's edge."""
    best = int(mean_ll.argmax())
    at_edge = grid.size > 1 and best in (0, grid.size - 1)
    if at_edge:
        warnings.warn(f"sigma = {grid[best]:.4g} stands at the edge of its grid; the best may lie beyond", stacklevel=3)
    return SigmaChoice(float(grid[best]), grid, mean_ll, at_edge)


def evaluate(
    samples: ArrayLike | Tensor, valid: ArrayLike | Tensor, test: ArrayLike | Tensor,
    sigmas: Sequence[float] | NDArray[np.float64] = DEFAULT_GRID, *, device: str | torch.device | None = None,
) -> ParzenResult:  # fmt: skip
    """The paper's protocol: sigma chosen on valid (n, d), score and its error over the examples of test."""
    choice = choose_sigma(samples, valid, sigmas, device=device)
    ll = log_likelihood(samples, test, choice.sigma, device=device)
    return ParzenResult(choice.sigma, float(ll.mean()), float(ll.std() / np.sqrt(len(ll))), ll, choice.at_edge)


def _matrix(name: str, array: ArrayLike | Tensor, device: str | torch.device | None) -> Tensor:
    tensor = array if isinstance(array, Tensor) else torch.from_numpy(np.ascontiguousarray(array))
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}; expected (n, d) with at least one row and column")
    if not tensor.is_floating_point():
        raise ValueError(f"{name} has dtype {tensor.dtype}; expected float32 or float64 (divide uint8 pixels by 255)")
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} holds values that are not finite")
    return tensor.detach() if device is None else tensor.detach().to(device)
