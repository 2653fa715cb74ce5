"""Moments of channels and power of frequencies: closed forms, and what a broken model cannot hide."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import datasets
from ganrepro.diagnostics import spectrum


def noise(n, shape, seed=0):
    return torch.randn(n, int(np.prod(shape)), generator=torch.Generator().manual_seed(seed))


def test_channel_moments_are_those_of_the_pixels():
    x = noise(7, (3, 4, 5))
    pixels = x.double().numpy().reshape(7, 3, 20).transpose(1, 0, 2).reshape(3, -1)
    mean, covariance = spectrum.channel_moments(x, (3, 4, 5))
    np.testing.assert_allclose(mean, pixels.mean(1))
    np.testing.assert_allclose(covariance, np.cov(pixels))
    assert spectrum.channel_moments(x, (1, 10, 6))[1].shape == (1, 1)


@pytest.mark.parametrize("cycles", [0, 1, 3, 8])
def test_a_wave_has_all_its_power_at_its_frequency(cycles):
    columns = np.arange(16)
    wave = np.sqrt(2) * np.cos(2 * np.pi * cycles * columns / 16 + 0.3) * np.ones((16, 1))
    found = spectrum.power_spectrum(torch.from_numpy(wave.ravel()[None]), (1, 16, 16))
    assert len(found) == 9 and found.argmax() == cycles
    assert np.delete(found, cycles).max() < 1e-12 < found[cycles]


def test_white_noise_has_equal_power_at_all_frequencies():
    found = spectrum.power_spectrum(2 * noise(10_000, (1, 12, 16)), (1, 12, 16))
    np.testing.assert_allclose(found, 4, rtol=0.06)  # its variance; of frequency 0 the error is .014


@given(st.integers(1, 3), st.integers(2, 9), st.integers(0, 5))
def test_the_whole_power_is_the_mean_square(c, side, seed):
    x = noise(3, (c, side, side), seed).double()
    planes = x.view(3, c, side, side)
    whole = (torch.fft.fft2(planes).abs() ** 2).mean((0, 1)).sum() / side**2
    assert float(whole) == pytest.approx(float(x.square().mean()) * side**2)
    first = spectrum.power_spectrum(x, (c, side, side))[0]  # frequency 0 is each channel's own mean
    assert first == pytest.approx(float(planes.mean((2, 3)).square().mean()) * side**2)


def test_scrambled_pictures_keep_every_moment_and_lose_the_spectrum():
    mnist = datasets.load("mnist")
    real, shape = mnist.test[:300], mnist.shape
    broken = spectrum.scrambled(real, shape, seed=1)
    assert torch.equal(broken.sort(1).values, real.sort(1).values) and not torch.equal(broken, real)
    x, colours = noise(5, (3, 4, 4)), (3, 4, 4)
    moments = [spectrum.channel_moments(each, colours) for each in (x, spectrum.scrambled(x, colours))]
    for before, after in zip(*moments, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)
    half, other = (spectrum.power_spectrum(x, shape) for x in (real, mnist.test[300:600]))
    lost = spectrum.power_spectrum(broken, shape)
    assert np.abs(np.log(half / other)).max() < 0.2 < np.log(lost[-1] / half[-1])


@pytest.mark.parametrize("x", [torch.zeros(0, 16), torch.zeros(16), torch.zeros(2, 15)])
def test_pictures_of_another_size_are_refused(x):
    with pytest.raises(ValueError, match=r"x has shape .*; expected \(n, 16\)"):
        spectrum.power_spectrum(x, (1, 4, 4))
