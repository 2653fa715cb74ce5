"""The density of a class: windows on its samples, against windows on all, and what controls get."""

import numpy as np
import pytest
import torch

from ganrepro import parzen
from ganrepro.extensions import conditional


def test_even_takes_the_first_of_each_class():
    labels = torch.tensor([1, 0, 1, 1, 0, 2, 2, 2])
    assert conditional.even(labels, 3).tolist() == [1, 4, 0, 2, 5, 6]
    assert conditional.even(labels, 3, most=1).tolist() == [1, 0, 5]
    with pytest.raises(ValueError, match="class 3 has no example"):
        conditional.even(labels, 4)


def test_log_likelihood_is_that_of_a_window_on_the_class():
    rng = np.random.default_rng(0)
    samples, of = rng.random((60, 4)), torch.arange(60) % 3
    x, labels = torch.from_numpy(rng.random((20, 4))), torch.arange(20) % 2  # no data of class 2
    sigmas = np.array([0.1, 0.3])
    found = conditional.log_likelihood(samples, of, x, labels, sigmas)
    for i in range(20):
        window = samples[(of == labels[i]).numpy()]
        d2 = ((window - x[i].numpy()) ** 2).sum(1)
        for row, s in zip(found, sigmas, strict=True):
            p = np.exp(-d2 / (2 * s * s)).mean() / (2 * np.pi * s * s) ** 2
            assert row[i] == pytest.approx(np.log(p), abs=1e-5)
    assert np.array_equal(conditional.log_likelihood(samples, of, x, labels, 0.3), found[1])
    with pytest.raises(ValueError, match="class 1 has no samples"):
        conditional.log_likelihood(samples[of != 1], of[of != 1], x, labels, 0.3)


def test_knowing_the_class_gains_at_most_the_log_of_their_number():
    rng = np.random.default_rng(1)
    samples, of = rng.random((90, 3)), torch.arange(90) % 3
    x, labels = torch.from_numpy(rng.random((40, 3))), torch.arange(40) % 3
    gain = conditional.log_likelihood(samples, of, x, labels, 0.2) - parzen.log_likelihood(samples, x, 0.2)
    assert gain.max() <= np.log(3) + 1e-9 and gain.min() < 0
    apart = samples + 50 * of[:, None].numpy()  # classes that never meet
    there = x + 50 * labels[:, None]
    gain = conditional.log_likelihood(apart, of, there, labels, 0.2) - parzen.log_likelihood(apart, there, 0.2)
    assert gain == pytest.approx(np.log(3), abs=1e-6)


def test_scores_are_those_of_the_windows_they_name(digits):
    labels, of_test = digits.labels["train"], digits.labels["test"]
    rows = conditional.even(labels, 10, 50)
    x, of = digits.train[rows], labels[rows]
    found = conditional.class_scores(x, of, digits.valid, digits.test, of_test)
    assert found.sigma == parzen.choose_sigma(x, digits.valid).sigma
    assert np.array_equal(found.own, conditional.log_likelihood(x, of, digits.test, of_test, found.sigma))
    assert np.array_equal(found.other, conditional.log_likelihood(x, (of - 1) % 10, digits.test, of_test, found.sigma))
    assert np.array_equal(found.every, parzen.log_likelihood(x, digits.test, found.sigma))
    assert np.array_equal(found.gain, found.own - found.every) and found.gain.max() < np.log(10) + 1e-3
    again = conditional.class_scores(x, of, digits.valid, digits.test, of_test, sigma=0.3)
    assert again.sigma == 0.3 and not np.array_equal(again.own, found.own)
    with pytest.raises(ValueError, match="take as many of each"):
        conditional.class_scores(digits.train, labels, digits.valid, digits.test, of_test)


def test_the_class_score_tells_real_digits_from_one_picture_a_class(digits):
    """The perfect model passes and the collapsed one fails; the median gain is the same for both."""
    labels, of_test = digits.labels["train"], digits.labels["test"]
    rows = conditional.even(labels, 10)
    real = conditional.class_scores(digits.train[rows], labels[rows], digits.valid, digits.test, of_test)
    pictures = conditional.medoids(digits.train, labels)
    collapsed = conditional.class_scores(pictures, torch.arange(10), digits.valid, digits.test, of_test)
    off = real.own - collapsed.own  # paired
    assert off.mean() > 10 * parzen.standard_error(off)
    assert np.median(real.gain) == pytest.approx(np.log(10), abs=1e-3)
    assert np.median(collapsed.gain) == pytest.approx(np.log(10), abs=0.2)


def test_medoids_are_examples_of_their_class_and_the_nearest_to_its_mean(digits):
    labels = digits.labels["train"]
    found = conditional.medoids(digits.train, labels)
    assert found.shape == (10, 64)
    for k, medoid in enumerate(found):
        of_class = digits.train[labels == k]
        off = np.linalg.norm((of_class - of_class.mean(0)).numpy(), axis=1)
        assert torch.equal(medoid, of_class[off.argmin()])
