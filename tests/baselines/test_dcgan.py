"""The convolutional players' shapes, and a training that moves towards the data."""

import pytest
import torch

from ganrepro.baselines import dcgan


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 48, 8)])
def test_the_players_fit_the_pictures(shape):
    g, d = dcgan.players(shape, 4, torch.Generator().manual_seed(0))
    x = g(torch.randn(5, dcgan.Z_DIM))
    assert x.shape == (5, shape[0] * shape[1] * shape[2])
    assert x.min() >= 0 and x.max() <= 1
    assert d(2 * x - 1).shape == (5,)


def test_a_sample_depends_on_its_own_noise_alone(digits):
    g = dcgan.fit(digits.train[:100], digits.shape, 3, 4, 20).generator
    z = dcgan.noise(40, torch.Generator().manual_seed(0))
    torch.testing.assert_close(g(z)[:7], g(z[:7]))


def test_training_moves_the_samples_to_the_data(digits):
    """The mean picture of the samples nears that of the digits, and the samples begin to differ from each other."""
    away, spread = [], []
    for steps in (1, 200):
        x = dcgan.fit(digits.train, digits.shape, steps, 8).sample(500)
        away.append(float((x.mean(0) - digits.train.mean(0)).square().mean().sqrt()))
        spread.append(float(x.std(0).mean() / digits.train.std(0).mean()))
    assert away[1] < 0.85 * away[0]
    assert spread[0] < 0.01 and spread[1] > 0.2
