"""The normal distribution against scipy, and as the Parzen window sees it."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from ganrepro import parzen
from ganrepro.baselines import gaussian


def examples(n, d, seed=0):
    """n correlated examples in [0, 1]."""
    rng = torch.Generator().manual_seed(seed)
    return torch.sigmoid(torch.randn(n, d, generator=rng) @ torch.arange(d * d).view(d, d).cos().float())


def test_the_density_is_scipys():
    train, x = examples(400, 5), examples(50, 5, 1)
    model = gaussian.fit(train)
    mean, covariance = train.double().mean(0).numpy(), np.cov(train.double().numpy().T, ddof=0)
    for sigma in (0.0, 0.2):
        normal = multivariate_normal(mean, covariance + sigma**2 * np.eye(5))
        np.testing.assert_allclose(model.log_density(x, sigma), normal.logpdf(x.double().numpy()), rtol=1e-9)


def test_it_maximises_the_likelihood():
    """Any other mean or covariance makes the examples less likely."""
    train = examples(300, 4)
    model = gaussian.fit(train)
    best = model.log_density(train).mean()
    for other in (gaussian.Gaussian(model.mean + 0.01, model.values, model.vectors),
                  gaussian.Gaussian(model.mean, model.values * 1.02, model.vectors),
                  gaussian.Gaussian(model.mean, model.values * 0.98, model.vectors)):  # fmt: skip
        assert other.log_density(train).mean() < best


def test_draws_have_the_mean_and_covariance_of_the_examples():
    train = examples(400, 5)
    drawn = gaussian.fit(train).draw(100_000, seed=1)
    np.testing.assert_allclose(drawn.mean(0), train.mean(0), atol=0.01)
    np.testing.assert_allclose(torch.cov(drawn.T), torch.cov(train.T, correction=0), atol=0.01)


def test_a_window_on_many_draws_nears_the_exact_density_from_below():
    train, x = examples(500, 3), examples(200, 3, 1)
    model = gaussian.fit(train)
    exact = float(model.log_density(x, 0.1).mean())
    few = [parzen.log_likelihood(model.draw(10, seed), x, 0.1).mean() for seed in range(20)]
    assert np.mean(few) < exact - 0.1
    assert parzen.log_likelihood(model.draw(30_000, 2), x, 0.1).mean() == pytest.approx(exact, abs=0.03)


def test_a_singular_covariance_has_no_density_without_noise():
    train = examples(100, 4)
    train[:, 2] = 0.5
    model = gaussian.fit(train)
    assert model.rank == 3
    with pytest.raises(ValueError, match="rank 3 of 4"):
        model.log_density(train)
    assert model.log_density(train, 0.1).isfinite().all()
