"""Solutions to the exercises of 03_parzen. In the notebook, `%run solutions/03_parzen.py` defines them."""

import numpy as np

from ganrepro import datasets, parzen
from ganrepro.diagnostics import neighbours


def exercise_1(score: float = -59.1, sigma: float = 0.2783, d: int = 784) -> float:
    """The mean squared distance of a test picture from the only centre of a window."""
    return -2 * sigma**2 * (score + d * np.log(sigma * np.sqrt(2 * np.pi)))


def exercise_2(n: int = 1000) -> parzen.ParzenResult:
    """The score of the first n training pictures in place of samples."""
    data = datasets.load("mnist")
    return parzen.evaluate(data.train[:n], parzen.validation_examples(data), data.test)


def exercise_3(n: int = 5000, n_test: int = 2000) -> tuple[float, float]:
    """The scores of n training pictures, and of the mean of each with the one most like it among the next n."""
    data = datasets.load("mnist")
    one, others = data.train[:n], data.train[n : 2 * n]
    means = (one + others[neighbours.nearest(one, others).index]) / 2
    valid, test = parzen.validation_examples(data), data.test[:n_test]
    return parzen.evaluate(one, valid, test).mean, parzen.evaluate(means, valid, test).mean
