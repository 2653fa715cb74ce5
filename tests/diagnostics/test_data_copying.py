"""The data-copying test: a copying model is caught, held-out data are not, and one copied place shows."""

import numpy as np
import pytest
import torch
from scipy import stats

from ganrepro.diagnostics import memorisation
from ganrepro.diagnostics.data_copying import data_copying, mann_whitney


def normal(n, seed, d=5):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def two_places(n, seed):
    """Half of the points around 0, the other half around 20."""
    return normal(n, seed) + 20 * (torch.arange(n) % 2)[:, None]


@pytest.mark.parametrize("ties", [False, True])
def test_the_score_is_scipys(ties):
    rng = np.random.default_rng(0)
    x, y = rng.random(40), rng.random(55) + 0.1
    if ties:
        x, y = x.round(1), y.round(1)
    two_sided = stats.mannwhitneyu(y, x, use_continuity=False, method="asymptotic").pvalue
    z = mann_whitney(x, y)
    assert z > 0 and 2 * stats.norm.sf(z) == pytest.approx(two_sided, rel=1e-9)
    assert mann_whitney(y, x) == pytest.approx(-z, rel=1e-12)
    assert mann_whitney(np.ones(9), np.ones(8)) == 0


def test_a_copying_model_is_caught_and_an_underfitting_one_is_not():
    training, held_out = normal(1000, 0), normal(400, 1)
    copies = training[:400] + 0.05 * normal(400, 2)
    found = data_copying(training, held_out, copies, cells=4)
    assert found.p < 0.01 and found.statistic < -5 and (found.z < -3).all()
    far = data_copying(training, held_out, 1.5 * normal(400, 3), cells=4)
    assert far.p > 0.99 and far.statistic > 3


def test_held_out_data_are_not():
    """20 draws: at most 3 below .05 (more would have a probability of 1.6%)."""
    p = []
    for seed in range(20):
        draw = normal(1800, 100 + seed)
        p.append(data_copying(draw[:1000], draw[1000:1400], draw[1400:], cells=4, seed=seed).p)
    assert sum(v < 0.05 for v in p) <= 3
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_copying_in_one_place_shows_there():
    training, held_out = two_places(1000, 0), two_places(400, 1)
    samples = two_places(400, 2)
    samples[1::2] = training[1:401:2] + 0.05 * normal(200, 3)  # copies near 20, and near 0 ...
    samples[::2] *= 1.3  # ... too far from the data
    found = data_copying(training, held_out, samples, cells=2)
    assert found.z.min() < -5 and found.z.max() > 2
    assert found.statistic == pytest.approx(found.z.mean(), abs=0.5) and found.share == pytest.approx([0.5, 0.5])


def test_cells_without_samples_are_not_tested():
    training, held_out = two_places(1000, 0), two_places(400, 1)
    found = data_copying(training, held_out, two_places(400, 5)[::2], cells=2)  # one place only
    assert found.tested.sum() == 1 and sorted(found.sampled) == [0, 1] and found.p > 0.01
    assert found.score == pytest.approx(found.statistic) and found.statistic == found.z[found.tested][0]


def test_broken_models_on_digits(digits):
    rows = torch.cat([digits.valid, digits.test])
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    held_out, n = rows[order[: len(rows) // 2]], len(rows) // 2
    noise = 0.01 * float(memorisation.distances(held_out, digits.train).to_training.median())
    models = memorisation.broken_models(digits.train, n, noise) | {"held-out": rows[order[n : 2 * n]]}
    p = {name: data_copying(digits.train, held_out, x, cells=3).p for name, x in models.items()}
    assert p["training copies"] < 0.01 and p["ten pictures"] < 0.01 and p["held-out"] > 0.05
    assert p["one blurred picture"] > 0.05  # it lies as far from the data as real pictures: other measures catch it


@pytest.mark.parametrize(
    ("training", "held_out", "samples", "message"),
    [(normal(100, 0), normal(39, 0), normal(80, 0), "held_out has 39 rows; a test in 2 cells needs at least 40"),
     (normal(100, 0), normal(80, 0), normal(30, 0), "samples has 30 rows; a test in 2 cells needs at least 40"),
     (normal(1, 0), normal(80, 0), normal(80, 0), "training has 1 rows"),
     (normal(100, 0), normal(80, 0), normal(80, 0, 4), r"samples has shape \(80, 4\)"),
     (normal(100, 0), normal(80, 0) / 0, normal(80, 0), "held_out has shape .* finite"),
     (torch.ones(100, 5), normal(80, 0), normal(80, 0), "training has one picture again and again"),
     (two_places(99, 0), two_places(80, 0)[::2], two_places(80, 0)[1::2], "no cell has 20 held-out examples and 20")],
)  # fmt: skip
def test_bad_input_is_refused(training, held_out, samples, message):
    with pytest.raises(ValueError, match=message):
        data_copying(training, held_out, samples, cells=2)


def test_it_is_the_same_twice():
    given = normal(300, 0), normal(100, 1), normal(100, 2)
    assert data_copying(*given, cells=2).z.tolist() == data_copying(*given, cells=2).z.tolist()
