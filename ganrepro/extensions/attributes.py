"""Attributes of a drawn digit, measured in its picture: slant and thickness, and the conditions made of them.

A condition is the digit, one-hot, beside both attributes as deviations from that digit's own mean in the training data:
"leaning right" means further right than most of its kind, and the digit alone says nothing of the other two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from ganrepro.datasets import Dataset
from ganrepro.recipes import Recipe, for_dataset

NAMES, UNITS = ("slant", "thickness"), ("degrees", "pixels")
FURTHEST = 3.0  # standard deviations: a blot would else be told as seven
BLOCK = 2000
EMPTY = 1e-6  # less ink than any picture has


def measure(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """(n, 2) float32: slant in degrees, above 0 where it leans right, and thickness in pixels, of pictures (n, d).

    With the ink as weights, slant is arctan(-cov(row, column) / var(row)), the shear that deskewing takes out.
    Thickness is 2 A / P: A is the ink, P its total variation, which for a black and white picture is the length of its
    edge (coarea formula); a bar of width w and length l has w l / (w + l). Both are 0 for a picture without ink.
    """
    return torch.cat([_measure(block, shape) for block in x.split(BLOCK)])


def _measure(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    ink = _ink(x, shape)
    total, _, _, slope = _moments(ink)
    framed = pad(ink, (1, 1, 1, 1))
    down, right = framed.diff(dim=1)[:, :, :-1], framed.diff(dim=2)[:, :-1]
    edge = torch.hypot(down, right).sum((1, 2))
    return torch.stack([torch.rad2deg(torch.atan(-slope)), 2 * total / edge.clamp(min=EMPTY)], 1)


def deskew(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """(n, h w) float32: the pictures (n, d), grey, their ink centred and upright: each row moved until slant is 0."""
    return torch.cat([_deskew(_ink(block, shape)) for block in x.split(BLOCK)])


def _deskew(ink: Tensor) -> Tensor:
    _, r, k, slope = _moments(ink)
    one, zero, (n, h, w) = torch.ones(len(ink)), torch.zeros(len(ink)), ink.shape
    source = torch.stack([one, slope * h / w, 2 * k / w, zero, one, 2 * r / h], 1).view(n, 2, 3)
    places = torch.nn.functional.affine_grid(source, [n, 1, h, w], align_corners=False)
    return torch.nn.functional.grid_sample(ink[:, None], places, align_corners=False).flatten(1)


def _ink(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """(n, h, w): the mean over channels."""
    return x.view(-1, *shape).mean(1)


def _moments(ink: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The ink, its mean row and column from the middle, and how many columns it moves a row, each (n,)."""
    n, h, w = ink.shape
    row, column = torch.meshgrid(torch.arange(h) - (h - 1) / 2, torch.arange(w) - (w - 1) / 2, indexing="ij")
    weights = torch.stack([torch.ones(h, w), row, column, row * row, row * column], -1)
    total, *sums = (ink.flatten(1) @ weights.view(h * w, 5)).T
    r, k, rr, rk = (m / total.clamp(min=EMPTY) for m in sums)
    return total, r, k, (rk - r * k) / (rr - r * r).clamp(min=EMPTY)


@dataclass(frozen=True)
class Scale:
    """How far a training example's attributes lie from those of its class.

    mean, sd (classes, 2) in degrees and pixels; thirds (classes, 2, 2): the lower and the upper tercile of each
    class's deviations, by attribute; deviations (n, 2) and labels (n,) of the training examples.
    """

    mean: Tensor
    sd: Tensor
    thirds: Tensor
    deviations: Tensor
    labels: Tensor

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.mean)

    def deviate(self, measured: Tensor, labels: Tensor) -> Tensor:
        """(n, 2) standard deviations from the mean of each one's class, cut at FURTHEST, of what `measure` gave."""
        return ((measured - self.mean[labels]) / self.sd[labels]).clamp(-FURTHEST, FURTHEST)

    def third(self, deviations: Tensor, labels: Tensor) -> Tensor:
        """(n, 2) int64: 0, 1 or 2, the third of its class's training examples that each attribute falls into."""
        return (deviations[:, :, None] > self.thirds[labels]).sum(2)

    def quantile(self, label: int, attribute: int, q: float) -> float:
        """The deviation below which a share q of the class's training examples lie, by the number of the attribute."""
        return float(self.deviations[self.labels == label, attribute].quantile(q))


def fit(data: Dataset) -> Scale:
    """The scale of a data set, from its training examples alone.

    Raises ValueError where they have no labels, or a class of 0 to the highest has fewer than three of them.
    """
    labels = data.labels["train"]
    if labels is None:
        raise ValueError(f"data set {data.name} has no labels of its training examples, which attributes need")
    if int(labels.min()) < 0 or int((count := labels.bincount()).min()) < 3:
        raise ValueError(f"data set {data.name} has fewer than three training examples of a class of 0 to "
                         f"{int(labels.max())}")  # fmt: skip
    measured = measure(data.train, data.shape)
    total = torch.zeros(len(count), 2).index_add_(0, labels, measured)
    mean = total / count[:, None]
    spread = torch.zeros_like(mean).index_add_(0, labels, (measured - mean[labels]).square())
    sd = (spread / count[:, None]).sqrt().clamp(min=1e-6)
    own = ((measured - mean[labels]) / sd[labels]).clamp(-FURTHEST, FURTHEST)
    cuts = torch.tensor([1 / 3, 2 / 3])
    thirds = torch.stack([own[labels == k].quantile(cuts, 0).T for k in range(len(count))])
    return Scale(mean, sd, thirds, own, labels)


def conditioned(data: Dataset, scale: Scale | None = None) -> Dataset:
    """The data set whose training examples carry their digit, slant and thickness as conditions (n, classes + 2)."""
    scale = fit(data) if scale is None else scale
    return replace(data, conditions=torch.cat([one_hot(scale.labels, scale.classes).float(), scale.deviations], 1))


def recipe(data: Dataset, scale: Scale) -> Recipe:
    """The MNIST recipe whose players are told what `conditioned` gives."""
    return for_dataset(data.name, data.shape, "attributes").replace(condition=scale.classes + len(NAMES))


def obedience(asked: Tensor, shown: Tensor, labels: Tensor, scale: Scale) -> dict[str, Tensor]:
    """How well samples show what they were asked for, for slant and thickness: three tensors (2,), float64.

    asked, shown (n, 2): deviations told to G, and measured in what it made; labels (n,): the class asked for.
    "r": their correlation; "r2": 1 - mean (shown - asked)^2 / var asked, 1 where each sample shows what it was asked
    for, 0 for the mean picture of each class, below 0 for samples that vary of their own accord; "third": the share of
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
