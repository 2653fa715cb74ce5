"""What is committed of a record, and Figure 2 from committed records."""

import json
import subprocess

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from ganrepro import datasets, paths, recipes, records
from ganrepro.recipes import RECIPES
from ganrepro.records import provenance
from ganrepro.report import figures, publish


def cifar():
    rows = torch.rand(90, 3072, generator=torch.Generator().manual_seed(0))
    train, valid, test = rows.split(30)
    return datasets.Dataset(name="cifar10", label="CIFAR-10", shape=(3, 32, 32), train=train, valid=valid, test=test)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A repository without results, and runs beside it."""
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "repo")
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    return tmp_path


def record(root, place, recipe, dataset, seed=0, epochs=3, n=2000, samples=None, fold=None):
    """A record's folder with no training behind it."""
    path = root / place
    path.mkdir(parents=True)
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 256, (n, recipe.dim), np.uint8) if samples is None else samples
    meta = {"recipe": recipe.to_dict(), "dataset": {"name": dataset, "label": dataset, "fold": fold}, "seed": seed,
            "epochs": epochs, "profile": "paper", "progress_epochs": [0], "code": "0" * 64, "git": {"commit": "0" * 40},
            "scores": {"last": {"epoch": epochs}, "best": {"epoch": epochs - 1}}}  # fmt: skip
    (path / "record.json").write_text(json.dumps(meta))
    (path / "curves.csv").write_text("epoch\n1\n")
    unbounded = {} if recipe.contrast is None else {"lo": np.float32(-3), "hi": np.float32(3)}
    arrays = {"samples": samples, "best_samples": samples, "z": np.zeros((64, 100), np.float32)} | unbounded
    np.savez_compressed(path / "samples.npz", progress=np.zeros((1, 100, recipe.dim), np.uint8), **arrays)
    np.savez_compressed(path / "ll.npz", ll=np.zeros(9), sigma=np.ones(1))
    (path / "weights.safetensors").write_bytes(b"weights")
    return records.Record(path)


@pytest.mark.parametrize(
    ("place", "name", "dataset", "seed", "kept"),
    [
        ("paper/mnist/seed0", "mnist", "mnist", 0, 2000),
        ("paper/mnist/seed2", "mnist", "mnist", 2, 2000),
        ("paper/mnist/seed4", "mnist", "mnist", 4, 1000),
        ("paper/tfd@att/seed0/fold0", "tfd", "att", 0, 200),  # of each of five folds
        ("paper/tfd@fer2013/seed0", "tfd", "fer2013", 0, 1000),  # one model, scored on five folds
        ("paper/cifar10-fc/seed0", "cifar10-fc", "cifar10", 0, 300),
        ("paper/cifar10-conv/seed0", "cifar10-conv", "cifar10", 0, 300),
        ("paper/mnist-small/seed0", "mnist-small", "mnist", 0, 1000),
    ],
)
def test_what_is_committed_is_small(here, place, name, dataset, seed, kept):
    fold = 0 if dataset in ("att", "fer2013") else None
    source = record(here / "runs", place, RECIPES[name], dataset, seed, fold=fold)
    target = records.Record(publish.commit_record(source))
    assert target.path == here / "repo/results" / place
    assert len(target.samples) == kept
    assert target.progress.shape[1] == (100 if place == "paper/mnist/seed0" else 10)
    with pytest.raises(FileNotFoundError, match="keeps the scores of its best epoch, not its samples"):
        _ = target.best_samples
    assert np.array_equal(target.samples, source.samples[:kept]) and np.array_equal(target.z, source.z)
    assert (target.path / "weights.safetensors").exists() == (place == "paper/mnist/seed0")
    assert publish.commit_record(source) is None  # there already


def test_own_pictures_never_stand_in_a_committed_table(here, monkeypatch):
    """Neither as a record nor as a row: only what is of the project's data sets is taken."""
    for place, dataset in (("paper/mnist/seed0", "mnist"), ("paper/mnist@faces-12345678/seed0", "faces-12345678")):
        record(here / "runs", place, RECIPES["mnist"], dataset)
    for kind, name in (("claims", "05_conditional_faces-12345678_paper"), ("claims", "05_conditional_mnist_paper"),
                       ("coordination", "mnist_paper-12345678_paper"), ("coordination", "mnist_paper_samples"),
                       ("equilibrium", "toys_paper"), ("equilibrium", "toys_quick"),
                       ("generalization", "capacity_faces-12345678_paper")):  # fmt: skip
        path = here / "runs" / kind / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("measured\n1\n")
    for made_from_committed in (publish.coordination, publish.documents):
        for name in ("rebuild", "update"):
            monkeypatch.setattr(made_from_committed, name, lambda: [], raising=False)
    for name in ("write_controls", "write_figures"):
        monkeypatch.setattr(publish, name, lambda: [])
    monkeypatch.setattr(publish.tables, "table1", lambda committed: pd.DataFrame(
        {"dataset": [r.meta["dataset"]["name"] for r in committed]}))
    checked = []  # made-up records have no evidence
    monkeypatch.setattr(records.evidence, "check", lambda found: checked.append(found.meta["dataset"]["name"]))
    publish.publish()
    assert checked == ["mnist"]
    assert pd.read_csv(here / "repo/results/table1.csv").dataset.tolist() == ["mnist"]
    committed = {p.name for p in (here / "repo/results").rglob("*") if p.is_file()}
    assert committed == {"record.json", "curves.csv", "ll.npz", "samples.npz", "weights.safetensors", "table1.csv",
                         "05_conditional_mnist_paper.csv", "mnist_paper_samples.csv", "toys_paper.csv"}  # fmt: skip
    assert [p.name for p in (here / "repo/results/paper").iterdir()] == ["mnist"]


@pytest.mark.parametrize(
    ("commit", "code", "taken"), [(None, "known", True), (None, "other", False), ("a" * 40, "", True)]
)
def test_a_record_without_a_commit_is_taken_only_if_its_code_is_known(here, monkeypatch, capsys, commit, code, taken):
    monkeypatch.setattr(provenance, "is_known_code", lambda checksum: checksum == "known")
    found = record(here / "runs", "paper/mnist/seed0", RECIPES["mnist"], "mnist")
    found.meta.update(git={"commit": commit}, code=code)
    assert publish.may_be_committed(found) == taken
    assert ("names no commit" in capsys.readouterr().out) != taken


def test_what_g_completed_is_committed_in_place_of_its_weights(here, monkeypatch):
    source = record(here / "runs", "paper/subsets/seed0", RECIPES["subsets"], "mnist")
    asked = []

    def write(found, data):
        asked.append((found.path, data.name))
        (found.path / "completions.npz").write_bytes(b"completions")

    monkeypatch.setattr(publish.subsets, "write", write)
    target = publish.commit_record(source)
    assert asked == [(source.path, "mnist")]
    assert (target / "completions.npz").read_bytes() == b"completions"
    assert not (target / "weights.safetensors").exists()
    other = record(here / "runs", "paper/subsets/seed1", RECIPES["subsets"], "mnist", 1)
    (other.path / "completions.npz").write_bytes(b"made before")
    assert (publish.commit_record(other) / "completions.npz").read_bytes() == b"made before"
    assert len(asked) == 1


def test_models_are_committed_with_the_table_that_they_stand_beside(here):
    claims = here / "runs/claims"
    claims.mkdir(parents=True)
    for name in ("06_a_paper.csv", "06_a_paper.safetensors", "06_a_quick.safetensors", "07_alone_paper.safetensors"):
        (claims / name).write_text(name)
    (here / "runs/baselines").mkdir()
    for name in ("a_paper.csv", "a_paper.npz", "a_quick.npz"):
        (here / "runs/baselines" / name).write_text(name)
    publish.commit_tables()
    folders = [here / "repo/results" / kind for kind in ("claims", "baselines")]
    committed = {p.name: p.read_text() for folder in folders for p in folder.iterdir()}
    kept = ("06_a_paper.csv", "06_a_paper.safetensors", "a_paper.csv", "a_paper.npz")
    assert committed == {name: name for name in kept}


def test_a_table_of_an_earlier_commit_does_not_replace_a_later_one(here, monkeypatch, capsys):
    def git(*arguments):
        command = ["git", "-C", str(here / "repo"), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (here / "repo").mkdir()
    monkeypatch.setattr("ganrepro.records.provenance.REPOSITORY", here / "repo")
    git("init")
    commits = []
    for said in ("first", "second"):
        git("commit", "--allow-empty", "-m", said)
        commits.append(git("rev-parse", "HEAD"))
    committed, made = (here / place / "claims/05_a_paper.csv" for place in ("repo/results", "runs"))
    for file, measured, commit in ((committed, 1, commits[1]), (made, 2, commits[0])):
        file.parent.mkdir(parents=True)
        file.write_text(f"measured,commit\n{measured},{commit}\n")
    publish.commit_tables()
    assert committed.read_text().startswith("measured,commit\n1,")
    assert f"skipped: {made} was made at commit {commits[0][:7]}, before" in capsys.readouterr().out
    for again in (commits[1], "unknown"):  # of the same commit, or of one that is not known here
        made.write_text(f"measured,commit\n3,{again}\n")
        publish.commit_tables()
        assert committed.read_text() == made.read_text()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_samples_file_that_was_cut_short_overwrites_nothing(here, share):
    source = record(here / "runs", "paper/mnist/seed1", RECIPES["mnist"], "mnist", 1)
    publish.commit_record(source)
    committed = here / "repo/results/paper/mnist/seed1"
    before = {p.name: p.read_bytes() for p in committed.iterdir()}
    longer = record(here / "more", "paper/mnist/seed1", RECIPES["mnist"], "mnist", 1, epochs=9)
    for name in ("record.json", "samples.npz"):
        raw = (longer.path / name).read_bytes()
        (source.path / name).write_bytes(raw[: int(share * len(raw))] if name == "samples.npz" else raw)
    with pytest.raises(ValueError, match="runs/paper/mnist/seed1/samples.npz is missing or damaged"):
        publish.commit_record(records.Record(source.path))
    assert {p.name: p.read_bytes() for p in committed.iterdir()} == before
    assert [p.name for p in committed.parent.iterdir()] == ["seed1"]


def test_figure_2_of_cifar10_is_in_colour_with_neighbours_from_the_same_space(here, monkeypatch):
    data, recipe = cifar(), RECIPES["cifar10-fc"]
    space = datasets.prepare(data, recipe)
    near = space.train[:30].clamp(-3, 3)  # each sample is a training example, as a byte holds it
    samples = ((near + 3) / 6 * 255).round().to(torch.uint8).numpy()
    drawn = {}

    def figure2(shown, beside, shape, columns, title):
        drawn.update(shown=np.asarray(shown), beside=np.asarray(beside), shape=shape, title=title)
        return figures.sprite(shown, shape)

    monkeypatch.setattr(figures, "figure2", figure2)
    monkeypatch.setattr(datasets, "load", lambda name: data)
    for part, place in (("figure2c", "paper/cifar10-fc-small/seed0"), ("figure2d", "paper/cifar10-conv-small/seed0")):
        record(here / "repo/results", place, RECIPES[place.split("/")[1]], "cifar10", samples=samples)
        path = publish.write_figure2(part)
        assert path == here / f"repo/results/figures/{part}.png"
        picture = plt.imread(path)
        assert (np.ptp(picture[..., :3], axis=-1) > 0.1).mean() > 0.3  # not grey
        assert drawn["shape"] == (3, 32, 32) and drawn["title"].startswith(f"Figure 2{part[-1]}: CIFAR-10")
        np.testing.assert_allclose(drawn["beside"], datasets.pictures(space, space.train[5:30:6]), atol=1e-5)
        assert np.abs(drawn["shown"][5::6] - drawn["beside"]).max() < 0.02  # the very same picture, to a grey level
        assert abs(drawn["shown"].mean() - 0.4732) < 0.02 and -0.5 < drawn["shown"].min() < drawn["shown"].max() < 1.5


def test_figure_2b_is_of_the_faces_that_ship(here):
    faces = datasets.load("att")
    samples = (faces.fold(0).train[:30] * 255).round().to(torch.uint8).numpy()
    place = "paper/tfd-small@att/seed0/fold0"
    record(here / "repo/results", place, RECIPES["tfd-small"], "att", samples=samples, fold=0)
    assert publish.write_figure2("figure2b").stat().st_size > 1000


def test_fer2013_is_never_in_a_figure(here, monkeypatch):
    monkeypatch.setitem(publish.FIGURE2, "figure2b", ("faces", "paper/tfd@fer2013/seed0"))
    record(here / "repo/results", "paper/tfd@fer2013/seed0", RECIPES["tfd"], "fer2013")
    monkeypatch.setattr(datasets, "load", lambda name: pytest.fail("its pictures were read"))
    assert publish.write_figure2("figure2b") is None
    assert not (here / "repo/results/figures").exists()


def test_a_figure_without_its_training_data_stays_as_it_was(here, monkeypatch, capsys):
    monkeypatch.setenv("GANREPRO_DATA", str(here / "nothing"))
    monkeypatch.setenv("GANREPRO_OFFLINE", "1")
    record(here / "repo/results", "paper/cifar10-fc-small/seed0", RECIPES["cifar10-fc-small"], "cifar10")
    drawn = here / "repo/results/figures/figure2c.png"
    drawn.parent.mkdir()
    drawn.write_bytes(b"drawn where the data were")
    assert publish.write_figures() == [] and drawn.read_bytes() == b"drawn where the data were"
    assert "skipped: figure2c is not drawn anew" in capsys.readouterr().out


def test_every_part_names_a_record_that_a_wanted_training_makes():
    wanted = {(dataset, recipe) for dataset, recipe, _ in records.WANTED}
    for _, place in publish.FIGURE2.values():
        recipe, _, dataset = place.split("/")[1].partition("@")
        assert (dataset or recipe, "own") in wanted or ("cifar10", recipe) in wanted or recipe == recipes.own("cifar10")
