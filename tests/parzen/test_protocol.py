"""Labels in the order of the scores: one per log-likelihood, fold after fold."""

import numpy as np
import pytest
import torch

from ganrepro import datasets, parzen
from ganrepro.datasets import Dataset


def labelled(folds, unlabeled=None):
    """Twelve points on the line whose label is their place, in three splits."""
    x = torch.arange(12.0)[:, None]
    parts = {"train": slice(0, 4), "valid": slice(4, 8), "test": slice(8, 12)}
    y = {name: torch.arange(12)[part] for name, part in parts.items()}
    return Dataset("line", "line", (1, 1, 1), **{name: x[part] for name, part in parts.items()}, labels=y, folds=folds,
                   unlabeled=unlabeled)  # fmt: skip


FOLDS = [tuple(torch.arange(12).roll(s).split(4)) for s in (0, 3, 7)]


@pytest.mark.filterwarnings("ignore:sigma = 1 stands at the edge")
@pytest.mark.parametrize("unlabeled", [None, torch.zeros(3, 1)], ids=["a model per fold", "one model"])
def test_each_label_stands_beside_its_own_score(unlabeled):
    """A point's label is its place, so with one narrow kernel at 0 the score is a function of the label."""
    data = labelled(FOLDS, unlabeled)
    models = [data.fold(k) for k in range(3)] if data.model_per_fold else [data]
    score = parzen.over_folds([parzen.score(np.zeros((1, 1)), m) for m in models])
    y = np.concatenate([parzen.labels(m) for m in models])
    sigma = np.repeat(score.sigma, 4)
    expected = -(y**2) / (2 * sigma**2) - np.log(sigma * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(score.ll, expected, rtol=1e-4, atol=1e-4)


def test_no_labels_are_none():
    x = torch.zeros(3, 1)
    assert parzen.labels(Dataset("line", "line", (1, 1, 1), x, x, x)) is None
    digits = datasets.load("digits")
    assert np.array_equal(parzen.labels(digits), digits.labels["test"].numpy())
