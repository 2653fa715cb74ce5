"""Notebook 04 as its users run it: faces that are faces, and a collapsed model that is called collapsed."""

import json
import re

import numpy as np
import pytest


@pytest.mark.slow
def test_04_shows_faces_that_differ_and_are_no_copies(papermill, clean_tree, tmp_path):
    """Under the backend of a container, which draws no figure by itself."""
    done = papermill("04_samples.ipynb", {"dataset": "tfd"}, GANREPRO_DATA=str(tmp_path), MPLBACKEND="Agg")
    assert done.pictures >= 4
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.text
    assert "TFD stand-in: AT&T faces: 200 samples, recipe tfd-small, epoch" in said
    assert "the model: like held-out data" in said
    assert "much nearer to a training example than 99% of the test data: 0 of 40" in said
    assert float(re.search(r"mean distance between two samples over .*: ([\d.]+)", said)[1]) >= 0.5
    assert "the model's lines are varied and even: True" in said and "is used instead" not in said  # it has its weights


@pytest.mark.slow
def test_04_calls_collapsed_faces_alike_and_not_copied(papermill, clean_tree, tmp_path):
    """After the 500 steps of the quick profile."""
    done = papermill("04_samples.ipynb", {"dataset": "tfd", "profile": "quick"}, GANREPRO_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.text
    assert "TFD stand-in: AT&T faces" in said
    assert "the model: too alike" in said  # though it is nearer to its training data than the test faces are
    assert "the model's lines are varied and even: False" in said


@pytest.mark.slow
def test_04_trains_with_a_learning_rate_of_ones_own(papermill, tmp_path):
    done = papermill("04_samples.ipynb", {"dataset": "digits", "learning_rate": 0.02})
    assert done.returncode == 0, done.stderr[-3000:]
    (record,) = (tmp_path / "runs/quick").glob("mnist~*@digits/seed0/record.json")
    assert json.loads(record.read_text())["recipe"]["learning_rate"] == 0.02


@pytest.mark.slow
def test_04_on_pictures_that_repeat_each_other_decides_nothing(papermill, tmp_path):
    """Held-out pictures that equal training pictures are no yardstick; that is said, and is no error."""
    four = np.random.default_rng(0).integers(0, 256, (4, 6, 6), np.uint8)
    np.savez(tmp_path / "four.npz", images=four[np.arange(200) % 4])
    done = papermill("04_samples.ipynb", {"dataset": tmp_path / "four.npz"})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the model: undecided" in done.text
