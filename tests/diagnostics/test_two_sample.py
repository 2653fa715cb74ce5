"""Two-sample tests: their level under one distribution, their power where there are two, and independent formulas."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics.pairwise import rbf_kernel

from ganrepro.diagnostics import two_sample


def normal(n, seed, d=3):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rejected(p, level=0.05):
    """The chance of so many rejections or more, if each has this probability."""
    return stats.binom.sf(sum(v <= level for v in p) - 1, len(p), level)


def test_level_of_mmd_under_the_null():
    p = [two_sample.mmd(normal(50, 2 * s), normal(60, 2 * s + 1), 99, seed=s).p for s in range(200)]
    assert rejected(p) > 0.01 and 1 - rejected(p) > 0.001 and stats.kstest(p, "uniform").pvalue > 0.01


def test_level_of_the_classifier_test_under_the_null():
    p = [two_sample.classifier_test(normal(100, 2 * s), normal(100, 2 * s + 1), seed=s).p for s in range(20)]
    assert rejected(p) > 0.01 and np.mean(p) == pytest.approx(0.5, abs=0.25)


def test_both_find_a_difference():
    x, y = normal(200, 0), normal(200, 1) + 1
    assert two_sample.mmd(x, y, 199).p == 1 / 200
    found = two_sample.classifier_test(x, y)
    best = stats.norm.cdf(np.sqrt(3) / 2)  # the optimal classifier's accuracy
    assert found.p < 1e-6 and abs(found.statistic - best) < 0.08


def test_a_collapse_with_the_right_mean_is_found():
    x, y = normal(200, 0), 0.2 * normal(200, 1)
    assert two_sample.mmd(x, y, 199).p == 1 / 200 and two_sample.classifier_test(x, y).p < 1e-6


def test_mmd_is_the_formula():
    """Equation 3 of Gretton et al. (2012), with scikit-learn's kernel."""
    x, y = normal(50, 0).numpy(), normal(70, 1).numpy() + 0.3
    both = np.concatenate([x, y])
    gamma = 1 / (2 * np.median(np.square(both[:, None] - both).sum(-1)[np.triu_indices(120, 1)]))
    kxx, kyy, kxy = (rbf_kernel(a, b, gamma) for a, b in ((x, x), (y, y), (x, y)))
    expected = (kxx.sum() - 50) / (50 * 49) + (kyy.sum() - 70) / (70 * 69) - 2 * kxy.mean()
    assert two_sample.mmd(torch.from_numpy(x), torch.from_numpy(y), 19).statistic == pytest.approx(expected, rel=2e-2)


def test_mmd_at_an_odd_number_of_pairs_is_the_formula_exactly():
    x, y = normal(51, 0).numpy(), normal(51, 1).numpy() + 0.3  # 102 * 101 / 2 is odd: one median
    both = np.concatenate([x, y])
    gamma = 1 / (2 * np.median(np.square(both[:, None] - both).sum(-1)[np.triu_indices(102, 1)]))
    kxx, kyy, kxy = (rbf_kernel(a, b, gamma) for a, b in ((x, x), (y, y), (x, y)))
    expected = (kxx.sum() + kyy.sum() - 102) / (51 * 50) - 2 * kxy.mean()
    assert two_sample.mmd(torch.from_numpy(x), torch.from_numpy(y), 19).statistic == pytest.approx(expected, rel=1e-9)


def test_the_p_value_of_the_classifier_is_fishers():
    x, y = normal(100, 0), normal(100, 1) + 0.8
    found = two_sample.classifier_test(x, y)
    table_p = [stats.fisher_exact([[r, 50 - r], [c, 50 - c]], "greater").pvalue
               for r in range(51) for c in range(51) if (r + 50 - c) / 100 == found.statistic]  # fmt: skip
    assert any(found.p == pytest.approx(p, rel=1e-9) for p in table_p) and found.p < 0.05


@pytest.mark.parametrize("test", [two_sample.mmd, two_sample.classifier_test])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [(normal(49, 0), normal(60, 0), "x has 49 rows; a two-sample test needs at least 50"),
     (normal(60, 0), normal(60, 0, 4), r"y has shape \(60, 4\)"),
     (normal(60, 0), normal(60, 0) / 0, "finite"), (normal(60, 0), torch.ones(60, 3), "y has one picture again")],
)  # fmt: skip
def test_bad_input_is_refused(test, x, y, message):
    with pytest.raises(ValueError, match=message):
        test(x, y)


def test_what_only_one_of_them_needs():
    with pytest.raises(ValueError, match="x has 60 rows and y 61; take as many of both"):
        two_sample.classifier_test(normal(60, 0), normal(61, 1))
    with pytest.raises(ValueError, match="permutations = 5"):
        two_sample.mmd(normal(60, 0), normal(60, 1), permutations=5)
    alike = torch.cat([torch.zeros(59, 3), torch.ones(1, 3)])
    with pytest.raises(ValueError, match="more than half of all pairs of points are equal"):
        two_sample.mmd(alike, alike)
