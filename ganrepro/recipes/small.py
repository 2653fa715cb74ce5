"""Narrower versions of a recipe, for a CPU: the small recipes, the quick profile, and nets at a given width."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, cast

from .layers import AnyLayer, Convolution, Layer
from .paper import PAPER
from .schema import Conditional, Recipe, SecondStage

QUICK_STEPS = 500
QUICK_IRANGE = 0.02
Layers = tuple[AnyLayer, ...]


def narrowed(
    layers: Layers, units: int, *, channels: int = 8, pieces: int | None = None, irange: float = 0.0,
    keep_scale: bool = False,
) -> Layers:  # fmt: skip
    """The same layers with at most so many units or channels each, except for the last layer's size.

    - pieces: at most so many pieces a maxout unit; None leaves them.
    - irange: weights start at least so wide.
    - keep_scale: widen initial weights by the root of the ratio of widths, which keeps the scale of activations.
    """
    wider: list[AnyLayer] = []
    for layer in layers:
        layer = dataclasses.replace(layer, irange=max(layer.irange, irange))
        if pieces is not None and isinstance(layer, Layer):
            layer = dataclasses.replace(layer, pieces=min(layer.pieces, pieces))
        wider.append(layer)
    return _resized(tuple(wider), lambda n: min(n, units), lambda n: min(n, channels), keep_scale)


def divided(layers: Layers, factor: int) -> Layers:
    """The same layers with 1/factor of the units or channels each, except for the last layer's size, and initial
    weights wider by the root of the ratio of widths, which keeps the scale of activations."""
    return _resized(layers, lambda n: n // factor, lambda n: n // factor, keep_scale=True)


def _resized(
    layers: Layers, units: Callable[[int], int], channels: Callable[[int], int], keep_scale: bool
) -> Layers:  # fmt: skip
    """The layers with their widths put through `units`, those of convolutions through `channels`."""
    found: list[AnyLayer] = []
    for i, layer in enumerate(layers):
        if keep_scale and i:
            wider = math.sqrt(layers[i - 1].units / found[-1].units)
            layer = dataclasses.replace(layer, irange=layer.irange * wider)
        after = layers[i + 1] if i + 1 < len(layers) else None
        if isinstance(layer, Layer):
            if isinstance(after, Layer):
                layer = dataclasses.replace(layer, units=units(layer.units))
            elif after is not None:  # its units are the inputs of a convolution
                layer = dataclasses.replace(layer, units=channels(after.inputs[0]) * math.prod(after.inputs[1:]))
        else:
            inputs = (channels(layer.inputs[0]) if i else layer.inputs[0], *layer.inputs[1:])
            layer = dataclasses.replace(layer, inputs=inputs)
            if isinstance(layer, Convolution) and after is not None:
                layer = dataclasses.replace(layer, channels=channels(layer.channels))
        found.append(layer)
    return tuple(found)


def quick(recipe: Recipe, examples: int) -> Recipe:
    """The same recipe at sizes that train in seconds on two CPU cores: narrower nets, and the whole number of epochs
    nearest to QUICK_STEPS minibatches of this many examples; half as many where D has convolutions, which take longer.
    D's initial weights are wider; at the recipe's own width D would stay at 1/2 for most of these steps."""
    steps = QUICK_STEPS if all(isinstance(x, Layer) for x in recipe.discriminator) else QUICK_STEPS // 2
    epochs = max(1, round(steps / math.ceil(examples / recipe.batch_size)))
    stage = recipe.second_stage
    if stage is not None:
        after = max(1, round(epochs * stage.after / recipe.epochs))
        stage = SecondStage(after, tuple(dataclasses.replace(x, units=min(x.units, 256)) for x in stage.front))
    return recipe.replace(
        epochs=epochs, epoch_batches=None, second_stage=stage, generator=narrowed(recipe.generator, 256),
        discriminator=narrowed(recipe.discriminator, 64, channels=4, irange=QUICK_IRANGE),
    )  # fmt: skip


def small(recipe: Recipe, factor: int, **changes: Any) -> Recipe:
    """A recipe for two CPU cores: the same nets `factor` times as narrow, kept at their best epoch by validation."""
    stage = recipe.second_stage
    if stage is not None:
        stage = SecondStage(stage.after, cast("tuple[Layer, ...]", divided(stage.front, factor)))
    return recipe.replace(
        name=f"{recipe.name}-small", stopping="best", second_stage=stage, generator=divided(recipe.generator, factor),
        discriminator=divided(recipe.discriminator, factor), **changes,
    )  # fmt: skip


def starting_at(recipe: Recipe, last: float, discriminator: float | None = None) -> Recipe:
    """The recipe with other initial weights in the last layer of G, and in all of D's."""
    *layers, output = recipe.generator
    recipe = recipe.replace(generator=(*layers, dataclasses.replace(output, irange=last)))
    if discriminator is None:
        return recipe
    d = tuple(dataclasses.replace(layer, irange=discriminator) for layer in recipe.discriminator)
    return recipe.replace(discriminator=d)


# Ours: lengths for two CPU cores. Only tfd-small has about as many steps as the authors' training.
SMALL: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        small(PAPER["tfd"], 16, epoch_batches=981),  # minibatches of TFD's 98,058 unlabelled pictures
        # Samples begin at the data's standard deviation. At the authors' width they begin at 13 times that; D then
        # drives the narrow G to one grey picture, and its D(x) is 1.00 still after 1,900 steps
        starting_at(small(PAPER["cifar10-fc"], 16, epochs=100), 0.15),
        # As there; and D's weights start within 0.05: within 0.02 its D(x) was 0.499 after 1,000 steps. At the authors'
        # rate, 0.004, samples hardly differed after 1,200 steps; at 0.02 one of two trainings diverged
        starting_at(small(PAPER["cifar10-conv"], 8, epochs=50, learning_rate=0.01), 0.65, 0.05),
        *(small(PAPER[name], 4, epochs=30) for name in ("mnist", "conditional", "subsets")),
        # At condition_scale = 4, as in the full recipe, D won for good in one of three trainings
        small(PAPER["attributes"], 4, epochs=30, task=Conditional(numbers=12, condition_scale=2.0)),
    )
}
