"""The Wasserstein distance against scipy's on the line, and closed forms in the plane."""

import itertools

import pytest
import torch
from scipy import stats

from ganrepro import datasets
from ganrepro.diagnostics.transport import wasserstein

RNG = torch.Generator().manual_seed(0)


def test_it_is_scipys_on_the_line():
    a, b = torch.randn(300, 1, generator=RNG), torch.rand(300, 1, generator=RNG) * 3
    expected = stats.wasserstein_distance(a.flatten().double(), b.flatten().double())
    assert wasserstein(a, b) == pytest.approx(expected, rel=1e-12)


def test_it_is_the_least_of_all_assignments():
    a, b = torch.randn(2, 6, 2, dtype=torch.float64, generator=RNG)
    by_hand = min((a - b[list(order)]).norm(dim=1).mean().item() for order in itertools.permutations(range(6)))
    assert wasserstein(a, b) == pytest.approx(by_hand, rel=1e-12)


def test_a_shift_is_its_length_whatever_the_order():
    a = torch.randn(200, 2, generator=RNG)
    b = a[torch.randperm(200, generator=RNG)] + torch.tensor([3.0, -4.0])
    assert wasserstein(a, b) == pytest.approx(5, rel=1e-6)
    assert wasserstein(a, a.flip(0)) == 0


def test_a_collapse_onto_one_mode_of_the_ring_is_as_far_as_the_mean_chord():
    """The mean distance of eight points on a circle of radius 2 to one of them: 2 * 2 * mean |sin(pi k / 8)|."""
    x = datasets.load("ring").test[:1000]
    chord = 4 * torch.sin(torch.pi * torch.arange(8) / 8).mean().item()
    one = torch.tensor([[2.0, 0.0]]).expand(1000, 2)
    assert wasserstein(one, x) == pytest.approx(chord, abs=0.1)
    assert wasserstein(datasets.load("ring").valid[:1000], x) < 0.15


@pytest.mark.parametrize(
    "a, b, message",
    [
        (torch.zeros(3, 2), torch.zeros(4, 2), "expected both"),
        (torch.zeros(0, 2), torch.zeros(0, 2), "n from 1 to 5000"),
        (torch.zeros(5001, 1), torch.zeros(5001, 1), "n from 1 to 5000"),
        (torch.full((3, 2), torch.nan), torch.zeros(3, 2), "not finite"),
        ([[0.0]], torch.zeros(1, 1), "samples = .*; expected a Tensor"),
    ],
)
def test_bad_input_is_refused(a, b, message):
    with pytest.raises((TypeError, ValueError), match=message):
        wasserstein(a, b)
