"""Conditions and subsets: masks, conditions of both players, and steps against plain autograd in float64."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import datasets, game, networks, recipes, records, training
from ganrepro.datasets import Dataset
from ganrepro.recipes import RECIPES, Conditional, Layer, Recipe, Subsets, for_dataset
from ganrepro.training import Player, tasks


def tiny(**changes) -> Recipe:
    recipe = Recipe(
        name="tiny", shape=(1, 4, 3), z_dim=5, generator=(Layer(7, "relu", 0.5), Layer(12, "sigmoid", 0.5)),
        discriminator=(Layer(6, "maxout", 0.5, pieces=3), Layer(1, "linear", 0.5)), epochs=2, batch_size=10,
    )  # fmt: skip
    return recipe.replace(**changes)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 40, classes: int = 3) -> Dataset:
    """Rows whose brightness is their class."""
    labels = torch.arange(n) % classes
    x = (labels[:, None] / classes + 0.2 * torch.rand(n, 12, generator=rng(5))).clamp(0, 1)
    return Dataset(
        name="tiny", label="tiny", shape=(1, 4, 3), train=x, valid=x[:20], test=x[:20],
        labels={"train": labels, "valid": labels[:20], "test": labels[:20]},
    )  # fmt: skip


# --- masks ---------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.sampled_from([(1, 28, 28), (3, 8, 6), (1, 1, 2), (1, 5, 3)]))
def test_a_mask_is_zero_or_one_and_the_same_in_all_channels(seed, shape):
    c, h, w = shape
    recipe = for_dataset("own", shape, "subsets")
    mask = tasks.draw_mask(recipe, 30, rng(seed))
    assert mask.shape == (30, recipe.dim) and set(mask.unique().tolist()) <= {0.0, 1.0}
    planes = mask.view(30, c, h * w)
    assert (planes == planes[:, :1]).all()


def test_all_five_kinds_of_masks_come_up_equally_often():
    h = w = 12
    mask = tasks.draw_mask(for_dataset("own", (1, h, w), "subsets"), 20_000, rng()).view(-1, h, w)
    share = mask.mean((1, 2))
    assert (share == 0).float().mean() == pytest.approx(0.2, abs=0.02)  # nothing is observed
    halves = [torch.zeros(h, w) for _ in range(4)]
    halves[0][: h // 2], halves[1][h // 2 :], halves[2][:, : w // 2], halves[3][:, w // 2 :] = 1, 1, 1, 1
    for half in halves:
        assert (mask == half).all((1, 2)).float().mean() == pytest.approx(0.05, abs=0.01)
    rows, columns = mask.amax(2), mask.amax(1)
    shown = (mask == rows[:, :, None] * columns[:, None, :]).all((1, 2)) & (share > 0)  # a rectangle, or a half
    assert shown.float().mean() == pytest.approx(0.4, abs=0.03)
    left = 1 - mask
    hidden = (left == left.amax(2)[:, :, None] * left.amax(1)[:, None, :]).all((1, 2)) & (share < 1) & ~shown
    assert hidden.float().mean() == pytest.approx(0.4, abs=0.04)  # with the empty masks; some rectangles are halves


def test_completion_keeps_observed_pixels_to_the_bit():
    recipe = tiny(task=Subsets())
    x, mask = torch.rand(50, 12, generator=rng(1)), tasks.draw_mask(recipe, 50, rng(2))
    g = networks.Generator(recipe, rng())
    z = networks.draw_noise(recipe, 50, rng(3))
    made = g(z, tasks.observe(mask, x))
    assert torch.equal(made[mask == 1], x[mask == 1])
    other = g(z, tasks.observe(mask, torch.where(mask == 1, x, torch.rand(50, 12, generator=rng(4)))))
    assert torch.equal(made, other)  # what is not observed cannot be seen


# --- steps ---------------------------------------------------------------------------------------------


def by_hand(recipe, g, d, batch, draws, lr, momentum):
    """New parameters of both after one step from rest, by two separate gradients of the two losses."""

    scale, subsets = recipe.task.condition_scale, recipe.task.kind == "subsets"

    def conditioned(x, mask):
        return torch.cat([x, mask / scale if subsets else scale * batch[:, 12:]], 1)

    def generate(draw):
        x, c = batch[:, :12], scale * batch[:, 12:]
        if subsets:
            (m,) = draw.observed
            return m * x + (1 - m) * layers(g, torch.cat([draw.z, m / scale, scale * m * x], 1))
        return layers(g, torch.cat([draw.z, c], 1))

    def layers(net, h):
        for layer in net.layers:
            h = layer(h)
        return h

    def logits(x, mask, dropout):
        h = conditioned(x * dropout[0], mask)
        for layer, factor in zip(d.layers, (1, *dropout[1:]), strict=True):
            h = layer(h * factor)
        return h[:, 0]

    first = draws[0]
    mask = first.observed[0] if subsets else None
    fake = generate(first)
    real, made = logits(batch[:, :12], mask, first.dropout_real), logits(fake.detach(), mask, first.dropout_fake)
    d_loss = game.discriminator_loss(real, made)
    d_gradients = torch.autograd.grad(d_loss, list(d.parameters()))
    d_new = [p.detach() - lr * v for p, v in zip(d.parameters(), d_gradients, strict=True)]
    if recipe.update == "alternating":
        with torch.no_grad():
            for p, new in zip(d.parameters(), d_new, strict=True):
                p.copy_(new)
        last = draws[-1]
        mask = last.observed[0] if subsets else None
        l_fake = logits(generate(last), mask, last.dropout_fake)
    else:
        l_fake = logits(fake, mask, first.dropout_fake)
    g_gradients = torch.autograd.grad(game.generator_loss(l_fake), list(g.parameters()))
    return [p.detach() - lr * v for p, v in zip(g.parameters(), g_gradients, strict=True)], d_new


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
@pytest.mark.parametrize("task", [Conditional(numbers=3), Conditional(numbers=3, condition_scale=4.0), Subsets(),
                                  Subsets(condition_scale=3.0)])
def test_a_step_is_that_of_two_plain_gradients(update, task):
    recipe = tiny(update=update, task=task)
    g, d = networks.Generator(recipe, rng(1)).double(), networks.Discriminator(recipe, rng(2)).double()
    batch = torch.rand(10, 12, generator=rng(3), dtype=torch.float64)
    if task.columns:
        batch = torch.cat([batch, torch.eye(3, dtype=torch.float64)[torch.arange(10) % 3]], 1)
    draws = tasks.of(recipe).draw([10], rng(4), torch.float64)
    rates = training.rates_at(recipe, 1, 0)
    copies = networks.Generator(recipe, rng(1)).double(), networks.Discriminator(recipe, rng(2)).double()
    g_new, d_new = by_hand(recipe, *copies, batch, draws, float(rates.lr), 0.5)
    players = Player.of(g, recipe), Player.of(d, recipe)
    training.STEPS[update](tasks.of(recipe), *players, [batch], draws, rates)
    for own, expected in zip([*g.parameters(), *d.parameters()], [*g_new, *d_new], strict=True):
        torch.testing.assert_close(own.detach(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("task", [Conditional(numbers=3), Subsets()])
def test_replicas_match_single_runs(replicas_match_single_runs, task):
    recipe = tiny(task=task)
    data = datasets.prepare(pictures(), recipe)
    replicas_match_single_runs(recipe, data, training.rows(data))


# --- trainings -----------------------------------------------------------------------------------------


def test_samples_match_their_condition_after_training():
    """In most seeds samples of the brightest class are brighter than those of the darkest (a few collapse); averaged
    over seeds, the samples of each class are nearest in brightness to its own pictures."""
    recipe = tiny(task=Conditional(numbers=3), epochs=200, learning_rate=0.1, keep_input=1.0, keep_hidden=1.0)
    options = {"device": "cpu", "show_progress": False, "replicas": True}
    runs = training.train(recipe, pictures(), seeds=range(16), **options)
    z = networks.noise(recipe, 300, 0)
    made = np.array(
        [[networks.generate(run.generator, z, torch.eye(3)[[k] * 300]).mean().item() for k in range(3)] for run in runs]
    )
    expected = np.array([pictures().train[pictures().labels["train"] == k].mean().item() for k in range(3)])
    assert (made[:, 2] > made[:, 0] + 0.1).mean() > 0.75
    assert np.abs(made.mean(0)[:, None] - expected).argmin(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("task", [Conditional(numbers=3), Subsets()])
def test_resume_is_exact(tmp_path, task):
    recipe = tiny(epochs=4, task=task)
    (whole,) = training.train(recipe, pictures(), device="cpu", show_progress=False)
    for epochs in (2, 4):
        (run,) = training.train(
            recipe, pictures(), device="cpu", epochs=epochs, checkpoint_dir=tmp_path, show_progress=False
        )
    assert all(torch.equal(run.weights()[k], p) for k, p in whole.weights().items())
    assert torch.equal(run.sample(20), whole.sample(20))


def test_a_record_keeps_the_conditions_of_its_samples(tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    data = datasets.load("digits")
    recipe = recipes.quick(for_dataset(data.name, data.shape, "conditional"), len(data.train)).replace(epochs=1)
    record = records.get_or_train(data, "quick", recipe=recipe, device="cpu")
    assert record.path.parent.name.startswith("conditional~") and record.path.parent.name.endswith("@digits")
    assert record.condition.shape == (10_000, 10) and (record.condition.sum(1) == 1).all()
    shares = np.bincount(data.labels["train"], minlength=10) / len(data.train)
    assert record.condition.mean(0) == pytest.approx(shares, abs=0.015)
    again = networks.generate(record.generator(), torch.from_numpy(record.z), torch.from_numpy(record.condition[:64]))
    assert np.abs(again.numpy() - record.samples[:64]).max() < 1.01 / 255
    grid = record.progress[-1].reshape(10, 10, -1)  # class by row, z by column
    z = networks.noise(recipe, 100, int(training.random_state(0, training.SEED_PROGRESS).initial_seed()))[:10]
    third = networks.generate(record.generator(), z, torch.eye(10)[[3] * 10])
    assert np.abs(grid[3] - third.numpy()).max() < 1.01 / 255


# --- refusals ------------------------------------------------------------------------------------------


def test_data_that_do_not_fit_are_refused():
    recipe, data = tiny(task=Conditional(numbers=3)), pictures()
    unlabelled = dataclasses.replace(data, labels=dict.fromkeys(("train", "valid", "test")))
    with pytest.raises(ValueError, match="'tiny' has no labels in train"):
        training.train(recipe, unlabelled, device="cpu")
    with pytest.raises(ValueError, match="3 classes.*takes 2 numbers as a condition"):
        training.train(tiny(task=Conditional(numbers=2)), data, device="cpu")
    odd = dataclasses.replace(data, conditions=torch.zeros(40, 4))
    with pytest.raises(ValueError, match=r"conditions of shape \(40, 4\).*takes \(40, 3\)"):
        training.train(recipe, odd, device="cpu")


def test_sizes_of_the_nets_follow_from_the_task():
    assert RECIPES["conditional"].g_inputs == 110 and RECIPES["conditional"].d_inputs == 794
    assert RECIPES["subsets"].g_inputs == 100 + 2 * 784 and RECIPES["subsets"].d_inputs == 2 * 784
