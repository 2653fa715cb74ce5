"""Nearest neighbours against brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import datasets
from ganrepro.diagnostics import neighbours


def brute_force(queries, candidates):
    """(n, m) squared L2 distances in float64, one pair at a time."""
    q, c = (np.asarray(a, dtype=np.float64) for a in (queries, candidates))
    return np.array([[np.sum((a - b) ** 2) for b in c] for a in q])


@given(st.integers(1, 12), st.integers(1, 15), st.integers(1, 40), st.integers(0, 999))
def test_equals_brute_force(n, m, d, seed):
    rng = torch.Generator().manual_seed(seed)
    queries, candidates = torch.randn(n, d, generator=rng), torch.randn(m, d, generator=rng)
    found, expected = neighbours.nearest(queries, candidates), brute_force(queries, candidates)
    np.testing.assert_allclose(found.squared_distance.numpy(), expected.min(1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.squared_distance.numpy(), expected[range(n), found.index], rtol=1e-12)


def test_index_and_distance_have_their_types():
    found = neighbours.nearest(torch.rand(3, 4), torch.rand(5, 4))
    assert found.index.dtype == torch.int64 and found.squared_distance.dtype == torch.float64
    assert found.index.shape == found.squared_distance.shape == (3,)


def test_a_training_example_is_its_own_neighbour_at_distance_zero():
    x = datasets.load("digits").train
    assert len(x.unique(dim=0)) == len(x)
    found = neighbours.nearest(x[::10], x)
    assert found.index.tolist() == list(range(0, len(x), 10))
    assert found.squared_distance.abs().max() == 0


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_real_pictures_find_their_brute_force_neighbour(offset):
    """Also far from the origin, where a float32 product of raw vectors would lose the digits that matter."""
    data = datasets.load("digits")
    found = neighbours.nearest(data.test[:40] + offset, data.train[:300] + offset)
    expected = brute_force(data.test[:40] + offset, data.train[:300] + offset)
    nearest = expected.min(1)
    assert np.array_equal(expected[range(40), found.index], nearest)  # of two at the same distance, either
    assert np.array_equal(found.squared_distance, nearest)  # pixels are sixteenths: sums are exact


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_block_size_does_not_matter(monkeypatch, rows):
    queries, candidates = torch.rand(30, 9), torch.rand(50, 9)
    whole = neighbours.nearest(queries, candidates)
    monkeypatch.setattr(neighbours, "ROWS", rows)
    assert torch.equal(neighbours.nearest(queries, candidates).index, whole.index)


@pytest.mark.parametrize(
    ("queries", "candidates", "said"),
    [
        (torch.rand(3, 4), torch.rand(5, 4).double(), "one dtype, got torch.float32 and torch.float64"),
        (torch.rand(3, 4), torch.rand(5, 6), r"got \(3, 4\) and \(5, 6\)"),
        (torch.rand(4), torch.rand(5, 4), r"queries has shape \(4,\); expected 2 axes"),
        (torch.rand(3, 2, 2), torch.rand(5, 4), r"queries has shape \(3, 2, 2\); expected 2 axes"),
        (torch.rand(0, 4), torch.rand(5, 4), r"queries has shape \(0, 4\); expected 2 axes, none of them empty"),
        (torch.rand(3, 4), torch.rand(0, 4), r"candidates has shape \(0, 4\); expected 2 axes, none of them empty"),
    ],
)
def test_shapes_that_do_not_agree_are_refused(queries, candidates, said):
    with pytest.raises(ValueError, match=said):
        neighbours.nearest(queries, candidates)


@given(st.integers(2, 12), st.integers(1, 40), st.integers(0, 999))
def test_the_nearest_other_equals_brute_force(n, d, seed):
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    expected = brute_force(x, x)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_allclose(neighbours.nearest_other(x).numpy(), expected.min(1), rtol=1e-9)


def test_a_picture_made_twice_is_at_distance_zero_of_its_double():
    x = torch.rand(5, 9)
    found = neighbours.nearest_other(torch.cat([x, x[:2]]))
    assert found.dtype == torch.float64
    assert (found[[0, 1, 5, 6]] < 1e-12).all() and (found[2:5] > 0.01).all()


@pytest.mark.parametrize("shape", [(1, 4), (0, 4), (4,), (2, 2, 2)])
def test_no_other_without_two_pictures(shape):
    with pytest.raises(ValueError, match="at least 2" if shape == (1, 4) else "pictures has shape .*; expected 2 axes"):
        neighbours.nearest_other(torch.rand(shape))
