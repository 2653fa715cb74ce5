"""Attributes of a drawn digit, measured in its picture: slant and thickness, and the conditions made of them.

A condition is the digit, one-hot, beside both attributes as deviations from that digit's own mean in the training data:
"leaning right" means further right than most of its kind, and the digit alone says nothing of the other two.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, one_hot, pad

from ganrepro import datasets
from ganrepro.device import plain_torch
from ganrepro.recipes import Conditional, Recipe, for_dataset

NAMES, UNITS = ("slant", "thickness"), ("degrees", "pixels")
FURTHEST = 3.0  # standard deviations: conditions are cut there; a blot has seven
BLOCK, EMPTY = 2000, 1e-6  # pictures at a time; less ink than any picture has


@plain_torch
def measure(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """(n, 2) float32: slant in degrees, above 0 where it leans right, and thickness in pixels, of pictures (n, d).

    Slant is arctan(-cov(row, column) / var(row)), weighted by ink: the shear that deskewing takes out. Thickness is
    2 A / P: A is the ink, P its total variation, which in black and white is the length of its edge (coarea formula); a
    bar of width w and length l has w l / (w + l). Both are 0 for a picture without ink.
    """
    found = []
    for block in x.split(BLOCK):
        ink, total, _, _, slope = _moments(block, shape)
        framed = pad(ink, (1, 1, 1, 1))
        edge = torch.hypot(framed.diff(dim=1)[:, :, :-1], framed.diff(dim=2)[:, :-1]).sum((1, 2))
        found.append(torch.stack([torch.rad2deg(torch.atan(-slope)), 2 * total / edge.clamp(min=EMPTY)], 1))
    return torch.cat(found)


@plain_torch
def deskew(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """(n, h w) float32: the pictures (n, d), grey, their ink centred and upright: each row moved until slant is 0."""
    found = []
    for block in x.split(BLOCK):
        ink, _, r, k, slope = _moments(block, shape)
        one, zero, (n, h, w) = torch.ones(len(ink)), torch.zeros(len(ink)), ink.shape
        source = torch.stack([one, slope * h / w, 2 * k / w, zero, one, 2 * r / h], 1).view(n, 2, 3)
        places = affine_grid(source, [n, 1, h, w], align_corners=False)
        found.append(grid_sample(ink[:, None], places, align_corners=False).flatten(1))
    return torch.cat(found)


def _moments(x: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
    """Ink (n, h, w), the mean over channels; and (n,) its sum, mean row and column from the middle, columns a row."""
    ink, (_, h, w) = x.view(-1, *shape).mean(1), shape
    row, column = torch.meshgrid(torch.arange(h) - (h - 1) / 2, torch.arange(w) - (w - 1) / 2, indexing="ij")
    weights = torch.stack([torch.ones(h, w), row, column, row * row, row * column], -1)
    total, *sums = (ink.flatten(1) @ weights.view(h * w, 5)).T
    r, k, rr, rk = (m / total.clamp(min=EMPTY) for m in sums)
    return ink, total, r, k, (rk - r * k) / (rr - r * r).clamp(min=EMPTY)


@dataclass(frozen=True)
class Scale:
    """How far a training example's attributes lie from those of its class."""

    mean: Tensor  # (classes, 2), in degrees and pixels
    sd: Tensor  # (classes, 2), likewise
    thirds: Tensor  # (classes, 2, 2): the lower and the upper tercile of each class's deviations, by attribute
    deviations: Tensor  # (n, 2), of the training examples
    labels: Tensor  # (n,)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.mean)

    def deviate(self, measured: Tensor, labels: Tensor) -> Tensor:
        """(n, 2): `measure`'s values as standard deviations from the mean of each one's class, cut at FURTHEST."""
        return _deviate(measured, self.mean[labels], self.sd[labels])

    def third(self, deviations: Tensor, labels: Tensor) -> Tensor:
        """(n, 2) int64: 0, 1 or 2, the third of its class's training examples that each attribute falls into."""
        return (deviations[:, :, None] > self.thirds[labels]).sum(2)

    def conditions(self, deviations: Tensor, labels: Tensor) -> Tensor:
        """(n, classes + 2) float32: each one's class, one-hot, beside its deviations (n, 2)."""
        return torch.cat([one_hot(labels, self.classes).float(), deviations], 1)

    def quantile(self, label: int, attribute: int, q: float) -> float:
        """The deviation below which a share q of the class's training examples lie, by the number of the attribute."""
        return float(self.deviations[self.labels == label, attribute].quantile(q))


def _deviate(measured: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
    return ((measured - mean) / sd).clamp(-FURTHEST, FURTHEST)


@plain_torch
def fit(data: datasets.Dataset) -> Scale:
    """The scale of a data set, from its training examples alone.

    Raises ValueError where they have no labels, or a class of 0 to the highest has fewer than three of them.
    """
    labels, measured = datasets.known(data, "train")["train"], measure(data.train, data.shape)
    of_class = [measured[labels == k] for k in range(datasets.count_classes(data, least=3))]
    mean = torch.stack([m.mean(0) for m in of_class])
    sd = torch.stack([m.std(0, correction=0) for m in of_class]).clamp(min=1e-6)
    own, cuts = _deviate(measured, mean[labels], sd[labels]), torch.tensor([1 / 3, 2 / 3])
    thirds = torch.stack([own[labels == k].quantile(cuts, 0).T for k in range(len(mean))])
    return Scale(mean, sd, thirds, own, labels)


@plain_torch
def conditioned(data: datasets.Dataset, scale: Scale | None = None) -> datasets.Dataset:
    """The data set whose training examples carry their digit, slant and thickness as conditions (n, classes + 2)."""
    scale = scale or fit(data)
    return replace(data, conditions=scale.conditions(scale.deviations, scale.labels))


def recipe(data: datasets.Dataset, scale: Scale, small: bool = False) -> Recipe:
    """The MNIST recipe, or the small one, conditioned on the digit, slant and thickness that `conditioned` gives."""
    own = for_dataset(data.name, data.shape, "attributes-small" if small else "attributes")
    assert isinstance(own.task, Conditional)
    return own.replace(task=replace(own.task, numbers=scale.classes + len(NAMES)))


@plain_torch
def attribute_agreement(asked: Tensor, shown: Tensor, labels: Tensor, scale: Scale) -> dict[str, Tensor]:
    """How well samples match the attributes they were conditioned on, slant and thickness: three tensors (2,), float64.

    asked, shown (n, 2): deviations in the condition, and measured in the sample; labels (n,): the class asked for.
    "r" is their correlation. "r2" is 1 - mean (shown - asked)^2 / var asked: 1 if each sample matches its condition, 0
    if each has its class's mean attributes, below 0 for samples that vary independently of it. "third" is the share of
    samples in the right third of their class, 1/3 by chance.
    """
    a, s = asked.double(), shown.double()
    together = ((a - a.mean(0)) * (s - s.mean(0))).mean(0)
    spread = a.std(0, correction=0) * s.std(0, correction=0)
    return {
        "r": together / spread.clamp(min=1e-12),
        "r2": 1 - (s - a).square().mean(0) / a.var(0, correction=0).clamp(min=1e-12),
        "third": (scale.third(asked, labels) == scale.third(shown, labels)).double().mean(0),
    }
