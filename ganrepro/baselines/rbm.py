"""A deep belief network: restricted Boltzmann machines trained greedily, one on the hidden units of the other (Hinton,
Osindero and Teh, 2006), by scikit-learn's persistent contrastive divergence (Tieleman, 2008).

The energy of an RBM is E(v, h) = -h W v - b h - a v. Given one layer, the units of the other are independent, so a step
of Gibbs sampling draws a whole layer at once. A sample is a chain in the top RBM, then one pass down.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.neural_network import BernoulliRBM
from torch import Tensor

from ganrepro import progress
from ganrepro.device import plain_torch
from ganrepro.parameters import expect_number

from .chains import Chain
from .fitted import expect_examples, generator_of


@dataclass(frozen=True)
class RBM:
    """Weights W (h, v), biases of the hidden units b (h,) and of the visible ones a (v,), float32."""

    weight: Tensor
    hidden_bias: Tensor
    visible_bias: Tensor

    def hidden(self, v: Tensor) -> Tensor:
        """p(h_j = 1 | v) of v (n, v): (n, h)."""
        return torch.sigmoid(v @ self.weight.T + self.hidden_bias)

    def visible(self, h: Tensor) -> Tensor:
        """p(v_i = 1 | h) of h (n, h): (n, v)."""
        return torch.sigmoid(h @ self.weight + self.visible_bias)


@dataclass(frozen=True)
class DBN(Chain):
    """RBMs from the pixels up. The chain's state is the visible layer of the top one, (n, v) of 0 and 1."""

    layers: tuple[RBM, ...]
    mean: Tensor  # of the top RBM's visible units over the training examples

    every = 20
    burn_in = 1000

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(w.numel() for r in self.layers for w in (r.weight, r.hidden_bias, r.visible_bias))

    def start(self, n: int, rng: torch.Generator) -> Tensor:
        """Independent units with the training examples' means."""
        return torch.bernoulli(self.mean.expand(n, -1), generator=rng)

    def step(self, state: Tensor, rng: torch.Generator) -> Tensor:
        """One step of block Gibbs sampling in the top RBM."""
        top = self.layers[-1]
        h = torch.bernoulli(top.hidden(state), generator=rng)
        return torch.bernoulli(top.visible(h), generator=rng)

    def picture(self, state: Tensor) -> Tensor:
        """The pixels' probabilities after one pass down, of units set to their probabilities."""
        for layer in reversed(self.layers[:-1]):
            state = layer.visible(state)
        return state


@plain_torch
def fit(
    train: Tensor, hidden: tuple[int, ...] = (500, 500), epochs: int = 10, rate: float = 0.05, batch: int = 50,
    seed: int = 0,
) -> DBN:  # fmt: skip
    """Greedy layers on train (m, d) in [0, 1], whose pixels are taken as probabilities; each RBM is trained on the
    probabilities of the hidden units below it. The rate falls linearly to 0.

    Raises ValueError for no layer, fewer examples than a minibatch, and equal examples.
    """
    expect_number("epochs", epochs, 1, 100_000)
    expect_number("rate", rate, 1e-9, 1e3, float)
    expect_number("batch", batch, 1, 10**6)
    if not hidden:
        raise ValueError("hidden = (); expected the units of one layer or more")
    for units in hidden:
        expect_number("hidden", units, 1, 10**6)
    expect_examples(train, max(2, batch))
    rng, layers, v = generator_of(seed), [], train.float()
    for i, units in enumerate(hidden):
        model = BernoulliRBM(units, learning_rate=rate, batch_size=batch, random_state=seed + i)
        steps = epochs * (len(v) // batch)
        for step in progress.bar(range(steps), desc=f"RBM {i + 1} of {len(hidden)}", unit="step"):
            if step % (len(v) // batch) == 0:
                order = torch.randperm(len(v), generator=rng)
            rows = order[(at := step % (len(v) // batch) * batch) : at + batch]
            model.set_params(learning_rate=rate * (1 - step / steps))
            model.partial_fit(v[rows].numpy())
        parts = (model.components_, model.intercept_hidden_, model.intercept_visible_)
        layers.append(RBM(*(torch.from_numpy(part).float() for part in parts)))
        below, v = v, layers[-1].hidden(v)
    return DBN(tuple(layers), below.mean(0))
