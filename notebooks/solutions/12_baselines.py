"""Solutions to the exercises of 12_baselines. In the notebook, `%run solutions/12_baselines.py` defines them."""

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from ganrepro import datasets, parzen
from ganrepro.baselines import gaussian, survey
from ganrepro.parzen import controls


def data() -> datasets.Dataset:
    """The pictures of the short fits."""
    return survey.reduced(datasets.load("mnist"), 5000, 500)


def exercise_1() -> tuple[int, int]:
    """Pixels that are black in all training pictures; and of those that only one picture lights, how many share it
    with another such pixel, the first not counted."""
    lit = data().train > 0
    once = lit[:, lit.sum(0) == 1].float().argmax(0).numpy()
    return int((lit.sum(0) == 0).sum()), len(once) - len(np.unique(once))


def exercise_2(k: int) -> float:
    """The score of k centroids; with as many as there are pictures, each is its own."""
    less = data()
    centroids = less.train if k == len(less.train) else controls.kmeans_centroids(less.train, k)
    return parzen.evaluate(centroids, less.valid, less.test).mean


def exercise_3(sigma: float = 0.1) -> float:
    """The test error in % of Bayes' rule with a Gaussian for each class, on pictures of 14 x 14."""
    less, log_joint = data(), []
    halved = {s: avg_pool2d(getattr(less, s).view(-1, 1, 28, 28), 2).flatten(1) for s in ("train", "test")}
    for k in range(10):
        own = halved["train"][less.labels["train"] == k]
        log_joint.append(gaussian.fit(own).log_density(halved["test"], sigma) + np.log(len(own)))
    wrong = torch.stack(log_joint).argmax(0) != less.labels["test"]
    return 100 * float(wrong.double().mean())
