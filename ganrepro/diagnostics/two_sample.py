"""Are samples and data from one distribution? The classifier two-sample test (Lopez-Paz and Oquab, 2017) and the
maximum mean discrepancy (Gretton et al., 2012). Both p-values are exact: their level holds for any distribution."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ganrepro.device import plain_torch
from ganrepro.networks import expect_numbers
from ganrepro.parameters import LARGEST_SEED, expect_number

HIDDEN, EPOCHS, BATCH = 20, 100, 100  # the authors' net (section 5)
LEAST = 50


@dataclass(frozen=True)
class TwoSample:
    """A statistic that is larger the more the two samples differ, and its p-value under one distribution."""

    statistic: float
    p: float


@plain_torch
def classifier_test(x: Tensor, y: Tensor, seed: int = 0) -> TwoSample:
    """The test accuracy of a classifier that tells x (n, d) from y (n, d), trained on a random half of each: near 1/2
    under one distribution. One-sided; given how many it calls y, the right ones among them are hypergeometric, which is
    Fisher's exact test (Lopez-Paz and Oquab take the normal approximation).

    Raises ValueError for other numbers of x than of y, fewer than LEAST of each, shapes that do not agree, values that
    are not finite and constant ones.
    """
    _expect(x, y)
    expect_number("seed", seed, 0, LARGEST_SEED)
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} rows and y {len(y)}; take as many of both, so that chance is 1/2")
    rng = torch.Generator().manual_seed(seed)
    half = len(x) // 2
    parts = [(s[order[:half]], s[order[half:]]) for s in (x, y) for order in [torch.randperm(len(x), generator=rng)]]
    train, test = (torch.cat(two).double().numpy() for two in zip(*parts, strict=True))
    n = len(test) // 2
    net = make_pipeline(StandardScaler(), MLPClassifier((HIDDEN,), batch_size=min(BATCH, 2 * half), max_iter=EPOCHS,
                                                        random_state=seed))  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is the stopping rule
        net.fit(train, [0] * half + [1] * half)
    called = net.predict(test)
    right = int(called[n:].sum())
    accuracy = (right + n - int(called[:n].sum())) / (2 * n)
    return TwoSample(accuracy, float(stats.hypergeom.sf(right - 1, 2 * n, n, int(called.sum()))))


@plain_torch
def mmd(x: Tensor, y: Tensor, permutations: int = 500, seed: int = 0) -> TwoSample:
    """The unbiased estimate of the squared maximum mean discrepancy of x (n, d) and y (m, d) (equation 3), by a
    Gaussian kernel exp(-|a - b|^2 / 2 s^2), s the median distance between any two of all points. p from random
    permutations of the points, the observed order among them: at least 1 / (permutations + 1).

    Raises ValueError for fewer than LEAST of each, shapes that do not agree, values that are not finite, and points
    more than half of whose pairs are equal, constant ones among them.
    """
    _expect(x, y)
    expect_number("permutations", permutations, 19, 10**6)
    expect_number("seed", seed, 0, LARGEST_SEED)
    both, n, m = torch.cat([x, y]).double(), len(x), len(y)
    squared = torch.cdist(both, both).square().fill_diagonal_(0)
    upper = torch.triu_indices(n + m, n + m, 1)
    width = squared[upper[0], upper[1]].median()
    if not width > 0:
        raise ValueError("more than half of all pairs of points are equal, so the median distance is 0; expected "
                         "pictures that differ")  # fmt: skip
    kernel = torch.exp(-squared / (2 * width)).fill_diagonal_(0)
    rng = torch.Generator().manual_seed(seed)
    order = torch.rand(n + m, permutations, generator=rng, dtype=torch.float64).argsort(0)
    in_x = torch.cat([torch.arange(n + m)[:, None] < n, order < n], 1).double()  # the observed order first
    of_x = kernel @ in_x  # (n + m, permutations + 1)
    xx = (in_x * of_x).sum(0)
    xy = ((1 - in_x) * of_x).sum(0)
    yy = kernel.sum() - xx - 2 * xy
    found = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)
    as_large = int((found[1:] >= found[0] - 1e-12).sum())  # equal but for rounding
    return TwoSample(float(found[0]), (1 + as_large) / (permutations + 1))


def _expect(x: Tensor, y: Tensor) -> None:
    """Raise ValueError for what neither test takes."""
    for name, s in (("x", x), ("y", y)):
        expect_numbers(name, s, 2)
        if s.shape[1] != x.shape[1] or not s.isfinite().all():
            raise ValueError(f"{name} has shape {tuple(s.shape)}; expected finite numbers (n, {x.shape[1]})")
        if len(s) < LEAST:
            raise ValueError(f"{name} has {len(s)} rows; a two-sample test needs at least {LEAST}")
        if (s == s[0]).all():
            raise ValueError(f"{name} has one picture again and again; expected pictures that differ")
