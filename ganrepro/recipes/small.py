"""Narrower versions of a recipe, for a CPU: the quick profile, and nets at a given width."""

import dataclasses
import math

from .layers import AnyLayer, Convolution, Layer
from .schema import Recipe, SecondStage

QUICK_STEPS = 500
QUICK_IRANGE = 0.02


def narrowed(
    layers: tuple[AnyLayer, ...], units: int, *, channels: int = 8, pieces: int | None = None, irange: float = 0.0,
    keep_scale: bool = False,
) -> tuple[AnyLayer, ...]:  # fmt: skip
    """The same layers with at most so many units or channels each, except for the last layer's size.

    - pieces: at most so many pieces a maxout unit; None leaves them.
    - irange: weights start at least so wide.
    - keep_scale: widen initial weights by the root of the ratio of widths, which keeps the scale of activations.
    """
    found: list[AnyLayer] = []
    for i, layer in enumerate(layers):
        last, width = i == len(layers) - 1, layer.irange
        if keep_scale and i:
            width *= math.sqrt(layers[i - 1].units / found[-1].units)
        layer = dataclasses.replace(layer, irange=max(width, irange))
        if isinstance(layer, Layer):
            after = None if last else layers[i + 1]
            most = units if after is None or isinstance(after, Layer) else channels * math.prod(after.inputs[1:])
            layer = dataclasses.replace(
                layer, units=layer.units if last else min(layer.units, most),
                pieces=min(pieces or layer.pieces, layer.pieces),
            )  # fmt: skip
        else:
            layer = dataclasses.replace(layer, inputs=(min(layer.inputs[0], channels), *layer.inputs[1:]))
            if isinstance(layer, Convolution) and not last:
                layer = dataclasses.replace(layer, channels=min(layer.channels, channels))
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
        epochs=epochs, second_stage=stage, generator=narrowed(recipe.generator, 256),
        discriminator=narrowed(recipe.discriminator, 64, channels=4, irange=QUICK_IRANGE),
    )  # fmt: skip
