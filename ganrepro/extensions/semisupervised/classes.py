"""Section 7, extension 4, in its later form: D has an output for each class, and samples are the class K + 1.

D's loss gains the cross-entropy of labelled rows (Salimans et al., 2016; Odena, 2016); `training.train` trains it.
"""

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganrepro.datasets import Dataset
from ganrepro.device import plain_torch
from ganrepro.recipes import Classes, Layer, Recipe

BLOCK = 5000  # rows that go through D at a time


def with_classes(recipe: Recipe, classes: int) -> Recipe:
    """The recipe with a D that has an output l_k for each class, and the logit log sum_k exp l_k; it starts at 1/2."""
    *before, last = recipe.discriminator
    assert isinstance(last, Layer)
    outputs = dataclasses.replace(last, units=classes, bias=-math.log(classes))
    return recipe.replace(discriminator=(*before, outputs), task=Classes(classes=classes))


@plain_torch
def few_labels(data: Dataset, rows: Tensor, classes: int, share: float = 0.1, unlabelled: int | None = None) -> Dataset:
    """The data set on which a D with classes is trained: the first `unlabelled` training examples (None: all), then the
    labelled `rows` of `train`, each repeated equally often, so that they are about this share of all. Its name tells
    the rows apart, for records and checkpoints. Raises ValueError for a share outside (0, 1)."""
    if not 0 < share < 1:
        raise ValueError(f"share = {share!r}; it must lie in (0, 1)")
    labels, x = data.labels["train"], data.training[:unlabelled]
    assert labels is not None
    copies = max(1, round(share / (1 - share) * len(x) / len(rows)))
    known = one_hot(labels[rows], classes).float().repeat(copies, 1)
    return dataclasses.replace(
        data, name=f"{data.name}-{len(rows)}-labels-{int(rows.sum())}", labels=data.labels | {"train": None},
        train=torch.cat([x, data.train[rows].repeat(copies, 1)]), unlabeled=None, folds=None,
        conditions=torch.cat([torch.zeros(len(x), classes), known]),
    )  # fmt: skip


@plain_torch
@torch.no_grad()
def error(discriminator: nn.Module, x: Tensor, labels: Tensor) -> float:
    """% of x (n, d) whose largest class output of D is not their label (n,)."""
    found = torch.cat([discriminator(block).argmax(-1).cpu() for block in x.split(BLOCK)])
    return 100 * float((found != labels).float().mean())
