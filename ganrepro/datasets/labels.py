"""Checks of a data set's labels."""

from torch import Tensor

from .dataset import SPLITS, Dataset


def known(data: Dataset, *splits: str) -> dict[str, Tensor]:
    """The labels (n,) int64 of these splits, by default all. Raises ValueError, with the name, if one has none."""
    found = {split: labels for split in splits or SPLITS if (labels := data.labels[split]) is not None}
    if missing := [split for split in splits or SPLITS if split not in found]:
        raise ValueError(f"dataset = {data.name!r} has no labels in {', '.join(missing)}; choose one with labels, "
                         "such as mnist or digits")  # fmt: skip
    return found


def count_classes(data: Dataset, least: int = 1, classes: int = 2) -> int:
    """K: the training labels are 0 to K - 1, and so are those of the other splits that have any.

    least: examples that each class needs in train; classes: the smallest K. Raises ValueError, naming the data set.
    """
    values, counts = (x.tolist() for x in known(data, "train")["train"].unique(return_counts=True))
    if values != list(range(max(classes, len(values)))):
        raise ValueError(f"dataset = {data.name!r} has the training labels {_span(values)}; they must be 0 to K - 1, "
                         f"K at least {classes}, with an example of each{_remedy(values)}")  # fmt: skip
    if min(counts) < least:
        raise ValueError(f"dataset = {data.name!r} has {min(counts)} training examples of class "
                         f"{counts.index(min(counts))}; at least {least} are needed")  # fmt: skip
    for split, labels in data.labels.items():
        if labels is not None and (new := sorted(set(labels.tolist()) - set(values))):
            raise ValueError(f"dataset = {data.name!r} has {len(new)} classes in {split} ({_span(new)}) without an "
                             "example in train; choose a data set whose classes are in both")  # fmt: skip
    return len(values)


def _remedy(values: list[int]) -> str:
    if values[0] < 0:
        return f"; leave out the examples of label {values[0]}, which often means that the class is not known"
    if values != list(range(len(values))):
        return "; numpy.unique(labels, return_inverse=True)[1] are the same classes, numbered from 0"
    return ""


def _span(labels: list[int]) -> str:
    return ", ".join(map(str, labels)) if len(labels) <= 10 else f"{labels[0]} to {labels[-1]}"
