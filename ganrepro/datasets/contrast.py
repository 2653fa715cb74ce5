"""The data as a recipe takes them: global contrast normalisation (and the way back to pictures), and conditions."""

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from ganrepro.device import plain_torch
from ganrepro.recipes import Recipe

from .dataset import SPLITS, Dataset
from .labels import count_classes, known

FAINTEST = 1e-3  # a smaller norm is rounding error: one grey level in one pixel is 4e-3
# CIFAR-10's training set: the mean of all pixels, and the mean of the pictures' standard deviations
BRIGHTNESS, CONTRAST = 0.4732, 0.2112
Rows = TypeVar("Rows", Tensor, NDArray[np.float32])


@plain_torch
def prepare(data: Dataset, recipe: Recipe) -> Dataset:
    """The data, contrast-normalised if recipe.contrast is set, with conditions if the recipe's task has any.

    Conditions default to the one-hot training labels. Data that are already prepared are returned unchanged.
    Raises ValueError for data with another normalisation, and for conditions or labels that do not fit.
    """
    return _conditioned(normalised(data, recipe), recipe)


@plain_torch
def normalised(data: Dataset, recipe: Recipe) -> Dataset:
    """The same without conditions."""
    norm = recipe.contrast
    if data.contrast == norm:
        return data
    if data.contrast is not None or norm is None:
        wanted = "pixels" if norm is None else f"a norm of {norm:g}"
        raise ValueError(f"data set {data.name} is contrast-normalised to a norm of {data.contrast:g}, recipe "
                         f"{recipe.name} takes {wanted}; load the data set afresh")  # fmt: skip
    there = {s: x for s in (*SPLITS, "unlabeled") if (x := getattr(data, s)) is not None}
    rows: dict[str, Any] = {s: normalise(x, norm) for s, x in there.items()}
    return replace(data, **rows, contrast=norm, bounded=False)


def _conditioned(data: Dataset, recipe: Recipe) -> Dataset:
    if not (columns := recipe.task.columns):
        return data
    if data.conditions is not None:
        if data.conditions.shape != (len(data.training), columns):
            raise ValueError(f"data set {data.name} has conditions of shape {tuple(data.conditions.shape)}, recipe "
                             f"{recipe.name} takes {(len(data.training), columns)}")  # fmt: skip
        return data
    if data.unlabeled is not None:
        raise ValueError(f"data set {data.name} has unlabelled training examples, which recipe {recipe.name} cannot be "
                         "conditioned on; set `conditions`, or choose a recipe without a condition")  # fmt: skip
    if (classes := count_classes(data, classes=1)) != columns:  # "attributes" needs more than labels
        raise ValueError(f"data set {data.name} has {classes} classes, recipe {recipe.name} takes {columns} numbers "
                         "as a condition")  # fmt: skip
    return replace(data, conditions=one_hot(known(data, "train")["train"], columns).float())


def normalise(x: Tensor, norm: float) -> Tensor:
    """(n, d) float32: each row less its mean, scaled to the L2 norm `norm`; a row of one value becomes 0.

    Source: global_contrast_normalize in pylearn2, as the authors' cifar10 files call it, with norm 55.
    """
    rows = x - x.mean(1, keepdim=True)
    length = rows.norm(dim=1, keepdim=True)
    return rows.mul_(torch.where(length < FAINTEST, 0.0, norm / length))


def pictures(data: Dataset, x: Rows) -> Rows:
    """Rows (..., d) in the data's space as pictures to show, of the same type.

    Contrast-normalised rows all get the brightness and contrast of an average CIFAR-10 picture: they stay comparable.
    Values may lie outside [0, 1]; the figure clips them.
    """
    if data.contrast is None:
        return x
    return BRIGHTNESS + x * (CONTRAST * x.shape[-1] ** 0.5 / data.contrast)
