"""What a task adds to a step: what both players are conditioned on, how D's outputs make a logit, what D loses.

One object for each task of recipes/schema.py: the paper's own game is `PlainTask`, the others are section 7's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from ganrepro import game, networks
from ganrepro.recipes import Classes, Conditional, Plain, Recipe, Subsets

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

NONE, PIXELS, HIDDEN, SHOWN, HALF = range(5)  # kinds of masks, drawn with equal probability


class Draw(NamedTuple):
    """The random numbers of one move: noise z (n, z_dim), D's dropout factors on data and on samples, and with the
    task Subsets the mask (n, d) of observed pixels."""

    z: Tensor
    dropout_real: tuple[Tensor, ...] = ()
    dropout_fake: tuple[Tensor, ...] = ()
    observed: tuple[Tensor, ...] = ()

    @classmethod
    def stack(cls, draws: Sequence[Draw]) -> Draw:
        """The draws of R replicas as one, each tensor (R, ...)."""
        z, *others = zip(*draws, strict=True)
        return cls(torch.stack(z), *(tuple(map(torch.stack, zip(*of_all, strict=True))) for of_all in others))


@dataclass(frozen=True)
class PlainTask:
    """The paper's game."""

    recipe: Recipe

    def draw(self, sizes: Sequence[int], rng: torch.Generator, dtype: torch.dtype = torch.float32) -> list[Draw]:
        """The draws of one step over minibatches of these sizes: one for each move of D, then, under alternating
        updates, one for each move of G. Their order is part of what a seed fixes."""
        draws = [self._draw(n, rng, dtype, real=True) for n in sizes]
        if self.recipe.update == "simultaneous":
            return draws
        return draws + [self._draw(sizes[-1], rng, dtype) for _ in range(self.recipe.coordination.g_moves)]

    def _draw(self, n: int, rng: torch.Generator, dtype: torch.dtype, real: bool = False) -> Draw:
        observed = self.draw_observed(n, rng, dtype)
        dropout_real = networks.draw_dropout(self.recipe, n, rng, dtype) if real else ()
        dropout_fake = networks.draw_dropout(self.recipe, n, rng, dtype)
        return Draw(networks.draw_noise(self.recipe, n, rng, dtype), dropout_real, dropout_fake, observed)

    def draw_observed(self, n: int, rng: torch.Generator, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """The mask of observed pixels, where the task has one."""
        return ()

    def split(self, rows: Float[Tensor, "... n r"], draw: Draw) -> tuple[Float[Tensor, "... n d"], Tensor | None]:
        """Training rows as examples x, and the condition c (..., n, c) of both players, None where there is none."""
        return rows, None

    def logit(self, outputs: Tensor) -> Float[Tensor, "... n"]:
        """The logit of D(x), from D's outputs."""
        return outputs

    def discriminator_loss(self, real: Tensor, fake: Tensor, rows: Float[Tensor, "... n r"]) -> Float[Tensor, "..."]:
        """What D descends, from its outputs on data (with their rows) and on samples."""
        scale, margin = self.recipe.d_loss_scale, self.recipe.coordination.d_margin
        return game.discriminator_loss(self.logit(real), self.logit(fake), scale, margin)

    def generator_loss(self, fake: Tensor) -> Float[Tensor, "..."]:
        """What G descends, from D's outputs on samples."""
        return game.generator_loss(self.logit(fake), self.recipe.objective, self.recipe.coordination.g_margin)

    def draw_conditions(self, n: int, of_data: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n c"] | None:
        """Conditions for n samples, on the CPU; of_data (N, c) are those of the training examples."""
        return None


class ConditionalTask(PlainTask):
    """p(x | c): training rows are x‖c."""

    def split(self, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor | None]:
        return rows[..., : self.recipe.dim], rows[..., self.recipe.dim :]

    def draw_conditions(self, n: int, of_data: Tensor | None, rng: torch.Generator) -> Tensor | None:
        """Those of training examples drawn with replacement."""
        assert of_data is not None
        return of_data[torch.randint(len(of_data), (n,), generator=rng)]


class SubsetsTask(PlainTask):
    """p(x_S | x_rest): the condition is m‖m x, a fresh mask m of observed pixels for each example."""

    def draw_observed(self, n: int, rng: torch.Generator, dtype: torch.dtype) -> tuple[Tensor, ...]:
        return (draw_mask(self.recipe, n, rng, dtype),)

    def split(self, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor | None]:
        return rows, observe(draw.observed[0], rows)

    def draw_conditions(self, n: int, of_data: Tensor | None, rng: torch.Generator) -> Tensor | None:
        """No pixel is observed: samples are whole."""
        return torch.zeros(n, 2 * self.recipe.dim)


class ClassesTask(PlainTask):
    """D has K outputs l_k, one a class, and D(x) = Z / (Z + 1) with Z = sum_k exp l_k: the class K + 1, "sample", has
    the output 0 (Salimans et al., 2016). Rows are x‖one-hot label, zeros where there is none."""

    def split(self, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor | None]:
        return rows[..., : self.recipe.dim], None

    def logit(self, outputs: Tensor) -> Tensor:
        return outputs.logsumexp(-1)

    def discriminator_loss(self, real: Tensor, fake: Tensor, rows: Tensor) -> Tensor:
        """That of the game, plus the cross-entropy of labelled rows: the mean over them, 0 without any."""
        labels = rows[..., self.recipe.dim :]
        surprise = -(labels * real.log_softmax(-1)).sum((-1, -2))
        return super().discriminator_loss(real, fake, rows) + surprise / labels.sum((-1, -2)).clamp(min=1)


_TASKS = {Plain: PlainTask, Conditional: ConditionalTask, Subsets: SubsetsTask, Classes: ClassesTask}


def of(recipe: Recipe) -> PlainTask:
    """The task of a recipe."""
    return _TASKS[type(recipe.task)](recipe)


def draw_mask(recipe: Recipe, n: int, rng: torch.Generator, dtype: torch.dtype = torch.float32) -> Float[Tensor, "n d"]:
    """(n, d) of 0 and 1, an example a row, the same in all channels: which pixels are observed.

    With a fifth of probability each: none; each pixel with a probability drawn from U(0, 1); all but a rectangle; a
    rectangle alone; one half, of the four. Rectangles have uniform corners. Nothing is read back from a GPU.
    """
    c, h, w = recipe.shape
    chance = torch.rand(n, 8, generator=rng, device=rng.device)
    kind = (chance[:, 0] * 5).long()[:, None, None]
    inside = _between(chance[:, 1], chance[:, 2], h)[:, :, None] & _between(chance[:, 3], chance[:, 4], w)[:, None, :]
    pixels = torch.rand(n, h, w, generator=rng, device=rng.device) < chance[:, 5, None, None]
    row, column = torch.arange(h, device=rng.device)[:, None], torch.arange(w, device=rng.device)[None, :]
    side, end = (chance[:, 6] < 0.5)[:, None, None], (chance[:, 7] < 0.5)[:, None, None]
    half = torch.where(side, row < h // 2, column < w // 2) ^ end
    observed = (kind == PIXELS) & pixels | (kind == HIDDEN) & ~inside | (kind == SHOWN) & inside | (kind == HALF) & half
    return observed[:, None].expand(n, c, h, w).reshape(n, -1).to(dtype)


def _between(a: Tensor, b: Tensor, size: int) -> Tensor:
    """(n, size): which places lie between two corners (n,), given as shares of the size; at least one does."""
    first, last = (torch.minimum(a, b) * size).long(), (torch.maximum(a, b) * size).long()
    place = torch.arange(size, device=a.device)
    return (place >= first[:, None]) & (place <= last[:, None])


def observe(mask: Float[Tensor, "... d"], x: Float[Tensor, "... d"]) -> Float[Tensor, "... 2d"]:
    """m‖m x: G's condition for pictures x under a mask of 0 and 1 of the same shape."""
    return torch.cat([mask, mask * x], -1)
