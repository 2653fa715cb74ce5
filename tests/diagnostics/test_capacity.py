"""The neural-net distance: within 0 and the Jensen-Shannon divergence, near either where it must be."""

import math

import pytest
import torch
from torch import nn

from ganrepro.diagnostics import capacity


def normal(n, seed, d=2):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def net(width, d=2):
    return lambda: nn.Sequential(nn.Linear(d, width), nn.ReLU(), nn.Linear(width, 1))


def distance(points, width=32, steps=400, **changes):
    draws = normal(5000, 1), normal(1000, 2), normal(1000, 3)
    return capacity.neural_distance(points, *draws, net(width), steps, **changes)


def test_fewer_points_and_wider_nets_are_told_apart_better():
    narrow, few, wide = (distance(normal(m, 9), w) for m, w in ((20, 2), (3, 32), (20, 64)))
    assert 0 <= narrow.value < wide.value - 3 * wide.error and wide.value < few.value < capacity.JSD
    assert few.value > 0.3 and few.step > 0 and abs(few.value - few.on_training) < 0.05


def test_very_many_points_pass_for_the_distribution():
    found = distance(normal(4000, 9), 8)
    assert abs(found.value) < 0.01 and found.value <= 3 * found.error + 0.01


def test_a_known_divergence_between_two_distributions():
    """N(0, 1) against N(1.5, 1), by a logistic regression, which is the optimal D: its value by quadrature."""
    x = torch.linspace(-9, 12, 4001, dtype=torch.float64)
    p, q = (torch.exp(-(x - mean).square() / 2) / math.sqrt(2 * math.pi) for mean in (0, 1.5))
    jsd = torch.trapezoid((p * (2 * p / (p + q)).log() + q * (2 * q / (p + q)).log()) / 2, x)
    parts = (normal(5000, 1, 1), normal(2000, 2, 1), normal(8000, 3, 1))
    found = capacity.neural_distance(normal(5000, 4, 1) + 1.5, *parts, lambda: nn.Linear(1, 1), 1500)
    assert found.value == pytest.approx(float(jsd), abs=0.015)


def test_a_net_that_cannot_tell_reaches_0():
    class Blind(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return (self.bias + 0 * x[:, 0])[:, None]

    found = capacity.neural_distance(normal(5, 0), *(normal(200, s) for s in (1, 2, 3)), Blind, 60)
    assert (found.value, found.step) == (0, 0)  # D = 1/2 is the first that is compared


def test_it_is_the_same_twice_and_leaves_torchs_generator_alone():
    before = torch.random.get_rng_state()
    assert distance(normal(9, 9), steps=60, seed=4) == distance(normal(9, 9), steps=60, seed=4)
    assert torch.equal(before, torch.random.get_rng_state())


def test_how_many_points_are_enough():
    assert capacity.enough([10, 1000], [0.3, 0.1], 0.2) == pytest.approx(100)
    assert capacity.enough([10, 100, 1000], [0.3, 0.1, 0.2], 0.1) == pytest.approx(100)
    assert capacity.enough([10, 100], [0.01, 0.0], 0.1) == 10
    assert capacity.enough([10, 100], [0.5, 0.4], 0.1) == math.inf
    for bad in (([10, 10], [0.1, 0.1], 0.1), ([10], [0.1, 0.2], 0.1), ([10], [0.1], 0), ([], [], 0.1)):
        with pytest.raises(ValueError, match="expected rising numbers above 0"):
            capacity.enough(*bad)


@pytest.mark.parametrize(
    ("points", "held_out", "message"),
    [(normal(5, 0), normal(99, 0), "held_out has 99 rows; a distance needs at least 100"),
     (normal(5, 0) / 0, normal(200, 0), "points has shape .* finite"),
     (normal(5, 0), normal(200, 0, 3), r"held_out has shape \(200, 3\)"), (normal(0, 0), normal(200, 0), "points")],
)  # fmt: skip
def test_bad_input_is_refused(points, held_out, message):
    with pytest.raises(ValueError, match=message):
        capacity.neural_distance(points, normal(200, 1), normal(200, 2), held_out, net(2), 10)
