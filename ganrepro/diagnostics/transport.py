"""How far must samples be moved to lie where the data lie? The Wasserstein distance between two sets of points."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ganrepro.device import plain_torch
from ganrepro.parameters import expect

MOST = 5000  # points of each set: the assignment takes the cube of it


@plain_torch
def wasserstein(samples: Tensor, others: Tensor) -> float:
    """The Wasserstein-1 distance between two sets of as many points (n, d), in their own unit: the mean distance of the
    best one-to-one assignment (Kantorovich's problem for equal weights), exact. It is above 0 for two draws of one
    distribution, by less the larger n.

    Raises TypeError or ValueError for sets of other shapes, empty or larger than 5,000, or not finite.
    """
    expect(Tensor, samples=samples, others=others)
    if samples.ndim != 2 or samples.shape != others.shape or not 0 < len(samples) <= MOST:
        raise ValueError(f"samples has shape {tuple(samples.shape)}, others {tuple(others.shape)}; expected both "
                         f"(n, d), n from 1 to {MOST}")  # fmt: skip
    cost = torch.cdist(samples.double(), others.double(), compute_mode="donot_use_mm_for_euclid_dist")
    if not cost.isfinite().all():
        raise ValueError("samples or others hold values that are not finite; expected finite points")
    pairs = linear_sum_assignment(cost.numpy())
    return float(cost[pairs].mean())
