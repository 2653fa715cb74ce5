"""Algorithm 1 against an independent implementation, its schedules, and what survives an interruption."""

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from reference import Reference

from ganrepro import algorithm1, checkpoints, datasets, networks, training
from ganrepro.recipes import RECIPES, Layer, Recipe, for_dataset


def small(**changes):
    """The MNIST recipe with narrow layers on 8 x 8 pictures."""
    recipe = for_dataset("digits", (1, 8, 8)).replace(
        generator=(Layer(32, "relu"), Layer(32, "relu"), Layer(64, "sigmoid", bias="marginal")),
        discriminator=(
            Layer(12, "maxout", 0.05, pieces=5),
            Layer(12, "maxout", 0.05, pieces=5),
            Layer(1, "linear", 0.05),
        ),
        z_dim=10,
        epochs=4,
    )
    return recipe.replace(**changes)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def numpy_layers(player):
    arrays = [p.detach().numpy().copy() for p in player.theta.values()]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def factors(masks, recipe, n):
    """Dropout factors as numpy; ones where the recipe drops nothing."""
    widths = [recipe.dim] + [layer.units for layer in recipe.discriminator[:-1]]
    return [m.numpy() for m in masks] or [np.ones((n, w)) for w in widths]


def as_numpy(draws, recipe, n):
    """z, and D's dropout factors on n data and on n samples."""
    both = factors(draws.masks, recipe, 2 * n)
    return draws.z.numpy(), [m[:n] for m in both], [m[n:] for m in both]


@pytest.mark.parametrize("objective", ["non-saturating", "minimax", "blend"])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(("update", "k"), [("simultaneous", 1), ("alternating", 1), ("alternating", 3)])
def test_twenty_steps_equal_the_independent_implementation(digits, update, k, dropout, objective):
    keep = {} if dropout else {"keep_input": 1.0, "keep_hidden": 1.0}
    recipe = small(update=update, k=k, objective=objective, batch_size=20, **keep)
    run = training.start(recipe, digits, seed=3)
    g, d = algorithm1.Player.of(run.generator.double()), algorithm1.Player.of(run.discriminator.double())
    ours = Reference(numpy_layers(g), numpy_layers(d), pieces=5, objective=objective)
    began = [p.clone() for p in (*g.theta.values(), *d.theta.values())]
    rng, x = torch.Generator().manual_seed(0), digits.train.double()
    for i in range(20):
        batches = [x[torch.randint(len(x), (20,), generator=rng)] for _ in range(k)]
        draws = algorithm1.draw(recipe, [20] * k, rng, torch.float64)
        rates = algorithm1.rates_at(recipe, epoch=1 + i, batch=i)
        algorithm1.step(recipe, g, d, batches, draws, rates)
        if update == "simultaneous":
            ours.simultaneous_step(batches[0].numpy(), *as_numpy(draws[0], recipe, 20), *map(float, rates))
        else:
            on = [as_numpy(t, recipe, 20) for t in draws[:-1]]
            z, masks = draws[-1].z.numpy(), factors(draws[-1].masks, recipe, 20)
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
def test_g_learns_at_full_rate_from_a_d_that_is_sure_in_float32_too(digits, logit, objective):
    """D's own slope at such a sample is 0 in float32; G's is 1/n however sure D is."""
    recipe = small(batch_size=20, objective=objective)
    run = training.start(recipe, digits, seed=3)
    g, d = algorithm1.Player.of(run.generator), algorithm1.Player.of(run.discriminator)
    with torch.no_grad():
        d.theta["layers.2.bias"].fill_(logit)
    exact = [[(w.astype(np.float64), b.astype(np.float64)) for w, b in numpy_layers(p)] for p in (g, d)]
    ours = Reference(*exact, pieces=5, objective=objective)
    x, draws = digits.train[:20], algorithm1.draw(recipe, [20], torch.Generator().manual_seed(0))
    rates = algorithm1.rates_at(recipe, 1, 0)
    algorithm1.step(recipe, g, d, [x], draws, rates)
    z, on_data, on_samples = as_numpy(draws[0], recipe, 20)
    ours.simultaneous_step(x.double().numpy(), z, on_data, on_samples, *map(float, rates))
    for player, velocities in ((g, ours.vg), (d, ours.vd)):
        for v, expected in zip(player.velocity.values(), (t for pair in velocities for t in pair), strict=True):
            assert np.abs(expected).max() > 1e-9
            error = np.linalg.norm(v.numpy() - expected) / np.linalg.norm(expected)
            assert error < 1e-5


def test_schedules_are_the_authors():
    recipe = RECIPES["mnist"]
    assert [float(r) for r in algorithm1.rates_at(recipe, 1, 0)] == [0.1, 0.5]
    assert float(algorithm1.rates_at(recipe, 250, 0).momentum) == pytest.approx(0.7)
    assert float(algorithm1.rates_at(recipe, 1000, 0).momentum) == pytest.approx(0.7)
    assert float(algorithm1.rates_at(recipe, 126, 0).momentum) == pytest.approx(0.5 + 0.2 * 125 / 249)
    tenfold = math.log(10) / math.log(1.000004)
    assert tenfold / 500 == pytest.approx(1151.3, abs=0.1)  # epochs of 500 minibatches
    assert float(algorithm1.rates_at(recipe, 1152, round(tenfold)).lr) == pytest.approx(0.01, rel=1e-5)
    assert float(algorithm1.rates_at(recipe, 9999, 10**8).lr) == 1e-6


def test_every_epoch_takes_each_example_once_in_a_new_order():
    x, rng = torch.arange(250.0).unsqueeze(1), torch.Generator().manual_seed(0)
    recipe = RECIPES["mnist"]
    first = [b for group in algorithm1.minibatches(recipe, x, rng) for b in group]
    second = [b for group in algorithm1.minibatches(recipe, x, rng) for b in group]
    assert [len(b) for b in first] == [100, 100, 50]  # the partial batch is kept
    assert sorted(torch.cat(first).flatten().tolist()) == list(range(250))
    assert not torch.equal(torch.cat(first), torch.cat(second))
    groups = list(algorithm1.minibatches(recipe.replace(update="alternating", k=2), x, rng))
    assert [len(group) for group in groups] == [2, 1]
    assert algorithm1.steps_in_epoch(recipe.replace(update="alternating", k=2), 250) == 2


def test_training_learns_and_reports(digits):
    recipe = small(epochs=3)
    (run,) = training.train(recipe, digits, seeds=[0], device="cpu", validate_every=2, show_progress=False)
    curves = run.curves
    assert tuple(curves.columns) == training.CURVES
    assert curves.epoch.tolist() == [1, 2, 3]
    assert curves.step.tolist() == [12, 24, 36]
    assert curves.valid_ll.notna().tolist() == [False, True, True]
    assert curves[["d_real", "d_fake"]].stack().between(0, 1).all()
    assert len(run.progress) == 3  # epochs 0, 1 and 2
    assert run.best_epoch == int(curves.epoch[curves.valid_ll.idxmax()])
    assert not torch.equal(run.progress[0], run.progress[1])
    assert run.sample(1500, seed=1).shape == (1500, 64)


def test_samples_do_not_depend_on_how_many_are_asked_for(digits):
    run = training.start(small(), digits, seed=0)
    many = run.sample(2100, seed=5)
    assert torch.equal(run.sample(7, seed=5), many[:7])
    assert torch.equal(run.sample(1001, seed=5), many[:1001])
    assert not torch.equal(run.sample(7, seed=6), many[:7])


def test_seeds_differ_and_one_seed_repeats(digits):
    recipe = small(epochs=1)
    a, b = training.train(recipe, digits, seeds=[0, 1], device="cpu", show_progress=False)
    (again,) = training.train(recipe, digits, seeds=[0], device="cpu", show_progress=False)
    assert all(torch.equal(p, q) for p, q in zip(a.weights().values(), again.weights().values(), strict=True))
    assert not torch.equal(a.weights()["generator.layers.0.weight"], b.weights()["generator.layers.0.weight"])


def test_interrupted_training_reaches_the_same_bits(digits, tmp_path):
    recipe = small(epochs=5)
    options = {"seeds": [2], "device": "cpu", "show_progress": False, "validate_every": 2}
    (whole,) = training.train(recipe, digits, **options)
    for epochs in (1, 3, 5):  # three sittings
        (parts,) = training.train(recipe, digits, epochs=epochs, checkpoint_dir=tmp_path, **options)
    for name, p in whole.weights().items():
        assert torch.equal(p, parts.weights()[name]), name
    assert parts.curves.drop(columns=["seconds", "valid_ll"]).equals(whole.curves.drop(columns=["seconds", "valid_ll"]))
    assert all(torch.equal(p, q) for p, q in zip(whole.progress, parts.progress, strict=True))
    assert os.listdir(tmp_path) == ["seed2.safetensors"]
    assert len(parts.codes) == 1 and parts.codes == whole.codes  # one code made it, in three sittings


def test_a_training_gone_on_with_by_other_code_says_so(digits, tmp_path, monkeypatch):
    options = {"device": "cpu", "show_progress": False, "checkpoint_dir": tmp_path}
    for code, epochs in (("a", 1), ("b", 2), ("c", 2)):
        monkeypatch.setattr(training.provenance, "code_sha256", lambda code=code: code)
        (run,) = training.train(small(), digits, epochs=epochs, **options)
    assert run.codes == ["a", "b"]  # c had nothing left to train


KILLED = """
import sys, torch
from ganrepro import datasets, training
sys.path.insert(0, {tests!r})
from test_training import small
recipe = small(epochs=12)
options = dict(seeds=[0], device="cpu", checkpoint_dir=sys.argv[1], show_progress=False)
(run,) = training.train(recipe, datasets.load("digits"), **options)
from safetensors.torch import save_file
save_file(run.weights(), sys.argv[2])
"""


def test_kill_in_mid_training_then_run_again(digits, tmp_path):
    """kill -9, then the same command: the final weights equal the uninterrupted run's, bit for bit."""
    script = KILLED.format(tests=os.path.dirname(__file__))
    command = [sys.executable, "-c", script, str(tmp_path / "c"), str(tmp_path / "w.safetensors")]
    process = subprocess.Popen(command)
    checkpoint = tmp_path / "c" / "seed0.safetensors"
    deadline = time.monotonic() + 60
    while not (checkpoint.exists() and checkpoints.read_metadata(checkpoint)["state"]["epoch"] >= 2):
        assert time.monotonic() < deadline and process.poll() is None, "the training ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoints.read_metadata(checkpoint)["state"]["epoch"] < 12
    assert not (tmp_path / "w.safetensors").exists()
    subprocess.run(command, check=True, timeout=120)
    (whole,) = training.train(small(epochs=12), digits, seeds=[0], device="cpu", show_progress=False)
    from safetensors.torch import load_file

    for name, p in load_file(tmp_path / "w.safetensors").items():
        assert torch.equal(p, whole.weights()[name]), name


@pytest.mark.parametrize("change", [{}, {"update": "alternating", "k": 3}, {"max_col_norm": 0.3, "noise": "gaussian"}])
def test_in_lockstep_each_replicate_is_its_single_run(digits, tmp_path, change):
    recipe = small(epochs=3, **change)
    options = {"seeds": [0, 1, 4], "device": "cpu", "show_progress": False, "validate_every": 3}
    alone = training.train(recipe, digits, **options)
    for epochs in (1, 3):  # two sittings
        together = training.train(recipe, digits, epochs=epochs, lockstep=True, checkpoint_dir=tmp_path, **options)
    for one, other in zip(alone, together, strict=True):
        for name, p in one.weights().items():
            torch.testing.assert_close(other.weights()[name], p, rtol=1e-4, atol=1e-6)
        columns = ["d_loss", "g_loss", "d_real", "d_fake"]
        np.testing.assert_allclose(other.curves[columns], one.curves[columns], rtol=1e-4)
        assert other.curves[["epoch", "step", "lr", "momentum"]].equals(one.curves[["epoch", "step", "lr", "momentum"]])
        assert torch.equal(one.rng.get_state(), other.rng.get_state())
        torch.testing.assert_close(other.sample(50), one.sample(50), rtol=1e-3, atol=1e-4)


def test_lockstep_where_no_step_has_all_its_minibatches(digits):
    few = dataclasses.replace(digits, train=digits.train[:250])
    recipe = small(epochs=2, update="alternating", k=3)  # three minibatches, the last one half full
    options = {"seeds": [0, 1], "device": "cpu", "show_progress": False}
    for one, other in zip(
        training.train(recipe, few, **options), training.train(recipe, few, lockstep=True, **options), strict=True
    ):
        assert other.curves.step.tolist() == [1, 2]
        torch.testing.assert_close(other.sample(50), one.sample(50), rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: a step is captured there only")
@pytest.mark.parametrize("change", [{}, {"update": "alternating", "k": 3}])
def test_captured_steps_are_the_uncaptured_ones_and_resume_to_the_same_bits(digits, tmp_path, monkeypatch, change):
    recipe = small(epochs=3, **change)
    options = {"seeds": [0, 1], "device": "cuda", "show_progress": False}
    captured = training.train(recipe, digits, **options)
    for epochs in (1, 3):
        resumed = training.train(recipe, digits, epochs=epochs, checkpoint_dir=tmp_path, **options)
    monkeypatch.setattr(training.Lockstep, "capture", lambda self: None)
    eager = training.train(recipe, digits, **options)
    for one, again, other in zip(captured, resumed, eager, strict=True):
        for name, p in one.weights().items():
            assert torch.equal(p, again.weights()[name]), name
            torch.testing.assert_close(other.weights()[name], p, rtol=1e-4, atol=1e-6)


def test_runs_at_different_epochs_go_on_in_teams(digits, tmp_path):
    recipe = small(epochs=3)
    options = {"device": "cpu", "show_progress": False, "checkpoint_dir": tmp_path, "lockstep": True}
    training.train(recipe, digits, seeds=[1], epochs=2, **options)
    runs = training.train(recipe, digits, seeds=[0, 1, 2], **options)
    assert [run.seed for run in runs] == [0, 1, 2] and {run.epoch for run in runs} == {3}
    (whole,) = training.train(recipe, digits, seeds=[1], device="cpu", show_progress=False)
    torch.testing.assert_close(runs[1].sample(50), whole.sample(50), rtol=1e-3, atol=1e-4)


def test_checkpoint_of_another_recipe_or_a_damaged_one_is_refused(digits, tmp_path):
    train = {"seeds": [0], "device": "cpu", "show_progress": False, "checkpoint_dir": tmp_path, "epochs": 1}
    training.train(small(), digits, **train)
    path = tmp_path / "seed0.safetensors"
    kept = path.read_bytes()
    with pytest.raises(ValueError, match="another recipe: learning_rate is 0.1 there and 0.2 here"):
        training.train(small(learning_rate=0.2), digits, **train)
    training.train(small(optimizer="adam"), digits, **train | {"checkpoint_dir": tmp_path / "adam"})
    with pytest.raises(ValueError, match="another recipe: optimizer is 'adam' there and None here"):
        training.train(small(), digits, **train | {"checkpoint_dir": tmp_path / "adam"})
    with pytest.raises(ValueError, match="another data"):
        training.train(small(), dataclasses.replace(digits, name="other"), **train)
    assert path.read_bytes() == kept
    path.write_bytes(kept[:1000])
    with pytest.raises(ValueError, match="damaged"):
        training.train(small(), digits, **train)
    training.train(small(), digits, resume=False, **train)
    assert checkpoints.read_metadata(path)["state"]["epoch"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs = 0"),
        ({"epochs": 1.0}, "epochs = 1.0"),
        ({"validate_every": -1}, "validate_every = -1"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [0, 0]}, "seeds"),
        ({"seeds": [-1]}, "seeds"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"device": "tpu"}, "choose one of auto, cpu"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(digits, tmp_path, change, message):
    options = {"seeds": [0], "device": "cpu", "epochs": 1, "show_progress": False, "checkpoint_dir": tmp_path} | change
    with pytest.raises(ValueError, match=message):
        training.train(small(), digits, **options)
    assert not list(tmp_path.iterdir())


def test_data_that_do_not_fit_are_refused(digits):
    with pytest.raises(ValueError, match="784"):
        training.train(RECIPES["mnist"], digits, epochs=1)
    few = dataclasses.replace(digits, train=digits.train[:50])
    with pytest.raises(ValueError, match="50 training examples, fewer than one minibatch of 100"):
        training.train(small(), few, epochs=1)


@pytest.mark.parametrize("products", ["tf32", "bfloat16"])
def test_rounded_products_are_an_option_of_the_recipe_and_leave_no_trace(digits, products):
    recipe = small(epochs=2)
    options = {"device": "cpu", "show_progress": False}
    (plain,) = training.train(recipe, digits, **options)
    (rounded,) = training.train(recipe.replace(products=products), digits, **options)
    assert torch.get_float32_matmul_precision() == "highest"
    np.testing.assert_allclose(rounded.curves.d_loss, plain.curves.d_loss, rtol=0.05)
    assert "products" not in recipe.to_dict()  # what was made before the option still agrees
    assert Recipe.from_dict(rounded.recipe.to_dict()).products == products
    with pytest.raises(ValueError, match="products = 'int8'; choose one of None, tf32, bfloat16"):
        recipe.replace(products="int8")


def test_divergence_is_an_error_not_a_result(digits):
    with pytest.raises(FloatingPointError, match="diverged in epoch"):
        training.train(small(learning_rate=1e30), digits, epochs=3, device="cpu", show_progress=False)


def test_max_col_norm_holds_from_the_start_and_after_every_step(digits):
    recipe = small(max_col_norm=0.1)
    run = training.start(recipe, digits, seed=0)
    for _ in range(2):
        norms = [w.norm(dim=1).max() for p in (run.g, run.d) for n, w in p.theta.items() if n.endswith("weight")]
        assert max(norms) <= 0.1 + 1e-6
        training.run_epoch([run], digits.train)


@pytest.mark.parametrize("k", [1, 3])
def test_estimate_is_the_time_of_a_step_times_their_number(digits, monkeypatch, k):
    """By a clock that moves a quarter of a second a step."""
    clock, step = [0.0], training.step

    def slow(*arguments):
        clock[0] += 0.25
        return step(*arguments)

    monkeypatch.setattr(training, "step", slow)
    monkeypatch.setattr(training.time, "perf_counter", lambda: clock[0])
    recipe = small(update="alternating", k=k, epochs=20)
    steps = {1: 12, 3: 4}[k]  # an epoch of 1,197 examples
    assert training.estimate_seconds(recipe, digits, "cpu") == pytest.approx(0.25 * steps * 20)
    assert training.estimate_seconds(recipe, digits, "cpu", epochs=3) == pytest.approx(0.25 * steps * 3)
    assert clock[0] <= 2 * 0.25 * (12 + 2)  # a few steps, not a training


def test_count_of_parameters_is_the_papers():
    recipe, rng = RECIPES["mnist"], torch.Generator().manual_seed(0)
    assert networks.count_parameters(networks.Generator(recipe, rng)) == 2_503_984
    assert networks.count_parameters(networks.Discriminator(recipe, rng)) == 1_231_441
