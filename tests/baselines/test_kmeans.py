"""Centroids as samples."""

import torch

from ganrepro.baselines import kmeans
from ganrepro.parzen import controls


def test_all_centroids_come_once_before_one_comes_again(digits):
    train = digits.train[:300]
    model = kmeans.fit(train, 30, seed=1)
    assert torch.equal(model.centroids, controls.kmeans_centroids(train, 30, seed=1).clamp(0, 1))
    drawn = model.sample(70, seed=2)
    for block in (drawn[:30], drawn[30:60]):
        assert (block[:, None] == model.centroids).all(2).sum(0).eq(1).all()
    assert not torch.equal(drawn[:30], drawn[30:60])
