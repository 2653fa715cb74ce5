"""Section 7, extension 4: a classifier from few labels, where pictures are many.

Features that a net learned without labels, under a linear classifier; classes.py has the other approach.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits
from torch import Tensor

from ganrepro.datasets import Dataset, count_classes, known
from ganrepro.device import plain_torch
from ganrepro.networks import Discriminator
from ganrepro.parameters import ParameterError

Features = Callable[[Tensor], Tensor]  # (n, d) in data space -> (n, f), row by row
Fit = Callable[[NDArray[Any], NDArray[Any], int], Any]  # rows, labels, seed -> a classifier with `predict`
Draws = Mapping[tuple[int, int], Tensor]  # the rows of `train` that are labelled, by their number and the draw's
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # scikit-learn's C, the inverse strength of the L2 penalty
COUNTS = (100, 300, 1000, 3000)  # labels
HELD_OUT = 100  # labelled examples that a penalty is chosen on, at least
BLOCK = 5000  # rows that go through a net at a time


def label_counts(labels: Tensor, classes: int, asked: int = 0) -> list[int]:
    """How many labels to draw of labels (N,): the number asked for, or if 0, those of COUNTS that can be drawn. Raises
    ParameterError as `draw_labels` does."""
    if asked:
        return [len(draw_labels(labels, asked, classes, 0))]
    rarest = int(torch.bincount(labels, minlength=classes).min())
    return [n for n in COUNTS if 2 * classes <= n <= rarest * classes] or [2 * classes]


@plain_torch
def draw_labels(labels: Tensor, n: int, classes: int, seed: int) -> Tensor:
    """(n,) int64: rows of one random draw from labels (N,), equally many of each class, one more of some drawn too.

    Raises ParameterError for fewer than two of each class, for more than there are, and for a label that is no class.
    """
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ParameterError(f"labels lie in {low} to {high}; {classes} classes are 0 to {classes - 1}")
    rarest = int(torch.bincount(labels, minlength=classes).min())
    if type(n) is not int or not 2 * classes <= n <= rarest * classes:
        raise ParameterError(f"labels = {n!r}; choose {2 * classes} to {rarest * classes}: two or more of each of "
                             f"{classes} classes, and there are {len(labels)} examples, {rarest} of the rarest class")
    rng = np.random.default_rng([seed, n])
    quota = np.full(classes, n // classes) + (rng.permutation(classes) < n % classes)
    found = [rng.choice(np.flatnonzero(labels.numpy() == k), quota[k], replace=False) for k in range(classes)]
    return torch.from_numpy(rng.permutation(np.concatenate(found)))


@plain_torch
@torch.no_grad()
def hidden(net: Discriminator, x: Tensor) -> list[Tensor]:
    """The activations of each hidden layer of a D at x (n, d): a list of (n, units) float32, without dropout."""
    found = [net.scaled(x)]
    for layer in list(net.layers)[:-1]:
        found.append(torch.cat([layer(block) for block in found[-1].split(BLOCK)]))
    return found[1:]


def hidden_layers(net: Discriminator, *chosen: int) -> Features:
    """The activations of the chosen hidden layers (from 1) of a D, side by side."""
    return lambda x: torch.cat([hidden(net, x)[i - 1] for i in chosen], 1)


def regressor_layers(net: MLPRegressor) -> Features:
    """The activations of all hidden layers of an inference net, side by side. Raises ValueError for units but ReLU."""
    if net.activation != "relu":
        raise ValueError(f"the inference net has {net.activation!r} units; expected 'relu'")

    def features(x: Tensor) -> Tensor:
        found = [x]
        for w, b in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
            found.append(torch.relu(found[-1] @ torch.from_numpy(w).float() + torch.from_numpy(b).float()))
        return torch.cat(found[1:], 1)

    return features


def scaled(features: Features, unlabelled: Tensor) -> Features:
    """The features less their mean, over one number: the mean of their standard deviations, on unlabelled (n, d). It
    keeps the weight of features that vary more, and does not blow up nearly constant pixels."""
    seen = features(unlabelled)
    mean, spread = seen.mean(0), seen.std(0).mean().clamp(min=1e-12)
    return lambda x: (features(x) - mean) / spread


def principal(features: Features, unlabelled: Tensor, n: int = 50) -> Features:
    """The first n principal components of the features, fitted to those of unlabelled rows (m, d); fewer, if there are
    no more features or rows."""
    seen = features(unlabelled).numpy()
    pca = PCA(min(n, *seen.shape), random_state=0).fit(seen)
    return lambda x: torch.from_numpy(pca.transform(features(x).numpy())).float()


def linear(x: NDArray[Any], y: NDArray[Any], seed: int) -> GridSearchCV:
    """Multinomial logistic regression on features x (n, f), labels y (n,). Its L2 penalty is the one with the fewest
    errors on a random fifth of these, or on several if one is fewer than HELD_OUT examples; then all n train it."""
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
    """A way to classify: features of a row, and the fit to those of the labelled rows; up to `most` labels."""

    features: Features
    fit: Fit = linear
    most: int | None = None


def label_draws(data: Dataset, counts: Sequence[int], draws: int) -> Draws:
    """Draw r of n labels for each n of counts and r below draws."""
    labels, classes = known(data, "train")["train"], count_classes(data)
    return {(n, r): draw_labels(labels, n, classes, r) for n in counts for r in range(draws)}


def sweep(methods: Mapping[str, Method], data: Dataset, draws: Draws, n_test: int) -> pd.DataFrame:
    """Test errors: columns method, labels, draw, error in % of the first n_test test examples. A draw is the same rows
    for every method, so that differences over draws are paired."""
    labels, truth = known(data, "train", "test").values()
    rows = []
    for name, method in methods.items():
        tested = method.features(data.test[:n_test]).numpy()
        for (n, r), few in draws.items():
            if method.most is None or n <= method.most:
                x, y = method.features(data.train[few]).numpy(), labels[few].numpy()
                with threadpool_limits(1, "blas"):  # in small products, threads only wait
                    wrong = method.fit(x, y, r).predict(tested) != truth[:n_test].numpy()
                rows.append([name, n, r, 100 * float(wrong.mean())])
    return pd.DataFrame(rows, columns=["method", "labels", "draw", "error"])


def paired(found: pd.DataFrame, method: str, other: str, n: int) -> NDArray[np.float64]:
    """(draws,): a method's error less another's at n labels, in percentage points, over the draws both had, if any."""
    at = found[found.labels == n].pivot(index="draw", columns="method", values="error")
    both = at.reindex(columns=[method, other]).dropna()
    return (both.iloc[:, 0] - both.iloc[:, 1]).to_numpy()
