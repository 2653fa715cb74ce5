"""Masks of observed pixels: six fixed ones, a rectangle, or one from a file. 1 is observed, 0 is hidden."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganrepro.datasets import npz
from ganrepro.device import plain_torch
from ganrepro.paths import absolute

Shape = tuple[int, int, int]


@plain_torch
def masks(shape: Shape) -> dict[str, Tensor]:
    """The fixed masks (d,) of 0 and 1, 1 where a pixel is observed, named by the pixels that are hidden."""
    _, h, w = shape
    row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    few = torch.rand(h, w, generator=torch.Generator().manual_seed(0)) < 0.25
    planes = {"right half": column < w // 2, "left half": column >= w // 2, "bottom half": row < h // 2,
              "top half": row >= h // 2, "3 of 4 pixels": few, "middle": rectangle((1, h, w), 0.25, 0.25, 0.5, 0.5)}
    return {name: check_mask(plane.view(h, w), shape) for name, plane in planes.items()}


@plain_torch
def rectangle(shape: Shape, top: float, left: float, height: float, width: float) -> Tensor:
    """(d,): all but a rectangle observed. Its place and size are shares of the picture's, cut off at the edge."""
    _, h, w = shape
    mask = torch.ones(h, w)
    mask[round(top * h) : round((top + height) * h), round(left * w) : round((left + width) * w)] = 0
    return check_mask(mask, shape)


@plain_torch
def check_mask(mask: Tensor, shape: Shape) -> Tensor:
    """A mask as float32 (d,): 1 where a pixel is observed. A mask (h, w) holds for all channels.

    Raises ValueError for another shape, values that are not 0 or 1, and a mask that hides all or nothing.
    """
    c, h, w = shape
    if tuple(mask.shape) not in ((h, w), (c * h * w,)):
        raise ValueError(f"mask has shape {tuple(mask.shape)}; expected ({h}, {w}) or ({c * h * w},)")
    flat = (mask.expand(c, h, w).reshape(-1) if mask.ndim == 2 else mask).float()
    if not ((flat == 0) | (flat == 1)).all():
        raise ValueError("mask holds values other than 0 and 1; 1 is an observed pixel, 0 a hidden one")
    if not flat.any():
        raise ValueError("mask is empty: no pixel is observed; set some to 1, or draw samples instead")
    if flat.all():
        raise ValueError("mask is full: every pixel is observed and nothing is to be filled in; set some to 0")
    return flat


def read_mask(path: str | Path, shape: Shape) -> Tensor:
    """A mask (d,) from an .npy of shape (h, w). Raises ValueError for any other file, and as `check_mask`."""
    file = absolute(path)
    try:
        array = npz.array(lambda: file.open("rb"), file.stat().st_size, "the mask").astype(np.float32)
    except (OSError, EOFError, TypeError, ValueError) as error:
        raise ValueError(f"mask = {str(path)!r} cannot be read as an .npy of numbers ({error})") from error
    return check_mask(torch.from_numpy(array), shape)
