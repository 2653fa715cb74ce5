"""The bound against the exact log-likelihood of linear-Gaussian models, where it is known; its parts in closed form."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import nn
from torch.distributions import Normal, kl_divergence

from ganrepro import networks, recipes
from ganrepro.baselines import vae
from ganrepro.recipes import Layer

D, Z, SIGMA = 6, 2, 0.3


@pytest.fixture(scope="module")
def linear():
    """x = W z + b + sigma eps with orthogonal columns of W, so that p(z | x) has a diagonal covariance: the decoder,
    the optimal encoder, examples, and their exact log-likelihood."""
    rng = torch.Generator().manual_seed(0)
    q, _ = torch.linalg.qr(torch.randn(D, Z, generator=rng, dtype=torch.float64))
    w, b = q * torch.tensor([1.5, 0.7], dtype=torch.float64), torch.linspace(-1, 1, D, dtype=torch.float64)
    decoder = nn.Linear(Z, D, dtype=torch.float64)
    decoder.weight.data, decoder.bias.data = w, b
    precision = 1 + w.square().sum(0) / SIGMA**2

    def encoder(x):
        mean = (x - b) @ w / SIGMA**2 / precision
        return torch.cat([mean, -precision.log().expand(mean.shape)], -1)

    x = torch.randn(200, Z, generator=rng, dtype=torch.float64) @ w.T + b
    x = x + SIGMA * torch.randn(200, D, generator=rng, dtype=torch.float64)
    exact = multivariate_normal(b.numpy(), (w @ w.T).numpy() + SIGMA**2 * np.eye(D)).logpdf(x.numpy())
    return decoder, encoder, x, exact


def model(decoder, encoder):
    return vae.VAE(encoder, decoder, Z, torch.tensor(2 * np.log(SIGMA)))


def test_the_bound_is_tight_with_the_optimal_encoder(linear):
    decoder, encoder, x, exact = linear
    np.testing.assert_allclose(model(decoder, encoder).bound(x), exact, rtol=1e-9)


def test_the_bound_is_below_by_the_kl_to_the_optimal_encoder(linear):
    """log p(x) - E[bound] = KL(q || p(z | x)), for an encoder with another mean and width."""
    decoder, encoder, x, exact = linear
    shift = torch.tensor([0.1, -0.2, 0.5, 0.3], dtype=torch.float64)
    worse = model(decoder, lambda x: encoder(x) + shift)
    found = torch.stack([worse.bound(x, seed=s) for s in range(400)]).mean(0)
    (mean, log_variance), (other, other_log) = (f(x).chunk(2, -1) for f in (lambda x: encoder(x) + shift, encoder))
    gap = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(other, (other_log / 2).exp())).sum(-1)
    np.testing.assert_allclose(exact - found.numpy(), gap, atol=0.5)
    assert float((exact - found.numpy()).mean()) == pytest.approx(float(gap.mean()), abs=0.03)
    assert (found.numpy() < exact).all()


def test_more_draws_tighten_the_bound(linear):
    decoder, encoder, x, exact = linear
    worse = model(decoder, lambda x: encoder(x) + 0.5)
    gaps = [float((exact - worse.bound(x, draws).numpy()).mean()) for draws in (1, 10, 1000)]
    assert gaps[0] > gaps[1] > gaps[2] > -0.01 and gaps[2] < 0.05


def test_another_sigma_is_that_of_the_pixels(linear):
    decoder, _, x, _ = linear
    other = vae.VAE(lambda x: torch.zeros(len(x), 2 * Z, dtype=torch.float64), decoder, Z, torch.tensor(0.0))
    narrow = vae.VAE(other.encoder, decoder, Z, torch.tensor(2 * np.log(0.5)))
    np.testing.assert_allclose(other.bound(x, sigma=0.5), narrow.bound(x), rtol=1e-6)
    assert narrow.sigma == pytest.approx(0.5)


def test_the_parts_of_the_bound_are_torchs():
    rng = torch.Generator().manual_seed(0)
    mean, log_variance, x = torch.randn(3, 5, 4, generator=rng, dtype=torch.float64)
    normal = Normal(mean, (log_variance / 2).exp())
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    torch.testing.assert_close(vae.kl_to_prior(mean, log_variance), kl_divergence(normal, prior).sum(-1))
    torch.testing.assert_close(vae.log_normal(x, mean, log_variance), normal.log_prob(x).sum(-1))


def test_gradients_flow_through_the_reparametrised_draw():
    """d/d mu E[z^2] = 2 mu and d/d log sigma^2 E[z^2] = sigma^2."""
    mean, log_variance = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (0.7, -0.4))
    epsilon = torch.randn(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    vae.reparametrise(mean, log_variance, epsilon).square().mean().backward()
    assert float(mean.grad) == pytest.approx(2 * 0.7, abs=0.01)
    assert float(log_variance.grad) == pytest.approx(np.exp(-0.4), abs=0.01)


def test_training_raises_the_bound_of_held_out_pictures(digits):
    recipe = recipes.for_dataset("digits", digits.shape).replace(
        z_dim=8, generator=(Layer(64, "relu"), Layer(64, "sigmoid", bias="marginal"))
    )
    short, long = (vae.fit(digits.train, recipe, epochs) for epochs in (1, 60))
    assert long.bound(digits.test).mean() > short.bound(digits.test).mean() + 5
    assert isinstance(long.decoder, networks.Generator)
    assert 0.05 < long.sigma < short.sigma < 0.5
