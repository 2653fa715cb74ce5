"""What both players are told besides z and x (section 7, extensions 1 and 3): a condition c, or a part of x itself.

A recipe with `condition` reads rows x‖c: G is given z‖c and D x‖c. A recipe with `subsets` draws a mask m for each
example, 1 where a pixel is observed: G is given z, m and the observed pixels m x, and changes the others only; D is
shown the picture and m.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganrepro.recipe import Recipe

NONE, PIXELS, HIDDEN, SHOWN, HALF = range(5)  # kinds of masks, drawn with equal probability


def draw_mask(recipe: Recipe, n: int, rng: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    """(n, d) of 0 and 1, an example a row, the same in all channels: which pixels are observed.

    With a fifth of probability each: none; each pixel with a probability drawn from U(0, 1); all but a rectangle; a
    rectangle alone; one half, of the four. Rectangles have uniform corners. The host is never asked.
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


def observe(mask: Tensor, x: Tensor) -> Tensor:
    """(..., 2 d) = m‖m x: what G is given of x (..., d) under a mask of 0 and 1 of the same shape."""
    return torch.cat([mask, mask * x], -1)


def complete(x: Tensor, c: Tensor) -> Tensor:
    """(..., d): the observed pixels of c = m‖m x as they are, the others from x."""
    mask, seen = c.chunk(2, -1)
    return seen + (1 - mask) * x


def split(recipe: Recipe, batch: Tensor, masks: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """A minibatch's pixels (..., n, d), and what G is given with z: nothing, c, or the observed part under its mask.

    A label is shown to neither player.
    """
    if recipe.classes:
        return batch[..., : recipe.dim], ()
    if recipe.condition:
        x, c = batch.split([recipe.dim, recipe.condition], -1)
        return x, (c,)
    return batch, tuple(observe(mask, batch) for mask in masks)


def voiced(recipe: Recipe, c: Tensor) -> Tensor:
    """(..., c) what a net reads of what it is told: the same, or a condition at the recipe's loudness.

    With subsets, the observed pixels at that loudness and the mask divided by it: m alone, of length sqrt(d) and mostly
    noise to the first layer, would drown what it lets through.
    """
    if recipe.loudness is None:
        return c
    if not recipe.subsets:
        return recipe.loudness * c
    mask, *seen = c.split(recipe.dim, -1)
    return torch.cat([mask / recipe.loudness, *(recipe.loudness * x for x in seen)], -1)


def show(recipe: Recipe, judged: Tensor, given: tuple[Tensor, ...]) -> Tensor:
    """What D is shown: data and samples (..., 2 n, d) or samples alone (..., n, d), each with its condition or mask."""
    if not given:
        return judged
    c = voiced(recipe, given[0][..., : recipe.told])
    return torch.cat([judged, c if c.shape[-2] == judged.shape[-2] else torch.cat([c, c], -2)], -1)
