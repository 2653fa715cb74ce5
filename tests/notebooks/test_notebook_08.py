"""Notebook 08 as its users run it, with parameters of their own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits


@pytest.mark.slow
def test_08_on_other_data_with_few_labels(papermill, clean_tree, tmp_path):
    out = tmp_path / "claims.csv"
    given = {"dataset": "digits", "labels": 60, "draws": 4, "out": out, "seed": 1}
    done = papermill("08_semisupervised.ipynb", given)
    assert done.returncode == 0, done.stderr[-3000:]
    found = pd.read_csv(out).set_index("claim")
    pixels = found.loc["test error of raw pixels, 60 labels"]
    assert pixels.n == 4 and 5 < pixels.measured < 40 and np.isfinite(pixels.error)
    assert found.loc["K + 1 classes errs less than D, 60 labels: difference"].n == 1
    assert found.loc["label spreading, D errs less than label spreading, 60 labels: difference"].n == 4
    assert found.loc["test error of label spreading, 60 labels"].measured < pixels.measured  # digits are a graph's home
    assert "60" in done.text and not any("1000 labels" in claim for claim in found.index)


@pytest.mark.slow
def test_08_refuses_what_it_cannot_classify(papermill, tmp_path):
    for given, message in (
        ({"dataset": "digits", "labels": 2000}, "labels = 2000; choose 20 to"),
        ({"dataset": "att"}, "dataset = 'att'; choose one of"),
        ({"dataset": "tfd"}, "'att' has the training labels 2 to 39; they must be 0 to K - 1"),  # people held out
        ({"labels": -5}, "at least 0"),
    ):
        done = papermill("08_semisupervised.ipynb", given, GANREPRO_DATA=str(tmp_path))
        assert done.returncode != 0 and message in done.stderr, done.stderr[-2000:]
        assert not (tmp_path / "runs").exists()


def some_digits(path, each, labels=lambda y: y):
    """An .npz of three of scikit-learn's digits, so many of each, with labels of our own."""
    images, y = load_digits(n_class=3, return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == k)[:each] for k in range(3)])
    np.savez(path, images=(images[rows] * 15).astype(np.uint8).reshape(-1, 8, 8), labels=labels(y[rows]))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("each", "first"), [(120, 0), (12, 1)])
def test_08_on_three_classes_many_and_few(papermill, tmp_path, each, first):
    out = tmp_path / "claims.csv"
    given = {"dataset": some_digits(tmp_path / "three.npz", each, lambda y: y + first), "out": out}
    done = papermill("08_semisupervised.ipynb", given)
    assert done.returncode == 0, done.stderr[-3000:]
    found = pd.read_csv(out).set_index("claim")
    assert "3 classes" in done.text and found.measured.filter(like="test error").between(0, 100).all()
    assert found.index.str.contains("label spreading").any() and found.index.str.contains("6 labels|100 labels").any()


@pytest.mark.slow
def test_08_names_labels_that_it_cannot_use(papermill, tmp_path):
    for labels, each, message in (
        (lambda y: y - 1, 60, "training labels -1, 0, 1; they must be 0 to K - 1"),
        (lambda y: np.where(np.arange(len(y)) == 7, 9, y), 60, "1 training examples of class 3; at least 2 are needed"),
    ):
        given = {"dataset": some_digits(tmp_path / "odd.npz", each, labels)}
        done = papermill("08_semisupervised.ipynb", given)
        assert done.returncode != 0 and "ParameterError" in done.stderr and "dataset = 'odd-" in done.stderr
        assert message in done.stderr, done.stderr[-1500:]
        assert not (tmp_path / "runs").exists()
    given = {"dataset": some_digits(tmp_path / "few.npz", 12), "labels": 500}
    done = papermill("08_semisupervised.ipynb", given)
    assert done.returncode != 0 and "labels = 500; choose 6 to" in done.stderr
