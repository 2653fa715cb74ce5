"""The autocorrelation time against closed forms, and which steps of a chain become samples."""

import numpy as np
import pytest
import torch

from ganrepro.baselines import chains
from ganrepro.baselines.denoising import DenoisingChain


def ar1(phi, c, t, d, seed=0):
    """Stationary chains (c, t, d) of x' = phi x + N(0, 1 - phi^2), whose autocorrelation is phi^lag."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(c, d, generator=rng, dtype=torch.float64)
    steps = []
    for _ in range(t):
        steps.append(x)
        x = phi * x + (1 - phi**2) ** 0.5 * torch.randn(c, d, generator=rng, dtype=torch.float64)
    return torch.stack(steps, 1)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_time_of_an_autoregression_is_its_closed_form(phi):
    """tau = (1 + phi) / (1 - phi): 1, 3 and 19."""
    found = chains.autocorrelation(ar1(phi, 50, 4000, 3))
    assert found.time == pytest.approx((1 + phi) / (1 - phi), rel=0.05)
    assert found.long_enough and found.window >= 5 * found.time - 1e-9
    np.testing.assert_allclose(found.rho[:6], phi ** np.arange(6), atol=0.02)


def test_chains_that_stay_apart_are_not_called_independent():
    x = ar1(0.0, 20, 200, 2) + 3 * torch.randn(20, 1, 2, generator=torch.Generator().manual_seed(1))
    found = chains.autocorrelation(x)
    assert not found.long_enough and found.time > 50


def test_what_has_no_autocorrelation_is_refused():
    with pytest.raises(ValueError, match="never move"):
        chains.autocorrelation(torch.ones(3, 20, 2))
    with pytest.raises(ValueError, match="at least 8 steps"):
        chains.autocorrelation(torch.rand(3, 7, 2))


class Counting(DenoisingChain):
    """A chain that counts its steps: chain i starts at i / 1000."""

    chains, burn_in, every = 3, 4, 2

    def start(self, n, rng):
        return torch.arange(n)[:, None] / 1000

    def step(self, state, rng):
        return state + 0.01


def test_samples_are_the_first_picture_of_each_chain_then_the_second():
    counting = Counting(torch.nn.Identity(), 1.0, 1.0, torch.zeros(1))
    expected = [0.05, 0.051, 0.052, 0.07, 0.071, 0.072, 0.09]
    np.testing.assert_allclose(counting.sample(7).flatten(), expected, atol=1e-6)
    assert counting.run(2, 3, 5, 0).flatten().numpy() == pytest.approx([0.01, 0.06, 0.11, 0.011, 0.061, 0.111])
