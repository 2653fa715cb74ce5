"""A mixture of Gaussians, fitted by EM (Dempster, Laird and Rubin, 1977) in the space of principal components.

Every covariance is of low rank: full among the first q principal components and zero outside them, so that EM works in
q dimensions in place of d. What the components leave out is noise of one variance, which `log_density` adds.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from ganrepro.device import plain_torch
from ganrepro.parameters import expect_number

from .fitted import expect_draw, expect_examples, expect_rows, generator_of

FLOOR = 1e-3  # added to the variances (scikit-learn's reg_covar), so that no component shrinks to a point


@dataclass(frozen=True)
class Mixture:
    """sum_k weights_k N(mean + means_k B, B^T covariances_k B), float64: mean (d,), B (q, d) with orthonormal rows,
    weights (K,), means (K, q), covariances (K, q, q)."""

    mean: Tensor
    basis: Tensor
    weights: Tensor
    means: Tensor
    covariances: Tensor

    @property
    def parameters(self) -> int:
        """Weights, means and triangles of covariances of the components, and the principal components."""
        k, q = self.means.shape
        return (k - 1) + k * (q + q * (q + 1) // 2) + self.mean.numel() + self.basis.numel()

    @plain_torch
    def draw(self, n: int, seed: int = 0) -> Tensor:
        """n draws (n, d) float32 of the mixture itself, which do not keep to [0, 1]."""
        rng = expect_draw(n, seed)
        chosen = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        z = torch.randn(n, self.means.shape[1], 1, generator=rng, dtype=torch.float64)
        c = self.means[chosen]
        roots = torch.linalg.cholesky(self.covariances)
        for k in chosen.unique():
            c[chosen == k] += (roots[k] @ z[chosen == k]).squeeze(-1)
        return (self.mean + c @ self.basis).float()

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n draws (n, d) float32, clipped to [0, 1]."""
        return self.draw(n, seed).clamp(0, 1)

    @plain_torch
    def log_density(self, x: Tensor, sigma: float) -> Tensor:
        """log p(x) of x (n, d) in nats, (n,) float64: the density of a draw plus noise N(0, sigma^2 I), to which a
        Parzen window of that sigma on infinitely many draws comes down. Raises ValueError for other shapes and for a
        sigma not above 0."""
        expect_rows(x, len(self.mean))
        expect_number("sigma", sigma, 1e-6, 1e6, float)
        (d, q), away = self.basis.T.shape, x.double() - self.mean
        c = away @ self.basis.T  # (n, q)
        outside = (away - c @ self.basis).square().sum(1) / sigma**2 + (d - q) * math.log(2 * math.pi * sigma**2)
        noisy = self.covariances + sigma**2 * torch.eye(q, dtype=torch.float64)
        inside = [
            weight.log() + torch.distributions.MultivariateNormal(mean, covariance, validate_args=False).log_prob(c)
            for weight, mean, covariance in zip(self.weights, self.means, noisy, strict=True)
        ]
        return torch.logsumexp(torch.stack(inside), 0) - 0.5 * outside


@plain_torch
def fit(train: Tensor, components: int = 50, dimensions: int = 100, iterations: int = 50, seed: int = 0) -> Mixture:
    """A mixture of train (m, d) with so many components among so many principal components (at most d, or m - 1).

    scikit-learn's EM, started from k-means, for at most so many iterations. Raises ValueError for fewer than two
    examples a component, and for equal ones.
    """
    for name, value in (("components", components), ("dimensions", dimensions), ("iterations", iterations)):
        expect_number(name, value, 1, 10_000)
    expect_examples(train, 2 * components)
    generator_of(seed)
    x = train.double().numpy()
    pca = PCA(min(dimensions, train.shape[1], len(x) - 1), svd_solver="covariance_eigh").fit(x)
    model = GaussianMixture(components, max_iter=iterations, reg_covar=FLOOR, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it may stop after these iterations on purpose
        model.fit(pca.transform(x))
    parts = (pca.mean_, pca.components_, model.weights_, model.means_, model.covariances_)
    return Mixture(*(torch.from_numpy(part.copy()) for part in parts))
