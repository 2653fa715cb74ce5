"""Solutions to the exercises of 08_semisupervised. In the notebook, `%run solutions/08_semisupervised.py` defines
them."""

from dataclasses import replace

import torch
from scipy import stats

from ganrepro import datasets
from ganrepro.diagnostics import neighbours
from ganrepro.extensions import semisupervised
from ganrepro.extensions.semisupervised import spreading


def exercise_1(draws: int) -> float:
    """Half the 95% interval of a mean of so many draws, in standard deviations of one draw."""
    return float(stats.t.isf(0.025, draws - 1) / draws**0.5)


def exercise_2(pictures: int = 2000, n_test: int = 1000) -> list[list[float]]:
    """Test errors in % of raw pixels and of label spreading with 100 labels; then with the pixels in another order."""
    data = datasets.load("mnist")
    order = torch.randperm(784, generator=torch.Generator().manual_seed(0))
    draw, found = semisupervised.label_draws(data, [100], 1), []
    for d in (data, replace(data, train=data.train[:, order], test=data.test[:, order])):
        raw = semisupervised.sweep({"raw": semisupervised.Method(lambda x: x)}, d, draw, n_test)
        principal = semisupervised.principal(lambda x: x, d.train[:2000])
        spread = spreading.sweep({"spread": principal}, d, draw, pictures, n_test)
        found.append([raw.error.item(), spread.error.item()])
    return found


def exercise_3(features, data: datasets.Dataset, n: int = 100, draw: int = 0, n_test: int = 2000) -> float:
    """The test error in % of a classifier that takes the label of the nearest labelled example, in these features."""
    rows = semisupervised.label_draws(data, [n], draw + 1)[n, draw]
    nearest = neighbours.nearest(features(data.test[:n_test]), features(data.train[rows])).index
    guess = data.labels["train"][rows][nearest]
    return 100 * float((guess != data.labels["test"][:n_test]).float().mean())
