"""Does a sample show its class, and do samples of a class vary? See density.py for the likelihood of a class."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from torch import Tensor

from ganrepro import datasets
from ganrepro.device import plain_torch

from . import attributes

COMPONENTS, HIDDEN, RATE, STEPS, BATCH = 60, 256, 3e-3, 2000, 200  # chosen on MNIST's validation data
MOST_EPOCHS = 200


@dataclass(frozen=True)
class Classifier:
    """An independent classifier: principal components of the deskewed pictures, a net with one hidden layer on them."""

    shape: tuple[int, int, int]
    model: Pipeline

    @plain_torch
    def predict(self, x: Tensor | NDArray[np.float32]) -> Tensor:
        """(n,) int64: the class of each picture (n, d)."""
        upright = attributes.deskew(torch.as_tensor(x), self.shape)
        return torch.from_numpy(self.model.predict(upright.numpy()).astype(np.int64))

    def accuracy(self, x: Tensor | NDArray[np.float32], labels: Tensor) -> float:
        """The share of pictures (n, d) whose class is the one of labels (n,)."""
        return float((self.predict(x) == labels).double().mean())


@plain_torch
def classifier(data: datasets.Dataset, seed: int = 0) -> Classifier:
    """The classifier, trained in seconds on training examples, never on samples. Raises ValueError without labels."""
    x, labels = attributes.deskew(data.train, data.shape).numpy(), datasets.known(data)["train"].numpy()
    net = MLPClassifier((HIDDEN,), batch_size=min(BATCH, len(x)), learning_rate_init=RATE, random_state=seed,
                        max_iter=min(MOST_EPOCHS, round(STEPS * BATCH / len(x))))  # fmt: skip
    model = make_pipeline(PCA(min(COMPONENTS, *x.shape), svd_solver="covariance_eigh"), net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps was chosen on validation data
        return Classifier(data.shape, model.fit(x, labels))


@plain_torch
def variety(samples: Tensor, of: Tensor, data: Tensor, labels: Tensor) -> float:
    """How much samples (m, d) of one class (of, (m,)) differ from each other, against real examples (n, d) of it.

    The root of the ratio of their variances, summed over pixels and classes: 0 where each class has one picture.
    """
    def within(x: Tensor, y: Tensor) -> float:
        return sum(float(x[y == k].var(0, correction=0).sum()) for k in labels.unique() if (y == k).any())

    return math.sqrt(within(samples, of) / within(data, labels))
