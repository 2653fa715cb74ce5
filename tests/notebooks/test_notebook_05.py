"""Notebook 05 as its users run it, with parameters of their own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits


@pytest.mark.slow
def test_05_on_other_digits_with_errors_over_seeds(papermill, clean_tree, tmp_path):
    given = {"dataset": "digits", "seeds": 2, "shown_class": 4, "caption": "a very thick three, leaning left"}
    done = papermill("05_conditional.ipynb", given | {"out": tmp_path / "claims.csv"})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "scikit-learn digits: 2 of quick profile" in done.text
    assert done.pictures >= 7
    table = pd.read_csv(tmp_path / "claims.csv").set_index("claim")
    (accuracy,) = (r for claim, r in table.iterrows() if claim.startswith("the requested class"))
    assert accuracy.n == 2 and accuracy.error >= 0 and accuracy.measured > 30


@pytest.mark.slow
def test_05_refuses_a_class_and_a_caption_before_any_work(papermill, tmp_path):
    for given, messages in (
        ({"shown_class": 10}, ("shown_class = 10", "0 to 9")),
        ({"caption": "a slim seven"}, ("'slim' is not known", "thin, medium, thick")),
    ):
        done = papermill("05_conditional.ipynb", given)
        assert done.returncode != 0
        assert "ParameterError" in done.stderr and all(m in done.stderr for m in messages), done.stderr[-1500:]
        assert not (tmp_path / "runs").exists()


def some_digits(path, keep, each, labels=lambda y: y):
    """An .npz of scikit-learn's digits below `keep`, so many of each, with labels of our own."""
    images, y = load_digits(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == k)[:each] for k in range(keep)])
    pictures = (images[rows] * 15).astype(np.uint8).reshape(-1, 8, 8)
    np.savez(path, images=pictures, labels=labels(y[rows]))
    return path


@pytest.mark.slow
def test_05_on_three_classes(papermill, tmp_path):
    path = some_digits(tmp_path / "three.npz", 3, 20, lambda y: y + 1)  # less than a minibatch in all
    refused = papermill("05_conditional.ipynb", {"dataset": path})  # its defaults are about a 7
    assert refused.returncode != 0
    for part in ("shown_class = 7", "0 to 2", "caption 'a thin 7 leaning right'", "shown_class = 2, caption ="):
        assert part in refused.stderr, refused.stderr[-1500:]
    given = {"dataset": path, "shown_class": 2, "caption": "a thin 2 leaning right", "out": tmp_path / "claims.csv"}
    done = papermill("05_conditional.ipynb", given)
    assert done.returncode == 0, done.stderr[-3000:]
    table = pd.read_csv(tmp_path / "claims.csv")
    right = table[table.claim.str.startswith("the requested class")].iloc[0]
    assert right.over.startswith("samples, one training, quick profile") and right.error >= 0  # not missing


@pytest.mark.slow
def test_05_names_labels_that_it_cannot_use(papermill, tmp_path):
    given = {"dataset": some_digits(tmp_path / "odd.npz", 10, 100, lambda y: y - 1)}
    done = papermill("05_conditional.ipynb", given)
    assert done.returncode != 0 and "ParameterError" in done.stderr
    assert "The label -1 (100 times) is no class: label those pictures or leave them out" in done.stderr
