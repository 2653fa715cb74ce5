"""The variants of a recipe that are compared, one thing changed at a time, and the size at which they are."""

import dataclasses

from torch import Tensor
from torch.nn.functional import avg_pool2d

from ganrepro import datasets, recipes
from ganrepro.device import plain_torch
from ganrepro.diagnostics import ablations
from ganrepro.recipes import Layer, Recipe

RECIPE, ALTERNATING = ablations.RECIPE, "alternating updates"
CONTROLS = {  # what an arm is compared with, from which it differs in one thing; every other arm: with the recipe
    "k = 2": ALTERNATING,
    "k = 5": ALTERNATING,
    "k falls: 5, 2, 1": ALTERNATING,
    "k grows: 1, 2, 5": ALTERNATING,
    "G moves twice": ALTERNATING,
    "lazy D and G": ALTERNATING,
    "lazy D, margin 0.25": ALTERNATING,
    "Adam, two time scales": "Adam, 0.0002",  # the geometric mean of its two rates
}
DIMENSIONS = (2, 10, 30, 200)
NARROW_RATE = 3.0  # the least of 1 and 3 with which the narrowed recipe learns at all, seen on its own arm


def control(arm: str) -> str:
    """The name of the arm that this one is compared with."""
    return CONTROLS.get(arm, RECIPE)


def arms(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe, and its variants by name: first how G and D take turns, then their rates, then z. Each differs in one
    thing from its `control`; the lazy arm masks both losses, and an optimizer comes with its own rate and momentum.

    Sources: section 7 and the authors' unused costs for what is varied; Adam's first rate and beta_1 from Radford et
    al. (2016), the second from Kingma and Ba (2015), two time scales from Heusel et al. (2017).
    """
    known, rate, a_third = ablations.arms(recipe), recipe.learning_rate, max(1, recipe.epochs // 3)
    plain, adam = known[ALTERNATING], recipe.replace(momentum=(0.5, 0.5)).coordinate(optimizer="adam")
    second, third = 1 + a_third, 1 + 2 * a_third
    return {
        **{name: known[name] for name in (RECIPE, ALTERNATING, "k = 2", "k = 5")},
        "k falls: 5, 2, 1": plain.coordinate(k_schedule=((1, 5), (second, 2), (third, 1))),
        "k grows: 1, 2, 5": plain.coordinate(k_schedule=((1, 1), (second, 2), (third, 5))),
        "G moves twice": plain.coordinate(g_moves=2),
        "lazy D and G": plain.coordinate(d_margin=0.0, g_margin=0.0),
        "lazy D, margin 0.25": plain.coordinate(d_margin=0.25),
        "thresholded G": recipe.coordinate(g_margin=0.0),
        "D's rate x 4": recipe.coordinate(d_learning_rate=4 * rate),
        "D's rate x 2": recipe.coordinate(d_learning_rate=2 * rate),
        "D's rate / 2": recipe.coordinate(d_learning_rate=rate / 2),
        "D's rate / 4": recipe.coordinate(d_learning_rate=rate / 4),
        "G's rate x 4": recipe.replace(learning_rate=4 * rate).coordinate(d_learning_rate=rate),
        "Adam, 0.0002": adam.replace(learning_rate=2e-4),
        "Adam, 0.001": adam.replace(learning_rate=1e-3),
        "Adam, two time scales": adam.replace(learning_rate=1e-4).coordinate(d_learning_rate=4e-4),
        **{f"{z} z": recipe.replace(noise=z) for z in ("uniform", "gaussian", "spherical") if z != recipe.noise},
        "mixture z": recipe.coordinate(mixture=min(10, recipe.z_dim // 2)),
        **{f"z of {n}": recipe.replace(z_dim=n) for n in DIMENSIONS},
    }  # fmt: skip


def narrowed(
    recipe: Recipe, epochs: int, g_units: int = 256, d_units: int = 48, pieces: int = 4, d_irange: float = 0.0
) -> Recipe:
    """The recipe with narrower nets, initial weights that keep the scale of activations, and NARROW_RATE times its
    rate; a recipe that is no wider itself changes in length alone. Raises ValueError where a layer is a convolution.

    d_irange: D's initial weights are at least so wide, because a comparison is too short for D to stay at 1/2 for long.
    """
    if not all(isinstance(layer, Layer) for layer in (*recipe.generator, *recipe.discriminator)):
        raise ValueError(f"recipe {recipe.name} has convolutions; only fully connected layers can be compared here")
    generator = recipes.narrowed(recipe.generator, g_units, pieces=pieces, keep_scale=True)
    discriminator = recipes.narrowed(recipe.discriminator, d_units, pieces=pieces, irange=d_irange, keep_scale=True)
    rate = recipe.learning_rate * (NARROW_RATE if generator != recipe.generator else 1)
    return recipe.replace(generator=generator, discriminator=discriminator, epochs=epochs, learning_rate=rate)


@plain_torch
def reduced(data: datasets.Dataset, examples: int, valid: int, least: int = 14) -> datasets.Dataset:
    """The first so many training and validation examples, in pictures of fewer pixels, each the mean of a square: the
    largest that fits evenly and leaves at least `least` pixels a side. With 14, sides of 28 become 14 and of 48 become
    16; smaller pictures stay."""
    c, h, w = data.shape
    side = max(n for n in range(1, max(1, min(h, w) // least) + 1) if h % n == w % n == 0)

    def means(x: Tensor) -> Tensor:
        return avg_pool2d(x.view(-1, c, h, w), side).flatten(1)

    return dataclasses.replace(
        data, shape=(c, h // side, w // side), labels=dict.fromkeys(data.labels), folds=None, unlabeled=None,
        train=means(data.training[:examples]), valid=means(data.valid[:valid]), test=means(data.test[:valid]),
    )  # fmt: skip
