"""Both steps of Algorithm 1 against an independent implementation in float64, and their schedules."""

import math

import numpy as np
import pytest
import torch

from ganrepro import training
from ganrepro.recipes import RECIPES
from ganrepro.training import Player, tasks


def numpy_layers(player):
    arrays = [p.detach().numpy().copy() for p in player.theta.values()]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def factors(dropout, recipe, n):
    """Dropout factors as numpy; ones where the recipe drops nothing."""
    widths = [recipe.dim] + [layer.units for layer in recipe.discriminator[:-1]]
    return [m.numpy() for m in dropout] or [np.ones((n, w)) for w in widths]


def as_numpy(draw, recipe, n):
    """z, and D's dropout factors on n data and on n samples."""
    return draw.z.numpy(), factors(draw.dropout_real, recipe, n), factors(draw.dropout_fake, recipe, n)


@pytest.mark.parametrize("objective", ["non-saturating", "minimax", "blend"])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(("update", "k"), [("simultaneous", 1), ("alternating", 1), ("alternating", 3)])
def test_twenty_steps_equal_the_independent_implementation(
    digits, small_recipe, reference, update, k, dropout, objective
):
    keep = {} if dropout else {"keep_input": 1.0, "keep_hidden": 1.0}
    recipe = small_recipe(update=update, k=k, objective=objective, batch_size=20, **keep)
    run = training.start(recipe, digits, seed=3)
    g, d = Player.of(run.generator.double(), recipe), Player.of(run.discriminator.double(), recipe)
    ours = reference(numpy_layers(g), numpy_layers(d), pieces=5, objective=objective)
    began = [p.clone() for p in (*g.theta.values(), *d.theta.values())]
    rng, x = torch.Generator().manual_seed(0), digits.train.double()
    task, step = tasks.of(recipe), training.STEPS[update]
    for i in range(20):
        batches = [x[torch.randint(len(x), (20,), generator=rng)] for _ in range(k)]
        draws = task.draw([20] * k, rng, torch.float64)
        rates = training.rates_at(recipe, epoch=1 + i, batch=i)
        step(task, g, d, batches, draws, rates)
        if update == "simultaneous":
            ours.simultaneous_step(batches[0].numpy(), *as_numpy(draws[0], recipe, 20), *map(float, rates))
        else:
            on = [as_numpy(t, recipe, 20) for t in draws[:-1]]
            z, masks = draws[-1].z.numpy(), factors(draws[-1].dropout_fake, recipe, 20)
            ours.alternating_step([b.numpy() for b in batches], on, z, masks, *map(float, rates))
    for player, expected in ((g, ours.g), (d, ours.d)):
        for (w, b), (we, be) in zip(numpy_layers(player), expected, strict=True):
            np.testing.assert_allclose(w, we, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(b, be, rtol=1e-9, atol=1e-12)
    ended = (*g.theta.values(), *d.theta.values())
    moved = [float((p - q).detach().abs().max()) for p, q in zip(ended, began, strict=True)]
    assert min(moved) > 1e-9  # every parameter took part, far above the tolerance


@pytest.mark.parametrize("objective", ["non-saturating", "blend"])
@pytest.mark.parametrize("logit", [-30.0, -60.0, -100.0, -1000.0])
def test_g_keeps_its_gradient_at_logits_far_below_zero_in_float32(digits, small_recipe, reference, logit, objective):
    """D's own slope at such a sample is 0 in float32; that of G's loss, softplus(-l), stays -1/n. The fully connected
    CIFAR-10 net meets logits below -90 within its first 120 steps."""
    recipe = small_recipe(batch_size=20, objective=objective)
    run = training.start(recipe, digits, seed=3)
    g, d = Player.of(run.generator, recipe), Player.of(run.discriminator, recipe)
    with torch.no_grad():
        d.theta["layers.2.bias"].fill_(logit)
    exact = [[(w.astype(np.float64), b.astype(np.float64)) for w, b in numpy_layers(p)] for p in (g, d)]
    ours = reference(*exact, pieces=5, objective=objective)
    x, draws = digits.train[:20], tasks.of(recipe).draw([20], torch.Generator().manual_seed(0))
    rates = training.rates_at(recipe, 1, 0)
    training.simultaneous_step(tasks.of(recipe), g, d, [x], draws, rates)
    z, on_data, on_samples = as_numpy(draws[0], recipe, 20)
    ours.simultaneous_step(x.double().numpy(), z, on_data, on_samples, *map(float, rates))
    for player, velocities in ((g, ours.vg), (d, ours.vd)):
        for v, expected in zip(player.velocity.values(), (t for pair in velocities for t in pair), strict=True):
            assert np.abs(expected).max() > 1e-9
            error = np.linalg.norm(v.numpy() - expected) / np.linalg.norm(expected)
            assert error < 1e-5


def test_schedules_are_the_authors():
    recipe = RECIPES["mnist"]
    assert [float(r) for r in training.rates_at(recipe, 1, 0)] == [0.1, 0.5]
    assert float(training.rates_at(recipe, 250, 0).momentum) == pytest.approx(0.7)
    assert float(training.rates_at(recipe, 1000, 0).momentum) == pytest.approx(0.7)
    assert float(training.rates_at(recipe, 126, 0).momentum) == pytest.approx(0.5 + 0.2 * 125 / 249)
    tenfold = math.log(10) / math.log(1.000004)
    assert tenfold / 500 == pytest.approx(1151.3, abs=0.1)  # epochs of 500 minibatches
    assert float(training.rates_at(recipe, 1152, round(tenfold)).lr) == pytest.approx(0.01, rel=1e-5)
    assert float(training.rates_at(recipe, 9999, 10**8).lr) == 1e-6


def test_every_epoch_takes_each_example_once_in_a_new_order():
    x, rng = torch.arange(250.0).unsqueeze(1), torch.Generator().manual_seed(0)
    recipe = RECIPES["mnist"]
    first = [b for group in training.minibatches(recipe, x, rng) for b in group]
    second = [b for group in training.minibatches(recipe, x, rng) for b in group]
    assert [len(b) for b in first] == [100, 100, 50]  # the partial batch is kept
    assert sorted(torch.cat(first).flatten().tolist()) == list(range(250))
    assert not torch.equal(torch.cat(first), torch.cat(second))
    groups = list(training.minibatches(recipe.replace(update="alternating", k=2), x, rng))
    assert [len(group) for group in groups] == [2, 1]
    assert training.steps_in_epoch(recipe.replace(update="alternating", k=2), 250) == 2
