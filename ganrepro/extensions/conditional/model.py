"""Trained generators of p(x | c), and the conditions they are given."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganrepro import recipes, records
from ganrepro.datasets import Dataset
from ganrepro.recipes import Conditional, Recipe
from ganrepro.records import Record

QUICK_SCALE = 20.0  # the condition_scale that 500 steps need, whatever the full recipe's: see recipes/paper.py


def trained(data: Dataset, recipe: Recipe, profile: str, seeds: Sequence[int], device: str = "auto") -> list[Record]:
    """Records of a conditional recipe, all of one profile.

    - "paper": at full length, made where they are missing.
    - "quick": of a narrower recipe, one a seed.
    - "auto": the paper records of these seeds that are there; if none is, quick ones.
    """
    found = []
    for seed in seeds if profile != "quick" else ():
        with suppress(FileNotFoundError):
            found.append(records.get_or_train(data, "paper", seed, device, recipe=recipe, train=profile == "paper"))
    small = _quick(recipe, len(data.training))
    return found or [records.get_or_train(data, "quick", seed, device, recipe=small) for seed in seeds]


def _quick(recipe: Recipe, examples: int) -> Recipe:
    """The quick recipe. On pictures of fewer pixels than MNIST's, D's initial weights are wider in proportion;
    otherwise D learns nothing in 500 steps."""
    assert isinstance(recipe.task, Conditional)
    small = recipes.quick(recipe, examples).replace(task=replace(recipe.task, condition_scale=QUICK_SCALE))
    wider = max(1.0, float(np.sqrt(784 / small.dim)))
    return small.replace(discriminator=tuple(replace(x, irange=x.irange * wider) for x in small.discriminator))


def one_hot_condition(labels: int | Sequence[int] | Tensor, classes: int) -> Tensor:
    """(n, classes) float32: one-hot conditions. Raises ValueError for a class outside 0 to classes - 1."""
    wanted = torch.atleast_1d(torch.as_tensor(labels))
    wrong = wanted if wanted.is_floating_point() else wanted[(wanted < 0) | (wanted >= classes)]
    if len(wrong):
        raise ValueError(f"class = {wrong[0].item()!r}; choose one of the ints 0 to {classes - 1}")
    return one_hot(wanted.long(), classes).float()
