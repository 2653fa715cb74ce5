"""The notebooks as their users run them: papermill from a shell, with parameters good and bad."""

import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import savemat

from ganrepro import cli, datasets, paths, records
from ganrepro.report import notebooks, tables

ALL = [p.name for p in notebooks.find()]


@pytest.mark.parametrize("notebook", ALL)
def test_every_notebook_refuses_bad_parameters_before_any_work(papermill, tmp_path, notebook):
    bad = {"dataset": "mnits", "seed": "-1", "profile": "fast", "speling": "1"}
    done = papermill(notebook, bad)
    assert done.returncode != 0
    for named in ("mnits", "seed = -1", "at least 0", "'fast'", "auto, quick, paper", "'speling'"):
        assert named in done.stderr, named
    assert not (tmp_path / "runs").exists()


def test_03_says_all_that_is_wrong_at_once(papermill, tmp_path):
    given = {"n_samples": "0", "strict": "true", "dataset": "nowhere.npz", "out": "/dev/null/row.csv", "seed": "1.5",
             "device": "tpu"}  # fmt: skip
    done = papermill("03_parzen.ipynb", given)
    assert done.returncode != 0
    for message in ("n_samples = 0; it must be at least 1", "True or False", "no such file", "out = ", "seed = 1.5",
                    "device = 'tpu' is not there"):  # fmt: skip
        assert message in done.stderr, message
    assert not (tmp_path / "runs").exists()


def test_unwritable_runs_folder_is_met_before_any_work(papermill, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = papermill("04_samples.ipynb", GANREPRO_RUNS=str(tmp_path / "file" / "runs"))
    assert done.returncode != 0
    assert "cannot be written to" in done.stderr and "GANREPRO_RUNS" in done.stderr


@pytest.mark.parametrize("notebook", ALL)
def test_a_kernel_without_ganrepro_is_told_what_to_do(notebook, monkeypatch):
    cells = nbformat.read(paths.repository() / "notebooks" / notebook, as_version=4).cells
    check = next(c.source for c in cells if "parameters.check(globals())" in c.source)
    monkeypatch.setitem(sys.modules, "ganrepro", None)
    with pytest.raises(ModuleNotFoundError, match="make venv"):
        exec(check, {})


def labelled_a_stand_in(done, csv):
    """The rows of a run on `tfd`, where each of ours is called a stand-in and only the paper's are called TFD."""
    assert done.returncode == 0, done.stderr[-3000:]
    assert "TFD stand-in: AT&T faces" in done.text and "(folds)" in done.text and done.pictures
    rows = pd.read_csv(csv)
    assert set(rows.label) == {"TFD", "TFD stand-in: AT&T faces"}
    assert set(rows.source[rows.label == "TFD"]) == {"paper, Table 1"}
    return rows


def test_03_shows_the_small_face_record_above_the_mean_face_on_every_fold(papermill, clean_tree, tmp_path):
    """-p dataset tfd, from notebooks/, under the backend of a container, which draws no figure by itself."""
    done = papermill("03_parzen.ipynb", {"dataset": "tfd"}, GANREPRO_DATA=str(tmp_path), MPLBACKEND="Agg")
    rows = labelled_a_stand_in(done, tmp_path / "runs/tables/table1_att.csv")
    assert done.text.count("paper profile, recipe tfd-small, seed 0: epoch") == 5
    assert "samples score above the mean image on 5 of 5 folds" in done.text and "Gaussian" in done.text
    ours = rows[rows.recipe == "tfd-small"]
    assert set(ours.model) == {f"{tables.OURS}, tfd-small"} and (ours.se_folds > 0).all()


@pytest.mark.slow
def test_03_trains_the_face_stand_in(papermill, clean_tree, tmp_path):
    done = papermill("03_parzen.ipynb", {"dataset": "tfd", "profile": "quick"}, GANREPRO_DATA=str(tmp_path))
    (csv,) = (tmp_path / "runs/tables").glob("*.csv")
    assert (labelled_a_stand_in(done, csv).n_seeds.dropna() == 1).all()


@pytest.mark.slow
def test_03_on_the_toronto_faces_in_their_own_layout(papermill, tmp_path):
    """A file of the real layout: rows of ours are labelled TFD, and nothing is a stand-in."""
    rng = np.random.default_rng(0)
    folds = np.zeros((700, 5))
    for k in range(5):
        folds[rng.permutation(200), k] = np.repeat([1, 2, 3], [120, 40, 40])
    labs_ex = np.where(folds[:, :1] > 0, rng.integers(1, 8, (700, 1)), -1.0)
    images, labs_id = rng.integers(0, 256, (700, 48, 48), np.uint8), rng.integers(1, 90, (700, 1)).astype(float)
    savemat(tmp_path / "TFD_48x48.mat", {"images": images, "folds": folds, "labs_ex": labs_ex, "labs_id": labs_id})
    given = {"dataset": "tfd", "profile": "quick", "strict": True}
    done = papermill("03_parzen.ipynb", given, GANREPRO_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stand-in" not in done.text
    rows = pd.read_csv(tmp_path / "runs/tables/table1_tfd.csv")
    ours = rows[rows.model == tables.OURS]
    assert set(ours.label) == {"TFD"} and set(ours.recipe) == {"tfd (quick profile)"}
    assert list(ours.rule) == [tables.RULES["last"], tables.RULES["fine"]]
    assert (ours.se_folds > 0).all()  # over the file's five folds


@pytest.mark.slow
def test_03_strict_refuses_the_stand_in_with_instructions(papermill, tmp_path):
    done = papermill("03_parzen.ipynb", {"dataset": "tfd", "strict": True}, GANREPRO_DATA=str(tmp_path))
    assert done.returncode != 0
    assert "TFD_48x48.mat" in done.stderr
    assert not (tmp_path / "runs/quick").exists()


@pytest.mark.slow
def test_03_from_the_root_on_ones_own_pictures(papermill, tmp_path, monkeypatch):
    """Its record has the bits of the module's."""
    rng = np.random.default_rng(0)
    blobs = (255 * np.exp(-(((np.indices((12, 12))[:, None] - rng.uniform(3, 9, (2, 400, 1, 1))) ** 2).sum(0) / 4)))
    np.savez(tmp_path / "blobs.npz", images=blobs.astype(np.uint8))
    row = tmp_path / "row.csv"
    given = {"dataset": tmp_path / "blobs.npz", "out": row, "n_samples": "1e3"}
    done = papermill("notebooks/03_parzen.ipynb", given, cwd=paths.repository())
    assert done.returncode == 0, done.stderr[-3000:]
    assert "1000 samples" in row.read_text()
    assert "blobs" in done.text
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "again"))
    again = records.get_or_train(str(tmp_path / "blobs.npz"), "quick", device="cpu")
    made = records.Record(tmp_path / "runs" / again.path.relative_to(tmp_path / "again"))
    assert np.array_equal(made.samples, again.samples) and np.array_equal(made.ll, again.ll)
    assert all(torch.equal(p, again.weights()[name]) for name, p in made.weights().items())


@pytest.mark.slow
def test_03_on_fashion_mnist(papermill, monkeypatch):
    monkeypatch.setenv("GANREPRO_OFFLINE", "1")
    try:
        datasets.load("fashion-mnist")
    except datasets.DatasetUnavailable:
        pytest.skip("the files of Fashion-MNIST are not in the data directory")
    done = papermill("03_parzen.ipynb", {"dataset": "fashion-mnist", "n_samples": 2000})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Fashion-MNIST" in done.text
    assert "quick profile" in done.text


@pytest.mark.slow
@pytest.mark.parametrize("notebook", ALL)
@pytest.mark.parametrize("dataset", ["digits", "ring", "gaussian1d", "att"])
def test_every_notebook_on_other_data(papermill, clean_tree, notebook, dataset):
    done = papermill(notebook, {"dataset": dataset})
    rule = notebooks.parameter_list(paths.repository() / "notebooks" / notebook)["dataset"].rule
    if dataset in rule.choices:
        assert done.returncode == 0, done.stderr[-3000:]
    else:  # one that needs labels, say
        assert done.returncode != 0 and f"dataset = '{dataset}'; choose one of" in done.stderr


def test_reproduce_refuses_before_it_runs_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    for arguments, message in (
        (["-p", "speed", "9"], "no parameter 'speed'"),
        (["-p", "n_samples", "0"], "at least 1"),
        (["--only", "77"], "no notebook starts with '77'"),
        (["--only", "02", "-p", "n_samples", "5"], "no parameter 'n_samples'"),
    ):
        assert cli.main(["reproduce", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
