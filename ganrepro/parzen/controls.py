"""Controls for Table 1: models that are not GANs, under the same estimator.

They say what a score means. Real data as their own model show what held-out data reach. K-means centroids exceed that
without being samples of anything (Theis, van den Oord and Bethge, 2016). A Gaussian is smooth, which this estimator
rewards. The mean image is the floor.
"""

import warnings

import torch
from torch import Tensor

from ganrepro.device import plain_torch

CENTROIDS, ITERATIONS = 10_000, 3


def real_data(train: Tensor, n: int = 10_000) -> Tensor:
    """The first n training examples (n, d) as if they were samples."""
    return train[:n]


@plain_torch
def mean_image(train: Tensor) -> Tensor:
    """The training mean, (1, d): a model with one sample."""
    return train.mean(0, keepdim=True)


@plain_torch
def gaussian(train: Tensor, n: int = 10_000, seed: int = 0) -> Tensor:
    """n draws (n, d) of the normal distribution with the mean and the full covariance of the training examples (m, d).

    A draw is the mean plus a random combination of the centred examples, so that no covariance is factored; for m far
    above d that is slow. Raises ValueError for fewer than two examples.
    """
    if len(train) < 2:
        raise ValueError(f"train has {len(train)} examples; a covariance needs at least 2")
    mean = train.mean(0)
    weights = torch.randn(n, len(train), generator=torch.Generator().manual_seed(seed))
    return mean + weights @ (train - mean) / (len(train) - 1) ** 0.5


@plain_torch
def kmeans_centroids(train: Tensor, n: int = CENTROIDS, iterations: int = ITERATIONS, seed: int = 0) -> Tensor:
    """n centroids (n, d): Lloyd's algorithm from random training examples, for a few iterations.

    scikit-learn's own seeding would take hours at n = 10,000. Raises ValueError for fewer examples than centroids.
    """
    if not 1 <= n <= len(train):
        raise ValueError(f"n = {n!r} centroids of {len(train)} examples; choose 1 to {len(train)}")
    from sklearn.cluster import KMeans  # a second's import, for this alone
    from sklearn.exceptions import ConvergenceWarning

    first = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:n]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops after a few iterations on purpose
        fitted = KMeans(n, init=first.numpy(), n_init=1, max_iter=iterations, tol=0).fit(train.numpy())
    return torch.from_numpy(fitted.cluster_centers_).to(train.dtype)
