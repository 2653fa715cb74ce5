"""Does a series go up and down more slowly than independent noise would? The turning-point test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

LEAST = 10  # values: below, the normal approximation does not hold


@dataclass(frozen=True)
class TurningPoints:
    """The share of inner values that are a peak or a trough, 2/3 on average for independent noise; and by how many
    standard errors it differs. A slow oscillation or a trend has fewer, and z far below 0."""

    share: float
    z: float


def turning_points(series: ArrayLike) -> TurningPoints:
    """Of a series (n,). Independent continuous noise has 2 (n - 2) / 3 of them, with variance (16 n - 29) / 90
    (Bienaymé, 1874). Equal neighbours are no turn.

    Raises ValueError for fewer than ten values, or ones that are not finite.
    """
    x = np.asarray(series, dtype=np.float64)
    n = len(x) if x.ndim == 1 else 0
    if n < LEAST or not np.isfinite(x).all():
        raise ValueError(f"series has shape {x.shape}; expected {LEAST} finite values or more")
    up = np.sign(np.diff(x))
    turns = int((up[1:] * up[:-1] < 0).sum())
    return TurningPoints(turns / (n - 2), float((turns - 2 * (n - 2) / 3) / np.sqrt((16 * n - 29) / 90)))
