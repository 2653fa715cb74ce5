"""Does a model copy its training data? The test of Meehan, Chaudhuri and Dasgupta (2020): do samples lie nearer to the
training data than held-out data do? It is asked cell by cell. A model may copy in one place and underfit in another,
and the average over all places hides it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from ganrepro.device import plain_torch
from ganrepro.networks import expect_numbers
from ganrepro.parameters import expect_number

from .neighbours import nearest

CELLS = 10
LEAST = 20  # held-out examples and samples in a cell, for the normal approximation
FITTED = 5000  # training examples that the cells are fitted on


@dataclass(frozen=True)
class Copying:
    """Cell by cell, (c,) each: z is the score of Mann and Whitney (1947), below 0 where samples lie nearer to training
    data than held-out data do; NaN in a cell with fewer than LEAST of either. share of the held-out examples is there,
    sampled of the samples."""

    z: NDArray[np.float64]
    share: NDArray[np.float64]
    sampled: NDArray[np.float64]

    @property
    def tested(self) -> NDArray[np.bool_]:
        """(c,) the cells with enough of both."""
        return ~np.isnan(self.z)

    @property
    def statistic(self) -> float:
        """C_T: the mean z of the tested cells, weighted by their shares of the held-out examples (section 4)."""
        return float(np.average(self.z[self.tested], weights=self.share[self.tested]))

    @property
    def score(self) -> float:
        """C_T over its standard deviation under the null, where the z are independent with variance 1."""
        w = self.share[self.tested]
        return self.statistic * float(w.sum() / np.sqrt(np.square(w).sum()))

    @property
    def p(self) -> float:
        """One-sided: of a score so low if samples were as far from the training data as held-out data, or farther."""
        return float(stats.norm.cdf(self.score))


@plain_torch
def data_copying(
    training: Tensor, held_out: Tensor, samples: Tensor, cells: int = CELLS, seed: int = 0,
    device: torch.device | str | None = None,
) -> Copying:  # fmt: skip
    """The test of samples (m, d) against held-out examples (n, d) of a model that was trained on training (t, d). Cells
    are those of k-means on training examples; distances are L2 to the nearest training example in the same cell, as in
    the authors' code.

    Raises ValueError for shapes that do not agree, values that are not finite, constant training examples, and so few
    held-out examples or samples that no cell has LEAST of both.
    """
    expect_number("cells", cells, 1, 1000)
    for name, x in (("training", training), ("held_out", held_out), ("samples", samples)):
        expect_numbers(name, x, 2)
        if x.shape[1] != training.shape[1] or not x.isfinite().all():
            raise ValueError(f"{name} has shape {tuple(x.shape)}; expected finite numbers (n, {training.shape[1]})")
        if len(x) < (needed := cells * LEAST if name != "training" else cells):
            raise ValueError(f"{name} has {len(x)} rows; a test in {cells} cells needs at least {needed}")
    if (training == training[0]).all():
        raise ValueError("training has one picture again and again; expected different ones")
    rng = torch.Generator().manual_seed(seed)
    fitted = training[torch.randperm(len(training), generator=rng)[:FITTED]].float().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct examples than cells: some stay empty
        clusters = KMeans(cells, n_init=1, random_state=seed).fit(fitted)
    place = [clusters.predict(x.float().numpy()) for x in (held_out, samples, training)]
    counts = np.array([np.bincount(p, minlength=cells) for p in place[:2]])
    z = np.full(cells, np.nan)
    for c in np.flatnonzero(counts.min(0) >= LEAST):
        *both, own = (x[torch.from_numpy(p == c)] for x, p in zip((held_out, samples, training), place, strict=True))
        z[c] = mann_whitney(*(nearest(x, own, device).squared_distance.numpy() for x in both))
    if np.isnan(z).all():
        raise ValueError(f"no cell has {LEAST} held-out examples and {LEAST} samples; take more of both, or fewer "
                         f"cells than {cells}")  # fmt: skip
    shares = counts / counts.sum(1, keepdims=True)
    return Copying(z, *shares)


def mann_whitney(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The z-score of how often one of y (m,) exceeds one of x (n,), N(0, 1) if both have one distribution: with ties
    counted half and their correction of the variance. 0 where all values are equal."""
    n, m = len(x), len(y)
    ranks = stats.rankdata(np.concatenate([x, y]))
    _, ties = np.unique(ranks, return_counts=True)
    u = ranks[n:].sum() - m * (m + 1) / 2
    total = n + m
    variance = n * m / 12 * (total + 1 - (ties.astype(float) ** 3 - ties).sum() / (total * (total - 1)))
    return float((u - n * m / 2) / np.sqrt(variance)) if variance > 0 else 0.0
