"""The duality gap at pairs whose gap is known: an equilibrium, and collapses, whose divergence has a closed form."""

import math

import pytest
import torch
from torch import nn

from ganrepro import datasets, networks, recipes, theory
from ganrepro.datasets.toys import TOYS
from ganrepro.diagnostics import duality_gap

RING = TOYS["ring"]
SHORT = {"steps": 3, "seed": 0}


class Modes(nn.Module):
    """G that draws some modes of the ring exactly: z = [one-hot mode, noise] times [centres, sigma]."""

    def __init__(self, kept):
        super().__init__()
        self.centres = nn.Parameter(torch.from_numpy(RING.centres[kept]).float())
        self.sigma = nn.Parameter(torch.tensor(RING.sigma))

    def noise(self, n, rng):
        mode = torch.randint(len(self.centres), (n,), generator=rng)
        return torch.cat([nn.functional.one_hot(mode, len(self.centres)), torch.randn(n, 2, generator=rng)], 1)

    def forward(self, z):
        return z[:, :-2] @ self.centres + self.sigma * z[:, -2:]


def undecided():
    """D = 1/2 everywhere, from which a copy can learn: its last layer is 0."""
    d = networks.Discriminator(recipes.for_dataset("ring", (1, 1, 2)), torch.Generator().manual_seed(0))
    for p in d.layers[-1].parameters():
        p.data.zero_()
    return d


@pytest.fixture(scope="module")
def data():
    return datasets.load("ring")


def test_the_gap_is_near_0_at_the_known_equilibrium(data):
    g = Modes(list(range(8)))
    found = duality_gap.duality_gap(g, undecided(), data.train, data.test, steps=300, seed=0, noise=g.noise)
    assert found.value == pytest.approx(-math.log(4), abs=1e-6)
    assert found.against_worst_g == pytest.approx(-math.log(4), abs=1e-6)  # no G can change a D that is 1/2
    assert abs(found.gap) < 0.02


@pytest.mark.parametrize("kept", [[0], pytest.param([0, 2, 4, 6], marks=pytest.mark.slow)])
def test_a_collapse_has_the_gap_of_its_divergence(data, kept):
    """Twice the JSD of the uniform distribution over eight modes and over those kept: 0.99 nats for one."""
    p_g = [len(kept) ** -1.0 if i in kept else 0.0 for i in range(8)]
    exact = 2 * theory.jsd([1 / 8] * 8, p_g)
    g = Modes(kept)
    found = duality_gap.duality_gap(g, undecided(), data.train, data.test, steps=600, seed=0, noise=g.noise)
    assert found.gap == pytest.approx(exact, abs=0.05) and found.gap > 0.3


def test_a_confident_d_has_a_gap_although_g_is_right(data):
    """At G = data, D far from 1/2 somewhere: the worst G goes where D takes samples for data."""
    g, d = Modes(list(range(8))), undecided()
    torch.nn.init.normal_(d.layers[-1].weight, std=2.0, generator=torch.Generator().manual_seed(1))
    found = duality_gap.duality_gap(g, d, data.train, data.test, steps=300, seed=0, noise=g.noise)
    assert found.gap > 0.5 and found.against_worst_g < found.value < found.against_worst_d


def test_the_players_stay_as_they_are_and_the_seed_fixes_the_gap(data):
    recipe = recipes.for_dataset("ring", data.shape)
    g, d = networks.Generator(recipe, torch.Generator().manual_seed(0)), undecided()
    before = [p.clone() for net in (g.train(), d.train()) for p in net.parameters()]
    found = [duality_gap.duality_gap(g, d, data.train, data.test, steps=3, seed=s) for s in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    for p, q in zip(before, [p for net in (g, d) for p in net.parameters()], strict=True):
        assert torch.equal(p, q) and q.grad is None
    assert g.training and d.training


@pytest.mark.parametrize(
    "change, message",
    [
        ({"held_out": torch.zeros(99, 2)}, "held_out has 99 examples; the gap needs 100"),
        ({"train": torch.zeros(0, 2)}, r"train has shape \(0, 2\)"),
        ({"train": torch.zeros(200, 3)}, "d as in held_out"),
        ({"train": torch.full((200, 2), torch.inf)}, "expected finite examples"),
        ({"steps": 0}, "steps = 0"),
        ({"seed": 1.5}, "seed = 1.5"),
        ({"learning_rate": -1.0}, "learning_rate = -1.0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"noise": None}, "noise = None"),
        ({"generator": None}, "generator = None; expected a Module"),
    ],
)
def test_bad_input_is_refused(data, change, message):
    g = Modes([0])
    given = {"generator": g, "discriminator": undecided(), "train": data.train, "held_out": data.test, "noise": g.noise}
    with pytest.raises((TypeError, ValueError), match=message):
        duality_gap.duality_gap(**given | SHORT | change)
