"""Memorised or collapsed: a perfect model passes, three broken ones fail by name, and neither distance alone tells."""

import math

import pytest
import torch

from ganrepro import datasets, networks
from ganrepro.diagnostics import memorisation
from ganrepro.diagnostics.memorisation import Distances

EXPECTED = {
    "real data": memorisation.LIKE_DATA,
    "training copies": memorisation.COPIES,
    "one blurred picture": memorisation.ALIKE,
    "ten pictures": memorisation.ALIKE,
}


def judged(name):
    """(nearness, spread, verdict) of the controls on a data set, against half of its held-out pictures."""
    data = datasets.load(name)
    test = data.test[torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))][:400]
    n = len(test) // 2
    held_out = memorisation.distances(test[:n], data.training)
    noise = 0.01 * float(held_out.to_training.median())
    made = {"real data": test[n : 2 * n]} | memorisation.broken_models(data.training, n, noise)
    found = {k: memorisation.distances(x, data.training) for k, x in made.items()}
    return {k: (*d.ratios(held_out), d.verdict(held_out)) for k, d in found.items()}


@pytest.mark.parametrize("name", ["digits", "att", "grid", "ring"])
def test_every_control_gets_its_verdict(name):
    assert {k: v for k, (_, _, v) in judged(name).items()} == EXPECTED


def test_neither_distance_alone_tells():
    """On digits one blurred picture lies as near as real ones; on faces nearer still; copies are as varied as data."""
    digits, faces = judged("digits"), judged("att")
    assert 0.5 < digits["one blurred picture"][0] < 2.5 and faces["one blurred picture"][0] < 0.5
    assert 0.8 < digits["training copies"][1] < 1.25


@pytest.mark.parametrize(
    ("to_training", "to_another", "verdict"),
    [
        (1.0, 1.0, memorisation.LIKE_DATA),
        (0.4, 1.0, memorisation.COPIES),
        (2.1, 1.0, memorisation.OFF),
        (0.4, 0.4, memorisation.ALIKE),  # too alike to be called copies
        (9.0, 0.4, memorisation.ALIKE),
        (1.0, 9.0, memorisation.LIKE_DATA),
    ],
)
def test_the_verdict_by_both(to_training, to_another, verdict):
    one, found = torch.ones(5), (torch.full((5,), v) for v in (to_training, to_another))
    assert Distances(*found).verdict(Distances(one, one)) == verdict


def test_undecided_where_held_out_pictures_are_no_yardstick():
    one, zero = torch.ones(4), torch.zeros(4)
    for held_out in (Distances(zero, one), Distances(one, zero)):
        assert any(math.isnan(r) for r in Distances(one, one).ratios(held_out))
        assert Distances(one, one).verdict(held_out) == memorisation.OPEN


def test_unequal_numbers_are_refused():
    with pytest.raises(ValueError, match="5 pictures against 4 held-out"):
        Distances(torch.ones(5), torch.ones(5)).ratios(Distances(torch.ones(4), torch.ones(4)))


def test_broken_models_have_the_noise_that_was_asked_for():
    training = torch.rand(30, 400)
    made = memorisation.broken_models(training, 60, 0.5)
    assert {x.shape for x in made.values()} == {(60, 400)}
    off = (made["one blurred picture"] - training.mean(0)).square().sum(1)
    assert off.mean() == pytest.approx(0.5, rel=0.1)
    again = memorisation.broken_models(training, 60, 0.5)
    assert all(torch.equal(made[k], again[k]) for k in made)


# ------------------------------------------------------------------------------------------ lines in z


@pytest.fixture
def lines():
    """lines(width): 20 lines of 33 pictures of a G that has only stored 200 pictures."""
    rng = torch.Generator().manual_seed(0)
    z, pictures = torch.randn(200, 10, generator=rng), torch.rand(200, 36, generator=rng)
    ends = torch.randn(20, 2, 10, generator=rng)
    return lambda width: networks.walk(memorisation.Memoriser(z, pictures, width), ends, 33)


def test_a_look_up_table_jumps_and_a_continuous_memoriser_does_not(lines):
    assert memorisation.largest_step(lines(0)) > 0.25 > memorisation.largest_step(lines(2.0))
    assert memorisation.ends_apart(lines(0)) > memorisation.ends_apart(lines(2.0)) > 0


def test_with_a_small_width_the_memoriser_is_the_look_up_table(lines):
    equal = (lines(1e-4) - lines(0)).abs().amax(-1) < 1e-3
    assert equal.float().mean() > 0.98  # all but those half-way between two stored z


def test_even_lines_jumps_and_equal_pictures():
    t = torch.linspace(0, 1, 5)[None, :, None]
    assert memorisation.largest_step(t * torch.ones(3, 1, 7)) == pytest.approx(1 / 4)
    assert memorisation.largest_step((t > 0.6) * torch.ones(3, 1, 7)) == pytest.approx(1)
    assert memorisation.largest_step(torch.ones(3, 5, 7)) == pytest.approx(1 / 4)
    assert memorisation.ends_apart(torch.ones(3, 5, 7)) == 0
    assert memorisation.ends_apart(t * torch.ones(3, 1, 7)) == pytest.approx(7)
