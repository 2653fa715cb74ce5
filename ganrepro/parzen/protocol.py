"""The paper's protocol on a data set: sigma on validation data, score and errors on test data, fold by fold."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganrepro.datasets import Dataset

from . import window
from .window import Array


@dataclass(frozen=True)
class Score:
    """Log-likelihoods in nats of every test example, and the widths chosen for them.

    ll (n,), fold after fold; fold (n,), the number of each one's fold (0 where there are none); sigma (folds,);
    valid (folds,): the mean log-likelihood on validation data that chose it; at_edge: whether any sigma stands at its
    grid's edge.
    """

    ll: Array
    fold: NDArray[np.int64]
    sigma: Array
    valid: Array
    at_edge: bool

    @property
    def fold_means(self) -> Array:
        """(folds,) mean log-likelihood of each fold's test examples."""
        return np.array([self.ll[self.fold == k].mean() for k in np.unique(self.fold)])

    def summary(self) -> dict[str, Any]:
        """Plain values for record.json: the mean over folds, and two standard errors.

        se_examples is std / sqrt(n), as the paper's MNIST error; se_folds is that of the folds, as its TFD error.
        """
        means = self.fold_means
        return {
            "sigma": self.sigma.tolist(), "mean": float(means.mean()),
            "se_examples": float(self.ll.std() / np.sqrt(len(self.ll))), "se_folds": standard_error(means),
            "fold_means": means.tolist(), "valid_ll": self.valid.tolist(), "at_edge": self.at_edge,
        }  # fmt: skip


def standard_error(values: Array | list[float]) -> float | None:
    """std (n - 1) / sqrt(n) of a few values, over folds or seeds; None for fewer than two."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def validation_examples(data: Dataset) -> Tensor:
    """What sigma and the best epoch are chosen on: the whole validation fold, or MNIST's first 1,000 (section 5)."""
    return data.valid if data.folds is not None else data.valid[:1000]


def score(
    samples: window.Rows, data: Dataset, device: window.Device = None, sigmas: Array = window.DEFAULT_GRID
) -> Score:
    """Score samples (m, d) on a data set: once for every fold that the one model serves, else on its own split."""
    if data.folds is None or data.model_per_fold:
        choice = window.choose_sigma(samples, validation_examples(data), sigmas, device=device)
        ll = window.log_likelihood(samples, data.test, choice.sigma, device=device)
        own = np.full(len(ll), data.fold_index or 0, dtype=np.int64)
        return Score(ll, own, np.array([choice.sigma]), np.array([choice.mean_ll.max()]), choice.at_edge)
    rows = torch.cat([data.train, data.valid, data.test])
    needed = torch.cat([torch.cat([valid, test]) for _, valid, test in data.folds]).unique()
    every = np.full((len(sigmas), len(rows)), np.nan)
    every[:, needed] = np.atleast_2d(window.log_likelihood(samples, rows[needed], sigmas, device=device))
    choices = [window.highest(sigmas, every[:, valid].mean(1)) for _, valid, _ in data.folds]
    lls = [every[c.mean_ll.argmax(), test] for c, (_, _, test) in zip(choices, data.folds, strict=True)]
    sigma, valid = np.array([c.sigma for c in choices]), np.array([c.mean_ll.max() for c in choices])
    fold = np.repeat(np.arange(len(lls)), [len(ll) for ll in lls])
    return Score(np.concatenate(lls), fold, sigma, valid, any(c.at_edge for c in choices))


def labels(data: Dataset) -> NDArray[np.int64] | None:
    """The label of every test example in the order of `score(...).ll`, (n,); None where the data set has none."""
    parts = [data.labels[part] for part in ("train", "valid", "test")]
    known = [y.numpy() for y in parts if y is not None]
    if len(known) < len(parts):
        return None
    if data.folds is None or data.model_per_fold:
        return known[-1]
    return np.concatenate([np.concatenate(known)[test] for _, _, test in data.folds])


def over_folds(parts: list[Score]) -> Score:
    """One score of several, each of one fold with a model of its own."""
    joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ("ll", "fold", "sigma", "valid")}
    return Score(**joined, at_edge=any(p.at_edge for p in parts))
