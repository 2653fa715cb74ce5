"""An RBM's conditionals against scikit-learn's and against sums over all states; the stack's chain."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.neural_network import BernoulliRBM

from ganrepro.baselines import rbm


def small(v=4, h=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return rbm.RBM(*(torch.randn(*size, generator=rng) for size in ((h, v), (h,), (v,))))


def test_the_hidden_conditional_is_scikit_learns(digits):
    x = digits.train[:100]
    other = BernoulliRBM(7, n_iter=2, random_state=0).fit(x.numpy())
    parts = (other.components_, other.intercept_hidden_, other.intercept_visible_)
    ours = rbm.RBM(*(torch.from_numpy(part).float() for part in parts))
    np.testing.assert_allclose(ours.hidden(x), other.transform(x.numpy()), rtol=1e-5)


def test_both_conditionals_are_those_of_the_energy():
    """p(v, h) is proportional to exp(h W v + b h + a v), summed over all 2^7 states."""
    model = small()
    v, h = (torch.tensor(list(itertools.product([0.0, 1.0], repeat=n))) for n in (4, 3))
    joint = torch.exp(torch.einsum("nh,hv,mv->mn", h, model.weight, v) + v @ model.visible_bias[:, None]
                      + (h @ model.hidden_bias)[None])  # (16, 8)  # fmt: skip
    np.testing.assert_allclose(model.hidden(v), joint @ h / joint.sum(1, keepdim=True), rtol=1e-5)
    np.testing.assert_allclose(model.visible(h), joint.T @ v / joint.sum(0)[:, None], rtol=1e-5)


def test_gibbs_sampling_arrives_at_the_distribution_of_the_energy():
    model = small()
    v, h = (torch.tensor(list(itertools.product([0.0, 1.0], repeat=n))) for n in (4, 3))
    joint = torch.exp(torch.einsum("nh,hv,mv->mn", h, model.weight, v) + v @ model.visible_bias[:, None]
                      + (h @ model.hidden_bias)[None])  # fmt: skip
    expected = joint.sum(1) / joint.sum()
    drawn = rbm.DBN((model,), torch.full((4,), 0.5)).run(2000, 20, 5, 50, seed=0).flatten(0, 1)
    found = (torch.cdist(drawn, v) < 0.5).double().mean(0)
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_picture_is_one_pass_down():
    lower, top = small(6, 4), small(4, 3, 1)
    state = torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    model = rbm.DBN((lower, top), torch.full((4,), 0.5))
    torch.testing.assert_close(model.picture(state), lower.visible(state))


def test_training_learns_the_examples():
    """Two patterns: after the training an RBM's chain shows these and little else, each about half of the time."""
    patterns = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0.0, 0, 0, 1, 1, 1]])
    model = rbm.fit(patterns.repeat(100, 1), (4,), epochs=200, rate=0.1, batch=20)
    drawn = model.run(500, 4, 20, 100).flatten(0, 1)
    shares = (torch.cdist(drawn, patterns) < 0.5).double().mean(0)
    assert shares.sum() > 0.8
    assert shares[0] == pytest.approx(float(shares[1]), abs=0.25)
