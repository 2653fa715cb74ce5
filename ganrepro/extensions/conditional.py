"""Section 7, extension 1: does a generator that is told a class obey it, and is its density that of the class?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from torch import Tensor
from torch.nn.functional import one_hot

from ganrepro import parzen, records, training
from ganrepro.datasets import Dataset
from ganrepro.extensions import attributes
from ganrepro.recipes import Recipe
from ganrepro.record import Record

COMPONENTS, HIDDEN, RATE, STEPS, BATCH = 60, 256, 3e-3, 2000, 200  # chosen on MNIST's validation data
MOST_EPOCHS = 200
QUICK_SAMPLES = 5000
QUICK_LOUDNESS = 20.0  # what its 500 steps need, whatever the full recipe's: see recipes.LOUDNESS


@dataclass(frozen=True)
class Classifier:
    """An independent judge: principal components of the deskewed pictures, and a net with one hidden layer on them."""

    shape: tuple[int, int, int]
    components: PCA
    net: MLPClassifier

    def predict(self, x: Tensor | NDArray[np.float32]) -> Tensor:
        """(n,) int64: the class of each picture (n, d)."""
        return torch.from_numpy(self.net.predict(self._features(torch.as_tensor(x))).astype(np.int64))

    def accuracy(self, x: Tensor | NDArray[np.float32], labels: Tensor) -> float:
        """The share of pictures (n, d) whose class is the one of labels (n,)."""
        return float((self.predict(x) == labels).double().mean())

    def _features(self, x: Tensor) -> NDArray[np.float32]:
        return self.components.transform(attributes.deskew(x, self.shape).numpy())


def classifier(data: Dataset, seed: int = 0) -> Classifier:
    """The judge, trained on the data set's training examples, which takes some seconds. It has seen no sample.

    Raises ValueError where there are no labels.
    """
    x, labels = attributes.deskew(data.train, data.shape).numpy(), known(data)["train"].numpy()
    components = PCA(min(COMPONENTS, *x.shape), svd_solver="covariance_eigh").fit(x)
    epochs = min(MOST_EPOCHS, round(STEPS * BATCH / len(x)))
    net = MLPClassifier((HIDDEN,), batch_size=min(BATCH, len(x)), learning_rate_init=RATE, max_iter=epochs,
                        random_state=seed)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it ends where validation data said it should
        net.fit(components.transform(x), labels)
    return Classifier(data.shape, components, net)


def known(data: Dataset) -> dict[str, Tensor]:
    """The labels (n,) of each split. Raises ValueError, which names the data set, where one has none."""
    found = {split: labels for split, labels in data.labels.items() if labels is not None}
    if len(found) < len(data.labels):
        raise ValueError(f"data set {data.name} has no labels; a condition on the class needs them in every split")
    return found


@dataclass(frozen=True)
class Trained:
    """One training to be judged: where it comes from, what it made and what it was told.

    samples (m, d), told (m, c) and grid (100, d), ten conditions by ten z, float32 on the CPU; score: nats of the
    record's whole test set, and generator, each None where there is none.
    """

    profile: str
    epochs: int
    recipe: Recipe
    samples: Tensor
    told: Tensor
    grid: Tensor
    score: float | None = None
    generator: torch.nn.Module | None = None

    @property
    def label(self) -> str:
        """Its profile and length."""
        return f"{self.profile} profile, {self.epochs} epochs"

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """What a record holds: its generator only where its weights are there, and 1,000 samples or 10,000."""
        samples, told = torch.from_numpy(record.samples), record.condition
        assert told is not None
        score = float(np.mean(record.meta["scores"]["last"]["fold_means"]))
        return cls(record.meta["profile"], record.meta["epochs"], record.recipe, samples,
                   torch.from_numpy(told)[: len(samples)], torch.from_numpy(record.progress[-1]), score,
                   record.generator() if record.has_weights else None)  # fmt: skip

    @classmethod
    def of_run(cls, run: training.Run, n: int) -> Self:
        """The n samples of a quick training."""
        told = run.draw_conditions(n, run.seed)
        assert told is not None
        return cls("quick", run.epoch, run.recipe, run.sample(n, run.seed), told, training.progress_samples(run),
                   generator=run.generator)  # fmt: skip


def trained(data: Dataset, recipe: Recipe, profile: str, seeds: Sequence[int], device: str = "auto") -> list[Trained]:
    """Trainings of a recipe with conditions, all of one profile. "auto": the paper records of these seeds that are
    there, or else quick trainings, one a seed, which are not kept. "paper": records, made where they are not there."""
    if profile != "quick":
        found = [_record(data, recipe, seed, device, profile == "paper") for seed in seeds]
        if any(found):
            return [Trained.of_record(record) for record in found if record]
    quick = _quick(recipe, len(data.training))
    return [Trained.of_run(run, QUICK_SAMPLES) for run in training.train(quick, data, seeds=seeds, device=device)]


def _quick(recipe: Recipe, examples: int) -> Recipe:
    """The quick recipe; on pictures of fewer pixels than MNIST's D starts wider by as much as they are shorter, since
    else it sleeps through its steps."""
    quick = recipe.quick(examples).replace(loudness=QUICK_LOUDNESS)
    wider = max(1.0, np.sqrt(784 / quick.dim))
    return quick.replace(discriminator=tuple(replace(x, irange=x.irange * wider) for x in quick.discriminator))


def _record(data: Dataset, recipe: Recipe, seed: int, device: str, train: bool) -> Record | None:
    try:
        return records.get_or_train(data, "paper", seed, device, recipe=recipe, train=train)
    except FileNotFoundError:
        return None


def ask(labels: int | Sequence[int] | Tensor, classes: int) -> Tensor:
    """(n, classes) float32: one-hot conditions. Raises ValueError for a class outside 0 to classes - 1."""
    wanted = torch.atleast_1d(torch.as_tensor(labels))
    if wanted.is_floating_point() or (outside := wanted[(wanted < 0) | (wanted >= classes)]).numel():
        named = wanted if wanted.is_floating_point() else outside
        raise ValueError(f"class = {named[0].item()!r}; choose one of the ints 0 to {classes - 1}")
    return one_hot(wanted.long(), classes).float()


def even(labels: Tensor, classes: int) -> Tensor:
    """Row numbers: the first of each class, as many as the rarest of classes has. Raises ValueError if it has none."""
    most = int(labels.bincount(minlength=classes).min())
    if not most:
        raise ValueError(f"class {int(labels.bincount(minlength=classes).argmin())} has no example")
    return torch.cat([(labels == k).nonzero()[:most, 0] for k in range(classes)])


def variety(samples: Tensor, of: Tensor, data: Tensor, labels: Tensor) -> float:
    """How much samples (m, d) of one class (of, (m,)) differ from each other, against real examples (n, d) of it.

    The root of the ratio of their variances, summed over pixels and classes: 0 where each class has one picture.
    """

    def within(x: Tensor, y: Tensor) -> float:
        return sum(float(x[y == k].var(0, correction=0).sum()) for k in labels.unique().tolist() if (y == k).any())

    return float(np.sqrt(within(samples, of) / within(data, labels)))


def log_likelihood(
    samples: ArrayLike | Tensor, of: Tensor, data: Tensor, labels: Tensor, sigma: ArrayLike,
) -> NDArray[np.float64]:  # fmt: skip
    """log p(x | y) in nats: each row of data (n, d) of class labels (n,) under the window on that class's samples.

    samples (m, d) were asked to be of the classes `of` (m,). Returns (n,) for one sigma, (len(sigma), n) for several.
    Raises ValueError for a class of data without samples.
    """
    x, found = torch.as_tensor(samples), np.empty((*np.shape(sigma), len(data)))
    for k in labels.unique().tolist():
        if not len(window := x[of == k]):
            raise ValueError(f"class {k} has no samples")
        found[..., (labels == k).numpy()] = parzen.log_likelihood(window, data[labels == k], np.asarray(sigma))
    return found
