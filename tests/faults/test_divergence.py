"""A training that diverges is stopped in its epoch, says where, why and what to do, and keeps its last good epoch."""

import math

import pytest
import torch

from ganrepro import datasets, records, training
from ganrepro.cli import main
from ganrepro.training import checkpoints, replicas

OPTIONS = {"device": "cpu", "show_progress": False}


def poisoned(monkeypatch, at_epoch, change):
    """Change the players after the last step of an epoch; the steps are the loop's own."""
    from ganrepro.training import loop

    steps = dict(loop.STEPS)

    def count(name):
        done = {}

        def step(task, g, d, *rest):
            losses = steps[name](task, g, d, *rest)
            done[id(g)] = done.get(id(g), 0) + 1
            if done[id(g)] == at_epoch * 12:  # the last step of that epoch
                with torch.no_grad():
                    change(g, d)
            return losses

        return step

    for module in (loop, replicas):
        monkeypatch.setattr(module, "STEPS", {name: count(name) for name in steps})


def fill(value):
    return lambda g, d: next(iter(g.theta.values())).fill_(value)


@pytest.mark.parametrize(
    ("rate", "word"), [(1e30, "no longer finite"), (1e8, "no longer finite"), (10.0, "beyond 100.0 nats")],
    ids=["overflow", "nan", "explosion"],
)  # fmt: skip
def test_a_rate_too_high_is_stopped_in_the_first_epoch(digits, small_recipe, rate, word):
    with pytest.raises(training.Diverged, match=f"in epoch 1, at step .*{word}.*Likely, .*Try a learn") as caught:
        training.train(small_recipe(learning_rate=rate), digits, **OPTIONS)
    assert isinstance(caught.value, FloatingPointError) and "\n" not in str(caught.value)


def test_one_loss_that_explodes_while_the_other_is_zero_is_stopped(digits, small_recipe, monkeypatch):
    """A D of huge weights: its loss is 0, and G's is in the thousands. No number is infinite."""
    poisoned(monkeypatch, 1, lambda g, d: d.theta["layers.2.bias"].fill_(-3000.0))
    with pytest.raises(training.Diverged, match="diverged in epoch 2, at step 1.: losses .*beyond 100.0 nats"):
        training.train(small_recipe(learning_rate=1e-6), digits, **OPTIONS)


def test_a_step_is_named(digits, small_recipe, monkeypatch):
    poisoned(monkeypatch, 2, fill(math.nan))
    with pytest.raises(training.Diverged, match="in epoch 2, at step 24: losses .*weights are no longer finite"):
        training.train(small_recipe(), digits, **OPTIONS)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_last_finite_checkpoint_is_kept_and_gone_on_from(digits, small_recipe, tmp_path, monkeypatch, value):
    """The weights overflow in the last step of an epoch, whose losses are all finite."""
    whole = training.train(small_recipe(), digits, **OPTIONS)[0].weights()
    with monkeypatch.context() as patch:
        poisoned(patch, 2, fill(value))
        with pytest.raises(training.Diverged, match="The last checkpoint is kept"):
            training.train(small_recipe(), digits, checkpoint_dir=tmp_path, **OPTIONS)
    assert checkpoints.read_metadata(tmp_path / "seed0.safetensors")["state"]["epoch"] == 1
    (run,) = training.train(small_recipe(), digits, checkpoint_dir=tmp_path, **OPTIONS)
    assert all(torch.equal(p, whole[name]) for name, p in run.weights().items())


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in lockstep"])
def test_one_diverging_seed_leaves_the_others(digits, small_recipe, monkeypatch, together):
    recipe, seeds = small_recipe(epochs=3), [0, 1, 2]
    expected = {run.seed: run.weights() for run in training.train(recipe, digits, seeds=seeds, **OPTIONS)}
    from ganrepro.training import loop

    sound = loop._is_finite
    monkeypatch.setattr(loop, "_is_finite", lambda run: sound(run) and (run.seed, run.epoch) != (1, 1))
    with pytest.raises(training.Diverged, match="seed 1, diverged in epoch 2") as caught:
        training.train(recipe, digits, seeds=seeds, replicas=together, **OPTIONS)
    assert [(run.seed, run.epoch) for run in caught.value.others] == [(0, 3), (2, 3)]
    for run in caught.value.others:
        for name, p in run.weights().items():
            torch.testing.assert_close(p, expected[run.seed][name], rtol=1e-4, atol=1e-6)


@pytest.fixture
def narrow(monkeypatch, small_recipe, runs):
    monkeypatch.setattr("ganrepro.records.store.for_dataset", lambda name, shape, recipe="own": small_recipe())
    monkeypatch.setattr(training, "estimate_seconds", lambda *_: 1.0)


def test_a_training_goes_on_from_its_last_good_epoch_at_a_smaller_rate(narrow, runs, digits, monkeypatch, capsys):
    train = ["records", "train", "--dataset", "digits", "--device", "cpu"]
    with monkeypatch.context() as patch:
        poisoned(patch, 3, fill(math.nan))
        assert main(train) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "diverged in epoch 3, at step 36" in line and "--learning-rate 0.025" in line and "--from-checkpoint" in line
    assert records.below(runs) == []
    assert main([*train, "--from-checkpoint"]) == 2 and "needs --learning-rate" in capsys.readouterr().err
    assert main([*train, "--learning-rate", "0.025", "--from-checkpoint"]) == 0
    (record,) = records.below(runs)
    assert record.recipe.learning_rate == 0.025 and record.meta["epochs"] == 4 and record.restarts == [2]
    assert record.meta["restarts"][0]["from"] == "the checkpoint of 2 epochs at a learning rate of 0.1"
    assert record.curves.lr.round(3).tolist() == [0.1, 0.1, 0.025, 0.025]


def test_one_diverging_record_of_several_leaves_the_others(narrow, runs, monkeypatch, capsys):
    from ganrepro.training import loop

    sound = loop._is_finite
    monkeypatch.setattr(loop, "_is_finite", lambda run: sound(run) and run.seed != 1)
    seeds = [word for seed in "012" for word in ("--seed", seed)]
    assert main(["records", "train", "--dataset", "digits", "--device", "cpu", *seeds]) == 2
    assert "seed 1, diverged in epoch 1" in capsys.readouterr().err
    assert [record.meta["seed"] for record in records.below(runs)] == [0, 2]


@pytest.mark.parametrize("value", [1e30, -5.0, math.nan, math.inf])
def test_data_that_would_diverge_are_refused(digits, small_recipe, value):
    from dataclasses import replace

    train = digits.train.clone()
    train[3, 5] = value
    with pytest.raises(ValueError, match="data set digits has training values from .* must be finite and from 0 to 1"):
        training.train(small_recipe(), replace(digits, train=train), **OPTIONS)
    ring = datasets.load("ring")
    if abs(value) > 10 or math.isnan(value):
        train = ring.train.clone()
        train[0, 0] = value
        with pytest.raises(ValueError, match="data set ring has training values"):
            training.train(records.store.for_dataset("ring", ring.shape), replace(ring, train=train), **OPTIONS)
