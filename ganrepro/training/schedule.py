"""What changes during a training: the rates, the order of the minibatches; and how many steps there are."""

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor

from ganrepro.parameters import expect, expect_number
from ganrepro.recipes import Recipe


class Rates(NamedTuple):
    """Learning rate and momentum of one step: 0-d tensors, so that a captured step can be given new ones."""

    lr: Tensor
    momentum: Tensor


def rates_at(recipe: Recipe, epoch: int, batch: int) -> Rates:
    """Rates for minibatch number `batch` (from 0, over the stage) in epoch `epoch` (from 1, over the whole training). A
    second stage starts as the first did."""
    expect(Recipe, recipe=recipe)
    expect_number("epoch", epoch, 0, 2**63)
    expect_number("batch", batch, 0, 2**63)
    if recipe.second_stage is not None and epoch > recipe.second_stage.after:
        epoch -= recipe.second_stage.after
    lr = recipe.learning_rate_floor
    with suppress(OverflowError):  # of a power far below the floor
        lr = max(recipe.learning_rate / recipe.learning_rate_decay**batch, lr)
    start, end = recipe.momentum
    grown = min(1.0, (epoch - 1) / max(1, recipe.momentum_epochs - 1))
    return Rates(*torch.tensor([lr, start + (end - start) * grown], dtype=torch.float64).unbind())


def order(recipe: Recipe, n: int, rng: torch.Generator) -> Tensor:
    """The examples of an epoch, of n, by number: a fresh random order in each of its passes."""
    passes = examples_in_epoch(recipe, n) // n
    return torch.cat([torch.randperm(n, generator=rng, device=rng.device) for _ in range(passes)])


def minibatches(recipe: Recipe, x: Tensor, rng: torch.Generator) -> Iterator[list[Tensor]]:
    """Groups of up to k minibatches, in a fresh random order: what each step takes."""
    batches = order(recipe, len(x), rng).split(recipe.batch_size)
    for first in range(0, len(batches), recipe.k):
        yield [x.index_select(0, rows) for rows in batches[first : first + recipe.k]]


def examples_in_epoch(recipe: Recipe, n: int) -> int:
    """How many examples an epoch takes, of n: each once, or in the passes that come nearest to epoch_batches."""
    return n if recipe.epoch_batches is None else n * max(1, round(recipe.epoch_batches * recipe.batch_size / n))


def minibatches_in_epoch(recipe: Recipe, n: int) -> int:
    """Minibatches in an epoch over n examples."""
    return math.ceil(examples_in_epoch(recipe, n) / recipe.batch_size)


def steps_in_epoch(recipe: Recipe, n: int) -> int:
    """Steps in an epoch over n examples."""
    return math.ceil(minibatches_in_epoch(recipe, n) / recipe.k)


def steps_in_all(recipe: Recipe, n: int, epochs: int) -> int:
    """Steps in the first so many epochs over n examples."""
    if recipe.coordination.k_schedule is None:
        return epochs * steps_in_epoch(recipe, n)
    return sum(steps_in_epoch(recipe.at(epoch), n) for epoch in range(1, epochs + 1))
