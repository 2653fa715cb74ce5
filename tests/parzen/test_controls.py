"""Models that are not trained: a Gaussian has the moments of its data."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from ganrepro import datasets, parzen
from ganrepro.parzen import controls


def test_a_gaussian_has_the_mean_and_covariance_of_its_data():
    train = torch.randn(60, 5, generator=torch.Generator().manual_seed(0)) @ torch.arange(25.0).view(5, 5).cos() + 3
    drawn = controls.gaussian(train, 200_000, seed=1)
    assert drawn.shape == (200_000, 5) and drawn.dtype == train.dtype
    np.testing.assert_allclose(drawn.mean(0), train.mean(0), atol=0.02)
    np.testing.assert_allclose(torch.cov(drawn.T), torch.cov(train.T), atol=0.05)


def test_a_gaussian_with_more_numbers_than_examples_stays_in_their_span():
    train = torch.rand(6, 40, generator=torch.Generator().manual_seed(0))
    centred = (controls.gaussian(train, 50) - train.mean(0)).double()
    assert torch.linalg.matrix_rank(torch.cat([centred, (train - train.mean(0)).double()]), rtol=1e-5) == 5


def test_a_window_on_its_draws_nears_the_gaussians_own_density():
    """In few dimensions, with many samples and a narrow window."""
    train = torch.randn(500, 2, generator=torch.Generator().manual_seed(2))
    test = torch.randn(300, 2, generator=torch.Generator().manual_seed(3))
    found = parzen.log_likelihood(controls.gaussian(train, 40_000), test, 0.08).mean()
    normal = multivariate_normal(train.double().mean(0).numpy(), torch.cov(train.double().T).numpy())
    assert found == pytest.approx(normal.logpdf(test.numpy()).mean(), abs=0.05)


def test_a_gaussian_of_one_example_is_refused():
    with pytest.raises(ValueError, match="train has 1 examples; a covariance needs at least 2"):
        controls.gaussian(torch.zeros(1, 4))


def test_a_gaussian_of_faces_is_hard_to_beat():
    """A smooth model scores far above the mean face and above the training faces themselves."""
    fold = datasets.load("att").fold(0)
    models = (controls.gaussian(fold.train), controls.real_data(fold.train), controls.mean_image(fold.train))
    gaussian, real, mean = (parzen.score(model, fold).ll.mean() for model in models)
    assert gaussian > real + 100 > mean + 100
