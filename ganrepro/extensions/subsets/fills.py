"""How far fills of a hidden region lie from the truth and from each other, and their Parzen score (section 5).

Fills are (n, m, h): m of them for each of n pictures, h hidden pixels (channels counted), in [0, 1].
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from torch import Tensor

from ganrepro import parzen
from ganrepro.device import plain_torch

Array = NDArray[np.float64]
WIDTHS: Array = np.geomspace(0.02, 2, 81)  # the grid of sigma: fine, since a window here has few centres


@dataclass(frozen=True)
class Distances:
    """Squared L2 distances over the hidden pixels."""

    truth: Array  # (n, m): of each fill from the hidden pixels
    pairwise: Array  # (n,): the mean over pairs of fills of one picture, 0 if there is only one
    hidden: int  # h

    def first(self, n: int, m: int | None = None) -> Self:
        """Those of the first n pictures; with m, of their first m fills, while `pairwise` remains that of all fills."""
        return type(self)(self.truth[:n, :m], self.pairwise[:n], self.hidden)

    @property
    def best(self) -> Array:
        """(n,): mean squared error per pixel of the fill nearest to the truth."""
        return self.truth.min(1) / self.hidden

    @property
    def mean(self) -> Array:
        """(n,): mean squared error per pixel of the mean s̄ of the fills: |x - s̄|² = mean |x - s|² - mean |s - s̄|²."""
        m = self.truth.shape[1]
        return (self.truth.mean(1) - self.pairwise * (m - 1) / (2 * m)) / self.hidden

    @property
    def centre(self) -> Self:
        """Those of one fill in place of all: their mean."""
        return type(self)(self.mean[:, None] * self.hidden, np.zeros(len(self.truth)), self.hidden)

    @property
    def diversity(self) -> float:
        """Mean squared distance between two fills of a picture, over that of a fill from the truth: 1 for draws from
        the true p(x_hidden | x_observed), of which the truth is one more; 0 where all fills are equal."""
        return float(self.pairwise.mean() / self.truth.mean())

    @property
    def diversity_by_picture(self) -> Array:
        """(n,): values whose mean is `diversity`, and whose standard error is that of this ratio (delta method)."""
        truth = self.truth.mean(1)
        return self.diversity + (self.pairwise - self.diversity * truth) / truth.mean()


@plain_torch
def measure(fills: Tensor, truth: Tensor) -> Distances:
    """The distances of fills (n, m, h) from the truth (n, h) and from each other."""
    s, x = fills.double(), truth.double()
    if s.ndim != 3 or x.shape != (s.shape[0], s.shape[2]):
        raise ValueError(f"fills have shape {tuple(s.shape)}, the truth {tuple(x.shape)}; expected (n, m, h), (n, h)")
    pairwise = 2 * s.var(1, correction=min(1, s.shape[1] - 1)).sum(1)
    return Distances((s - x[:, None]).square().sum(2).numpy(), pairwise.numpy(), s.shape[2])


def log_likelihood(found: Distances, sigma: float | Array) -> Array:
    """log p(x_hidden | x_observed) in nats of each picture, under a Parzen window on its own fills alone: (n,) for one
    sigma, (len(sigma), n) for several. As `parzen.log_likelihood`, each picture with its own samples."""
    sigma = np.asarray(sigma, dtype=np.float64)[..., None]
    at_peak = math.log(found.truth.shape[1]) + found.hidden * np.log(sigma * math.sqrt(2 * math.pi))
    return logsumexp(-found.truth / (2 * sigma[..., None] ** 2), axis=-1) - at_peak


def evaluate(valid: Distances, test: Distances) -> parzen.ParzenResult:
    """Section 5's protocol: sigma chosen on validation pictures, score and its error over test pictures."""
    choice = parzen.highest(WIDTHS, log_likelihood(valid, WIDTHS).mean(1))
    ll = log_likelihood(test, choice.sigma)
    return parzen.ParzenResult(choice.sigma, float(ll.mean()), float(ll.std() / np.sqrt(len(ll))), ll, choice.at_edge)
