"""Conditions and subsets: masks, what each player is told, and steps against plain autograd in float64."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from together import moves_each_as_if_alone

from ganrepro import algorithm1, conditions, datasets, game, networks, records, training
from ganrepro.datasets import Dataset
from ganrepro.recipes import RECIPES, Layer, Recipe, SecondStage, for_dataset


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
    mask = conditions.draw_mask(recipe, 30, rng(seed))
    assert mask.shape == (30, recipe.dim) and set(mask.unique().tolist()) <= {0.0, 1.0}
    planes = mask.view(30, c, h * w)
    assert (planes == planes[:, :1]).all()


def test_all_five_kinds_of_masks_come_up_equally_often():
    h = w = 12
    mask = conditions.draw_mask(for_dataset("own", (1, h, w), "subsets"), 20_000, rng()).view(-1, h, w)
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
    recipe = tiny(subsets=True)
    x, mask = torch.rand(50, 12, generator=rng(1)), conditions.draw_mask(recipe, 50, rng(2))
    g = networks.Generator(recipe, rng())
    z = networks.draw_noise(recipe, 50, rng(3))
    made = g(z, conditions.observe(mask, x))
    assert torch.equal(made[mask == 1], x[mask == 1])
    other = g(z, conditions.observe(mask, torch.where(mask == 1, x, torch.rand(50, 12, generator=rng(4)))))
    assert torch.equal(made, other)  # what is not observed cannot be seen


# --- steps ---------------------------------------------------------------------------------------------


def by_hand(recipe, g, d, batch, draws, lr, momentum):
    """New parameters of both after one step from rest, by two separate gradients of the two losses."""

    loud = recipe.loudness or 1

    def told(x, mask):
        return torch.cat([x, mask / loud if recipe.subsets else loud * batch[:, 12:]], 1)

    def generate(draw):
        x, c = batch[:, :12], loud * batch[:, 12:]
        if recipe.subsets:
            (m,) = draw.observed
            return m * x + (1 - m) * layers(g, torch.cat([draw.z, m / loud, loud * m * x], 1))
        return layers(g, torch.cat([draw.z, c], 1))

    def layers(net, h):
        for layer in net.layers:
            h = layer(h)
        return h

    def judge(x, mask, dropout):
        return d(told(x, mask), dropout)

    n, first = len(batch), draws[0]
    mask = first.observed[0] if recipe.subsets else None
    on_real, on_fake = ([m[:n] for m in first.masks], [m[n:] for m in first.masks])
    fake = generate(first)
    d_loss = game.discriminator_loss(judge(batch[:, :12], mask, on_real), judge(fake.detach(), mask, on_fake))
    d_gradients = torch.autograd.grad(d_loss, list(d.parameters()))
    d_new = [p.detach() - lr * v for p, v in zip(d.parameters(), d_gradients, strict=True)]
    if recipe.update == "alternating":
        with torch.no_grad():
            for p, new in zip(d.parameters(), d_new, strict=True):
                p.copy_(new)
        last = draws[-1]
        mask = last.observed[0] if recipe.subsets else None
        l_fake = judge(generate(last), mask, last.masks)
    else:
        l_fake = judge(fake, mask, on_fake)
    g_gradients = torch.autograd.grad(game.generator_loss(l_fake), list(g.parameters()))
    return [p.detach() - lr * v for p, v in zip(g.parameters(), g_gradients, strict=True)], d_new


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
@pytest.mark.parametrize("told", [{"condition": 3}, {"condition": 3, "loudness": 4.0}, {"subsets": True},
                                  {"subsets": True, "loudness": 3.0}])
def test_a_step_is_that_of_two_plain_gradients(update, told):
    recipe = tiny(update=update, **told)
    g, d = networks.Generator(recipe, rng(1)).double(), networks.Discriminator(recipe, rng(2)).double()
    batch = torch.rand(10, 12, generator=rng(3), dtype=torch.float64)
    if recipe.condition:
        batch = torch.cat([batch, torch.eye(3, dtype=torch.float64)[torch.arange(10) % 3]], 1)
    draws = algorithm1.draw(recipe, [10], rng(4), torch.float64)
    rates = algorithm1.rates_at(recipe, 1, 0)
    copies = networks.Generator(recipe, rng(1)).double(), networks.Discriminator(recipe, rng(2)).double()
    g_new, d_new = by_hand(recipe, *copies, batch, draws, float(rates.lr), 0.5)
    algorithm1.step(recipe, training.Player.of(g), training.Player.of(d), [batch], draws, rates)
    for own, expected in zip([*g.parameters(), *d.parameters()], [*g_new, *d_new], strict=True):
        torch.testing.assert_close(own.detach(), expected, rtol=1e-10, atol=1e-12)


def test_dropout_never_hides_a_condition_from_d():
    recipe = tiny(condition=3)
    first, *_ = networks.draw_masks(recipe, 500, rng())
    assert first.shape == (500, 15)
    assert (first[:, 12:] == 1).all() and (first[:, :12] == 0).any()


@pytest.mark.parametrize("told", [{"condition": 3}, {"subsets": True}])
def test_lockstep_moves_each_as_if_alone(told):
    recipe, data = tiny(**told), datasets.prepare(pictures(), tiny(condition=3) if "condition" in told else tiny())
    moves_each_as_if_alone(recipe, data, training.rows(data))


# --- trainings -----------------------------------------------------------------------------------------


def test_g_learns_to_obey_its_condition():
    recipe = tiny(condition=3, epochs=400, learning_rate=0.1, keep_input=1.0, keep_hidden=1.0)
    (run,) = training.train(recipe, pictures(), device="cpu", show_progress=False)
    z = networks.noise(recipe, 300, 0)
    brightness = [networks.generate(run.generator, z, torch.eye(3)[[k] * 300]).mean().item() for k in range(3)]
    expected = [pictures().train[pictures().labels["train"] == k].mean().item() for k in range(3)]
    assert brightness == pytest.approx(expected, abs=0.12)


@pytest.mark.parametrize("told", [{"condition": 3}, {"subsets": True}])
def test_resume_is_exact(tmp_path, told):
    recipe = tiny(epochs=4, **told)
    (whole,) = training.train(recipe, pictures(), device="cpu", show_progress=False)
    for epochs in (2, 4):
        (run,) = training.train(
            recipe, pictures(), device="cpu", epochs=epochs, checkpoint_dir=tmp_path, show_progress=False
        )
    assert all(torch.equal(run.weights()[k], p) for k, p in whole.weights().items())
    assert torch.equal(run.sample(20), whole.sample(20))


def test_a_record_keeps_what_its_samples_were_told(tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    data = datasets.load("digits")
    recipe = for_dataset(data.name, data.shape, "conditional").quick(len(data.train)).replace(epochs=1)
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
    recipe, data = tiny(condition=3), pictures()
    unlabelled = dataclasses.replace(data, labels=dict.fromkeys(("train", "valid", "test")))
    with pytest.raises(ValueError, match="tiny has no labels.*conditions"):
        training.train(recipe, unlabelled, device="cpu")
    with pytest.raises(ValueError, match="labels 0 to 2.*takes 0 to 1"):
        training.train(tiny(condition=2), data, device="cpu")
    odd = dataclasses.replace(data, conditions=torch.zeros(40, 4))
    with pytest.raises(ValueError, match=r"conditions of shape \(40, 4\).*takes \(40, 3\)"):
        training.train(recipe, odd, device="cpu")


@pytest.mark.parametrize("bad", [{"condition": 0}, {"condition": -1}, {"condition": 2.0}, {"subsets": False}])
def test_values_that_mean_nothing_are_refused(bad):
    with pytest.raises(ValueError, match="leave it None"):
        tiny(**bad)


@pytest.mark.parametrize(
    "bad", [{"loudness": 5.0}, {"condition": 3, "loudness": 0.0}, {"subsets": True, "loudness": -1.0}]
)
def test_a_loudness_is_that_of_a_condition(bad):
    with pytest.raises(ValueError, match="loudness = .*above 0, where there is a condition or subsets"):
        tiny(**bad)


def test_conditions_subsets_and_stages_exclude_each_other():
    with pytest.raises(ValueError, match="choose one of condition, subsets"):
        tiny(condition=2, subsets=True)
    with pytest.raises(ValueError, match="choose one of condition, subsets"):
        tiny(condition=2, second_stage=SecondStage(1, (Layer(5, "relu"),)))


def test_recipes_without_conditions_are_named_as_before():
    assert "condition" not in RECIPES["mnist"].to_dict() and "subsets" not in RECIPES["mnist"].to_dict()
    assert Recipe.from_dict(RECIPES["subsets"].to_dict()) == RECIPES["subsets"]
    assert RECIPES["conditional"].g_inputs == 110 and RECIPES["conditional"].d_inputs == 794
    assert RECIPES["subsets"].g_inputs == 100 + 2 * 784 and RECIPES["subsets"].d_inputs == 2 * 784
