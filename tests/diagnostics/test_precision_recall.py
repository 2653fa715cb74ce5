"""Precision, recall, density and coverage against the numbers of their package, and on cases with known answers."""

import numpy as np
import pytest
import torch

from ganrepro import datasets
from ganrepro.diagnostics import precision_recall


def normal(n, d=5, seed=0, scale=1.0):
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


PACKAGE = {  # (k, scale): what compute_prdc of prdc 0.2 (Naeem et al.) says of the same points
    (1, 0.3): (85 / 90, 9 / 120, 190 / 90, 20 / 120),
    (1, 1.0): (61 / 90, 67 / 120, 94 / 90, 48 / 120),
    (1, 2.0): (19 / 90, 98 / 120, 26 / 90, 20 / 120),
    (5, 0.3): (90 / 90, 16 / 120, 841 / 450, 69 / 120),
    (5, 1.0): (84 / 90, 114 / 120, 445 / 450, 116 / 120),
    (5, 2.0): (37 / 90, 120 / 120, 125 / 450, 70 / 120),
}


@pytest.mark.parametrize(("k", "scale"), PACKAGE)
def test_it_agrees_with_the_package_of_its_authors(k, scale):
    real = np.random.RandomState(0).standard_normal((120, 5))
    samples = scale * np.random.RandomState(1).standard_normal((90, 5))
    found = precision_recall.prdc(torch.from_numpy(real), torch.from_numpy(samples), k)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(PACKAGE[k, scale], abs=1e-12)


def test_one_distribution_scores_high_and_a_collapse_has_no_recall():
    real = normal(500, 2)
    same = precision_recall.prdc(real, normal(500, 2, seed=1))
    assert min(same.precision, same.recall, same.coverage) > 0.9 and abs(same.density - 1) < 0.15
    collapsed = precision_recall.prdc(real, 0.01 * normal(500, 2, seed=2))
    assert collapsed.precision == 1 and collapsed.recall < 0.02 and collapsed.coverage < 0.05
    off = precision_recall.prdc(real, normal(500, 2, seed=3) + 50)
    assert off.precision == off.recall == off.density == off.coverage == 0


def test_features_are_a_classifiers_last_layer_and_reproducible():
    data = datasets.load("digits")
    features, again = (precision_recall.features(data) for _ in range(2))
    found = features(data.test)
    assert found.shape == (len(data.test), 64) and found.dtype == torch.float64 and (found >= 0).all()
    assert torch.equal(found, again(data.test))
    of_train, labels = features(data.train), data.labels["train"]
    nearest = torch.cdist(found, of_train).argmin(1)
    assert (labels[nearest] == data.labels["test"]).double().mean() > 0.9  # classes are apart


@pytest.mark.parametrize(
    ("real", "samples", "k", "message"),
    [(normal(5), normal(9), 5, "real has 5 rows; k = 5 needs at least 6"),
     (normal(9), normal(5), 5, "samples has 5 rows"),
     (normal(9), normal(9, d=4), 5, r"samples has shape \(9, 4\); expected finite numbers \(n, 5\)"),
     (normal(9), normal(9) / 0, 5, "samples has shape .* finite"), (normal(9), normal(9), 0, "k = 0")],
)  # fmt: skip
def test_bad_input_is_refused(real, samples, k, message):
    with pytest.raises(ValueError, match=message):
        precision_recall.prdc(real, samples, k)
