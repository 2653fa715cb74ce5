"""Where files are, what a path means, and with which permissions files are written."""

import os
import stat
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from ganrepro import datasets, paths, records, training
from ganrepro.report import figures


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, and a folder in it where the command is given."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "meant"),
    [("x", "here/x"), ("./x/y", "here/x/y"), ("~", ""), ("~/x", "x"), ("a~b", "here/a~b"),
     ("~nobody9/x", "here/~nobody9/x")],
)  # fmt: skip
def test_a_path_means_one_thing(home, given, meant):
    assert paths.absolute(given) == paths.absolute(Path(given)) == home / meant


def test_runs_lie_where_the_environment_says_else_in_the_repository_else_at_home(home, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", "~/elsewhere")
    assert paths.runs() == home / "elsewhere"
    monkeypatch.setenv("GANREPRO_RUNS", "mine")
    assert paths.runs() == home / "here/mine"
    monkeypatch.delenv("GANREPRO_RUNS")
    monkeypatch.setattr(paths, "REPOSITORY", home / "repo")
    assert paths.runs() == home / "repo/runs"  # whatever the working directory
    monkeypatch.setattr(paths, "REPOSITORY", None)
    assert paths.runs() == home / "ganrepro-runs"
    with pytest.raises(FileNotFoundError, match="without its repository.*clone"):
        paths.results()


def test_the_environment_of_another_process_is_absolute(home, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", "mine")
    monkeypatch.setenv("GANREPRO_DATA", "~/data")
    assert paths.environment() == {"GANREPRO_RUNS": str(home / "here/mine"), "GANREPRO_DATA": str(home / "data")}
    monkeypatch.delenv("GANREPRO_RUNS")
    monkeypatch.setenv("GANREPRO_DATA", "")
    assert paths.environment() == {}


def test_a_strangers_project_is_no_checkout(tmp_path):
    (tmp_path / "notebooks").mkdir()
    assert paths.checkout(tmp_path) is None
    (tmp_path / "pyproject.toml").write_bytes(b'[project]\nname = "other"\ndescription = "l\xe9gende"\n')
    assert paths.checkout(tmp_path) is None
    for end in (b"\n", b"\r\n"):
        (tmp_path / "pyproject.toml").write_bytes(b'[project]\nname = "ganrepro"\n'.replace(b"\n", end))
        assert paths.checkout(tmp_path) == tmp_path
    assert paths.checkout(paths.PACKAGE.parent) == paths.REPOSITORY


@pytest.mark.parametrize("start", ["", "~/here/"])
def test_what_a_user_names_is_written_and_read_there(home, digits, small_recipe, start):
    table = pd.DataFrame({"x": [1]})
    assert records.write_table(table, f"{start}a/table.CSV") == home / "here/a/table.CSV"
    assert figures.save(plt.figure(), f"{start}a/figure.PNG") == home / "here/a/figure.PNG"
    plt.close()
    training.train(small_recipe(), digits, device="cpu", epochs=1, show_progress=False, checkpoint_dir=f"{start}a")
    np.savez("my.npz", images=np.arange(40, dtype=np.uint8).reshape(10, 2, 2))
    assert datasets.load(f"{start}my.npz").shape == (1, 2, 2)
    assert sorted(os.listdir(home / "here/a")) == ["figure.PNG", "seed0.safetensors", "table.CSV"]
    assert sorted(os.listdir(home / "here")) == ["a", "my.npz"] and sorted(os.listdir(home)) == ["here"]


@pytest.mark.parametrize("ending", ["png", "PNG", "svg", "SVG", "pdf", "PDF"])
def test_a_figure_has_the_format_of_its_ending_and_no_date(tmp_path, ending):
    written = figures.save(plt.figure(), tmp_path / f"x.{ending}").read_bytes()
    plt.close()
    assert {"png": b"PNG", "svg": b"<svg", "pdf": b"%PDF"}[ending.lower()] in written
    assert b"dc:date" not in written and b"CreationDate" not in written


# ------------------------------------------------------------------------------------- permissions


@pytest.fixture(params=[0o022, 0o027, 0o077], ids=lambda umask: f"{umask:03o}")
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder):
    return {p.relative_to(folder).as_posix(): stat.S_IMODE(p.stat().st_mode) for p in sorted(folder.rglob("*"))}


def test_all_files_of_a_record_and_checkpoints_follow_the_umask(tmp_path, monkeypatch, digits, small_recipe, umask):
    """safetensors alone gives a file to its owner only."""
    monkeypatch.setattr("ganrepro.records.write.STORED_SAMPLES", 300)
    options = {"device": "cpu", "epochs": 1, "show_progress": False, "checkpoint_dir": tmp_path / "checkpoints"}
    (run,) = training.train(small_recipe(), digits, **options)
    records.write_record(run, digits, "quick", tmp_path / "record")
    records.write_table(pd.DataFrame({"x": [1]}), tmp_path / "table.csv")
    training.checkpoints.write(tmp_path / "tensors", {"a": torch.zeros(3)}, {})
    found = modes(tmp_path)
    assert {name for name in found if name.endswith("safetensors")} == {
        "record/weights.safetensors", "checkpoints/seed0.safetensors",
    }  # fmt: skip
    folders = {name: 0o777 & ~umask for name in ("record", "checkpoints")}
    assert found == dict.fromkeys(found, 0o666 & ~umask) | folders
