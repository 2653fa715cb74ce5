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
from ganrepro.recipes import Recipe
from ganrepro.records import Record

QUICK_SCALE = 20.0  # the condition_scale that 500 steps need, whatever the full recipe's: see recipes/paper.py


def trained(data: Dataset, recipe: Recipe, profile: str, seeds: Sequence[int], device: str = "auto") -> list[Record]:
    """Records of a conditional recipe, all of one profile: "paper" is at full length, made where missing; "quick" of a
    narrower recipe, one a seed; "auto" the paper records of these seeds that are there, or quick ones if none is."""
    found = []
    for seed in seeds if profile != "quick" else ():
        with suppress(FileNotFoundError):
            found.append(records.get_or_train(data, "paper", seed, device, recipe=recipe, train=profile == "paper"))
    if found:
        return found
    assert isinstance(recipe.task, recipes.Conditional)
    small = recipes.quick(recipe, len(data.training)).replace(task=replace(recipe.task, condition_scale=QUICK_SCALE))
    # D's initial weights are wider in proportion on pictures smaller than MNIST's; else D learns nothing in 500 steps
    wider = max(1.0, float(np.sqrt(784 / small.dim)))
    small = small.replace(discriminator=tuple(replace(x, irange=x.irange * wider) for x in small.discriminator))
    return [records.get_or_train(data, "quick", seed, device, recipe=small) for seed in seeds]


def one_hot_condition(labels: int | Sequence[int] | Tensor, classes: int) -> Tensor:
    """(n, classes) float32: one-hot conditions. Raises ValueError for a class outside 0 to classes - 1."""
    wanted = torch.atleast_1d(torch.as_tensor(labels))
    wrong = wanted if wanted.is_floating_point() else wanted[(wanted < 0) | (wanted >= classes)]
    if len(wrong):
        raise ValueError(f"class = {wrong[0].item()!r}; choose one of the ints 0 to {classes - 1}")
    return one_hot(wanted.long(), classes).float()
