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
from ganrepro.device import plain_torch
from ganrepro.progress import say
from ganrepro.recipes import Recipe
from ganrepro.records import Record

# The condition_scale that 500 steps on MNIST need, whatever the full recipe's (see recipes/paper.py). Share of samples
# of the requested class, seeds 0 and 1: at 1 .09 and .09, at 10 .20 and .20, at 20 .91 and .61.
QUICK_SCALE = 20.0


def trained(data: Dataset, recipe: Recipe, profile: str, seeds: Sequence[int], device: str = "auto") -> list[Record]:
    """Records of a conditional recipe, all of one profile: "paper" is at full length, made where missing; "quick" of a
    narrower recipe, one a seed; "auto" the paper records of these seeds that are there, or quick ones if none is.
    Seeds that have no paper record where others have one are named in a printed line: profiles are never pooled."""
    found = []
    for seed in seeds if profile != "quick" else ():
        with suppress(FileNotFoundError):
            found.append(records.get_or_train(data, "paper", seed, device, recipe=recipe, train=profile == "paper"))
    if found:
        if missing := [seed for seed in seeds if seed not in {record.meta["seed"] for record in found}]:
            say(f"{recipe.name}: no paper record of seed {', '.join(map(str, missing))}, so {len(found)} of "
                  f"{len(seeds)} trainings; profile = 'quick' trains all of them, 'paper' those missing")  # fmt: skip
        return found
    assert isinstance(recipe.task, recipes.Conditional)
    small = recipes.quick(recipe, len(data.training))
    # Smaller pictures than MNIST's are shorter vectors: D's initial weights are wider in proportion and the condition's
    # scale is smaller. Otherwise D learns nothing in 500 steps; on 8 x 8 digits it stays at 1/2 with attributes.
    length = min(1.0, float(np.sqrt(small.dim / 784)))
    small = small.replace(
        task=replace(recipe.task, condition_scale=QUICK_SCALE * length),
        discriminator=tuple(replace(x, irange=x.irange / length) for x in small.discriminator),
    )
    return [records.get_or_train(data, "quick", seed, device, recipe=small) for seed in seeds]


def described(found: Sequence[Record]) -> str:
    """What trainings of one profile are: "paper profile, 30 epochs"; all lengths where they differ."""
    (profile,) = {record.meta["profile"] for record in found}
    lengths = " and ".join(map(str, sorted({record.meta["epochs"] for record in found})))
    return f"{profile} profile, {lengths} epoch{'s' * (lengths != '1')}"


@plain_torch
def one_hot_condition(labels: int | Sequence[int] | Tensor, classes: int, name: str = "class") -> Tensor:
    """(n, classes) float32: one-hot conditions. Raises ValueError, with that name, for one outside 0 to classes - 1."""
    wanted = torch.atleast_1d(torch.as_tensor(labels))
    wrong = wanted if wanted.is_floating_point() else wanted[(wanted < 0) | (wanted >= classes)]
    if len(wrong):
        raise ValueError(f"{name} = {wrong[0].item()!r}; choose one of the ints 0 to {classes - 1}")
    return one_hot(wanted.long(), classes).float()
