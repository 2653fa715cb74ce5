"""A training from start to end: what it reports, what survives an interruption, replicas, refusals."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ganrepro import networks, training
from ganrepro.recipes import RECIPES, Recipe
from ganrepro.training import checkpoints, loop, replicas


def test_training_learns_and_reports(digits, small_recipe):
    recipe = small_recipe(epochs=3)
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


def test_samples_do_not_depend_on_how_many_are_asked_for(digits, small_recipe):
    run = training.start(small_recipe(), digits, seed=0)
    many = run.sample(2100, seed=5)
    assert torch.equal(run.sample(7, seed=5), many[:7])
    assert torch.equal(run.sample(1001, seed=5), many[:1001])
    assert not torch.equal(run.sample(7, seed=6), many[:7])


def test_seeds_differ_and_one_seed_repeats(digits, small_recipe):
    recipe = small_recipe(epochs=1)
    a, b = training.train(recipe, digits, seeds=[0, 1], device="cpu", show_progress=False)
    (again,) = training.train(recipe, digits, seeds=[0], device="cpu", show_progress=False)
    assert all(torch.equal(p, q) for p, q in zip(a.weights().values(), again.weights().values(), strict=True))
    assert not torch.equal(a.weights()["generator.layers.0.weight"], b.weights()["generator.layers.0.weight"])


def test_interrupted_training_reaches_the_same_bits(digits, small_recipe, tmp_path):
    recipe = small_recipe(epochs=5)
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


def test_a_training_gone_on_with_by_other_code_says_so(digits, small_recipe, tmp_path, monkeypatch):
    options = {"device": "cpu", "show_progress": False, "checkpoint_dir": tmp_path}
    for code, epochs in (("a", 1), ("b", 2), ("c", 2)):
        monkeypatch.setattr(loop, "code_sha256", lambda code=code: code)
        (run,) = training.train(small_recipe(), digits, epochs=epochs, **options)
    assert run.codes == ["a", "b"]  # c had nothing left to train


KILLED = """
import json, sys
from safetensors.torch import save_file
from ganrepro import datasets, training
from ganrepro.recipes import Recipe
recipe = Recipe.from_dict(json.loads(sys.argv[3]))
options = dict(seeds=[0], device="cpu", checkpoint_dir=sys.argv[1], show_progress=False)
(run,) = training.train(recipe, datasets.load("digits"), **options)
save_file(run.weights(), sys.argv[2])
"""


@pytest.mark.slow
def test_kill_in_mid_training_then_run_again(digits, small_recipe, tmp_path):
    """kill -9, then the same command: the final weights equal the uninterrupted run's, bit for bit."""
    recipe = json.dumps(small_recipe(epochs=12).to_dict())
    command = [sys.executable, "-c", KILLED, str(tmp_path / "c"), str(tmp_path / "w.safetensors"), recipe]
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
    (whole,) = training.train(small_recipe(epochs=12), digits, seeds=[0], device="cpu", show_progress=False)
    for name, p in load_file(tmp_path / "w.safetensors").items():
        assert torch.equal(p, whole.weights()[name]), name


@pytest.mark.parametrize("change", [{}, {"update": "alternating", "k": 3}, {"max_col_norm": 0.3, "noise": "gaussian"}])
def test_each_replica_is_its_single_run(digits, small_recipe, tmp_path, change):
    recipe = small_recipe(epochs=3, **change)
    options = {"seeds": [0, 1, 4], "device": "cpu", "show_progress": False, "validate_every": 3}
    alone = training.train(recipe, digits, **options)
    for epochs in (1, 3):  # two sittings
        together = training.train(recipe, digits, epochs=epochs, replicas=True, checkpoint_dir=tmp_path, **options)
    for one, other in zip(alone, together, strict=True):
        for name, p in one.weights().items():
            torch.testing.assert_close(other.weights()[name], p, rtol=1e-4, atol=1e-6)
        columns = ["d_loss", "g_loss", "d_real", "d_fake"]
        np.testing.assert_allclose(other.curves[columns], one.curves[columns], rtol=1e-4)
        assert other.curves[["epoch", "step", "lr", "momentum"]].equals(one.curves[["epoch", "step", "lr", "momentum"]])
        assert torch.equal(one.rng.get_state(), other.rng.get_state())
        torch.testing.assert_close(other.sample(50), one.sample(50), rtol=1e-3, atol=1e-4)


def test_replicas_where_no_step_has_all_its_minibatches(digits, small_recipe):
    few = dataclasses.replace(digits, train=digits.train[:250])
    recipe = small_recipe(epochs=2, update="alternating", k=3)  # three minibatches, the last one half full
    options = {"seeds": [0, 1], "device": "cpu", "show_progress": False}
    for one, other in zip(
        training.train(recipe, few, **options), training.train(recipe, few, replicas=True, **options), strict=True
    ):
        assert other.curves.step.tolist() == [1, 2]
        torch.testing.assert_close(other.sample(50), one.sample(50), rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: a step is captured there only")
@pytest.mark.parametrize("change", [{}, {"update": "alternating", "k": 3}])
def test_captured_steps_are_the_uncaptured_ones_and_resume_to_the_same_bits(
    digits, small_recipe, tmp_path, monkeypatch, change
):
    recipe = small_recipe(epochs=3, **change)
    options = {"seeds": [0, 1], "device": "cuda", "show_progress": False}
    captured = training.train(recipe, digits, **options)
    for epochs in (1, 3):
        resumed = training.train(recipe, digits, epochs=epochs, checkpoint_dir=tmp_path, **options)
    monkeypatch.setattr(replicas.Replicas, "capture", lambda self: None)
    eager = training.train(recipe, digits, **options)
    for one, again, other in zip(captured, resumed, eager, strict=True):
        for name, p in one.weights().items():
            assert torch.equal(p, again.weights()[name]), name
            torch.testing.assert_close(other.weights()[name], p, rtol=1e-4, atol=1e-6)


def test_runs_at_different_epochs_resume_in_groups(digits, small_recipe, tmp_path):
    recipe = small_recipe(epochs=3)
    options = {"device": "cpu", "show_progress": False, "checkpoint_dir": tmp_path, "replicas": True}
    training.train(recipe, digits, seeds=[1], epochs=2, **options)
    runs = training.train(recipe, digits, seeds=[0, 1, 2], **options)
    assert [run.seed for run in runs] == [0, 1, 2] and {run.epoch for run in runs} == {3}
    (whole,) = training.train(recipe, digits, seeds=[1], device="cpu", show_progress=False)
    torch.testing.assert_close(runs[1].sample(50), whole.sample(50), rtol=1e-3, atol=1e-4)


def test_checkpoint_of_another_recipe_or_a_damaged_one_is_refused(digits, small_recipe, tmp_path):
    train = {"seeds": [0], "device": "cpu", "show_progress": False, "checkpoint_dir": tmp_path, "epochs": 1}
    training.train(small_recipe(), digits, **train)
    path = tmp_path / "seed0.safetensors"
    kept = path.read_bytes()
    with pytest.raises(ValueError, match="another recipe: learning_rate is 0.1 there and 0.2 here"):
        training.train(small_recipe(learning_rate=0.2), digits, **train)
    training.train(small_recipe().coordinate(optimizer="adam"), digits, **train | {"checkpoint_dir": tmp_path / "adam"})
    other = "another recipe: coordination is {'optimizer': 'adam', 'g_moves': 1} there and {'g_moves': 1} here"
    with pytest.raises(ValueError, match=other):
        training.train(small_recipe(), digits, **train | {"checkpoint_dir": tmp_path / "adam"})
    with pytest.raises(ValueError, match="another data"):
        training.train(small_recipe(), dataclasses.replace(digits, name="other"), **train)
    assert path.read_bytes() == kept
    path.write_bytes(kept[:1000])
    with pytest.raises(ValueError, match="damaged"):
        training.train(small_recipe(), digits, **train)
    training.train(small_recipe(), digits, resume=False, **train)
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
        ({"seeds": [2**32]}, "seeds = .* from 0 to 4294967295"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"device": "tpu"}, "choose one of auto, cpu"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(digits, small_recipe, tmp_path, change, message):
    options = {"seeds": [0], "device": "cpu", "epochs": 1, "show_progress": False, "checkpoint_dir": tmp_path} | change
    with pytest.raises(ValueError, match=message):
        training.train(small_recipe(), digits, **options)
    assert not list(tmp_path.iterdir())


def test_data_that_do_not_fit_are_refused(digits, small_recipe):
    with pytest.raises(ValueError, match="784"):
        training.train(RECIPES["mnist"], digits, epochs=1)


@pytest.mark.parametrize("replicas", [None, True])
@pytest.mark.parametrize("n", [1, 8, 99, 100])
def test_few_examples_are_one_smaller_minibatch(digits, small_recipe, capsys, n, replicas):
    few, recipe = dataclasses.replace(digits, train=digits.train[:n]), small_recipe(epochs=3)
    options = {"device": "cpu", "show_progress": False, "replicas": replicas}
    (run,) = training.train(recipe, few, **options)
    said = f"scikit-learn digits has {n} training examples: a minibatch is all of them, in place of 100\n"
    assert capsys.readouterr().out == (said if n < 100 else "")
    assert list(run.curves.step) == [1, 2, 3] and run.batch == 3
    if replicas is None:  # the same as a recipe of that size
        (other,) = training.train(recipe.replace(batch_size=n), few, **options)
        assert capsys.readouterr().out == ""
        for k, p in run.weights().items():
            assert torch.equal(p, other.weights()[k])


@pytest.mark.parametrize("products", ["tf32", "bfloat16"])
def test_rounded_products_are_an_option_of_the_recipe_and_leave_no_trace(digits, small_recipe, products):
    recipe = small_recipe(epochs=2)
    options = {"device": "cpu", "show_progress": False}
    (plain,) = training.train(recipe, digits, **options)
    (rounded,) = training.train(recipe.replace(products=products), digits, **options)
    assert torch.get_float32_matmul_precision() == "highest"
    np.testing.assert_allclose(rounded.curves.d_loss, plain.curves.d_loss, rtol=0.05)
    assert "products" not in recipe.to_dict()  # None is omitted
    assert Recipe.from_dict(rounded.recipe.to_dict()).products == products
    with pytest.raises(ValueError, match="products\n  Input should be 'tf32' or 'bfloat16'"):
        recipe.replace(products="int8")


def test_weights_that_cannot_be_written_are_an_error_of_the_disk(tmp_path):
    """safetensors raises a class of its own, which no caller expects from a full disk or a missing folder."""
    with pytest.raises(OSError, match=f"weights cannot be written to {tmp_path / 'gone'}: No such file"):
        checkpoints.save_tensors({"w": torch.zeros(3)}, tmp_path / "gone" / "w.safetensors")


def test_divergence_is_an_error_not_a_result(digits, small_recipe):
    with pytest.raises(FloatingPointError, match="diverged in epoch"):
        training.train(small_recipe(learning_rate=1e30), digits, epochs=3, device="cpu", show_progress=False)


def test_max_col_norm_holds_from_the_start_and_after_every_step(digits, small_recipe):
    recipe = small_recipe(max_col_norm=0.1)
    run = training.start(recipe, digits, seed=0)
    for _ in range(2):
        norms = [w.norm(dim=1).max() for p in (run.g, run.d) for n, w in p.theta.items() if n.endswith("weight")]
        assert max(norms) <= 0.1 + 1e-6
        training.run_epoch([run], digits.train)


@pytest.mark.parametrize("k", [1, 3])
def test_estimate_is_the_time_of_a_step_times_their_number(digits, small_recipe, monkeypatch, k):
    """By a clock that moves a quarter of a second a step."""
    clock, step = [0.0], training.algorithm1_step

    def slow(*arguments):
        clock[0] += 0.25
        return step(*arguments)

    monkeypatch.setitem(training.STEPS, "alternating", slow)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])
    recipe = small_recipe(update="alternating", k=k, epochs=20)
    steps = {1: 12, 3: 4}[k]  # an epoch of 1,197 examples
    assert training.estimate_seconds(recipe, digits, "cpu") == pytest.approx(0.25 * steps * 20)
    assert training.estimate_seconds(recipe, digits, "cpu", epochs=3) == pytest.approx(0.25 * steps * 3)
    assert clock[0] <= 2 * 0.25 * (12 + 2)  # a few steps, not a training


def test_count_of_parameters_is_the_papers():
    recipe, rng = RECIPES["mnist"], torch.Generator().manual_seed(0)
    assert networks.count_parameters(networks.Generator(recipe, rng)) == 2_503_984
    assert networks.count_parameters(networks.Discriminator(recipe, rng)) == 1_231_441
