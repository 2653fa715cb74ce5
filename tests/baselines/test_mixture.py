"""The mixture's density against scipy, its draws, and a fit with a known answer."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from ganrepro.baselines import gaussian, mixture


def planted(n, seed=0):
    """Two clouds in a plane of five dimensions, with weights .3 and .7."""
    rng = torch.Generator().manual_seed(seed)
    basis, _ = torch.linalg.qr(torch.arange(10.0).view(5, 2).cos())
    first = torch.arange(n) < 0.3 * n
    centres = torch.where(first[:, None], torch.tensor([-0.2, 0.0]), torch.tensor([0.2, 0.1]))
    return 0.5 + (centres + 0.05 * torch.randn(n, 2, generator=rng)) @ basis.T


def test_the_density_is_scipys():
    train, x = planted(600), planted(40, 1) + 0.01
    model, sigma = mixture.fit(train, 2, 2), 0.1
    parts = []
    for weight, mean, covariance in zip(model.weights, model.means, model.covariances, strict=True):
        full = model.basis.T @ covariance @ model.basis + sigma**2 * torch.eye(5, dtype=torch.float64)
        normal = multivariate_normal((model.mean + mean @ model.basis).numpy(), full.numpy())
        parts.append(np.log(float(weight)) + normal.logpdf(x.double().numpy()))
    np.testing.assert_allclose(model.log_density(x, sigma), logsumexp(parts, axis=0), rtol=1e-9)


def test_em_finds_the_planted_components():
    train = planted(2000)
    model = mixture.fit(train, 2, 2)
    order = model.weights.argsort()
    np.testing.assert_allclose(model.weights[order], [0.3, 0.7], atol=0.01)
    centres = (model.mean + model.means @ model.basis)[order]
    np.testing.assert_allclose(centres, [train[:600].mean(0).numpy(), train[600:].mean(0).numpy()], atol=0.01)


def test_draws_have_the_weights_and_moments_of_the_mixture():
    model = mixture.fit(planted(600), 2, 2)
    drawn = model.draw(100_000, seed=1).double()
    mean = model.mean + (model.weights @ model.means) @ model.basis
    np.testing.assert_allclose(drawn.mean(0), mean, atol=5e-3)
    away = model.means - model.weights @ model.means
    inside = torch.einsum("k,kij->ij", model.weights, model.covariances + away[:, :, None] * away[:, None])
    np.testing.assert_allclose(torch.cov(drawn.T), model.basis.T @ inside @ model.basis, atol=2e-3)


def test_one_component_in_all_directions_is_the_gaussian():
    rng = torch.Generator().manual_seed(0)
    train, x = torch.rand(300, 4, generator=rng), torch.rand(20, 4, generator=rng)
    model, whole = mixture.fit(train, 1, 4), gaussian.fit(train)
    floor = torch.tensor(0.1**2 - mixture.FLOOR).sqrt()  # the noise that makes up for the floor under the variances
    np.testing.assert_allclose(model.log_density(x, float(floor)), whole.log_density(x, 0.1), rtol=1e-6)


def test_a_density_needs_noise():
    with pytest.raises(ValueError, match="sigma = 0.0"):
        mixture.fit(planted(100), 2, 2).log_density(planted(5), 0.0)
