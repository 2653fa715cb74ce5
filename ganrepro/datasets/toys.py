"""Mixtures of Gaussians whose density is known: one on the line, eight on a ring, 25 on a grid."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .dataset import Dataset, splits


@dataclass(frozen=True, eq=False)
class Toy:
    """Equal parts of Gaussians with standard deviation `sigma` at the rows of `centres` (k, d) float64."""

    label: str
    centres: NDArray[np.float64]
    sigma: float


_angles = 2 * np.pi * np.arange(8) / 8
_ticks = np.arange(-4.0, 5.0, 2.0)
TOYS = {
    "gaussian1d": Toy("Gaussian N(4, 0.5²)", np.array([[4.0]]), 0.5),
    "ring": Toy("ring of 8 Gaussians", 2 * np.stack([np.cos(_angles), np.sin(_angles)], axis=1), 0.02),
    "grid": Toy("grid of 25 Gaussians", np.array([(x, y) for x in _ticks for y in _ticks]), 0.05),
}


def load(name: str) -> Dataset:
    """10,000, 2,000 and 2,000 draws of TOYS[name] under numpy.random.RandomState(0); labels are the modes.

    ring: radius 2, mode 0 at (2, 0), counter-clockwise. grid: x and y in -4, -2, 0, 2, 4. Both have shape (1, 1, 2).
    """
    toy, random = TOYS[name], np.random.RandomState(0)
    n, dim = 14_000, toy.centres.shape[1]
    mode = random.randint(len(toy.centres), size=n)
    rows = toy.centres[mode] + toy.sigma * random.standard_normal((n, dim))
    parts = [slice(10_000), slice(10_000, 12_000), slice(12_000, n)]
    return Dataset(name=name, label=toy.label, shape=(1, 1, dim), bounded=False,
                   **splits(torch.from_numpy(rows).float(), torch.from_numpy(mode).long(), parts))
