"""Section 7, extension 4: a classifier from few labels, where pictures are many.

Two forms. Features that a net learned without any label, under a linear classifier; and a D that has an output for each
class, trained on labelled and unlabelled rows by the same step (Salimans et al., 2016; Odena, 2016).
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganrepro.datasets import Dataset
from ganrepro.parameters import ParameterError
from ganrepro.recipes import Layer, Recipe

Features = Callable[[Tensor], Tensor]  # (n, d) in data space -> (n, f), row by row
Fit = Callable[[NDArray[Any], NDArray[Any], int], Any]  # rows, labels, seed -> a classifier with `predict`
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # scikit-learn's C, the inverse strength of the L2 penalty
HELD_OUT = 100  # labelled examples that a penalty is judged on, at least
BLOCK = 5000  # rows that go through a net at a time


def count_classes(data: Dataset) -> int:
    """K: the labels are 0 to K - 1. Raises ParameterError, naming the data set, where a classifier cannot be judged:
    no labels, fewer than two classes, a label below 0, or a class in test that train lacks."""
    train, test = data.labels["train"], data.labels["test"]
    if train is None or test is None:
        raise ParameterError(f"dataset = {data.name!r} has no labels; choose one that has, such as mnist or digits")
    known = set(train.tolist())
    if new := set(test.tolist()) - known:
        raise ParameterError(
            f"dataset = {data.name!r} has {len(new)} classes in test ({_span(new)}) of which train has no example: "
            "a classifier cannot know them; choose a data set whose classes are in both"
        )
    if min(known) < 0 or known != set(range(len(known))) or len(known) < 2:
        raise ParameterError(f"dataset = {data.name!r} has the training labels {_span(known)}; they must be 0 to K - 1 "
                             "with K at least 2, and an example of each")  # fmt: skip
    return len(known)


def _span(labels: set[int]) -> str:
    listed = sorted(labels)
    return ", ".join(map(str, listed)) if len(listed) <= 10 else f"{listed[0]} to {listed[-1]}"


def draw_labels(labels: Tensor, n: int, classes: int, seed: int) -> Tensor:
    """(n,) int64: the rows of one random label draw from labels (N,), as many of each class as can be.

    Where n is no multiple of the number of classes, the classes that get one more are drawn too.
    Raises ParameterError for fewer than two of each class, for more than there are, and for a label that is no class.
    """
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ParameterError(f"labels lie in {int(labels.min())} to {int(labels.max())}; {classes} classes are 0 to "
                             f"{classes - 1}")  # fmt: skip
    rarest = int(torch.bincount(labels, minlength=classes).min())
    if type(n) is not int or not 2 * classes <= n <= rarest * classes:
        raise ParameterError(
            f"labels = {n!r}; choose {2 * classes} to {rarest * classes}: two or more of each of {classes} classes, "
            f"and there are {len(labels)} examples, {rarest} of the rarest class"
        )
    rng = np.random.default_rng([seed, n])
    quota = np.full(classes, n // classes) + (rng.permutation(classes) < n % classes)
    found = [rng.choice(np.flatnonzero(labels.numpy() == k), quota[k], replace=False) for k in range(classes)]
    return torch.from_numpy(rng.permutation(np.concatenate(found)))


@torch.no_grad()
def hidden(net: nn.Module, x: Tensor) -> list[Tensor]:
    """What each hidden layer of a D makes of x (n, d): a list of (n, units) float32, without dropout."""
    found = []
    for layer in list(net.layers)[:-1]:  # type: ignore[arg-type]
        x = torch.cat([layer(block) for block in x.split(BLOCK)])
        found.append(x)
    return found


def hidden_layers(net: nn.Module, *chosen: int) -> Features:
    """The activations of the chosen hidden layers (from 1) of a D, side by side."""
    return lambda x: torch.cat([hidden(net, x)[i - 1] for i in chosen], 1)


def scaled(features: Features, unlabelled: Tensor) -> Features:
    """The features less their mean, over one number: the mean of their standard deviations, on unlabelled (n, d).

    One number for all, so that what varies more keeps its weight: pixels that are nearly constant are not blown up.
    """
    seen = features(unlabelled)
    mean, spread = seen.mean(0), seen.std(0).mean().clamp(min=1e-12)
    return lambda x: (features(x) - mean) / spread


def linear(x: NDArray[Any], y: NDArray[Any], seed: int) -> GridSearchCV:
    """Multinomial logistic regression on features x (n, f) and labels y (n,).

    The L2 penalty is the one with the fewest errors on a random fifth of these n examples; where that fifth is fewer
    than HELD_OUT examples, on several such fifths. Then all n train it. Nothing else is looked at.
    """
    fifth = max(len(np.unique(y)), round(len(y) / 5))
    folds = StratifiedShuffleSplit(math.ceil(HELD_OUT / fifth), test_size=fifth, random_state=seed)
    search = GridSearchCV(LogisticRegression(max_iter=300, tol=1e-3), {"C": PENALTIES}, cv=folds)
    with warnings.catch_warnings():  # at the weakest penalty the steps may run out, far beyond the best one
        warnings.simplefilter("ignore", ConvergenceWarning)
        return search.fit(x, y)


def width_like(parameters: int, inputs: int, classes: int) -> int:
    """h such that a net inputs -> h -> h -> classes has as many parameters as asked for, to within one unit's."""
    b = inputs + classes + 2  # h² + (inputs + 1 + 1 + classes) h + classes = parameters
    return max(1, round((-b + math.sqrt(b * b + 4 * (parameters - classes))) / 2))


def perceptron(width: int) -> Fit:
    """A supervised net with two hidden layers of `width` ReLUs, trained by Adam until its loss stands still."""

    def fit(x: NDArray[Any], y: NDArray[Any], seed: int) -> MLPClassifier:
        return MLPClassifier((width, width), tol=1e-2, max_iter=200, random_state=seed).fit(x, y)

    return fit


@dataclass(frozen=True)
class Method:
    """A way to classify: features of a row, and what is fitted to those of the labelled rows; up to `most` labels."""

    features: Features
    fit: Fit = linear
    most: int | None = None


def sweep(
    methods: Mapping[str, Method], data: Dataset, counts: Sequence[int], draws: int, n_test: int
) -> pd.DataFrame:  # fmt: skip
    """Test errors: columns method, labels, draw, error in % of the first n_test test examples.

    Draw r of n labels is the same rows for every method, so that differences over draws are paired.
    """
    labels, rows = data.labels["train"], []
    assert labels is not None
    chosen = {(n, r): draw_labels(labels, n, count_classes(data), r) for n in counts for r in range(draws)}
    test, truth = data.test[:n_test], data.labels["test"][:n_test].numpy()  # type: ignore[index]
    for name, method in methods.items():
        judged = method.features(test).numpy()
        for (n, r), few in chosen.items():
            if method.most is None or n <= method.most:
                fitted = method.fit(method.features(data.train[few]).numpy(), labels[few].numpy(), r)
                rows.append([name, n, r, 100 * float(np.mean(fitted.predict(judged) != truth))])
    return pd.DataFrame(rows, columns=["method", "labels", "draw", "error"])


def with_classes(recipe: Recipe, classes: int) -> Recipe:
    """The recipe with a D that has an output l_k for each class, and the logit log sum_k exp l_k; it starts at 1/2."""
    *before, last = recipe.discriminator
    assert isinstance(last, Layer)
    outputs = dataclasses.replace(last, units=classes, bias=-math.log(classes))
    return recipe.replace(discriminator=(*before, outputs), classes=classes)


def few_labels(
    data: Dataset, rows: Tensor, classes: int, share: float = 0.1, unlabelled: int | None = None
) -> Dataset:  # fmt: skip
    """The data as a D with classes reads them: the training examples without a label (None: all of them), and behind
    them `rows` of `train` with theirs, each repeated alike, so that about this share of all rows is labelled.

    Raises ValueError for a share outside (0, 1). The name tells the rows apart, for records and checkpoints.
    """
    if not 0 < share < 1:
        raise ValueError(f"share = {share!r}; it must lie in (0, 1)")
    labels, x = data.labels["train"], data.training[:unlabelled]
    assert labels is not None
    copies = max(1, round(share / (1 - share) * len(x) / len(rows)))
    known = one_hot(labels[rows], classes).float().repeat(copies, 1)
    return dataclasses.replace(
        data,
        name=f"{data.name}-{len(rows)}-labels-{int(rows.sum())}",
        train=torch.cat([x, data.train[rows].repeat(copies, 1)]),
        conditions=torch.cat([torch.zeros(len(x), classes), known]),
        unlabeled=None, folds=None, labels=data.labels | {"train": None},
    )  # fmt: skip


@torch.no_grad()
def error(discriminator: nn.Module, x: Tensor, labels: Tensor) -> float:
    """% of x (n, d) whose largest class output of D is not their label (n,)."""
    found = torch.cat([discriminator(block).argmax(-1).cpu() for block in x.split(BLOCK)])
    return 100 * float((found != labels).float().mean())
