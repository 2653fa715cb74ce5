"""The Parzen window estimator of section 5: the log-likelihood of data under a Gaussian kernel density on samples.

LL(x) = log (1/m) sum_j exp(-|x - s_j|^2 / 2 sigma^2) - d log(sigma sqrt(2 pi)), in nats.
One pass over the distances serves every sigma (`kernel_sums`). Memory is bounded whatever the sizes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ganrepro import progress
from ganrepro.device import plain_torch

from .kernel_sums import ROWS, KernelSums

if TYPE_CHECKING:
    from jaxtyping import Float

Array = NDArray[np.float64]
Rows = ArrayLike | Tensor
Stream = Iterable[Rows]  # blocks (any number, d) of samples
Sigmas = Sequence[float] | Array
Device = str | torch.device | None

DEFAULT_GRID: Array = np.logspace(-1, 0, 10)  # the authors' grid: parzen_ll.py
FINE_GRID: Array = np.arange(0.10, 0.3001, 0.005)
LEAST, MOST = 1e-15, 1e15  # of sigma: beyond, float32 would not hold the squared distances that matter
UNCERTAIN = 1e-3  # nats, or of the log-likelihood where that is larger
SLAB = 8192  # samples held in float64 at a time


@dataclass(frozen=True)
class SigmaChoice:
    """The width with the highest mean log-likelihood on validation data, and the whole curve behind it."""

    sigma: float
    sigmas: Array
    mean_ll: Array
    at_edge: bool


@dataclass(frozen=True)
class ParzenResult:
    """Mean test log-likelihood in nats; se = std / sqrt(n), over the test examples, which ll holds one by one."""

    sigma: float
    mean: float
    se: float
    ll: Array
    at_edge: bool


@plain_torch
def log_likelihood(samples: Rows | Stream, data: Rows, sigma: float | Sigmas, *, device: Device = None) -> Array:
    """Log-likelihood of each row of data (n, d) under a Parzen window on samples (m, d), in nats.

    numpy or torch, float32 or float64; samples may also be an iterable of such blocks (a generator, a list), or an
    np.memmap, and are then never in memory as a whole. Returns float64 (n,) for one sigma, (len(sigma), n) for
    several, within 1e-3 nats for sigma >= 0.03 and data in [0, 1]. Runs on `device`, by default where the samples are.
    Raises ValueError for a wrong shape, an empty or non-finite array, a sigma not above 0 or beyond LEAST and MOST,
    and one so small beside the numbers that float64 does not give the log-likelihood to a thousandth.
    Source: `parzen_ll.py`.
    """
    slabs, total = _slabs(samples)
    x, sigmas = _matrix("data", data), np.atleast_1d(np.asarray(sigma, dtype=np.float64))
    if sigmas.ndim != 1 or sigmas.size == 0 or not ((sigmas >= LEAST) & (sigmas <= MOST)).all():
        raise ValueError(f"sigma = {sigma!r}; expected one finite number above 0, from {LEAST:g} to {MOST:g}, or a "
                         "sequence of them")  # fmt: skip
    (n, d), m = x.shape, 0
    sums: KernelSums | None = None
    with progress.bar(total=total and total * -(-n // ROWS), desc="Parzen window", unit="block") as bar:
        for slab in slabs:
            if slab.shape[1] != d:
                raise ValueError(f"samples have {slab.shape[1]} columns and data {d}; they must agree")
            slab = slab if device is None else slab.to(device)
            if sums is None:
                sums = KernelSums(x.to(slab.device), slab.mean(0, dtype=torch.float64), sigmas)
            for _ in sums.add(slab):
                bar.update()
            m += len(slab)
    if sums is None:
        raise ValueError("samples is an empty stream; expected at least one block (m, d)")
    ll = sums.log().cpu().numpy() - np.log(m) - d * np.log(sigmas * np.sqrt(2 * np.pi))[:, None]
    lost = sums.uncertainty().cpu().numpy()
    if bad := np.argwhere(~((lost <= UNCERTAIN * np.maximum(1, np.abs(ll))) & np.isfinite(ll))).tolist():
        k, i = bad[0]
        raise ValueError(f"sigma = {sigmas[k]:.4g} is too small for data and samples of this size: float64 cannot tell "
                         f"the distances from row {i} of data within {UNCERTAIN:g} of its log-likelihood; scale both "
                         "down, or choose a larger sigma")  # fmt: skip
    return ll[0] if np.ndim(sigma) == 0 else ll


def choose_sigma(
    samples: Rows | Stream, valid: Rows, sigmas: Sigmas = DEFAULT_GRID, *, device: Device = None
) -> SigmaChoice:
    """The sigma of the grid with the highest mean log-likelihood on validation data (n, d).

    Warns where it stands at the grid's edge, since the best may lie beyond. Raises as `log_likelihood` does.
    """
    grid = np.atleast_1d(np.asarray(sigmas, dtype=np.float64))
    return highest(grid, np.atleast_2d(log_likelihood(samples, valid, grid, device=device)).mean(1))


def highest(grid: Array, mean_ll: Array) -> SigmaChoice:
    """The sigma of the grid whose mean log-likelihood is the highest. Warns where it stands at the grid's edge."""
    best = int(mean_ll.argmax())
    if at_edge := grid.size > 1 and best in (0, grid.size - 1):
        warnings.warn(f"sigma = {grid[best]:.4g} stands at the edge of its grid; the best may lie beyond", stacklevel=3)
    return SigmaChoice(float(grid[best]), grid, mean_ll, at_edge)


def evaluate(
    samples: Rows | Stream, valid: Rows, test: Rows, sigmas: Sigmas = DEFAULT_GRID, *, device: Device = None
) -> ParzenResult:
    """The paper's protocol: sigma chosen on valid (n, d), score and its error over the examples of test."""
    if isinstance(samples, Iterator):
        raise ValueError("samples is an iterator, which can be read once, but valid and test each need it; "
                         "pass an array, or an iterable that starts anew")  # fmt: skip
    choice = choose_sigma(samples, valid, sigmas, device=device)
    ll = log_likelihood(samples, test, choice.sigma, device=device)
    return ParzenResult(choice.sigma, float(ll.mean()), float(ll.std() / np.sqrt(len(ll))), ll, choice.at_edge)


def _slabs(samples: Rows | Stream) -> tuple[Iterator[Float[Tensor, "m d"]], int | None]:
    """Samples as tensors (at most SLAB, d), and how many of these: None where only the stream knows."""
    if _is_stream(samples):
        return _regrouped(samples), None
    array = samples if isinstance(samples, Tensor) else np.asarray(samples)
    if array.ndim != 2 or isinstance(array, Tensor) and array.layout != torch.strided:
        _matrix("samples", array)  # which says what is wrong
    starts = range(0, max(1, len(array)), SLAB) if array.ndim else range(1)
    for start in starts:
        _matrix("samples", array[start : start + SLAB])  # all is read once before any work
    return (_matrix("samples", array[start : start + SLAB]) for start in starts), len(starts)


def _is_stream(samples: Rows | Stream) -> TypeGuard[Stream]:
    if isinstance(samples, (list, tuple)):
        return len(samples) > 0 and np.ndim(samples[0]) > 1
    return isinstance(samples, Iterable) and not hasattr(samples, "__array__")


def _regrouped(blocks: Stream) -> Iterator[Float[Tensor, "m d"]]:
    """The blocks of a stream, joined or cut to SLAB samples each; copied, since a stream may use its memory again."""
    held: list[Tensor] = []
    for block in blocks:
        for piece in _matrix("samples", block).split(SLAB):
            if held and piece.shape[1] != held[0].shape[1]:
                raise ValueError(f"samples has blocks of {held[0].shape[1]} and of {piece.shape[1]} columns")
            held.append(piece.clone())
            if sum(map(len, held)) >= SLAB:
                joined = torch.cat(held)
                held = [joined[SLAB:].clone()]
                yield joined[:SLAB]
    if sum(map(len, held)):
        yield torch.cat(held)


def _matrix(name: str, array: Rows) -> Float[Tensor, "n d"]:
    if isinstance(array, Tensor) and (array.is_meta or array.layout != torch.strided):
        raise TypeError(f"{name} is a tensor without its numbers laid out in memory ({array.layout}, {array.device})")
    if not isinstance(array, Tensor) and np.ndim(array) != 2:
        raise ValueError(f"{name} has shape {np.shape(array)}; expected (n, d) with at least one row and column")
    tensor = array.detach() if isinstance(array, Tensor) else torch.from_numpy(np.require(array, None, ["C", "W"]))
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}; expected (n, d) with at least one row and column")
    if not tensor.is_floating_point():
        raise ValueError(f"{name} has dtype {tensor.dtype}; expected float32 or float64 (divide uint8 pixels by 255)")
    if not all(torch.isfinite(extreme) for extreme in torch.aminmax(tensor)):  # without a temporary of its size
        raise ValueError(f"{name} holds values that are not finite")
    return tensor
