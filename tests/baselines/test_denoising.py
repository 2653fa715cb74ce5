"""The chain of a denoiser on data whose optimal denoiser is known: it must arrive at the data's distribution."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from ganrepro.baselines import denoising
from ganrepro.baselines.chains import autocorrelation


class Unclipped(denoising.DenoisingChain):
    """The chain's own states, which need not be pictures."""

    def picture(self, state):
        return state


def drawn(chain, states):
    """x ~ P(x | x~) of states, which converges to the data's distribution."""
    return chain.drawn(states, torch.Generator().manual_seed(9))


def test_the_stationary_distribution_of_the_optimal_denoiser_is_the_data():
    """Data N(m, t^2), corruption N(0, c^2): P(x | x~) is normal with mean m + a (x~ - m), a = t^2 / (t^2 + c^2), and
    variance t^2 c^2 / (t^2 + c^2). Its chain is an autoregression with coefficient a."""
    m, t, c = torch.tensor([0.4, -2.0], dtype=torch.float64), 0.3, 0.5
    a, spread = t**2 / (t**2 + c**2), (t**2 * c**2 / (t**2 + c**2)) ** 0.5
    chain = Unclipped(lambda x: m + a * (x - m), c, spread, m + 5)  # starts far away
    states = chain.run(400, 500, 1, 60)
    x = drawn(chain, states)
    np.testing.assert_allclose(x.mean((0, 1)), m, atol=0.01)
    np.testing.assert_allclose(x.flatten(0, 1).std(0), [t, t], atol=0.005)
    assert autocorrelation(states).time == pytest.approx((1 + a) / (1 - a), rel=0.05)


T = 0.1  # the deviation of the data below, and of the corruption


@pytest.fixture(scope="module")
def data():
    return (0.5 + T * torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


def walked_back():
    """The slope a of f and the chain's deviation, in units of T, with two steps of walkback: a minimises
    E (a x1 - x)^2 + E (a x2 - x)^2 with x1 = x + c and x2 = a x1 + s + c (c, s: the noises of corruption and P)."""
    def spread(a):
        return 2 * a**2 - 2 * a + 1  # E (a x1 - x)^2

    a = brentq(lambda a: 1 + a - a * (2 + 2 * a**2 + spread(a) + 1), 0, 1)
    return a, ((a**2 + spread(a)) / (1 - a**2)) ** 0.5


@pytest.mark.parametrize("walkback", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_trained_chain_has_the_moments_that_theory_gives_it(data, walkback):
    """With one step those of the data. Walkback leads back to the example from further away, so that f shrinks more and
    the chain's deviation is .88 of the data's."""
    slope, deviation = {1: (0.5, 1.0), 2: walked_back()}[walkback]
    assert (slope, deviation) == pytest.approx({1: (0.5, 1.0), 2: (0.358, 0.876)}[walkback], abs=1e-3)
    model = denoising.fit(data, (32,), noise=T, walkback=walkback, epochs=60, rate=3e-3)
    noisy = data + T * torch.randn(data.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        away = model.denoise(noisy) - (0.5 + slope * (noisy - 0.5))
    assert float(away.square().mean().sqrt()) < 0.1 * T
    assert model.spread == pytest.approx(T * (2 * slope**2 - 2 * slope + 1) ** 0.5, rel=0.05)
    chain = Unclipped(model.denoise, model.noise, model.spread, model.mean)
    x = drawn(chain, chain.run(200, 200, 1, 20)).flatten(0, 1)
    np.testing.assert_allclose(x.mean(0), [0.5, 0.5], atol=0.01)
    np.testing.assert_allclose(x.std(0), [deviation * T] * 2, rtol=0.05)
