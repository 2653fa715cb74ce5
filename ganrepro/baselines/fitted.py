"""What every model here offers once it is fitted: samples from a seed, and the number of its parameters."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ganrepro.networks import MOST
from ganrepro.parameters import expect, expect_number


class Fitted(Protocol):
    """A fitted model. Each file here has one, and a function `fit(train, ..., seed=0)` that makes it."""

    @property
    def parameters(self) -> int:
        """Numbers that the fit has chosen."""

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples (n, d) float32 in [0, 1]."""


def expect_examples(train: Tensor, least: int) -> None:
    """Raise TypeError or ValueError unless train is (m, d) float32 or float64 in [0, 1], with at least so many rows
    that are not all equal."""
    expect(Tensor, train=train)
    if train.ndim != 2 or not train.is_floating_point():
        raise ValueError(f"train has shape {tuple(train.shape)} and dtype {train.dtype}; expected floats (m, d)")
    if len(train) < least or not train.shape[1]:
        raise ValueError(f"train has {len(train)} examples of {train.shape[1]} numbers; this model needs at least "
                         f"{least} examples")  # fmt: skip
    low, high = train.aminmax()
    if not (low >= 0 and high <= 1):  # nor NaN
        raise ValueError(f"train has numbers from {low:g} to {high:g}; expected pictures in [0, 1]")
    if bool((train == train[:1]).all()):
        raise ValueError("train has equal examples only; there is nothing to learn from constant pictures")


def expect_rows(x: Tensor, d: int) -> None:
    """Raise TypeError or ValueError unless x is a tensor of finite floats (n, d), with n at least 1."""
    expect(Tensor, x=x)
    if x.ndim != 2 or x.shape[1] != d or not len(x) or not x.is_floating_point() or not bool(x.isfinite().all()):
        raise ValueError(f"x has shape {tuple(x.shape)} and dtype {x.dtype}; expected finite floats (n, {d})")


def generator_of(seed: int) -> torch.Generator:
    """A CPU random stream of its own. Raises ValueError for a seed that is not an int in torch's range."""
    expect_number("seed", seed, 0, 2**32 - 1)
    return torch.Generator().manual_seed(seed)


def expect_draw(n: int, seed: int) -> torch.Generator:
    """The random stream of a seed, for n draws. Raises ValueError for another n than an int of at least 1."""
    expect_number("n", n, 1, MOST)
    return generator_of(seed)
