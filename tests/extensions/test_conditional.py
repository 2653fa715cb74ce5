"""The classifier of class-conditional samples, conditions on a class, and the density of a class."""

import dataclasses

import numpy as np
import pytest
import torch

from ganrepro import datasets, parzen
from ganrepro.extensions import conditional


def test_the_classifier_knows_real_digits_and_not_noise(digits):
    found = conditional.classifier(digits)
    assert found.accuracy(digits.test, digits.labels["test"]) > 0.95
    wrong = (digits.labels["test"] + 1) % 10
    assert found.accuracy(digits.test, wrong) < 0.05
    noise = torch.rand(300, 64, generator=torch.Generator().manual_seed(0))
    assert found.accuracy(noise, digits.labels["test"]) < 0.3
    again = conditional.classifier(digits)
    assert torch.equal(found.predict(digits.test), again.predict(digits.test.numpy()))


@pytest.mark.slow
def test_the_classifier_reaches_98_percent_on_mnist():
    data = datasets.load("mnist")
    assert conditional.classifier(data).accuracy(data.test, data.labels["test"]) >= 0.98


def test_a_class_outside_the_range_is_refused():
    assert conditional.one_hot_condition([2, 0], 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert conditional.one_hot_condition(1, 2).shape == (1, 2)
    for bad in (3, -1, [0, 7], torch.tensor([0, 3])):
        with pytest.raises(ValueError, match=r"class = (3|-1|7); choose one of the ints 0 to 2"):
            conditional.one_hot_condition(bad, 3)
    with pytest.raises(ValueError, match="class = 1.5"):
        conditional.one_hot_condition([1.5], 3)


def test_data_without_labels_are_refused(digits):
    bare = dataclasses.replace(digits, labels=dict.fromkeys(digits.labels))
    with pytest.raises(ValueError, match="'digits' has no labels"):
        conditional.classifier(bare)


def test_even_takes_the_first_of_each_class():
    labels = torch.tensor([1, 0, 1, 1, 0, 2, 2, 2])
    assert conditional.even(labels, 3).tolist() == [1, 4, 0, 2, 5, 6]
    with pytest.raises(ValueError, match="class 3 has no example"):
        conditional.even(labels, 4)


def test_variety_is_that_of_the_data_or_none(digits):
    x, y = digits.train, digits.labels["train"]
    assert conditional.variety(x, y, x, y) == pytest.approx(1)
    means = torch.stack([x[y == k].mean(0) for k in range(10)])[y]
    assert conditional.variety(means, y, x, y) == pytest.approx(0, abs=1e-3)
    assert conditional.variety((x + means) / 2, y, x, y) == pytest.approx(0.5, abs=1e-3)


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
