"""The birthday paradox: right within its interval on supports of known size, discrete ones and pictures."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from ganrepro.diagnostics import support

DRAWS = {100: 200, 1_000: 300, 10_000: 1_000}  # samples for each size of the support


@pytest.mark.parametrize("size", DRAWS)
def test_it_is_right_within_its_interval_on_discrete_supports(size):
    found = support.birthday(support.partners_of_equals(np.random.default_rng(0).integers(size, size=DRAWS[size])))
    assert found.low <= size <= found.high and found.high < 3 * found.low
    assert found.estimate == pytest.approx(DRAWS[size] * (DRAWS[size] - 1) / 2 / found.collisions)


@pytest.mark.parametrize("weights", ["equal", "unequal"])
def test_the_interval_holds_as_often_as_it_says(weights):
    """Of 400 draws 95% hold the support, or for unequal possibilities 1 / sum p^2; below 92% has p < .003."""
    p = np.ones(500) if weights == "equal" else 1 / np.arange(1, 501)
    p /= p.sum()
    true, rng = 1 / np.square(p).sum(), np.random.default_rng(1)
    found = [support.birthday(support.partners_of_equals(rng.choice(500, 200, p=p))) for _ in range(400)]
    assert np.mean([f.low <= true <= f.high for f in found]) > 0.92
    assert np.mean([1 / f.estimate for f in found]) == pytest.approx(1 / true, rel=0.05)


def test_without_collisions_there_is_a_lower_bound_only():
    found = support.birthday(np.zeros(100, int))
    assert found.estimate == found.high == math.inf and found.collisions == 0
    assert found.low == pytest.approx(1 / (1 - 0.025 ** (1 / 4950)))  # Clopper and Pearson
    every = support.birthday(np.full(100, 99))
    assert every.estimate == every.low == 1 and every.high < 1.1


def test_rows_collide_as_their_names_do():
    rows = np.array([[0, 1], [2, 2], [0, 1], [0, 1], [2, 1]])
    assert support.partners_of_equals(rows).tolist() == [2, 0, 2, 2, 0]


def test_pictures_by_an_independent_computation():
    x = torch.rand(70, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    squared = squareform(pdist(x.numpy(), "sqeuclidean"))
    radius = support.radius(x, support=100)
    near = np.sort(pdist(x.numpy(), "sqeuclidean"))
    assert radius == pytest.approx(near[round(70 * 69 / 2 / 100) - 1], rel=1e-12)
    assert support.partners_within(x, radius * 1.0001).tolist() == ((squared <= radius * 1.0001).sum(1) - 1).tolist()
    (pairs, distances), first = support.closest_pairs(x, 3), np.argmin(squared + 99 * np.eye(70))
    assert sorted(pairs[0].tolist()) == sorted(divmod(first, 70)) and len(set(pairs.flatten().tolist())) == 6
    assert distances[0] == pytest.approx(near[0]) and (distances.diff() >= 0).all()


def test_a_collapsed_model_has_a_small_support_and_data_their_own():
    rng = torch.Generator().manual_seed(0)
    data = torch.randn(2000, 20, generator=rng)
    radius = support.radius(data[:1000], support=1000)
    own = support.birthday(support.partners_within(data[1000:], radius))
    assert own.low < 1000 < own.high
    seven = data[:7].repeat(100, 1) + 0.01 * torch.randn(700, 20, generator=rng)
    found = support.birthday(support.partners_within(seven, radius))
    assert found.low < 7.1 and found.high > 6.9 and found.estimate == pytest.approx(7, rel=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [(lambda: support.birthday([0] * 9), "9 samples; the birthday paradox needs at least 50"),
     (lambda: support.birthday([0] * 59 + [1]), "partners has counts from 0 to 1"),
     (lambda: support.birthday([60] * 60), "expected whole ones from 0 to 59"),
     (lambda: support.radius(torch.rand(50, 3), 1e4), "radius for a support of 10000 needs at least 448"),
     (lambda: support.radius(torch.ones(60, 3), 10), "pairs of the pictures are equal"),
     (lambda: support.partners_within(torch.rand(9, 3), 0), "radius = 0"),
     (lambda: support.closest_pairs(torch.rand(9, 3), 5), "5 pairs without a common picture need at least 10"),
     (lambda: support.closest_pairs(torch.rand(9), 1), "2 axes")],
)  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_as_many_pictures_as_the_message_says_are_enough():
    assert support.radius(torch.rand(448, 3), 1e4) > 0
