"""Do fills join what is observed? The jump between neighbouring pixels across the border of the hidden region."""

import torch
from torch import Tensor

from .masks import Shape, check_mask


def border_jump(pictures: Tensor, mask: Tensor, shape: Shape) -> Tensor:
    """(...,) float64: the mean squared difference of pixels side by side, one observed and one hidden.

    pictures (..., d) of this shape, mask (d,). The mean is over the border's pairs and the channels. Real pictures have
    a jump of their own, so the right value is theirs, not 0. Raises ValueError as `check_mask`, and where pictures do
    not fit.
    """
    seen = check_mask(mask, shape)
    if pictures.shape[-1] != len(seen):
        raise ValueError(f"pictures have shape {tuple(pictures.shape)}; expected (..., {len(seen)})")
    planes, seen = pictures.double().unflatten(-1, shape), seen.view(shape)
    jumps = []
    for axis in (-2, -1):  # pixels above each other, then beside each other
        across = seen.diff(dim=axis) != 0
        jumps.append(planes.diff(dim=axis)[..., across])
    return torch.cat(jumps, -1).square().mean(-1)
