"""A denoising autoencoder as a Markov chain: corrupt a picture, denoise it, and again (Bengio, Yao, Alain and Vincent,
2013), the family of generative stochastic networks (Bengio, Laufer, Alain and Yosinski, 2014).

With corruption C(x~ | x) = N(x, noise^2 I) and a net that learns the reconstruction P(x | x~) = N(f(x~), spread^2 I),
the chain x~ ~ C(. | x), x ~ P(. | x~) converges to the data's distribution, if P is right. Walkback trains it on the
chain's own states: each must lead back to the example at which the chain began, so that no false mode holds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganrepro import progress
from ganrepro.device import plain_torch
from ganrepro.networks import Dense, count_parameters
from ganrepro.parameters import expect_number
from ganrepro.recipes import Layer

from .chains import Chain
from .fitted import expect_examples, generator_of


@dataclass(frozen=True)
class DenoisingChain(Chain):
    """f (n, d) -> (n, d), the standard deviations of the corruption and of the reconstruction, and the mean (d,) of the
    training examples, at which chains start. The chain's state is f(x~), the picture without its pixel noise."""

    denoise: Callable[[Tensor], Tensor]
    noise: float
    spread: float
    mean: Tensor

    @property
    def parameters(self) -> int:
        """The net's, and the spread."""
        return (count_parameters(self.denoise) if isinstance(self.denoise, nn.Module) else 0) + 1

    def start(self, n: int, rng: torch.Generator) -> Tensor:
        """The mean picture: what a net makes of pure noise."""
        return self.mean.expand(n, -1)

    def drawn(self, state: Tensor, rng: torch.Generator) -> Tensor:
        """x ~ P(x | x~), given f(x~): the state plus the reconstruction's noise."""
        return state + self.spread * torch.randn(state.shape, generator=rng, dtype=state.dtype)

    def step(self, state: Tensor, rng: torch.Generator) -> Tensor:
        """One draw of x, its corruption, and f of that."""
        x = self.drawn(state, rng)
        return self.denoise(x + self.noise * torch.randn(x.shape, generator=rng, dtype=x.dtype))

    def picture(self, state: Tensor) -> Tensor:
        """The state itself, clipped to [0, 1]."""
        return state.clamp(0, 1)


def network(d: int, hidden: tuple[int, ...], rng: torch.Generator) -> nn.Sequential:
    """ReLU layers from d numbers to d in (0, 1), with weights that keep the variance (He et al., 2015)."""
    widths = [d, *hidden]
    layers = [
        Dense(a, Layer(b, "relu", math.sqrt(6 / a)), rng) for a, b in zip(widths[:-1], widths[1:], strict=True)
    ]
    return nn.Sequential(*layers, Dense(widths[-1], Layer(d, "sigmoid", math.sqrt(3 / widths[-1])), rng))


@plain_torch
def fit(
    train: Tensor, hidden: tuple[int, ...] = (500, 500), noise: float = 0.7, walkback: int = 3, epochs: int = 10,
    batch: int = 100, rate: float = 1e-3, seed: int = 0,
) -> DenoisingChain:  # fmt: skip
    """Train f on train (m, d) in [0, 1] by Adam on the squared error, over `walkback` steps of the chain from each
    example; the rate falls linearly to 0. The spread is the root of the mean squared error per pixel of the first step,
    as maximum likelihood gives it.

    Raises ValueError for no hidden layer, fewer examples than a minibatch, and equal examples.
    """
    expect_number("noise", noise, 1e-6, 1e3, float)
    expect_number("rate", rate, 1e-9, 1e3, float)
    for name, value in (("walkback", walkback), ("epochs", epochs), ("batch", batch)):
        expect_number(name, value, 1, 10**6)
    if not hidden:
        raise ValueError("hidden = (); expected the units of one layer or more")
    for units in hidden:
        expect_number("hidden", units, 1, 10**6)
    expect_examples(train, max(2, batch))
    rng, data = generator_of(seed), train.float()
    net = network(data.shape[1], hidden, rng)
    adam = torch.optim.Adam(net.parameters(), lr=rate)
    steps, squared, order = epochs * (len(data) // batch), 0.1, torch.empty(0, dtype=torch.long)
    for step in progress.bar(range(steps), desc="denoising autoencoder", unit="step"):
        if len(order) < batch:
            order = torch.randperm(len(data), generator=rng)
        x, order = data[order[:batch]], order[batch:]
        adam.param_groups[0]["lr"] = rate * (1 - step / steps)
        state, loss = x, torch.zeros(())
        for walked in range(walkback):
            made = net(state + noise * torch.randn(x.shape, generator=rng))
            error = (made - x).square().mean()
            if walked == 0:
                squared = squared + (float(error.detach()) - squared) / min(step + 1, 100)  # a running mean
            loss = loss + error
            state = made.detach() + math.sqrt(squared) * torch.randn(x.shape, generator=rng)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return DenoisingChain(net.eval(), noise, math.sqrt(squared), data.mean(0))
