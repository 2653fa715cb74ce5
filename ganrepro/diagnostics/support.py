"""How many different samples does a model make? The birthday paradox (Arora and Zhang, 2017): among n draws from N
equal possibilities, n (n - 1) / 2N pairs are expected to be alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from torch import Tensor

from ganrepro.device import plain_torch
from ganrepro.networks import expect_numbers
from ganrepro.parameters import expect_number

from .neighbours import ROWS

LEAST = 50
LEVEL = 0.05
EQUAL = 1e-9  # of a squared distance: below, rounding decides


@dataclass(frozen=True)
class Support:
    """Estimated from n samples with so many colliding pairs, and its (1 - LEVEL) interval; inf where none collide.

    1 over the probability that two samples collide. For equal possibilities that is their number; otherwise it is less,
    the order-2 diversity (Hill, 1973): a few frequent ones weigh more than many rare ones.
    """

    estimate: float
    low: float
    high: float
    collisions: int
    n_samples: int


def birthday(partners: ArrayLike) -> Support:
    """From how many others each of n samples collides with, (n,) int.

    The interval is that of Clopper and Pearson (1934) for the probability that a pair collides. Pairs that share a
    sample are independent for equal possibilities only, so their number is reduced to that of independent pairs with
    the variance of a U-statistic (Hoeffding, 1948). Raises ValueError for fewer than LEAST samples, and for counts that
    no pairs can have.
    """
    c = np.asarray(partners)
    n = len(c) if c.ndim == 1 else 0
    if n < LEAST:
        raise ValueError(f"{n} samples; the birthday paradox needs at least {LEAST}, and about sqrt(2 N) to see a "
                         "support of N")  # fmt: skip
    if c.min() < 0 or c.max() >= n or c.sum() % 2 or (c != c.astype(np.int64)).any():
        raise ValueError(f"partners has counts from {c.min()} to {c.max()}; expected whole ones from 0 to {n - 1}, "
                         "each pair counted at both")  # fmt: skip
    pairs, hits = n * (n - 1) / 2, int(c.sum()) // 2
    p = hits / pairs
    shared = max(0.0, (float(c.var(ddof=1)) - (n - 1) * p) / ((n - 1) * (n - 2)))  # zeta_1
    variance = (4 * (n - 2) * shared + 2 * p * (1 - p)) / (n * (n - 1))
    independent = p * (1 - p) / variance if variance > 0 else pairs
    low = stats.beta.ppf(LEVEL / 2, independent * p, independent * (1 - p) + 1) if hits else 0.0
    high = stats.beta.isf(LEVEL / 2, independent * p + 1, independent * (1 - p)) if p < 1 else 1.0
    return Support(1 / p if hits else math.inf, 1 / float(high), 1 / float(low) if hits else math.inf, hits, n)


def partners_of_equals(values: ArrayLike) -> NDArray[np.int64]:
    """How many others each of values (n,) or rows (n, d) equals, (n,): the collisions of a discrete support."""
    _, group, counts = np.unique(np.asarray(values), axis=0, return_inverse=True, return_counts=True)
    return counts[group.reshape(-1)] - 1


@plain_torch
def radius(pictures: Tensor, support: float) -> float:
    """The squared L2 distance within which pictures (n, d) of the data have this support: as many of their pairs are at
    most so far apart as of equal possibilities would be alike.

    Which pictures count as one is a convention, so this one makes the data the measure: a model is compared at the
    resolution at which data have a known support. Raises ValueError for fewer pictures than it takes for ten such
    pairs, and for pictures that are equal so often that this distance is 0.
    """
    expect_numbers("pictures", pictures, 2)
    expect_number("support", support, 1, 1e12, float)
    n = len(pictures)
    wanted = n * (n - 1) / 2 / support
    if wanted < 10:
        needed = math.ceil(0.5 + math.sqrt(0.25 + 20 * support))
        raise ValueError(f"{n} pictures; a radius for a support of {support:g} needs at least {needed}")
    nearest = np.empty(0)
    for first, squared in _blocks(pictures):
        upper = np.arange(n) > np.arange(first, first + len(squared))[:, None]
        found = np.append(nearest, squared[upper])
        nearest = np.partition(found, min(round(wanted), len(found)) - 1)[: round(wanted)]
    if nearest.max() <= EQUAL:
        raise ValueError(f"one in {support:g} pairs of the pictures are equal, or more; expected different pictures, "
                         "or give a smaller support")  # fmt: skip
    return float(nearest.max())


@plain_torch
def partners_within(pictures: Tensor, radius: float) -> NDArray[np.int64]:
    """How many others of pictures (n, d) lie within a squared L2 distance of each, (n,)."""
    expect_numbers("pictures", pictures, 2)
    expect_number("radius", radius, EQUAL, 1e12, float)
    return np.concatenate([(squared <= radius).sum(1) - 1 for _, squared in _blocks(pictures)])


@plain_torch
def closest_pairs(pictures: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k pairs of pictures (n, d) that are most alike, each picture in one pair at most: rows (k, 2) int64, nearest
    first, and squared L2 distances (k,) float64. Raises ValueError for fewer than 2 k pictures."""
    expect_numbers("pictures", pictures, 2)
    expect_number("k", k, 1, 10_000)
    if len(pictures) < 2 * k:
        raise ValueError(f"{len(pictures)} pictures; {k} pairs without a common picture need at least {2 * k}")
    squared = np.concatenate([block for _, block in _blocks(pictures)])
    np.fill_diagonal(squared, np.inf)
    rows = []
    for _ in range(k):
        i, j = divmod(int(squared.argmin()), len(squared))
        rows.append((i, j, squared[i, j]))
        squared[[i, j]], squared[:, [i, j]] = np.inf, np.inf
    return torch.tensor([r[:2] for r in rows]), torch.tensor([r[2] for r in rows], dtype=torch.float64)


def _blocks(x: Tensor) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Squared distances of some rows to all, (b, n), and the number of the first."""
    x = x.double()
    for first in range(0, len(x), ROWS):
        yield first, torch.cdist(x[first : first + ROWS], x).square().numpy()
