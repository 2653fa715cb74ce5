"""What any set of pictures has without regard to what they show: the moments of their channels, and the power of each
spatial frequency. Natural pictures have power that falls with the frequency (Field, 1987); white noise has not."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganrepro.device import plain_torch

Shape = tuple[int, int, int]


@plain_torch
def channel_moments(x: Tensor, shape: Shape) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (c,) and covariance (c, c) of the channels over all pixels of pictures (n, d) of this shape (c, h, w)."""
    pixels = _planes(x, shape).transpose(0, 1).flatten(1)
    return pixels.mean(1).numpy(), torch.atleast_2d(torch.cov(pixels)).numpy()


@plain_torch
def power_spectrum(x: Tensor, shape: Shape) -> NDArray[np.float64]:
    """(k,) mean power of pictures (n, d) at each whole spatial frequency 0 .. k - 1, in cycles over the shorter side:
    |DFT|^2 / (h w), averaged over pictures, channels, and the directions that round to that frequency. The sum over all
    frequencies of both axes is the mean square of a pixel times h w (Parseval)."""
    planes = _planes(x, shape)
    c, h, w = shape
    power = torch.fft.fft2(planes).abs().square().mean((0, 1)) / (h * w)
    side = min(h, w)
    rows, columns = torch.fft.fftfreq(h) * side, torch.fft.fftfreq(w) * side
    frequency = (rows[:, None].square() + columns.square()).sqrt().round().long().flatten()
    total = torch.bincount(frequency, power.flatten())
    return (total / torch.bincount(frequency))[: side // 2 + 1].numpy()


@plain_torch
def scrambled(x: Tensor, shape: Shape, seed: int = 0) -> Tensor:
    """The pictures (n, d) with the places of their pixels drawn anew in each: a broken model with the right moments."""
    planes = x.view(len(x), shape[0], -1)
    order = torch.rand(len(x), 1, planes.shape[2], generator=torch.Generator().manual_seed(seed)).argsort(2)
    return planes.gather(2, order.expand_as(planes)).flatten(1)


def _planes(x: Tensor, shape: Shape) -> Tensor:
    """(n, c, h, w) float64. Raises ValueError for other sizes."""
    if x.ndim != 2 or len(x) < 1 or x.shape[1] != math.prod(shape):
        raise ValueError(f"x has shape {tuple(x.shape)}; expected (n, {math.prod(shape)}): pictures of shape {shape}")
    return x.double().view(-1, *shape)
