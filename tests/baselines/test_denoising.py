"""The chain of a denoiser on data whose optimal denoiser is known: it must arrive at the data's distribution."""

import numpy as np
import pytest
import torch

from ganrepro.baselines import denoising
from ganrepro.baselines.chains import autocorrelation


class Unclipped(denoising.DenoisingChain):
    """The drawn x of each step, as it is: what converges to the data's distribution."""

    def picture(self, state):
        return self.drawn(state, torch.Generator().manual_seed(int(state.abs().sum() * 1e6)))


def test_the_stationary_distribution_of_the_optimal_denoiser_is_the_data():
    """Data N(m, t^2), corruption N(0, c^2): P(x | x~) is normal with mean m + a (x~ - m), a = t^2 / (t^2 + c^2), and
    variance t^2 c^2 / (t^2 + c^2). Its chain is an autoregression with coefficient a."""
    m, t, c = torch.tensor([0.4, -2.0], dtype=torch.float64), 0.3, 0.5
    a, spread = t**2 / (t**2 + c**2), (t**2 * c**2 / (t**2 + c**2)) ** 0.5
    chain = Unclipped(lambda x: m + a * (x - m), c, spread, m + 5)  # starts far away
    x = chain.run(400, 500, 1, 60)
    np.testing.assert_allclose(x.mean((0, 1)), m, atol=0.01)
    np.testing.assert_allclose(x.flatten(0, 1).std(0), [t, t], atol=0.005)
    assert autocorrelation(x).time == pytest.approx((1 + a) / (1 - a), rel=0.05)


def test_the_net_learns_the_optimal_denoiser_of_normal_data():
    """Trained in one step of the chain, its mean and error are those of the closed form."""
    rng, t, c = torch.Generator().manual_seed(0), 0.1, 0.1
    data = (0.5 + t * torch.randn(4000, 2, generator=rng)).clamp(0, 1)
    model = denoising.fit(data, (32,), noise=c, walkback=1, epochs=20)
    x = 0.5 + 0.1 * torch.tensor([[0.0, 0.0], [1.0, -1.0], [-1.5, 0.5]])
    with torch.no_grad():
        np.testing.assert_allclose(model.denoise(x), 0.5 + 0.5 * (x - 0.5), atol=0.015)
    assert model.spread == pytest.approx(t * c / (t**2 + c**2) ** 0.5, rel=0.05)


def test_the_trained_chain_has_the_moments_of_its_data():
    """With walkback, too, as here: the mean and the deviation of normal data, from a start at the mean."""
    rng, t = torch.Generator().manual_seed(0), 0.1
    data = (0.5 + t * torch.randn(4000, 2, generator=rng)).clamp(0, 1)
    model = denoising.fit(data, (32,), noise=0.1, walkback=2, epochs=20)
    x = Unclipped(model.denoise, model.noise, model.spread, model.mean).run(200, 200, 1, 20).flatten(0, 1)
    np.testing.assert_allclose(x.mean(0), data.mean(0), atol=0.01)
    np.testing.assert_allclose(x.std(0), [t, t], rtol=0.1)


def test_walkback_leads_back_from_where_the_chain_wanders():
    """Far from the data, the net of three steps points to it at least as well as that of one."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.2, 0.2], [0.8, 0.8]])
    data = (centres[torch.arange(2000) % 2] + 0.02 * torch.randn(2000, 2, generator=rng)).clamp(0, 1)
    far = {}
    for steps in (1, 3):
        model = denoising.fit(data, (32,), noise=0.1, walkback=steps, epochs=20)
        x = model.run(300, 20, 1, 50).flatten(0, 1)
        far[steps] = float(torch.cdist(x, centres).min(1).values.mean())
    assert far[3] < max(far[1], 0.06)
