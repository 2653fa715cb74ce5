"""The simplest model of pictures: one normal distribution with a full covariance, fitted by maximum likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganrepro.device import plain_torch
from ganrepro.parameters import expect_number

from .fitted import expect_draw, expect_examples, expect_rows

RANK = 1e-10  # eigenvalues below this share of the largest are rounding errors


@dataclass(frozen=True)
class Gaussian:
    """N(mean, V diag(values) V^T): mean (d,), values (d,) ascending and V (d, d), float64."""

    mean: Tensor
    values: Tensor
    vectors: Tensor

    @property
    def parameters(self) -> int:
        """The mean and one triangle of the covariance."""
        d = len(self.mean)
        return d + d * (d + 1) // 2

    @property
    def rank(self) -> int:
        """Directions in which the examples vary."""
        return int((self.values > RANK * self.values[-1]).sum())

    @plain_torch
    def draw(self, n: int, seed: int = 0) -> Tensor:
        """n draws (n, d) float32 of the distribution itself, which do not keep to [0, 1]."""
        z = torch.randn(n, len(self.mean), generator=expect_draw(n, seed))
        root = (self.values.sqrt() * self.vectors).float()
        return self.mean.float() + z @ root.T

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n draws (n, d) float32, clipped to [0, 1]."""
        return self.draw(n, seed).clamp(0, 1)

    @plain_torch
    def log_density(self, x: Tensor, sigma: float = 0.0) -> Tensor:
        """log p(x) of x (n, d) in nats, (n,) float64: the density of a draw plus noise N(0, sigma^2 I).

        A Parzen window of that sigma on infinitely many draws has the same density. Raises ValueError for other
        shapes, and for sigma = 0 where the covariance has no inverse, since no density exists then.
        """
        expect_rows(x, len(self.mean))
        expect_number("sigma", sigma, 0, 1e6, float)
        if sigma == 0 and self.rank < len(self.mean):
            raise ValueError(f"sigma = 0, but the covariance has rank {self.rank} of {len(self.mean)} and the draws no "
                             "density; choose sigma above 0")  # fmt: skip
        variance = self.values + sigma**2
        whitened = (x.double() - self.mean) @ self.vectors / variance.sqrt()
        return -0.5 * (whitened.square().sum(1) + variance.log().sum() + len(variance) * math.log(2 * math.pi))


@plain_torch
def fit(train: Tensor) -> Gaussian:
    """The mean and the covariance (with 1/m) of train (m, d), which maximise the likelihood. Raises ValueError for
    fewer than two examples, and for equal ones."""
    expect_examples(train, 2)
    x = train.double()
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    return Gaussian(mean, values.clamp_min(0), vectors)
