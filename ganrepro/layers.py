"""The layers that recipes are made of: data only. All map flat rows to flat rows, pictures in (c, h, w) order."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

Activation = Literal["relu", "sigmoid", "linear", "maxout"]
MARGINAL: Literal["marginal"] = "marginal"
Shape = tuple[int, int, int]  # (channels, height, width)


@dataclass(frozen=True)
class Layer:
    """One fully connected layer, `activation(W x + b)`.

    units: outputs, after the maximum over pieces where there are any.
    irange: weights start as U(-irange, irange); unused where `sparse` is set.
    bias: its start value; "marginal" is the logit of the training mean (C: `init_bias_target_marginals`).
    pieces: linear pieces that a maxout unit takes its maximum over.
    sparse: if positive, exactly that many incoming N(0, 1) weights a unit and zeros elsewhere (C: `sparse_init`).
    """

    units: int
    activation: Activation
    irange: float = 0.05
    bias: float | Literal["marginal"] = 0.0
    pieces: int = 1
    sparse: int = 0


@dataclass(frozen=True)
class Convolution:
    """One maxout convolution: the maximum over consecutive pieces of each channel, then a maximum over space.

    inputs: shape that its flat input has; channels: outputs, of `pieces` linear maps each, with one bias a map;
    kernel, pad: of the convolution, whose stride is 1; pool, stride: of the pooling, whose last window may be cut.
    """

    inputs: Shape
    channels: int
    kernel: int
    pad: int
    pool: int
    stride: int
    pieces: int = 2
    irange: float = 0.005

    @property
    def outputs(self) -> Shape:
        """Shape of its output: ceil((n - pool) / stride) + 1 along each side of the convolution's n."""
        sides = [n + 2 * self.pad - self.kernel + 1 for n in self.inputs[1:]]
        height, width = (math.ceil((n - self.pool) / self.stride) + 1 for n in sides)
        return self.channels, height, width

    @property
    def units(self) -> int:
        """Numbers in its output."""
        return math.prod(self.outputs)


@dataclass(frozen=True)
class TransposedConvolution:
    """A linear transposed convolution without padding, with a bias of its own for every number it makes."""

    inputs: Shape
    channels: int
    kernel: int
    stride: int
    irange: float = 0.05

    @property
    def outputs(self) -> Shape:
        """Shape of its output: (n - 1) stride + kernel along each side."""
        height, width = ((n - 1) * self.stride + self.kernel for n in self.inputs[1:])
        return self.channels, height, width

    @property
    def units(self) -> int:
        """Numbers in its output."""
        return math.prod(self.outputs)


AnyLayer = Layer | Convolution | TransposedConvolution


def from_dict(values: dict[str, Any]) -> AnyLayer:
    """The layer whose fields these are, as `dataclasses.asdict` gave them, also after a trip through JSON."""
    if "inputs" not in values:
        return Layer(**values)
    kind = Convolution if "pool" in values else TransposedConvolution
    return kind(**values | {"inputs": tuple(values["inputs"])})


def narrowed(layers: tuple[AnyLayer, ...], units: int, channels: int, irange: float = 0.0) -> tuple[AnyLayer, ...]:
    """The same layers, but for the last one's size, with at most so many units or channels each, in shapes that fit,
    and weights that start no narrower than `irange`."""
    found: list[AnyLayer] = []
    for i, layer in enumerate(layers):
        layer = dataclasses.replace(layer, irange=max(layer.irange, irange))
        last = i == len(layers) - 1
        if not isinstance(layer, Layer):
            layer = dataclasses.replace(layer, inputs=(min(layer.inputs[0], channels), *layer.inputs[1:]))
        if isinstance(layer, Convolution) and not last:
            layer = dataclasses.replace(layer, channels=min(layer.channels, channels))
        elif isinstance(layer, Layer) and not last:
            after = layers[i + 1]
            most = units if isinstance(after, Layer) else channels * math.prod(after.inputs[1:])
            layer = dataclasses.replace(layer, units=min(layer.units, most))
        found.append(layer)
    return tuple(found)
