"""Are samples realistic, and do they cover the data? Precision and recall (Kynkäänniemi et al., 2019), density and
coverage (Naeem et al., 2020): balls around real examples and around samples, in the features of a classifier."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from torch import Tensor

from ganrepro import datasets
from ganrepro.device import plain_torch
from ganrepro.networks import expect_numbers
from ganrepro.parameters import expect_number

HIDDEN, FEATURES, RATE, STEPS, BATCH = 128, 64, 2e-3, 1500, 200


@dataclass(frozen=True)
class Prdc:
    """Shares in [0, 1], but for the density, which has mean 1 where samples and data have one distribution."""

    precision: float
    recall: float
    density: float
    coverage: float


@plain_torch
def prdc(real: Tensor, samples: Tensor, k: int = 5) -> Prdc:
    """Of real examples (n, d) and samples (m, d). The ball around a point reaches to its k-th nearest neighbour among
    its own kind.

    - precision: the share of samples in a ball of a real example; recall: of real examples in a ball of a sample.
    - density: in how many balls of real examples a sample lies, over k; coverage: the share of real examples whose ball
      holds a sample.

    All grow with the number of points, so models are compared at equal n and m. Raises TypeError or ValueError for
    other kinds, shapes that do not agree, values that are not finite, and fewer than k + 1 points.
    """
    expect_number("k", k, 1, 10_000)
    for name, x in (("real", real), ("samples", samples)):
        expect_numbers(name, x, 2)
        if x.shape[1] != real.shape[1] or not x.isfinite().all():
            raise ValueError(f"{name} has shape {tuple(x.shape)}; expected finite numbers (n, {real.shape[1]})")
        if len(x) <= k:
            raise ValueError(f"{name} has {len(x)} rows; k = {k} needs at least {k + 1}")
    real, samples = real.double(), samples.double()
    across = torch.cdist(real, samples)  # (n, m)
    of_real, of_samples = (torch.cdist(x, x).kthvalue(k + 1).values for x in (real, samples))  # the nearest is itself
    inside = across < of_real[:, None]
    return Prdc(
        precision=float(inside.any(0).double().mean()),
        recall=float((across < of_samples).any(1).double().mean()),
        density=float(inside.double().sum(0).mean() / k),
        coverage=float(inside.any(1).double().mean()),
    )


@plain_torch
def features(data: datasets.Dataset, seed: int = 0) -> Callable[[Tensor], Tensor]:
    """The last hidden layer of a classifier as a function (n, d) -> (n, 64) float64. The classifier is a net with two
    hidden layers, trained in seconds on the training examples and their labels. Raises ValueError without labels."""
    x, labels = data.train.numpy(), datasets.known(data)["train"].numpy()
    net = MLPClassifier((HIDDEN, FEATURES), batch_size=min(BATCH, len(x)), learning_rate_init=RATE, random_state=seed,
                        max_iter=max(1, round(STEPS * BATCH / len(x))))  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps is the stopping rule
        net.fit(x, labels)

    @plain_torch
    def last_hidden(pictures: Tensor) -> Tensor:
        h = pictures.double().numpy()
        for weight, bias in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
            h = np.maximum(h @ weight + bias, 0)
        return torch.from_numpy(h)

    return last_hidden
