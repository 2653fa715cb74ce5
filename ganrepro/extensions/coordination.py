"""Section 7, extension 5: better coordination of G and D, and better distributions of z.

The variants of a recipe that race (racing.py), one thing changed at a time, and the size at which they do.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import avg_pool2d

from ganrepro import ablations, datasets
from ganrepro.recipes import Layer, Recipe

RECIPE = ablations.RECIPE
DIMENSIONS = (2, 10, 30, 200)
NARROW_RATE = 3.0  # the least of 1 and 3 with which the narrowed recipe learns at all, seen on its own arm


def arms(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe, and its variants by name: first how G and D take turns, then their rates, then z.

    A variant of the alternating turns differs in one thing from "alternating updates", any other from the recipe.
    Sources: section 7 and the authors' unused costs for what is varied; Adam's first rate and beta_1 from Radford et
    al. (2016), the second from Kingma and Ba (2015), two time scales from Heusel et al. (2017).
    """
    known = ablations.arms(recipe)
    turns = {name: known[name] for name in ("alternating updates", "k = 2", "k = 5")}
    plain, second = turns["alternating updates"], 1 + max(1, recipe.epochs // 3)
    third = second + max(1, recipe.epochs // 3)
    turns |= {
        "k falls: 5, 2, 1": plain.replace(k_schedule=((1, 5), (second, 2), (third, 1))),
        "k grows: 1, 2, 5": plain.replace(k_schedule=((1, 1), (second, 2), (third, 5))),
        "G moves twice": plain.replace(g_moves=2),
        "lazy D and G": plain.replace(d_margin=0.0, g_margin=0.0),
        "lazy D, margin 0.25": plain.replace(d_margin=0.25),
        "thresholded G": recipe.replace(g_margin=0.0),
    }
    rate, adam = recipe.learning_rate, recipe.replace(optimizer="adam", momentum=(0.5, 0.5))
    rates = {
        "D's rate x 4": recipe.replace(d_learning_rate=4 * rate),
        "D's rate x 2": recipe.replace(d_learning_rate=2 * rate),
        "D's rate / 2": recipe.replace(d_learning_rate=rate / 2),
        "D's rate / 4": recipe.replace(d_learning_rate=rate / 4),
        "G's rate x 4": recipe.replace(learning_rate=4 * rate, d_learning_rate=rate),
        "Adam, 0.0002": adam.replace(learning_rate=2e-4),
        "Adam, 0.001": adam.replace(learning_rate=1e-3),
        "Adam, two time scales": adam.replace(learning_rate=1e-4, d_learning_rate=4e-4),
    }
    kinds = [kind for kind in ("uniform", "gaussian", "spherical") if kind != recipe.noise]
    noise = {f"{kind} z": recipe.replace(noise=kind) for kind in kinds}
    noise["mixture z"] = recipe.replace(mixture=min(10, recipe.z_dim // 2))
    return {RECIPE: recipe} | turns | rates | noise | {f"z of {n}": recipe.replace(z_dim=n) for n in DIMENSIONS}


def narrowed(
    recipe: Recipe, epochs: int, g_units: int = 256, d_units: int = 48, pieces: int = 4, d_irange: float = 0.0
) -> Recipe:  # fmt: skip
    """The recipe with narrower nets, whose weights start as much wider as keeps the scale of what they pass on, and
    with NARROW_RATE times its rate; where it is no wider itself, only its length changes.

    d_irange: at least so wide D's weights start, where a race is too short for it to leave 1/2 as late as it does.

    Raises ValueError where a layer is a convolution.
    """

    def narrow(layers: Sequence[object], most: int, least: float) -> tuple[Layer, ...]:
        found: list[Layer] = []
        own = [layer for layer in layers if isinstance(layer, Layer)]
        if len(own) < len(layers):
            raise ValueError(f"recipe {recipe.name} has convolutions; a race is of fully connected layers")
        for i, layer in enumerate(own):
            wider = layer.irange * math.sqrt(own[i - 1].units / found[-1].units) if i else layer.irange
            units = layer.units if i == len(own) - 1 else min(layer.units, most)
            changes = {"units": units, "pieces": min(pieces, layer.pieces), "irange": max(wider, least)}
            found.append(dataclasses.replace(layer, **changes))  # type: ignore[arg-type]
        return tuple(found)

    generator, discriminator = narrow(recipe.generator, g_units, 0), narrow(recipe.discriminator, d_units, d_irange)
    rate = recipe.learning_rate * (NARROW_RATE if generator != recipe.generator else 1)
    return recipe.replace(generator=generator, discriminator=discriminator, epochs=epochs, learning_rate=rate)


def reduced(data: datasets.Dataset, examples: int, valid: int, least: int = 14) -> datasets.Dataset:
    """The first so many training and validation examples, in pictures of fewer pixels, each the mean of a square.

    The squares are the largest that fill the picture and leave it at least `least` pixels high and wide: with 14, sides
    of 28 become 14 and of 48 become 16; smaller pictures stay.
    """
    c, h, w = data.shape
    side = max(n for n in range(1, max(1, min(h, w) // least) + 1) if h % n == w % n == 0)

    def means(x: Tensor) -> Tensor:
        return avg_pool2d(x.view(-1, c, h, w), side).flatten(1)

    shape, unlabelled = (c, h // side, w // side), dict.fromkeys(data.labels)
    train, held, test = (means(x) for x in (data.training[:examples], data.valid[:valid], data.test[:valid]))
    return dataclasses.replace(
        data, shape=shape, train=train, valid=held, test=test, labels=unlabelled, folds=None, unlabeled=None
    )
