"""The form of every data set: flat float32 rows in three splits, and folds where a set has them."""

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganrepro.device import plain_torch

SPLITS = ("train", "valid", "test")
Fold = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set, split.

    name          safe in a path; the stand-ins of TFD keep their own ("att", "fer2013")
    label         for titles and tables
    shape         (c, h, w) of one example; (1, 1, d) for the toys
    train         (n, d) float32 with d = c*h*w in (c, h, w) order, and so are valid and test
    labels        {"train", "valid", "test"}: (n,) int64, or None
    folds         (train, valid, test) int64 indices into torch.cat([train, valid, test]), or None
    unlabeled     (n, d) float32, disjoint from every fold's valid and test, or None
    sha256        hex digest of each file read; a name without .gz stands for the decompressed content
    stand_in_for  name of the data set that this one replaces, or None
    fold_index    the fold that train, valid and test are, or None
    bounded       True for images in [0, 1]; False for toys and for contrast-normalised images
    contrast      the L2 norm that each image was contrast-normalised to (see contrast.py), or None
    conditions    (n, c) float32, the condition of each training example (see contrast.prepare), or None
    classes       the names of the classes 0, 1, ... where they have names, or None
    details       how a user's own pictures were read (size, duplicates, files left out): plain values for the record
    """

    name: str
    label: str
    shape: tuple[int, int, int]
    train: Tensor
    valid: Tensor
    test: Tensor
    labels: dict[str, Tensor | None] = field(default_factory=lambda: dict.fromkeys(SPLITS))
    folds: list[Fold] | None = None
    unlabeled: Tensor | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    stand_in_for: str | None = None
    fold_index: int | None = None
    bounded: bool = True
    contrast: float | None = None
    conditions: Tensor | None = None
    classes: tuple[str, ...] | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}", self.name):
            raise ValueError(f"data set name = {self.name!r}; expected up to 200 letters, digits and . _ + -, the "
                             "first a letter or digit: folders are named after it")  # fmt: skip

    @property
    def training(self) -> Tensor:
        """The rows that a generative model is trained on, (n, d) float32: `unlabeled` if there, else `train`."""
        return self.train if self.unlabeled is None else self.unlabeled

    @property
    def model_per_fold(self) -> bool:
        """True if each fold trains its own model (AT&T); False if all folds share one, or there are none."""
        return self.folds is not None and self.unlabeled is None

    @plain_torch
    def fold(self, k: int) -> Self:
        """This data set with fold `k` (from 0) as its train, valid, test and labels; `folds` stay valid indices.

        Raises ValueError if there are no folds or `k` is not one of them.
        """
        if self.folds is None:
            raise ValueError(f"{self.name}: fold {k!r} was asked for, but this data set has no folds; "
                             "use its train, valid and test")  # fmt: skip
        if not 0 <= operator.index(k) < len(self.folds):
            raise ValueError(f"{self.name}: fold {k!r} was asked for; allowed: 0 to {len(self.folds) - 1}")
        labels = [y for y in map(self.labels.get, SPLITS) if y is not None]
        rows = torch.cat([self.train, self.valid, self.test])
        return replace(self, **arrange(rows, torch.cat(labels) if labels else None, self.folds, int(k)))

    def __repr__(self) -> str:
        sizes = [f"{part} {len(x)}" for part in (*SPLITS, "unlabeled") if (x := getattr(self, part)) is not None]
        folds = f", fold {self.fold_index} of {len(self.folds)}" if self.folds else ""
        folds += f", classes: {shortened(self.classes)}" if self.classes else ""
        return f"Dataset({self.name!r}, {self.label!r}, {'x'.join(map(str, self.shape))}, {', '.join(sizes)}{folds})"


def shortened(names: Sequence[str], most: int = 12) -> str:
    """The names for a line: all of a few, else the first ones and how many more there are."""
    return ", ".join(names[:most]) + f" and {len(names) - most} more" * (len(names) > most)


def pixels(images: NDArray[Any]) -> Tensor:
    """Grey (n, h, w), colour (n, h, w, c) or flat (n, c*h*w) images, uint8 or float32 in [0, 1], as (n, c*h*w) float32
    rows in [0, 1]."""
    if images.ndim == 4:
        images = images.transpose(0, 3, 1, 2)
    if images.dtype == np.float32:
        return torch.from_numpy(np.ascontiguousarray(images).reshape(len(images), -1))
    return torch.from_numpy(images.reshape(len(images), -1) / np.float32(255))


def splits(rows: Tensor, labels: Tensor | None, parts: Sequence[Tensor | slice]) -> dict[str, Any]:
    """The fields train, valid, test, labels of a Dataset: `rows` (n, d) and `labels` (n,) by `parts`."""
    named = dict(zip(SPLITS, parts, strict=True))
    known = {s: None if labels is None else labels[part] for s, part in named.items()}
    return {s: rows[part] for s, part in named.items()} | {"labels": known}


def arrange(rows: Tensor, labels: Tensor | None, folds: list[Fold], k: int) -> dict[str, Any]:
    """The fields of a Dataset at fold `k`, from rows (n, d), labels (n,) or None, and folds of int64 row numbers.

    Raises ValueError for a fold that leaves a row out or uses one twice.
    """
    every = torch.arange(len(rows))
    for i, fold in enumerate(folds):
        used = torch.cat(fold)
        if not torch.equal(used.sort().values, every):
            raise ValueError(f"fold {i}: found {len(used)} indices, {len(set(used.tolist()))} distinct, "
                             f"expected each of the {len(rows)} rows exactly once")
    place = torch.empty_like(every)
    place[torch.cat(folds[k])] = every  # row number -> index into cat([train, valid, test])
    moved = [(place[train], place[valid], place[test]) for train, valid, test in folds]
    return {**splits(rows, labels, folds[k]), "folds": moved, "fold_index": k, "conditions": None}


def rotate(blocks: list[Tensor]) -> list[Fold]:
    """From blocks of row numbers: fold k tests on block k, validates on k+1, trains on the rest."""
    folds = []
    for k, test in enumerate(blocks):
        v = (k + 1) % len(blocks)
        folds.append((torch.cat([b for j, b in enumerate(blocks) if j not in (k, v)]), blocks[v], test))
    return folds
