"""Is p_g(x | y) the density of the class? Parzen windows on the samples of one class, and on those of all classes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ganrepro import parzen
from ganrepro.device import plain_torch

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClassScores:
    """Nats of each test example, (n,) float64, under three windows of one width sigma.

    own: on the samples of its class, log p(x | y); every: on those of all classes, log p(x), where each class has
    equally many; other: on those of the next class, the control of own.
    """

    own: Array
    every: Array
    other: Array
    sigma: float

    @property
    def gain(self) -> Array:
        """log p(x | y) - log p(x) of each example: at most log K, without a lower bound."""
        return self.own - self.every


@plain_torch
def class_scores(
    samples: Tensor, of: Tensor, valid: Tensor, test: Tensor, labels: Tensor, sigma: float | None = None
) -> ClassScores:
    """Score test examples (n, d) of classes labels (n,) under windows on samples (m, d) of classes of (m,).

    Every class from 0 to the highest in `of` needs equally many samples (see `even`). sigma: None chooses it on valid
    (v, d) with the window on all samples, which does not use the class. Raises ValueError for uneven classes.
    """
    if len(counts := of.bincount().unique()) != 1:
        raise ValueError(f"the classes have {counts.tolist()} samples; take as many of each, as even does")
    width = parzen.choose_sigma(samples, valid).sigma if sigma is None else sigma
    own, other = (log_likelihood(samples, of, test, (labels + k) % len(of.bincount()), width) for k in (0, 1))
    return ClassScores(own, parzen.log_likelihood(samples, test, width), other, width)


@plain_torch
def even(labels: Tensor, classes: int, most: int | None = None) -> Tensor:
    """Row numbers: the first of each class, as many as the rarest has, `most` at most. Raises ValueError for none."""
    count, rarest = labels.bincount(minlength=classes).min(0)
    if not count:
        raise ValueError(f"class {int(rarest)} has no example")
    return torch.cat([(labels == k).nonzero()[: min(int(count), most or len(labels)), 0] for k in range(classes)])


@plain_torch
def medoids(x: Tensor, labels: Tensor) -> Tensor:
    """(K, d): of each class the example of x (n, d) nearest to the class's mean. A G that collapsed to one clear
    picture for each class."""
    classes = [x[labels == k] for k in labels.unique()]
    return torch.stack([c[(c - c.mean(0)).square().sum(1).argmin()] for c in classes])


@plain_torch
def log_likelihood(samples: ArrayLike | Tensor, of: Tensor, data: Tensor, labels: Tensor, sigma: ArrayLike) -> NDArray:
    """log p(x | y) in nats, float64: each row of data (n, d), labels (n,), under the window on its class's samples.

    samples (m, d) have the conditions `of` (m,). Returns (n,) for one sigma, (len(sigma), n) for several.
    Raises ValueError for a class of data without samples.
    """
    x, found = torch.as_tensor(samples), np.empty((*np.shape(sigma), len(data)))
    for k in labels.unique().tolist():
        if not len(window := x[of == k]):
            raise ValueError(f"class {k} has no samples")
        found[..., (labels == k).numpy()] = parzen.log_likelihood(window, data[labels == k], np.asarray(sigma))
    return found
