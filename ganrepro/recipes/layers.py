"""The layers that recipes are made of: data only. All map flat rows to flat rows, pictures in (c, h, w) order."""

import math
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(strict=True, extra="forbid")
MARGINAL: Literal["marginal"] = "marginal"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")]  # a part of a path, and no way out of it
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Width = Annotated[float, Field(ge=0, allow_inf_nan=False)]  # of the interval that weights are drawn from
Activation = Literal["relu", "sigmoid", "linear", "maxout"]
Shape = tuple[Count, Count, Count]  # (channels, height, width)


@dataclass(frozen=True, config=STRICT)
class Layer:
    """One fully connected layer, `activation(W x + b)`."""

    units: Count  # outputs, after the maximum over pieces where there are any
    activation: Activation
    irange: Width = 0.05  # weights start as U(-irange, irange); unused where `sparse` is set
    bias: float | Literal["marginal"] = 0.0  # "marginal": the training mean's logit (C: `init_bias_target_marginals`)
    pieces: Count = 1  # linear pieces that a maxout unit takes its maximum over
    sparse: Annotated[int, Field(ge=0)] = 0  # if positive, so many N(0, 1) weights a unit, else 0 (C: `sparse_init`)


@dataclass(frozen=True, config=STRICT)
class Convolution:
    """One maxout convolution: the maximum over consecutive pieces of each channel, then a maximum over space."""

    inputs: Shape  # of its flat input
    channels: Count  # outputs, of `pieces` linear maps each, with one bias a map
    kernel: Count  # of the convolution, whose stride is 1
    pad: Annotated[int, Field(ge=0)]  # of the convolution
    pool: Count  # side of a pooling window, of which the last may be cut
    stride: Count  # of the pooling
    pieces: Count = 2
    irange: Width = 0.005

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


@dataclass(frozen=True, config=STRICT)
class TransposedConvolution:
    """A linear transposed convolution without padding, with a separate bias for every output."""

    inputs: Shape
    channels: Count
    kernel: Count
    stride: Count
    irange: Width = 0.05

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
