"""Notebook 04 as its users run it: a collapsed model is called collapsed, and the work goes on."""

import json

import numpy as np


def test_04_calls_the_collapsed_faces_alike_and_not_copied(papermill, clean_tree, tmp_path):
    done = papermill("04_samples.ipynb", {"dataset": "tfd"}, GANREPRO_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.text
    assert "TFD stand-in: AT&T faces" in said
    assert "the model: too alike" in said  # though it is nearer to its training data than the test faces are
    assert "the model's lines are varied and even: False" in said


def test_04_trains_with_a_learning_rate_of_ones_own(papermill, tmp_path):
    done = papermill("04_samples.ipynb", {"dataset": "digits", "learning_rate": 0.02})
    assert done.returncode == 0, done.stderr[-3000:]
    (record,) = (tmp_path / "runs/quick").glob("mnist~*@digits/seed0/record.json")
    assert json.loads(record.read_text())["recipe"]["learning_rate"] == 0.02


def test_04_on_pictures_that_repeat_each_other_decides_nothing(papermill, tmp_path):
    """Held-out pictures that equal training pictures are no yardstick; that is said, and is no error."""
    four = np.random.default_rng(0).integers(0, 256, (4, 6, 6), np.uint8)
    np.savez(tmp_path / "four.npz", images=four[np.arange(200) % 4])
    done = papermill("04_samples.ipynb", {"dataset": tmp_path / "four.npz"})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the model: undecided" in done.text
