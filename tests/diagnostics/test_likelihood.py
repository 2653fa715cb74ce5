"""Annealed importance sampling against likelihoods that are known: linear-Gaussian models, and quadrature."""

import math

import numpy as np
import pytest
import torch

from ganrepro import networks
from ganrepro.diagnostics import likelihood
from ganrepro.recipes import Conditional, Layer

SIGMA = 0.5


def linear(k, d, seed=0):
    """A decoder W z + b, and its log-likelihood of x (n, d) in closed form."""
    rng = torch.Generator().manual_seed(seed)
    w, b = (torch.randn(s, generator=rng, dtype=torch.float64) / math.sqrt(k) for s in ((k, d), (d,)))
    covariance = w.T @ w + SIGMA**2 * torch.eye(d, dtype=torch.float64)
    return lambda z: z @ w + b, torch.distributions.MultivariateNormal(b, covariance)


@pytest.mark.slow
def test_a_linear_gaussian_model_in_50_dimensions_within_half_a_nat():
    decoder, known = linear(50, 50)
    torch.manual_seed(0)
    x = known.sample((3,))
    found = likelihood.log_likelihood(decoder, x, 50, SIGMA, chains=128, temperatures=800)
    assert np.abs(found.ll - known.log_prob(x).numpy()).max() < 0.5
    assert found.log_weights.shape == (128, 3) and 0.5 < found.accepted < 0.8


def test_both_bounds_hold_the_known_value_and_close_with_more_temperatures():
    decoder, known = linear(5, 8)
    gaps = []
    for temperatures in (20, 200):
        found = likelihood.bounds(decoder, 30, 5, SIGMA, temperatures=temperatures, dtype=torch.float64)
        true = known.log_prob(found.x).numpy()
        lower, upper = found.lower - true, found.upper - true
        error = 3 * (lower.std() + upper.std()) / math.sqrt(30)
        assert lower.mean() < error and upper.mean() > -error
        gaps.append(found.gap)
    assert 0 < gaps[1] < gaps[0] / 2 and gaps[1] < 0.3


@pytest.mark.parametrize(
    "noise", ["spherical", *(pytest.param(n, marks=pytest.mark.slow) for n in ("uniform", "gaussian"))]
)
def test_a_generator_with_its_own_noise_against_plain_averages(small_recipe, noise):
    """Two numbers of z: the integral over them is a mean over a hundred thousand draws."""
    recipe = small_recipe(z_dim=2, noise=noise, generator=(Layer(8, "relu", 1.0), Layer(64, "sigmoid", 0.5)))
    generator = networks.Generator(recipe, torch.Generator().manual_seed(0)).double()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        x = generator(networks.draw_noise(recipe, 4, rng, torch.float64))
        x += 0.5 * torch.randn(x.shape, generator=rng, dtype=torch.float64)
        made = generator(networks.draw_noise(recipe, 100_000, rng, torch.float64))
        squared = (made.square().sum(1) - 2 * x @ made.T + x.square().sum(1)[:, None]) / (2 * 0.5**2)
    true = torch.logsumexp(-squared, 1) - math.log(len(made)) - 64 * math.log(0.5 * math.sqrt(2 * math.pi))
    found = likelihood.log_likelihood(likelihood.gaussian_decoder(generator), x, 2, 0.5, chains=200, temperatures=100)
    assert np.abs(found.ll - true.numpy()).max() < 0.15


def test_the_schedule_rises_from_0_to_1_and_dwells_at_both_ends():
    betas = likelihood.schedule(100)
    assert betas[0] == 0 and betas[-1] == 1 and len(betas) == 101 and (np.diff(betas) > 0).all()
    assert np.allclose(betas + betas[::-1], 1) and betas[10] < 0.04


def test_it_is_the_same_twice():
    decoder, known = linear(3, 4)
    x = torch.zeros(2, 4, dtype=torch.float64)
    once, again = (likelihood.log_likelihood(decoder, x, 3, SIGMA, temperatures=5, seed=3).ll for _ in range(2))
    assert once.tolist() == again.tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"x": torch.zeros(2, 5)}, r"the decoder makes \(1, 4\) from one z; x has rows of 5"), ({"sigma": 0}, "sigma = 0"),
     ({"x": torch.full((2, 4), math.nan)}, "not finite"), ({"chains": 0}, "chains = 0"), ({"z_dim": 0}, "z_dim = 0"),
     ({"temperatures": 0}, "temperatures = 0"), ({"leapfrog": 0}, "leapfrog = 0")],
)  # fmt: skip
def test_bad_input_is_refused(changes, message):
    given = {"x": torch.zeros(2, 4), "z_dim": 3, "sigma": 0.1, "temperatures": 5} | changes
    with pytest.raises(ValueError, match=message):
        likelihood.log_likelihood(lambda z: z.new_zeros(len(z), 4) + z[:, :1], **given)


def test_a_generator_with_a_condition_is_refused(small_recipe):
    conditional = networks.Generator(small_recipe(task=Conditional(numbers=3)), torch.Generator())
    with pytest.raises(ValueError, match="has a condition or a mixture in z"):
        likelihood.gaussian_decoder(conditional)
