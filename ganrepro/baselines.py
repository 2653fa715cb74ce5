"""Controls for the Parzen table: models that are no GAN, under the same estimator.

They say what a score means: real data as its own model is what held-out data reach, k-means centroids exceed it without
being samples of anything (Theis, van den Oord and Bethge, 2016), and a single mean picture is the floor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganrepro import diagnostics, progress

CENTROIDS, ITERATIONS = 10_000, 3


def real_data(train: Tensor, n: int = 10_000) -> Tensor:
    """The first n training examples (n, d) as if they were samples."""
    return train[:n]


def mean_image(train: Tensor) -> Tensor:
    """The training mean, (1, d): a model that always says the same."""
    return train.mean(0, keepdim=True)


def kmeans_centroids(
    train: Tensor, n: int = CENTROIDS, iterations: int = ITERATIONS, seed: int = 0,
    device: torch.device | str | None = None,
) -> Tensor:  # fmt: skip
    """n centroids (n, d): Lloyd's algorithm from random training examples, for a few iterations.

    A centroid that loses all its examples stays where it was. scikit-learn's seeding takes hours at n = 10,000.
    Raises ValueError if there are fewer examples than centroids.
    """
    if not 1 <= n <= len(train):
        raise ValueError(f"n = {n!r} centroids of {len(train)} examples; choose 1 to {len(train)}")
    centroids = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:n]].clone()
    for _ in progress.bar(range(iterations), desc="k-means"):
        owner = diagnostics.nearest(train, centroids, device).index
        count = torch.bincount(owner, minlength=n)
        total = torch.zeros_like(centroids).index_add_(0, owner, train)
        kept = count > 0
        centroids[kept] = total[kept] / count[kept, None]
    return centroids
