"""A data set's labels: numbered, and checked."""

import torch
from torch import Tensor

from .dataset import SPLITS, Dataset

UNLABELLED = -1


def from_zero(labels: Tensor) -> Tensor:
    """Labels (N,) with their classes numbered from 0 in order, as classifiers and conditions take them; negative
    ones are UNLABELLED."""
    classes = labels[labels >= 0].unique()
    return torch.where(labels < 0, UNLABELLED, torch.searchsorted(classes, labels))


def known(data: Dataset, *splits: str) -> dict[str, Tensor]:
    """The labels (n,) int64 of these splits, by default all. Raises ValueError, with the name, if one has none."""
    found = {split: labels for split in splits or SPLITS if (labels := data.labels[split]) is not None}
    if missing := [split for split in splits or SPLITS if split not in found]:
        raise ValueError(f"dataset = {data.name!r} has no labels in {', '.join(missing)}; choose one with labels, "
                         "such as mnist or digits")  # fmt: skip
    return found


def count_classes(data: Dataset, least: int = 1, classes: int = 2) -> int:
    """K: the training labels are 0 to K - 1, and so are those of the other splits that have any; none is UNLABELLED.

    least: examples that each class needs in train; classes: the smallest K. Raises ValueError, naming the data set.
    """
    values, counts = (x.tolist() for x in known(data, "train")["train"].unique(return_counts=True))
    unlabelled = sum(int((y == UNLABELLED).sum()) for y in data.labels.values() if y is not None)
    remedy = f". The label {UNLABELLED} ({unlabelled} times) is no class: label those pictures or leave them out"
    hint = remedy * (unlabelled > 0)
    if values != list(range(max(classes, len(values)))):
        raise ValueError(f"dataset = {data.name!r} has the training labels {_span(values)}; they must be 0 to K - 1, "
                         f"K at least {classes}, with an example of each{hint}")  # fmt: skip
    if min(counts) < least:
        raise ValueError(f"dataset = {data.name!r} has {min(counts)} training examples of class "
                         f"{counts.index(min(counts))}; at least {least} are needed")  # fmt: skip
    for split, labels in data.labels.items():
        if labels is not None and (new := sorted(set(labels.tolist()) - set(values))):
            raise ValueError(f"dataset = {data.name!r} has {len(new)} classes in {split} ({_span(new)}) without an "
                             f"example in train; choose a data set whose classes are in both{hint}")  # fmt: skip
    return len(values)


def _span(labels: list[int]) -> str:
    return ", ".join(map(str, labels)) if len(labels) <= 10 else f"{labels[0]} to {labels[-1]}"
