"""Run records: where they lie, that they are whole or not there, that their numbers can be recomputed, and reuse."""

import csv
import dataclasses
import json
import math
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from ganrepro import datasets, networks, parzen, paths, progress, recipes, records, training
from ganrepro.code_checksum import code_sha256
from ganrepro.recipes import Layer, for_dataset
from ganrepro.records import store
from ganrepro.records.record import compact, decode, encode, write_npz
from ganrepro.report import tables
from ganrepro.training import checkpoints

FILES = ["curves.csv", "ll.npz", "record.json", "samples.npz", "weights.safetensors"]


def small(**changes):
    """The MNIST recipe, narrow, on 8 x 8 pictures: two epochs end in a tenth of a second."""
    recipe = for_dataset("digits", (1, 8, 8)).replace(
        generator=(Layer(32, "relu"), Layer(64, "sigmoid", bias="marginal")),
        discriminator=(Layer(16, "maxout", 0.05, pieces=5), Layer(1, "linear", 0.05)),
        epochs=2,
    )
    return recipe.replace(**changes)


@pytest.fixture
def trainings(monkeypatch):
    """A list that grows by one entry with each training."""
    done, train = [], training.train

    def counted(recipe, data, **options):
        done.append((recipe, data.name, options))
        return train(recipe, data, **options)

    monkeypatch.setattr(training, "train", counted)
    return done


@pytest.fixture
def own_recipe(monkeypatch):
    """Makes `small` the standard recipe of every data set, so that a record of digits takes a moment."""
    monkeypatch.setattr("ganrepro.recipes.small.QUICK_STEPS", 12)
    monkeypatch.setattr("ganrepro.records.store.for_dataset", lambda name, shape, recipe="own": small())


@pytest.fixture(scope="module")
def kept(digits, tmp_path_factory):
    """One record that no test changes: four epochs, of which the second was the best on validation."""
    (run,) = training.train(small(epochs=2), digits, seeds=[3], device="cpu", validate_every=1)
    best = run.weights()
    for _ in range(2):
        training.run_epoch([run], digits.train)
    run.best_epoch, run.best = 2, best
    run.rows[-1]["valid_ll"] = run.rows[1]["valid_ll"] - 1
    path = tmp_path_factory.mktemp("kept") / "paper/mnist@digits/seed3"
    return run, records.write_record(run, digits, "paper", path)


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(params=records.below(paths.results(), "paper"), ids=lambda r: str(r.path.relative_to(paths.results())))
def evidence(request):
    """Each committed paper record."""
    return request.param


# ------------------------------------------------------------------------------------------ paths


@pytest.fixture(scope="module")
def mnist():
    return datasets.load("mnist")


def own(data):
    return for_dataset(data.name, data.shape)


def test_a_record_lies_below_its_profile_recipe_and_seed(mnist):
    assert records.folder(own(mnist), mnist, "paper", 0) == Path("paper/mnist/seed0")
    quick = recipes.quick(own(mnist), len(mnist.train))
    assert records.folder(quick, mnist, "quick", 12) == Path("quick/mnist/seed12")


def test_a_data_set_without_a_recipe_of_its_own_is_named_beside_it(mnist, digits):
    fashion = dataclasses.replace(mnist, name="fashion-mnist")
    assert records.folder(own(fashion), fashion, "paper", 0) == Path("paper/mnist@fashion-mnist/seed0")
    assert records.folder(own(digits), digits, "paper", 1) == Path("paper/mnist@digits/seed1")
    ring = datasets.load("ring")
    assert records.folder(own(ring), ring, "paper", 0) == Path("paper/toy@ring/seed0")


def test_folds_with_models_of_their_own_have_folders_of_their_own():
    faces = datasets.load("att")
    assert records.folder(own(faces), faces.fold(3), "paper", 0) == Path("paper/tfd-small@att/seed0/fold3")
    shared = dataclasses.replace(faces, name="fer2013", unlabeled=faces.train)  # one model for all folds
    assert records.folder(own(shared), shared, "paper", 0) == Path("paper/tfd-small@fer2013/seed0")


def test_a_changed_recipe_is_marked_by_its_checksum_and_one_of_other_length_is_not(mnist):
    changed = own(mnist).replace(learning_rate=0.2)
    assert records.folder(changed, mnist, "paper", 0) == Path(f"paper/mnist~{changed.checksum()}/seed0")
    assert records.folder(own(mnist).replace(epochs=7), mnist, "paper", 0) == Path("paper/mnist/seed0")
    short = recipes.quick(own(mnist), len(mnist.train)).replace(epochs=7)
    assert records.folder(short, mnist, "quick", 0) == Path(f"quick/mnist~{short.checksum()}/seed0")


def test_no_two_trainings_share_a_checkpoint(runs, mnist):
    assert records.checkpoint_folder(own(mnist), mnist) == runs / "checkpoints/paper/mnist"
    faces = datasets.load("att")
    folders = [records.checkpoint_folder(own(faces), faces.fold(k)) for k in range(5)]
    assert folders == [runs / f"checkpoints/paper/tfd-small@att/fold{k}" for k in range(5)]


# --------------------------------------------------------------------------------------- evidence


def test_a_record_holds_all_the_evidence(kept, digits):
    run, record = kept
    assert sorted(os.listdir(record.path)) == FILES
    meta = record.meta
    assert (meta["profile"], meta["seed"], meta["epochs"], meta["steps"]) == ("paper", 3, 4, 48)
    assert record.recipe == run.recipe
    assert meta["dataset"] == {
        "name": "digits", "label": "scikit-learn digits", "stand_in_for": None, "fold": None,
        "training_examples": 1197, "sha256": digits.sha256,
    }  # fmt: skip
    assert meta["progress_epochs"] == [0, 1, 2] and "last epoch" in meta["stopping_rule"]
    assert meta["versions"]["torch"] == torch.__version__ and meta["code"] == code_sha256()
    assert meta["hardware"]["device"] == "cpu" and meta["hardware"]["threads"] == torch.get_num_threads()
    assert set(meta["git"]) == {"commit", "dirty"} and meta["training_seconds"] > 0
    assert {rule: s["epoch"] for rule, s in meta["scores"].items()} == {"last": 4, "fine": 4, "best": 2}
    assert record.samples.shape == (10_000, 64) and record.samples.dtype == np.float32
    assert record.z.shape == (64, 100) and record.z.dtype == np.float32
    assert record.progress.shape == (3, 100, 64)
    assert record.ll.shape == (300,) and record.ll.dtype == np.float64
    assert record.label == "scikit-learn digits"


def test_stored_samples_are_bytes_in_plain_npz(kept):
    _, record = kept
    with np.load(record.path / "samples.npz", allow_pickle=False) as file:
        assert {k: (v.dtype.name, v.shape) for k, v in file.items()} == {
            "samples": ("uint8", (10_000, 64)), "best_samples": ("uint8", (10_000, 64)),
            "progress": ("uint8", (3, 100, 64)), "z": ("float32", (64, 100)),
        }  # fmt: skip


def test_curves_come_back_as_they_were(kept):
    run, record = kept
    assert tuple(record.curves.columns) == training.CURVES
    assert record.curves.epoch.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(record.curves.to_numpy(), run.curves.to_numpy(), rtol=1e-5)
    with open(record.path / "curves.csv", newline="") as file:
        assert next(csv.reader(file)) == list(training.CURVES)


def recompute(samples, sigma, test):
    """The README's recipe: the Parzen window in plain numpy, float64. Returns (n,) nats."""
    s, x, (m, d) = samples / 255.0, np.asarray(test, dtype=np.float64), samples.shape
    a = -((x**2).sum(1)[:, None] + (s**2).sum(1) - 2 * x @ s.T) / (2 * sigma**2)
    top = a.max(1)
    return top + np.log(np.exp(a - top[:, None]).sum(1)) - np.log(m) - d * np.log(sigma * np.sqrt(2 * np.pi))


@pytest.mark.parametrize(("rule", "key"), [("last", ""), ("best", "best_")])
def test_scores_can_be_recomputed_from_the_stored_samples(kept, digits, rule, key):
    _, record = kept
    with np.load(record.path / "samples.npz") as file, np.load(record.path / "ll.npz") as scored:
        (sigma,) = scored[f"{key}sigma"]
        ll = recompute(file[f"{key}samples"], sigma, digits.test)
        np.testing.assert_allclose(scored[f"{key}ll"], ll, rtol=0, atol=1e-3)
    score = record.meta["scores"][rule]
    assert score["sigma"] == [sigma] and sigma in parzen.DEFAULT_GRID
    assert score["mean"] == pytest.approx(ll.mean(), abs=1e-3)
    assert score["se_examples"] == pytest.approx(ll.std() / np.sqrt(300), abs=1e-3)
    assert score["se_folds"] is None and score["fold_means"] == [score["mean"]]


def test_last_and_best_are_different_samples(kept):
    run, record = kept
    assert not np.array_equal(record.samples, record.best_samples)
    x = networks.sample(run.best_generator(), run.recipe, 10_000, run.seed)[0].numpy()
    assert np.abs(record.best_samples - x).max() <= 0.5 / 255 + 1e-6


def test_weights_on_the_stored_noise_give_the_stored_samples(kept):
    run, record = kept
    with torch.no_grad():
        x = record.generator()(torch.from_numpy(record.z))
        assert np.abs(np.rint(x.numpy() * 255) - np.rint(record.samples[:64] * 255)).max() <= 1  # grey levels
    stored, trained = load_file(record.path / "weights.safetensors"), run.weights()
    assert stored.keys() == trained.keys()
    assert {n.split(".")[0] for n in stored} == {"generator", "discriminator"}
    named = record.discriminator().named_parameters()
    assert all(torch.equal(p, trained[f"discriminator.{name}"].half().float()) for name, p in named)


def test_a_recipe_that_stops_at_its_best_epoch_keeps_that_ones_weights_and_samples(kept, digits, tmp_path, monkeypatch):
    run, last = kept
    run = dataclasses.replace(run, recipe=run.recipe.replace(stopping="best"))
    record = records.write_record(run, digits, "paper", tmp_path / "runs/paper/mnist@digits/seed3")
    assert (record.kept, record.kept_epoch, record.length) == ("best", 2, "epoch 2 of 4, the best on validation")
    assert (last.kept, last.kept_epoch, last.length) == ("last", 4, "4 epochs")
    assert np.array_equal(record.samples, record.best_samples)
    for ours, theirs in ((record.samples, last.best_samples), (decode(record.arrays, "last_samples"), last.samples)):
        assert np.abs(ours - theirs).max() < 1.01 / 255  # a grey level: the kept epoch's weights are in float16
    for name in ("last", "best"):
        ours, theirs = (r.meta["scores"][name] for r in (record, last))
        assert ours["epoch"] == theirs["epoch"] and ours["mean"] == pytest.approx(theirs["mean"], abs=0.05)  # float16
    assert record.ll.mean() == pytest.approx(record.meta["scores"]["best"]["mean"])
    assert record.meta["scores"]["fine"]["epoch"] == 2
    assert all(torch.equal(p, run.best[name].half()) for name, p in record.weights().items())
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    (row,) = tables.gan_rows([record]).query("rule == @tables.FINE_OF_BEST").to_dict("records")
    assert row["epochs"] == "2"


def test_samples_that_were_not_committed_are_drawn_again(kept, tmp_path):
    _, record = kept
    shutil.copytree(record.path, tmp_path / "fewer")
    write_npz(tmp_path / "fewer/samples.npz", record.arrays | {"samples": record.arrays["samples"][:50]})
    records.seal(tmp_path / "fewer", record.meta)
    fewer = records.Record(tmp_path / "fewer")
    assert len(fewer.samples) == 50 and np.array_equal(record.all_samples, record.samples)
    assert fewer.all_samples.shape == (10_000, 64)
    assert np.abs(fewer.all_samples - record.samples).max() < 0.51 / 255
    (tmp_path / "fewer/weights.safetensors").unlink()
    assert np.array_equal(fewer.all_samples, fewer.samples)


def test_weights_of_g_alone_make_no_discriminator(kept, tmp_path):
    _, record = kept
    shutil.copytree(record.path, tmp_path / "g")
    of_g = {name: p for name, p in record.weights().items() if name.startswith("generator.")}
    save_file(of_g, tmp_path / "g/weights.safetensors")
    records.seal(tmp_path / "g", record.meta)
    alone = records.Record(tmp_path / "g")
    z = torch.from_numpy(record.z)
    assert torch.equal(alone.generator()(z), record.generator()(z))
    with pytest.raises(FileNotFoundError, match="has the weights of G alone; only a training"):
        alone.discriminator()


def test_weights_are_stored_in_half_the_bytes_unless_that_does_not_hold_them():
    weights = {"a": torch.tensor([1 / 3, -6e4]), "b": torch.tensor([1.0, 7e4])}
    stored = compact(weights)
    assert {name: p.dtype for name, p in stored.items()} == {"a": torch.float16, "b": torch.float32}
    torch.testing.assert_close(stored["a"].float(), weights["a"], rtol=2**-11, atol=0)
    assert torch.equal(stored["b"], weights["b"])


@pytest.mark.filterwarnings("ignore:sigma = ")  # after one epoch
def test_unbounded_samples_are_stored_with_their_range(runs):
    """Points of the toys do not lie in [0, 1]: bytes and an affine map."""
    ring = datasets.load("ring")
    record = records.get_or_train("ring", "quick", device="cpu", recipe=own(ring).replace(epochs=1))
    with np.load(record.path / "samples.npz") as file:
        lo, hi, samples = file["lo"], file["hi"], file["samples"]
        progress, of_progress = file["progress"], (float(file["progress_lo"]), float(file["progress_hi"]))
    assert all({0, 255} <= set(stored.flat) for stored in (samples, progress))  # each uses all of its range
    assert samples.dtype == progress.dtype == np.uint8 and lo < hi
    assert (record.progress.min(), record.progress.max()) == pytest.approx(of_progress, abs=1e-5)
    np.testing.assert_allclose(record.samples, lo + (hi - lo) * samples / 255.0, atol=1e-5)
    x = record.generator()(torch.from_numpy(record.z)).detach().numpy()
    assert np.abs(x - record.samples[:64]).max() <= 0.5 * (hi - lo) / 255 + 1e-5


@given(st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=30).filter(lambda v: max(v) - min(v) > 1e-3))
def test_unbounded_values_come_back_within_half_a_step(values):
    a = torch.tensor(values)[:, None]
    stored = encode({"a": a, "b": a / 2}, bounded=False)
    half_step = (float(stored["hi"]) - float(stored["lo"])) / 255 / 2
    assert stored["a"].dtype == np.uint8
    assert np.abs(decode(stored, "a") - a.numpy()).max() <= half_step + 1e-4
    assert np.abs(decode(stored, "b") - a.numpy() / 2).max() <= half_step + 1e-4


def test_an_untrained_start_does_not_coarsen_what_is_scored():
    """A wide linear G starts at thirteen times the data's deviation; its samples are scored much later."""
    scored, start = torch.randn(500, 9), 30 * torch.randn(5, 9)
    stored = encode({"samples": scored, "progress": start}, bounded=False)
    assert np.abs(decode(stored, "samples") - scored.numpy()).max() < np.ptp(scored.numpy()) / 255
    assert np.abs(decode(stored, "progress") - start.numpy()).max() < np.ptp(start.numpy()) / 255


def test_every_grey_level_comes_back_exactly():
    levels = torch.arange(256, dtype=torch.float32)[None] / 255
    stored = encode({"a": levels}, bounded=True)
    assert stored["a"].tolist() == [list(range(256))] and "lo" not in stored
    assert np.array_equal(decode(stored, "a"), levels.numpy())


# ---------------------------------------------------------------------------------------- atomicity


def fails_at(nth, function):
    calls = []

    def failing(*arguments, **options):
        calls.append(1)
        if len(calls) == nth:
            raise OSError(28, "No space left on device")
        return function(*arguments, **options)

    return failing


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize(
    ("module", "name", "nth"),
    [(zipfile, "ZipFile", 1), (zipfile, "ZipFile", 2), (checkpoints, "serialize", 1), (json, "dumps", 1)],
)
def test_a_failure_in_the_middle_of_writing_leaves_what_was_there(
    kept, digits, tmp_path, monkeypatch, module, name, nth, earlier
):
    run, _ = kept
    path = tmp_path / "paper/mnist@digits/seed3"
    if earlier:
        records.write_record(run, digits, "paper", path)
    before = content(tmp_path)
    monkeypatch.setattr(module, name, fails_at(nth, getattr(module, name)))
    with pytest.raises(OSError, match="No space left"):
        records.write_record(run, digits, "paper", path)
    assert content(tmp_path) == before
    assert (records.read(path) is not None) == earlier
    assert os.listdir(path.parent) == (["seed3"] if earlier else [])  # nothing half-written, under any name


def test_a_record_is_replaced_as_a_whole(kept, digits, tmp_path):
    run, _ = kept
    path = tmp_path / "seed3"
    path.mkdir()
    (path / "stale.txt").write_text("of an earlier layout")
    records.write_record(run, digits, "paper", path)
    assert sorted(os.listdir(path)) == FILES and os.listdir(tmp_path) == ["seed3"]


def test_what_a_killed_writer_left_behind_is_no_record(kept, runs):
    _, record = kept
    for name in ("paper/mnist/.seed0.k1ll3d", "paper/tfd@att/seed0/.fold1.k1ll3d", "paper/mnist/.seed0.k1ll3d.old"):
        (runs / name).mkdir(parents=True)
        (runs / name / "record.json").write_text((record.path / "record.json").read_text())
    assert records.everything() == []
    assert records.below(runs, "paper") == []
    for name in ("paper/mnist/seed0", "paper/tfd@att/seed0/fold1"):
        (runs / name).mkdir(parents=True)
        (runs / name / "record.json").write_text((record.path / "record.json").read_text())
    assert [r.path.relative_to(runs).as_posix() for r in records.everything()] == [
        "paper/mnist/seed0", "paper/tfd@att/seed0/fold1",
    ]  # fmt: skip


def test_one_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "new" / "table.csv"

    def half():
        with paths.atomic_file(path) as unfinished:
            unfinished.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert os.listdir(path.parent) == []
    with paths.atomic_file(path) as unfinished:
        unfinished.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and os.listdir(path.parent) == ["table.csv"]


# ---------------------------------------------------------------------------------- get_or_train


def test_a_record_is_made_once_and_then_read(runs, trainings):
    first = records.get_or_train("digits", "quick", device="cpu", recipe=small())
    before = content(runs)
    again = records.get_or_train("digits", "quick", device="cpu", recipe=small())
    assert first.path == again.path == runs / "quick" / f"mnist~{small().checksum()}@digits" / "seed0"
    assert len(trainings) == 1 and content(runs) == before


def test_another_seed_or_recipe_is_another_record(runs, trainings):
    made = [
        records.get_or_train("digits", "quick", device="cpu", recipe=small(learning_rate=rate), seed=seed)
        for rate, seed in ((0.1, 0), (0.1, 1), (0.2, 0))
    ]
    assert len({r.path for r in made}) == len(trainings) == 3
    assert [r.meta["seed"] for r in made] == [0, 1, 0]
    assert not np.array_equal(made[0].samples, made[1].samples)


def test_a_quick_record_of_other_code_is_made_anew(runs, trainings, monkeypatch):
    records.get_or_train("digits", "quick", device="cpu", recipe=small())
    for module in ("store", "write"):
        monkeypatch.setattr(f"ganrepro.records.{module}.code_sha256", lambda: "of other code")
    record = records.get_or_train("digits", "quick", device="cpu", recipe=small())
    assert len(trainings) == 2 and record.meta["code"] == "of other code"


def test_the_same_training_makes_the_same_samples(runs, tmp_path, monkeypatch):
    first = records.get_or_train("digits", "quick", device="cpu", recipe=small())
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "again"))
    second = records.get_or_train("digits", "quick", device="cpu", recipe=small())
    assert first.path != second.path
    assert np.array_equal(first.samples, second.samples) and np.array_equal(first.ll, second.ll)


def test_auto_is_quick_where_no_paper_record_is(runs, own_recipe, trainings):
    record = records.get_or_train("digits", device="cpu")
    assert record.meta["profile"] == "quick" and record.recipe == recipes.quick(small(), 1197)
    assert record.path == runs / "quick/mnist@digits/seed0"
    assert records.get_or_train("digits", "quick", device="cpu").path == record.path and len(trainings) == 1


def test_auto_says_once_why_it_is_quick_where_there_is_no_repository(runs, own_recipe, trainings, monkeypatch, capsys):
    monkeypatch.setattr(paths, "REPOSITORY", None)
    store._say_if_none_are_committed.cache_clear()
    for _ in range(2):
        assert records.get_or_train("digits", device="cpu").meta["profile"] == "quick"
    assert capsys.readouterr().out.count("no committed record is here") == 1
    store._say_if_none_are_committed.cache_clear()


def test_auto_is_the_paper_record_where_there_is_one(runs, own_recipe, trainings, kept):
    paper = records.get_or_train("digits", "paper", device="cpu")
    assert paper.path == runs / "paper/mnist@digits/seed0"
    assert records.get_or_train("digits", device="cpu").path == paper.path
    assert len(trainings) == 1
    assert records.get_or_train("digits", "quick", device="cpu").meta["profile"] == "quick"


def test_a_committed_record_comes_before_one_under_runs(runs, own_recipe, monkeypatch, tmp_path, trainings):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "repo")
    local = records.get_or_train("digits", "paper", device="cpu")
    target = tmp_path / "repo/results" / local.path.relative_to(runs)
    target.parent.mkdir(parents=True)
    os.rename(local.path, target)
    assert records.get_or_train("digits", device="cpu").path == target
    assert [r.path for r in records.everything()] == [target] and len(trainings) == 1


def test_an_absent_paper_record_says_first_how_long_it_will_take(runs, own_recipe, capsys):
    records.get_or_train("digits", "paper", device="cpu")
    assert capsys.readouterr().out.startswith("training mnist on scikit-learn digits, 2 epochs: about ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (119, "119 seconds"), (7199, "120.0 minutes"), (10_800, "3.0 hours"), (5e5, "5.8 days")],
)
def test_durations_are_in_the_unit_that_fits(seconds, text):
    assert progress.duration(seconds) == text


def test_without_training_an_absent_record_is_an_error(runs, trainings):
    for profile in records.PROFILES:
        with pytest.raises(FileNotFoundError, match="there is no record .*seed0; run with train=True"):
            records.get_or_train("digits", profile, train=False, device="cpu")
    assert not trainings and not runs.exists()


def few_units(data):
    """The data's own recipe with a handful of units, for one epoch."""
    c, h, w = data.shape
    return own(data).replace(
        generator=(Layer(8, "relu"), Layer(c * h * w, "sigmoid", bias="marginal")),
        discriminator=(Layer(4, "maxout", 0.005, pieces=2), Layer(1, "linear", 0.005)),
        epochs=1,
    )


def test_a_fold_is_trained_without_its_validation_and_test_people(runs, trainings):
    fold = datasets.load("att").fold(2)
    record = records.get_or_train(fold, "quick", device="cpu", recipe=few_units(fold))
    assert record.path.name == "fold2" and record.meta["dataset"]["fold"] == 2
    assert record.meta["dataset"]["training_examples"] == 240 and len(record.ll) == 80


@pytest.mark.parametrize("n", [10, *(pytest.param(n, marks=pytest.mark.slow) for n in (30, 123))])
def test_a_set_that_can_be_loaded_can_be_trained_and_scored(runs, tmp_path, capsys, n):
    images = np.random.default_rng(0).integers(0, 256, (n, 4, 4), np.uint8)
    np.savez(tmp_path / "few.npz", images=images)
    record = records.get_or_train(str(tmp_path / "few.npz"), "quick", device="cpu")
    assert "training examples: a minibatch is all of them, in place of 100" in capsys.readouterr().out
    assert record.meta["epochs"] == record.meta["steps"] == 500
    score = record.meta["scores"]["last"]
    assert math.isfinite(score["mean"]) and score["se_examples"] > 0 and len(record.ll) == max(2, n // 10)


# ------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"profile": "fast"}, "profile = 'fast'; choose one of auto, quick, paper"),
        ({"profile": "Paper"}, "profile = 'Paper'"),
        ({"seed": -1}, "seed = -1; it must be an int from 0 to 4294967295"),
        ({"seed": 2**32}, "seed = 4294967296; it must be an int from 0 to"),
        ({"seed": 1.0}, "seed = 1.0"),
        ({"seed": True}, "seed = True"),
        ({"dataset": "minst"}, "unknown data set 'minst'.*did you mean 'mnist'"),
        ({"device": "tpu"}, "device = 'tpu' is not there; choose one of auto, cpu"),
        ({"device": "cuda:99"}, "device = 'cuda:99' is not there"),
        ({"recipe": for_dataset("mnist", (1, 28, 28))}, "64 numbers an example, recipe mnist makes 784"),
    ],
)
@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_bad_arguments_are_refused_before_any_work(runs, trainings, monkeypatch, capsys, profile, change, said):
    monkeypatch.setattr(training, "run_epoch", lambda *_: pytest.fail("something was trained"))
    options = {"dataset": "digits", "profile": profile, "device": "cpu"} | change
    with pytest.raises(ValueError, match=said):
        records.get_or_train(**options)
    assert not trainings and not runs.exists()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_an_unwritable_runs_folder_ends_before_any_work(runs, trainings, profile):
    runs.write_text("a file in the way")
    for options in ({}, {"recipe": small()}):
        with pytest.raises(OSError, match=f"{runs} cannot be written to.*GANREPRO_RUNS"):
            records.get_or_train("digits", profile, device="cpu", **options)
    assert not trainings and runs.read_text() == "a file in the way"


def test_a_paper_record_of_another_recipe_is_an_error_and_stays(runs, own_recipe, trainings, digits):
    record = records.get_or_train("digits", "paper", device="cpu")
    meta = json.loads((record.path / "record.json").read_text())
    meta["recipe"]["learning_rate"] = 0.3
    records.seal(record.path, meta)
    before = content(runs)
    for call in (lambda: records.get_or_train("digits", "paper", device="cpu"),
                 lambda: records.get_or_train("digits", device="cpu"),
                 lambda: list(records.train_paper(digits, device="cpu"))):  # fmt: skip
        with pytest.raises(ValueError, match="made by another recipe: learning_rate is 0.3 there and 0.1 here"):
            call()
    assert content(runs) == before and len(trainings) == 1


@pytest.fixture
def copy(kept, tmp_path):
    _, record = kept
    for name, raw in content(record.path).items():
        (tmp_path / name).write_bytes(raw)
    return records.Record(tmp_path)


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize(("file", "read"), [("samples.npz", lambda r: r.samples), ("ll.npz", lambda r: r.ll)])
def test_a_truncated_array_file_is_an_error_that_names_it(copy, file, read, share):
    raw = (copy.path / file).read_bytes()
    (copy.path / file).write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(ValueError, match=f"{copy.path / file} is missing or damaged .*; restore it, or train"):
        read(copy)


def test_a_flipped_byte_in_the_samples_is_an_error(copy):
    path = copy.path / "samples.npz"
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("samples.npy").header_offset + 1000
    raw = bytearray(path.read_bytes())
    raw[start] ^= 255
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="samples.npz is missing or damaged"):
        _ = copy.samples


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_an_error_that_names_it(copy, file):
    (copy.path / file).unlink()
    read = {"curves.csv": lambda: copy.curves, "ll.npz": lambda: copy.ll, "record.json": lambda: copy.meta,
            "samples.npz": lambda: copy.samples, "weights.safetensors": copy.generator}  # fmt: skip
    with pytest.raises((ValueError, FileNotFoundError), match=file):
        read[file]()


def test_a_damaged_description_or_weights_file_is_an_error_that_names_it(copy):
    weights = copy.path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ValueError, match="weights.safetensors is missing or damaged"):
        copy.generator()
    (copy.path / "record.json").write_text('{"dataset": ')
    with pytest.raises(ValueError, match="record.json is missing or damaged"):
        _ = records.Record(copy.path).meta


def test_arrays_of_another_make_are_an_error_that_says_what_is_missing(copy):
    np.savez_compressed(copy.path / "samples.npz", samples=np.zeros((3, 64), np.uint8))
    records.seal(copy.path, copy.meta)
    with pytest.raises(ValueError, match="samples.npz is missing or damaged .*no key 'z'; found 'samples'"):
        _ = records.Record(copy.path).samples


def test_a_pickle_in_an_array_file_is_never_opened(copy):
    np.savez(copy.path / "ll.npz", ll=np.array([{}], dtype=object), sigma=np.array([0.1]))
    with pytest.raises(ValueError, match="ll.npz is missing or damaged"):
        _ = copy.ll


# ------------------------------------------------------------------- paper trainings, in sittings


def test_a_paper_training_goes_on_from_its_checkpoint_to_the_same_record(
    runs, own_recipe, digits, tmp_path, monkeypatch
):
    list(records.train_paper(digits, [1], device="cpu", epochs=2))
    (longer,) = records.train_paper(digits, [1], device="cpu", epochs=5)
    assert (longer.meta["epochs"], longer.path) == (5, runs / "paper/mnist@digits/seed1")
    assert (runs / "checkpoints/paper/mnist@digits/seed1.safetensors").is_file()
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "whole"))
    (whole,) = records.train_paper(digits, [1], device="cpu", epochs=5)
    assert whole.path != longer.path
    assert np.array_equal(whole.samples, longer.samples)
    columns = ["epoch", "d_loss", "g_loss", "lr", "momentum"]
    assert whole.curves[columns].equals(longer.curves[columns])


def test_a_record_grows_from_its_weights_where_there_is_no_checkpoint(runs, own_recipe, digits, tmp_path, monkeypatch):
    (first,) = records.train_paper(digits, [1], device="cpu", epochs=20)
    shutil.rmtree(runs / "checkpoints")
    (grown,) = records.train_paper(digits, [1], device="cpu", epochs=40, from_record=True)
    assert grown.path == first.path and grown.meta["epochs"] == 40
    (again,) = grown.meta["restarts"]
    assert again["epoch"] == 20 and again["weights"].startswith("float16 of both players; momenta 0")
    assert list(grown.curves.epoch) == list(range(1, 41)) and grown.curves.step.diff().nunique() == 1  # curves join
    assert grown.meta["progress_epochs"] == [0, 1, 2, 5, 10, 20] and len(grown.progress) == 6

    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "whole"))
    (whole,) = records.train_paper(digits, [1], device="cpu", epochs=40)
    pd.testing.assert_frame_equal(grown.curves[:20].drop(columns="seconds"), whole.curves[:20].drop(columns="seconds"))
    for column in ("lr", "momentum", "step"):  # schedules go on, too
        assert grown.curves[column].equals(whole.curves[column])
    for column in ("d_loss", "g_loss"):  # the first epoch after is within one epoch's scatter of the unbroken one's
        scatter = whole.curves[column][10:].diff().std()
        assert abs(grown.curves[column][20] - whole.curves[column][20]) < 3 * scatter
    assert not np.array_equal(grown.samples, whole.samples)  # the momenta and the random stream are not those


def test_a_restart_is_marked_in_the_table_and_kept_through_a_checkpoint(runs, own_recipe, digits, capsys, monkeypatch):
    monkeypatch.setattr(training, "estimate_seconds", lambda *_: 600.0)
    list(records.train_paper(digits, [1], device="cpu", epochs=1))
    shutil.rmtree(runs / "checkpoints")
    list(records.train_paper(digits, [1], device="cpu", epochs=2, from_record=True))
    assert "digits, 2 epochs, 1 of them made: about 5.0 minutes here" in capsys.readouterr().out  # of 10 for both
    (grown,) = records.train_paper(digits, [1], device="cpu", epochs=3, from_record=True)  # from its checkpoint now
    assert [again["epoch"] for again in grown.meta["restarts"]] == [1]
    rows = tables.gan_rows([grown], "here")
    assert set(rows.source) == {"here; restarted at epoch 1"} and tables.readable(rows).epochs[0] == "3*"
    grown.meta["restarts"].append(grown.meta["restarts"][0] | {"epoch": 2})
    assert set(tables.gan_rows([grown], "here").source) == {"here; restarted at epochs 1 and 2"}


@pytest.mark.parametrize("state", [[1], {"rows": 3}, None])
def test_a_checkpoint_without_a_state_is_refused_before_a_length_is_said(runs, own_recipe, digits, capsys, state):
    list(records.train_paper(digits, [1], device="cpu", epochs=1))
    capsys.readouterr()
    (path,) = (runs / "checkpoints").rglob("seed1.safetensors")
    tensors, metadata = checkpoints.read(path)
    checkpoints.write(path, tensors, metadata | {"state": state})
    with pytest.raises(ValueError, match="is damaged or no checkpoint"):
        list(records.train_paper(digits, [1], device="cpu", epochs=2))
    assert "of them made" not in capsys.readouterr().out


def test_after_a_restart_the_best_epoch_is_among_those_whose_weights_are_here(runs, own_recipe, digits):
    list(records.train_paper(digits, [1], device="cpu", epochs=5))
    shutil.rmtree(runs / "checkpoints")
    (grown,) = records.train_paper(digits, [1], device="cpu", epochs=15, from_record=True)
    scored = grown.curves[grown.curves.epoch >= 5].dropna(subset="valid_ll").set_index("epoch").valid_ll
    assert list(scored.index) == [5, 10, 15] and grown.meta["scores"]["best"]["epoch"] == scored.idxmax()


def test_what_cannot_be_gone_on_with_is_refused_and_nothing_written(runs, own_recipe, digits):
    def grow(epochs=2):
        return list(records.train_paper(digits, [1], device="cpu", epochs=epochs, from_record=True))

    with pytest.raises(FileNotFoundError, match="there is no record of mnist on scikit-learn digits, seed 1, to go"):
        grow()
    assert not content(runs)
    (first,) = records.train_paper(digits, [1], device="cpu", epochs=1)
    shutil.rmtree(runs / "checkpoints")
    (first.path / "weights.safetensors").unlink()
    before = content(runs)
    with pytest.raises(FileNotFoundError, match="weights.safetensors is not there"):
        grow()
    assert content(runs) == before


def test_a_longer_paper_record_stays(runs, own_recipe, digits, trainings):
    list(records.train_paper(digits, device="cpu", epochs=3))
    before = content(runs)
    (found,) = records.train_paper(digits, device="cpu", epochs=2)
    assert found.meta["epochs"] == 3 and content(runs) == before and len(trainings) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:sigma = ")
def test_faces_have_a_paper_record_for_each_fold_and_one_row_together(runs, monkeypatch, trainings):
    faces = datasets.load("att")
    monkeypatch.setattr("ganrepro.records.store.for_dataset", lambda name, shape, recipe="own": few_units(faces))
    made = list(records.train_paper(faces, [1], device="cpu"))
    expected = [f"paper/tfd-small@att/seed1/fold{k}" for k in range(5)]
    assert [r.path.relative_to(runs).as_posix() for r in made] == expected
    assert [r.meta["dataset"]["fold"] for r in made] == list(range(5)) and len(trainings) == 5
    assert [len(r.ll) for r in made] == [80] * 5
    (row,) = tables.gan_rows(made).query("rule == 'last epoch'").to_dict("records")
    assert row["mean"] == pytest.approx(np.mean([r.ll.mean() for r in made])) and row["n_seeds"] == 1
    assert row["se_folds"] == pytest.approx(np.std([r.ll.mean() for r in made], ddof=1) / np.sqrt(5))
    snapshots = list(records.snapshot(faces, seed=1, device="cpu"))
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(made, snapshots, strict=True))


def test_what_is_wanted_is_trained_in_order_and_only_where_it_is_missing(runs, own_recipe, monkeypatch, trainings):
    monkeypatch.setattr("ganrepro.records.store.WANTED", (("digits", "own", range(2)),))
    assert [r.meta["seed"] for r in records.train_wanted("cpu", epochs=1)] == [0, 1]
    assert len(trainings) == 2
    monkeypatch.setattr("ganrepro.records.store.WANTED", (("digits", "own", range(3)),))
    assert [r.meta["seed"] for r in records.train_wanted("cpu", epochs=1)] == [0, 1, 2]
    assert len(trainings) == 3


def test_the_papers_own_data_are_wanted_first():
    assert records.WANTED[0] == ("mnist", "own", range(10))
    assert [name for name, *_ in records.WANTED[:5]] == ["mnist", "att", "cifar10", "cifar10", "fer2013"]
    full = [named for _, named, _ in records.WANTED if named in recipes.PAPER]
    assert full == ["conditional", "subsets", "tfd", "cifar10-fc", "cifar10-conv"]  # last: what waits for a GPU


def test_wanted_data_that_cannot_be_had_are_skipped_with_the_reason(runs, own_recipe, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("GANREPRO_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("GANREPRO_OFFLINE", "1")
    wanted = (("fer2013", "own", range(2)), ("cifar10", "cifar10-conv", range(1)), ("digits", "own", range(1)))
    monkeypatch.setattr("ganrepro.records.store.WANTED", wanted)
    (made,) = records.train_wanted("cpu", epochs=1)
    assert made.meta["dataset"]["name"] == "digits"
    said = capsys.readouterr().out
    assert "skipped: no record of fer2013, recipe own, since its data are not here. fer2013: found none of" in said
    assert "skipped: no record of cifar10, recipe cifar10-conv" in said and "GANREPRO_OFFLINE is set" in said


@pytest.mark.parametrize("epochs", [0, -1, 2.0])
def test_a_length_that_is_none_is_refused(runs, digits, epochs):
    with pytest.raises(ValueError, match=rf"epochs\n.*input_value={epochs},"):
        list(records.train_paper(digits, device="cpu", epochs=epochs))
    assert not runs.exists()


def test_a_snapshot_is_the_record_of_the_checkpoint_as_it_stands(runs, own_recipe, digits):
    folder = records.checkpoint_folder(small(), digits)
    (run,) = training.train(small(), digits, seeds=[2], epochs=3, device="cpu", checkpoint_dir=folder, validate_every=2)
    before = (folder / "seed2.safetensors").read_bytes()
    (record,) = records.snapshot(digits, seed=2, device="cpu")
    assert record.path == runs / "paper/mnist@digits/seed2"
    assert (record.meta["epochs"], record.meta["seed"], record.meta["profile"]) == (3, 2, "paper")
    assert set(record.meta["scores"]) == {"last", "fine", "best"}
    stored = run.generator_of(compact(run.weights()), run.epoch)
    x, z = networks.sample(stored, run.recipe, 64, 2)
    assert np.array_equal(record.z, z.numpy())
    assert np.abs(record.samples[:64] - x.numpy()).max() <= 0.5 / 255 + 1e-6
    assert (folder / "seed2.safetensors").read_bytes() == before
    assert checkpoints.read_metadata(folder / "seed2.safetensors")["state"]["epoch"] == 3


def test_a_snapshot_of_nothing_is_an_error(runs, digits):
    with pytest.raises(FileNotFoundError, match="there is no checkpoint .*seed4.safetensors.*records train"):
        list(records.snapshot(digits, seed=4, device="cpu"))
    assert not runs.exists()


# --------------------------------------------------------------------------- what is committed


def test_committed_scores_can_be_recomputed(evidence):
    """Plain numpy, from samples.npz alone, of every tenth test example and for every record; test_results has all."""
    meta = evidence.meta
    if meta["dataset"]["fold"] is not None or not (evidence.path / "samples.npz").exists():
        pytest.skip("a record with folds or without its samples; its own data set's test holds it")
    with np.load(evidence.path / "samples.npz") as file, np.load(evidence.path / "ll.npz") as scored:
        samples, ll, (sigma,) = file["samples"], scored["ll"], scored["sigma"]
    if len(samples) < records.STORED_SAMPLES:
        pytest.skip(f"{len(samples)} of its samples are committed; it was scored on {records.STORED_SAMPLES}")
    try:
        test = datasets.load(meta["dataset"]["name"]).test
    except datasets.DatasetUnavailable as error:
        pytest.skip(f"its data are not here: {error}")
    found = np.concatenate([recompute(samples, sigma, part) for part in test[::10].split(500)])
    np.testing.assert_allclose(found, ll[::10], rtol=0, atol=1e-3)
    assert meta["scores"]["last"]["mean"] == pytest.approx(ll.mean(), abs=1e-6)
    assert meta["scores"]["last"]["se_examples"] == pytest.approx(ll.std() / np.sqrt(len(test)), abs=1e-6)


def test_committed_records_lie_where_their_description_says(evidence):
    meta, below = evidence.meta, evidence.path.relative_to(paths.results())
    assert meta["profile"] == below.parts[0] == "paper"
    assert below.parts[2] == f"seed{meta['seed']}"
    assert below.parts[1].startswith(meta["recipe"]["name"])
    assert meta["epochs"] == len(evidence.curves) == meta["scores"]["last"]["epoch"]


def test_several_seeds_are_trained_together_where_there_is_a_gpu(digits, tmp_path, monkeypatch):
    """One call for all that are missing there, and one call each on a CPU."""
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    calls, train = [], training.train

    def noted(*arguments, seeds, **options):
        calls.append(list(seeds))
        return train(*arguments, seeds=seeds, **options)

    monkeypatch.setattr(training, "train", noted)
    monkeypatch.setattr(training, "estimate_seconds", lambda *_: 1.0)
    list(records.train_paper(digits, [1], "cpu", epochs=1))
    list(records.train_paper(digits, [0, 1, 2], "cpu", epochs=1))
    assert calls == [[1], [0], [2]]
    calls.clear()
    on_gpu = {"": torch.device("cpu"), "gpu": torch.device("cuda")}
    monkeypatch.setattr("ganrepro.records.store.torch_device", lambda name: on_gpu["gpu" if not calls else ""])
    monkeypatch.setattr(training, "train", lambda *a, seeds, **o: calls.append(list(seeds)) or [])
    list(records.train_paper(digits, [0, 1, 3, 4], "cpu", epochs=1))
    assert calls == [[3, 4]]
