"""A training in two stages, and one of convolutions on contrast-normalised data: through the one loop, to the bit."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from ganrepro import datasets, networks, parzen, recipes, records, training
from ganrepro.recipes import RECIPES, Convolution, Layer, SecondStage, TransposedConvolution, for_dataset
from ganrepro.training import Player, checkpoints, tasks

AFTER = 3


def staged(**changes):
    """The TFD recipe, narrow, on 8 x 8 pictures: three epochs, then two with two layers more."""
    recipe = for_dataset("tfd", (1, 8, 8)).replace(
        generator=(
            Layer(32, "relu"),
            Layer(24, "sigmoid", bias=-2.0),
            Layer(64, "sigmoid", bias="marginal", sparse=10),
        ),
        discriminator=(Layer(12, "maxout", 0.05, pieces=5), Layer(1, "linear", 0.05)),
        z_dim=10,
        epochs=5,
        second_stage=SecondStage(AFTER, (Layer(32, "relu"), Layer(10, "sigmoid", bias=-2.0))),
        max_col_norm=0.9,
    )
    return recipe.replace(**changes)


def convolutional(**changes):
    """The convolutional CIFAR-10 recipe, small, on 8 x 8 pictures."""
    recipe = RECIPES["cifar10-conv"].replace(
        shape=(1, 8, 8),
        generator=(
            Layer(32, "relu"),
            Layer(2 * 2 * 2, "sigmoid"),
            TransposedConvolution((2, 2, 2), 1, kernel=5, stride=3),
        ),
        discriminator=(
            Convolution((1, 8, 8), 3, kernel=3, pad=1, pool=2, stride=2, irange=0.1),
            Layer(8, "maxout", 0.1, pieces=5),
            Layer(1, "linear", 0.1),
        ),
        z_dim=10,
        epochs=3,
        learning_rate=0.05,
    )
    return recipe.replace(**changes)


OPTIONS = {"seeds": [2], "device": "cpu", "show_progress": False}


def test_the_second_stage_puts_fresh_layers_before_the_trained_ones_and_begins_anew(digits):
    recipe = staged()
    (first,) = training.train(recipe, digits, epochs=AFTER, **OPTIONS)
    trained = {k: p.clone() for k, p in first.weights().items()}
    assert sorted({k.split(".")[2] for k in trained if k.startswith("generator")}) == ["0", "1", "2"]
    first.begin_stage(AFTER)
    assert len(first.g.net.layers) == 3  # not yet
    first.begin_stage(AFTER + 1)
    deeper = first.weights()
    for i, part in itertools.product(range(3), ("weight", "bias")):
        kept = deeper[f"generator.layers.{i + 2}.{part}"]  # the norm constraint alone has touched it, by rounding
        torch.testing.assert_close(kept, trained[f"generator.layers.{i}.{part}"], rtol=1e-5, atol=0)
    assert [tuple(deeper[f"generator.layers.{i}.weight"].shape) for i in range(3)] == [(32, 10), (10, 32), (32, 10)]
    assert (deeper["generator.layers.0.bias"] == 0).all() and (deeper["generator.layers.1.bias"] == -2).all()
    assert not torch.equal(deeper["discriminator.layers.0.weight"], trained["discriminator.layers.0.weight"])
    assert all((v == 0).all() for player in (first.g, first.d) for v in player.velocity.values())
    assert list(first.g.theta) == [name for name, _ in first.g.net.named_parameters()] and first.batch == 0
    for player in (first.g, first.d):
        assert all(w.norm(dim=1).max() <= 0.9 + 1e-6 for n, w in player.theta.items() if n.endswith("weight"))
    training.run_epoch([first], digits.train)
    assert all(v.any() for player in (first.g, first.d) for v in player.velocity.values())  # all of it is trained


def test_the_schedules_of_the_second_stage_are_the_firsts(digits):
    (run,) = training.train(staged(), digits, **OPTIONS)
    steps, curves = training.steps_in_epoch(staged(), len(digits.train)), run.curves
    assert curves.lr.tolist()[AFTER:] == curves.lr.tolist()[:2] and run.batch == 2 * steps
    assert curves.momentum.tolist()[AFTER:] == curves.momentum.tolist()[:2]
    assert curves.step.tolist() == [steps * e for e in range(1, 6)]  # of the whole training
    assert run.progress[0].shape == run.progress[-1].shape == (100, 64)


@pytest.mark.parametrize("sittings", [(1, 5), (AFTER, 5), (AFTER + 1, 5), (2, AFTER, AFTER + 1, 5)])
def test_a_training_of_two_stages_resumes_to_the_same_bits(digits, tmp_path, sittings):
    (whole,) = training.train(staged(), digits, validate_every=2, **OPTIONS)
    for epochs in sittings:
        (parts,) = training.train(
            staged(), digits, epochs=epochs, checkpoint_dir=tmp_path, validate_every=2, **OPTIONS
        )  # fmt: skip
    assert whole.weights().keys() == parts.weights().keys()
    assert all(torch.equal(p, parts.weights()[k]) for k, p in whole.weights().items())
    for a, b in ((whole.g, parts.g), (whole.d, parts.d)):
        assert all(torch.equal(v, b.velocity[k]) for k, v in a.velocity.items())
    assert torch.equal(whole.rng.get_state(), parts.rng.get_state()) and whole.batch == parts.batch
    columns = ["epoch", "step", "d_loss", "g_loss", "lr", "momentum"]
    assert whole.curves[columns].equals(parts.curves[columns])
    assert all(torch.equal(p, q) for p, q in zip(whole.progress, parts.progress, strict=True))


@pytest.mark.parametrize("recipe", [staged(), convolutional()], ids=["two stages", "convolutions"])
def test_replicas_go_over_the_boundary_and_through_convolutions(digits, tmp_path, recipe):
    options = OPTIONS | {"seeds": [0, 1], "replicas": True}
    whole = training.train(recipe, digits, **options)
    for epochs in (2, recipe.epochs):
        parts = training.train(recipe, digits, epochs=epochs, checkpoint_dir=tmp_path, **options)
    alone = training.train(recipe, digits, **OPTIONS | {"seeds": [0, 1]})
    for a, b, c in zip(whole, parts, alone, strict=True):
        assert all(torch.equal(p, b.weights()[k]) for k, p in a.weights().items())  # resumed: to the same bits
        assert a.weights().keys() == c.weights().keys()
        np.testing.assert_allclose(a.curves.d_loss, c.curves.d_loss, rtol=1e-3)  # together or alone: to rounding


def test_a_training_that_stops_in_its_first_stage_is_the_recipe_without_a_second(digits):
    (short,) = training.train(staged(), digits, epochs=AFTER, **OPTIONS)
    (plain,) = training.train(staged(second_stage=None, epochs=AFTER), digits, **OPTIONS)
    assert all(torch.equal(p, short.weights()[k]) for k, p in plain.weights().items())


def test_the_best_epoch_may_lie_in_the_first_stage(digits):
    (run,) = training.train(staged(), digits, epochs=2, **OPTIONS)
    run.best_epoch, run.best = 2, run.weights()
    x = run.sample(50, seed=1)
    while run.epoch < 5:
        run.begin_stage(run.epoch + 1)
        training.run_epoch([run], digits.train)
    best = run.best_generator()
    assert len(best.layers) == 3 and len(run.generator.layers) == 5
    z = torch.randn(4, 10)
    assert best(z).shape == run.generator(z).shape == (4, 64)
    assert torch.equal(x, networks.sample(best, run.recipe, 50, 1)[0])


@pytest.mark.parametrize(("epochs", "depth"), [(2, 3), (5, 5)])
def test_a_record_of_either_stage_gives_its_own_nets_back(runs, digits, monkeypatch, epochs, depth):
    monkeypatch.setattr("ganrepro.records.store.for_dataset", lambda name, shape, recipe="own": staged())
    (record,) = records.train_paper(digits, device="cpu", epochs=epochs)
    assert record.recipe.second_stage == staged().second_stage and record.meta["epochs"] == epochs
    generator = record.generator()
    assert len(generator.layers) == depth
    with torch.no_grad():
        assert np.abs(generator(torch.from_numpy(record.z)).numpy() - record.samples[:64]).max() <= 0.5 / 255 + 1e-6
    (again,) = records.snapshot(digits, device="cpu")
    assert np.array_equal(again.samples, record.samples)
    (longer,) = records.train_paper(digits, device="cpu", epochs=5)  # from the checkpoint, over the boundary or not
    assert len(longer.generator().layers) == 5


def test_convolutions_resume_to_the_same_bits(digits, tmp_path):
    (whole,) = training.train(convolutional(), digits, **OPTIONS)
    for epochs in (1, 3):
        (parts,) = training.train(convolutional(), digits, epochs=epochs, checkpoint_dir=tmp_path, **OPTIONS)
    assert all(torch.equal(p, parts.weights()[k]) for k, p in whole.weights().items())
    assert checkpoints.read_metadata(tmp_path / "seed2.safetensors")["state"]["epoch"] == 3
    start = training.start(convolutional(), digits, 2).weights()
    assert all(not torch.equal(p, start[k]) for k, p in whole.weights().items())  # every parameter was trained


def test_a_step_of_convolutions_is_a_function_of_its_arguments(digits):
    recipe = convolutional()
    run = training.start(recipe, digits, 0)
    task = tasks.of(recipe)
    draws = task.draw([50], run.rng, torch.float64)
    ends = []
    for _ in range(2):
        run = training.start(recipe, digits, 0)
        g, d = (Player.of(net.double(), recipe) for net in (run.generator, run.discriminator))
        training.simultaneous_step(task, g, d, [digits.train[:50].double()], draws, training.rates_at(recipe, 1, 0))
        ends.append([*g.theta.values(), *d.theta.values()])
    assert all(torch.equal(p, q) for p, q in zip(*ends, strict=True))


@pytest.mark.filterwarnings("ignore:sigma = ")
def test_a_recipe_with_contrast_is_trained_and_scored_in_its_space(runs, digits):
    recipe = convolutional(epochs=1)
    record = records.get_or_train("digits", "quick", device="cpu", recipe=recipe)
    space = datasets.prepare(digits, recipe)
    (run,) = training.train(recipe, space, seeds=[0], device="cpu", show_progress=False)  # prepared by hand
    assert np.abs(run.sample(len(record.samples), 0).numpy() - record.samples).max() <= np.ptp(record.samples) / 255
    (sigma,) = record.meta["scores"]["last"]["sigma"]
    np.testing.assert_allclose(record.ll, parzen.log_likelihood(record.samples, space.test, sigma), atol=1e-6)
    assert {"lo", "hi"} <= set(record.arrays) and record.path.parent.name == f"cifar10-conv~{recipe.checksum()}@digits"


def test_two_recipes_of_one_data_set_have_folders_and_checkpoints_of_their_own(runs, digits):
    cifar = dataclasses.replace(digits, name="cifar10", shape=(3, 32, 32))
    for name in ("cifar10-fc", "cifar10-conv"):
        assert records.folder(RECIPES[name], cifar, "paper", 0).as_posix() == f"paper/{name}/seed0"
        assert records.folder(recipes.quick(RECIPES[name], 1197), cifar, "quick", 1).as_posix() == f"quick/{name}/seed1"
        assert records.checkpoint_folder(RECIPES[name], cifar) == runs / f"checkpoints/paper/{name}"
    changed = RECIPES["cifar10-conv"].replace(learning_rate=0.1)
    assert records.folder(changed, cifar, "paper", 0).as_posix() == f"paper/cifar10-conv~{changed.checksum()}/seed0"
    assert records.folder(for_dataset("digits", (1, 8, 8), "tfd"), digits, "paper", 0).parts[1] == "tfd@digits"


def test_a_recipe_is_asked_for_by_name(runs, digits, monkeypatch):
    monkeypatch.setattr("ganrepro.recipes.small.QUICK_STEPS", 12)
    record = records.get_or_train("digits", "quick", device="cpu", recipe="tfd")
    assert record.recipe == recipes.quick(for_dataset("digits", (1, 8, 8), "tfd"), 1197)
    assert record.path == runs / "quick/tfd@digits/seed0"
    with pytest.raises(ValueError, match="recipe = 'tdf'; choose one of own, mnist, tfd"):
        records.get_or_train("digits", "quick", device="cpu", recipe="tdf")
