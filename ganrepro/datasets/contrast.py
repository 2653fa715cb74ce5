"""Global contrast normalisation, which the CIFAR-10 recipes ask for, and the way back to pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from ganrepro.recipes import Recipe

from .dataset import Dataset

FAINTEST = 1e-3  # a norm below it is rounding: one grey level in one pixel is 4e-3
# the mean of CIFAR-10's training pixels, and of its pictures' standard deviations: an average picture's
BRIGHTNESS, CONTRAST = 0.4732, 0.2112
Rows = TypeVar("Rows", Tensor, NDArray[np.float32])


def prepare(data: Dataset, recipe: Recipe) -> Dataset:
    """The data as the recipe sees them: contrast-normalised where it says so, and with conditions where it takes them.

    Conditions that are not there are the training labels, one-hot. Data that are so already come back as they are.
    Raises ValueError for data that are normalised otherwise, and for conditions or labels that do not fit.
    """
    return _conditioned(_normalised(data, recipe), recipe)


def _normalised(data: Dataset, recipe: Recipe) -> Dataset:
    if data.contrast == recipe.contrast:
        return data
    if data.contrast is not None:
        wanted = "pixels" if recipe.contrast is None else f"a norm of {recipe.contrast:g}"
        raise ValueError(f"data set {data.name} is contrast-normalised to a norm of {data.contrast:g}, recipe "
                         f"{recipe.name} takes {wanted}; load the data set afresh")
    norm = recipe.contrast or 0.0
    train, valid, test = (normalise(x, norm) for x in (data.train, data.valid, data.test))
    unlabeled = None if data.unlabeled is None else normalise(data.unlabeled, norm)
    return replace(data, train=train, valid=valid, test=test, unlabeled=unlabeled, contrast=norm, bounded=False)


def _conditioned(data: Dataset, recipe: Recipe) -> Dataset:
    if not recipe.carried:
        return data
    wanted, labels = (len(data.training), recipe.carried), data.labels["train"]
    if data.conditions is not None:
        if data.conditions.shape != wanted:
            raise ValueError(f"data set {data.name} has conditions of shape {tuple(data.conditions.shape)}, recipe "
                             f"{recipe.name} takes {wanted}")
        return data
    if labels is None or data.unlabeled is not None:
        raise ValueError(f"data set {data.name} has no labels of its training examples, which recipe {recipe.name} "
                         "takes as conditions; give it `conditions`, or take a recipe without")
    if int(labels.min()) < 0 or int(labels.max()) + 1 != recipe.carried:  # "attributes" takes no labels alone
        raise ValueError(f"data set {data.name} has labels {int(labels.min())} to {int(labels.max())}, recipe "
                         f"{recipe.name} takes 0 to {recipe.carried - 1}")
    return replace(data, conditions=one_hot(labels, recipe.carried).float())


def normalise(x: Tensor, norm: float) -> Tensor:
    """(n, d) float32: each row less its mean, at the L2 norm `norm`; a row of one value becomes 0.

    Source: global_contrast_normalize in pylearn2, as the authors' cifar10 files call it, with norm 55.
    """
    rows = x - x.mean(1, keepdim=True)
    length = rows.norm(dim=1, keepdim=True)
    return rows.mul_(torch.where(length < FAINTEST, 0.0, norm / length))


def pictures(data: Dataset, x: Rows) -> Rows:
    """Rows (..., d) in the data's space as pictures to be shown, of the same type.

    Contrast normalisation keeps neither brightness nor contrast: those of an average CIFAR-10 picture are put
    back, the same for every row, so that rows stay comparable. What then lies outside [0, 1] is for the figure to clip.
    """
    if data.contrast is None:
        return x
    return BRIGHTNESS + x * (CONTRAST * x.shape[-1] ** 0.5 / data.contrast)
