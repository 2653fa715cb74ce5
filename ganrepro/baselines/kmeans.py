"""k-means centroids as a model of pictures: each draw is one of them. EM for a mixture of equal, spherical Gaussians
becomes k-means as their variance goes to 0 (Bishop, 2006, section 9.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganrepro.device import plain_torch
from ganrepro.parameters import expect_number
from ganrepro.parzen import controls

from .fitted import expect_draw, expect_examples, generator_of


@dataclass(frozen=True)
class Centroids:
    """Averages of training pictures, (k, d) float32."""

    centroids: Tensor

    @property
    def parameters(self) -> int:
        """All numbers of the centroids."""
        return self.centroids.numel()

    @plain_torch
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n centroids (n, d) float32 in random order; all of them once before one comes again."""
        rng, k = expect_draw(n, seed), len(self.centroids)
        order = torch.cat([torch.randperm(k, generator=rng) for _ in range(-(-n // k))])
        return self.centroids[order[:n]]


@plain_torch
def fit(train: Tensor, k: int, iterations: int = controls.ITERATIONS, seed: int = 0) -> Centroids:
    """k centroids of train (m, d): `parzen.controls.kmeans_centroids`. Raises ValueError for fewer examples than
    centroids, and for equal examples."""
    expect_number("k", k, 1, 10**6)
    expect_number("iterations", iterations, 1, 10_000)
    expect_examples(train, max(2, k))
    generator_of(seed)
    return Centroids(controls.kmeans_centroids(train, k, iterations, seed).float().clamp(0, 1))
