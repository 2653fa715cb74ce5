"""The two convolutional layers of the CIFAR-10 nets, on flat rows (..., c * h * w)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.layers import Convolution, TransposedConvolution


class MaxoutConvolution(nn.Module):
    """Convolution, maximum over each channel's consecutive pieces, maximum over space (C: MaxoutConvC01B)."""

    def __init__(self, layer: Convolution, rng: torch.Generator) -> None:
        super().__init__()
        self.layer = layer
        maps = layer.channels * layer.pieces
        weight = torch.empty(maps, layer.inputs[0], layer.kernel, layer.kernel)
        self.weight = nn.Parameter(weight.uniform_(-layer.irange, layer.irange, generator=rng))
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) -> (..., units)."""
        layer = self.layer
        h = functional.conv2d(x.reshape(-1, *layer.inputs), self.weight, self.bias, padding=layer.pad)
        h = h.unflatten(1, (layer.channels, layer.pieces)).max(2).values
        h = functional.max_pool2d(h, layer.pool, layer.stride, ceil_mode=True)
        return h.reshape(*x.shape[:-1], layer.units)


class UntiedTransposedConvolution(nn.Module):
    """Transposed convolution, linear, with a bias for every output (C: the generator of cifar10_convolutional)."""

    def __init__(self, layer: TransposedConvolution, rng: torch.Generator) -> None:
        super().__init__()
        self.layer = layer
        weight = torch.empty(layer.inputs[0], layer.channels, layer.kernel, layer.kernel)
        self.weight = nn.Parameter(weight.uniform_(-layer.irange, layer.irange, generator=rng))
        self.bias = nn.Parameter(torch.zeros(layer.outputs))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) -> (..., units)."""
        h = functional.conv_transpose2d(x.reshape(-1, *self.layer.inputs), self.weight, stride=self.layer.stride)
        return (h + self.bias).reshape(*x.shape[:-1], self.layer.units)
