"""Which recipe a data set is trained by: its own, or one asked for by name, made for the data's size."""

import dataclasses
import math

from ganrepro.parameters import expect

from .layers import Layer
from .paper import PAPER
from .schema import Recipe
from .small import SMALL

RECIPES = PAPER | SMALL
OWN = "own"
_OWN = {
    "tfd": "tfd", "fer2013": "tfd-small", "att": "tfd-small", "cifar10": "cifar10-fc-small",
    "gaussian1d": "toy", "ring": "toy", "grid": "toy",
}  # fmt: skip
_MADE_FOR = dict.fromkeys(("cifar10-fc", "cifar10-conv"), "cifar10")
_MADE_FOR |= dict.fromkeys(("conditional", "attributes", "subsets"), "mnist")
_MADE_FOR |= {name: _MADE_FOR.get(recipe, recipe) for name in SMALL if (recipe := name.removesuffix("-small"))}


def for_dataset(name: str, shape: tuple[int, int, int], recipe: str = OWN) -> Recipe:
    """The recipe for a data set: its own where the paper has one, else the MNIST recipe at the data's size.

    Where pictures are larger than the recipe's own, d numbers in place of d', D sees them times sqrt(d' / d), unless
    the recipe normalises their contrast. The largest curvature of a loss grows with the squared length of a layer's
    input (LeCun, Kanter and Solla, 1991), so that the authors' rate, right for d' numbers, would diverge for d.

    - name: as in `datasets.load`, or `Dataset.name`.
    - shape: (c, h, w) of one example.
    - recipe: one of RECIPES in place of the data set's own. CIFAR-10 has two; its own is the fully connected one.

    Raises ValueError for an unknown recipe, an invalid shape, and a shape that the recipe is not for.
    """
    if len(shape) != 3 or any(type(s) is not int or s < 1 for s in shape):
        raise ValueError(f"shape = {shape!r}; expected three ints of at least 1: (channels, height, width)")
    expect(str, recipe=recipe)
    family = own(name) if recipe == OWN else recipe
    if family not in RECIPES:
        raise ValueError(f"recipe = {recipe!r}; choose one of {OWN}, {', '.join(RECIPES)}")
    found = RECIPES[family]
    if shape == found.shape:
        return found
    last = found.generator[-1]
    if not isinstance(last, Layer):
        raise ValueError(f"shape = {shape!r}; the recipe {family} is for pictures of shape {found.shape} only")
    last, scale = dataclasses.replace(last, units=math.prod(shape)), math.sqrt(found.dim / math.prod(shape))
    return found.replace(shape=shape, generator=(*found.generator[:-1], last),
                         input_scale=scale if scale < 1 and found.contrast is None else None)  # fmt: skip


def own(name: str) -> str:
    """The name of a data set's own recipe."""
    return _OWN.get(name, "mnist")


def made_for(recipe: str) -> str:
    """The data set that the recipe of this name is for."""
    return _MADE_FOR.get(recipe, recipe)
