"""Five measuring functions: their losses against closed forms, and a training of each that improves the ring."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

from ganrepro import datasets, networks, recipes
from ganrepro.baselines import measuring
from ganrepro.datasets.toys import TOYS

L_REAL, L_FAKE = np.array([2.0, -0.5, 0.3]), np.array([-1.0, 0.4])
LOG = {"d": -np.log(expit(L_REAL)).mean() - np.log(expit(-L_FAKE)).mean()}
EXPECTED = {
    "minimax": (LOG["d"], np.log(expit(-L_FAKE)).mean()),
    "non-saturating": (LOG["d"], -np.log(expit(L_FAKE)).mean()),
    "least squares": (((L_REAL - 1) ** 2).mean() / 2 + (L_FAKE**2).mean() / 2, ((L_FAKE - 1) ** 2).mean() / 2),
    "Wasserstein, clipped": (L_FAKE.mean() - L_REAL.mean(), -L_FAKE.mean()),
    "Wasserstein, gradient penalty": (L_FAKE.mean() - L_REAL.mean(), -L_FAKE.mean()),
}


def players(seed=0, name="ring"):
    recipe = recipes.for_dataset(name, (1, 1, 2))
    rng = torch.Generator().manual_seed(seed)
    return networks.Generator(recipe, rng), networks.Discriminator(recipe, rng)


@pytest.fixture(scope="module")
def x():
    return datasets.load("ring").train


def off_the_ring(g, n=1000):
    """The mean distance of samples to the nearest centre."""
    centres = torch.from_numpy(TOYS["ring"].centres).float()
    return float(torch.cdist(networks.sample(g, g.recipe, n, 0)[0], centres).min(1).values.mean())


@pytest.mark.parametrize("function", measuring.FUNCTIONS)
def test_losses_agree_with_their_closed_forms(function):
    real, fake = torch.from_numpy(L_REAL), torch.from_numpy(L_FAKE)
    found = measuring.discriminator_loss(function, real, fake), measuring.generator_loss(function, fake)
    np.testing.assert_allclose([float(f) for f in found], EXPECTED[function], rtol=1e-12)


def test_the_gradient_penalty_of_a_linear_d_is_that_of_its_slope():
    """o = w x has the slope w everywhere: (|w| - 1)^2, and its gradient 2 (|w| - 1) w / |w|."""
    d = nn.Linear(2, 1, bias=False).double()
    d.weight.data = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    x = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    penalty = measuring.gradient_penalty(d, x, -x, torch.Generator().manual_seed(0))
    penalty.backward()
    assert penalty.item() == pytest.approx(16, rel=1e-12)
    np.testing.assert_allclose(d.weight.grad.numpy(), [[2 * 4 * 0.6, 2 * 4 * 0.8]], rtol=1e-12)


def test_the_penalty_of_a_maxout_net_has_the_gradient_of_its_differences():
    """The double backward of maxout, which the penalty needs, against central differences in D's first weight."""
    _, d = players()
    d = d.double()
    rows = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def value():
        return measuring.gradient_penalty(d, rows, 0.5 - rows, torch.Generator().manual_seed(0))

    weight = next(p for p in d.parameters() if p.ndim == 2)
    value().backward()
    for index in ((0, 0), (7, 1)):
        found = []
        for step in (1e-6, -2e-6):
            weight.data[index] += step
            found.append(value().item())
        weight.data[index] += 1e-6
        assert float(weight.grad[index]) == pytest.approx((found[0] - found[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(
    "function", [pytest.param(f, marks=[pytest.mark.slow] * (f == measuring.CLIPPED)) for f in measuring.FUNCTIONS]
)
def test_training_brings_samples_nearer_to_the_ring(function, x):
    """Clipping makes D's slopes small, and G slow: that training is longer."""
    g, d = players()
    before, seen, steps = off_the_ring(g), [], 1500 if function == measuring.CLIPPED else 400
    curves = measuring.train(function, g, d, x, steps=steps, batch_size=100, seed=0, learning_rate=2e-3, clip=0.1,
                             watch=seen.append)  # fmt: skip
    assert off_the_ring(g) < 0.5 * before
    assert list(curves.columns) == list(measuring.CURVES)
    assert list(curves.step) == seen[1:] == list(range(1, steps + 1))
    assert seen[0] == 0 and np.isfinite(curves.to_numpy()).all() and not g.training
    largest = max(p.abs().max().item() for p in d.parameters())
    assert (largest <= 0.1 + 1e-6) == (function == measuring.CLIPPED)


def test_the_seed_fixes_the_training_and_another_changes_it(x):
    found = []
    for seed in (0, 0, 1):
        g, d = players()
        measuring.train("least squares", g, d, x, steps=3, batch_size=8, seed=seed, learning_rate=1e-3, d_steps=2)
        found.append(torch.cat([p.flatten() for p in g.parameters()]))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_any_modules_and_pictures_of_any_shape(x):
    """Nets of the reader's own on (n, 1, 3, 3), in float64, with their own noise and a D that gives (n, 1)."""
    g = nn.Sequential(nn.Linear(4, 9), nn.Unflatten(1, (1, 3, 3))).double()
    d = nn.Sequential(nn.Flatten(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    rows = torch.rand(50, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    given = {"steps": 2, "batch_size": 7, "seed": 0, "learning_rate": 1e-3}
    for function in measuring.FUNCTIONS:
        curves = measuring.train(function, g, d, rows, noise=lambda n, rng: torch.rand(n, 4, generator=rng).double(),
                                 **given)  # fmt: skip
        assert np.isfinite(curves.to_numpy()).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"function": "log"}, "function = 'log'; choose one of minimax | non-saturating"),
        ({"steps": 0}, "steps = 0"),
        ({"batch_size": True}, "batch_size = True"),
        ({"d_steps": 0}, "d_steps = 0"),
        ({"seed": -1}, "seed = -1"),
        ({"learning_rate": 0.0}, "learning_rate = 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate = nan"),
        ({"beta1": 1.0}, "beta1 = 1.0"),
        ({"clip": 0.0}, "clip = 0.0"),
        ({"penalty": -1.0}, "penalty = -1.0"),
        ({"x": torch.full((5, 2), torch.nan)}, "expected finite floats"),
        ({"x": torch.zeros(0, 2)}, "expected finite floats"),
        ({"x": torch.zeros(5, 3)}, r"G makes \(2, 2\) of 2 z; expected \(2, 3\)"),
        ({"generator": nn.Linear(2, 2)}, "noise = None"),
        ({"discriminator": nn.Linear(2, 3)}, r"D gives \(2, 3\)"),
        ({"discriminator": "D"}, "discriminator = 'D'; expected a Module"),
    ],
)
def test_bad_input_is_refused_before_any_step(change, message, x):
    g, d = players()
    given = {"function": "minimax", "generator": g, "discriminator": d, "x": x[:20], "steps": 1, "batch_size": 4,
             "seed": 0, "learning_rate": 1e-3, "watch": lambda step: pytest.fail("a step was made")}  # fmt: skip
    with pytest.raises((TypeError, ValueError), match=message):
        measuring.train(**given | change)


def test_another_task_is_refused_and_divergence_is_named(x):
    conditional = networks.Generator(recipes.RECIPES["conditional-small"], torch.Generator())
    with pytest.raises(ValueError, match="for the task conditional"):
        measuring.train("minimax", conditional, players()[1], x, steps=1, batch_size=4, seed=0, learning_rate=1e-3)
    g, d = players()
    with pytest.raises(FloatingPointError, match="least squares: a loss is no longer finite in step"):
        measuring.train("least squares", g, d, x * 1e15, steps=200, batch_size=8, seed=0, learning_rate=1e3)
