"""Models that are sampled by a Markov chain, and how many of its steps make an independent sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganrepro.device import plain_torch
from ganrepro.networks import MOST
from ganrepro.parameters import expect_number

from .fitted import expect_draw

WINDOW = 5  # the sum of autocorrelations ends at the first lag of at least so many autocorrelation times
ENOUGH = 50  # autocorrelation times in a chain, below which the estimate is too small


class Chain(ABC):
    """A Markov chain whose states are pictures, or lead to them."""

    chains = 100  # that run side by side for a sample
    burn_in = 100  # steps before the first picture
    every = 10  # steps from one picture of a chain to its next

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Numbers that the fit has chosen."""

    @abstractmethod
    def start(self, n: int, rng: torch.Generator) -> Tensor:
        """n states to start from, (n, s), that hold no training example."""

    @abstractmethod
    def step(self, state: Tensor, rng: torch.Generator) -> Tensor:
        """The next states (n, s)."""

    @abstractmethod
    def picture(self, state: Tensor) -> Tensor:
        """The pictures (n, d) in [0, 1] of states (n, s)."""

    @plain_torch
    @torch.no_grad()
    def run(self, chains: int, pictures: int, every: int, burn_in: int, seed: int = 0) -> Tensor:
        """(chains, pictures, d) float32: the pictures of each chain, one every so many steps after the burn-in."""
        for name, value, least in (("pictures", pictures, 1), ("every", every, 1), ("burn_in", burn_in, 0)):
            expect_number(name, value, least, MOST)
        rng = expect_draw(chains, seed)
        state, kept = self.start(chains, rng), []
        for i in range(burn_in + every * (pictures - 1) + 1):
            state = self.step(state, rng)
            if i >= burn_in and (i - burn_in) % every == 0:
                kept.append(self.picture(state))
        return torch.stack(kept, 1)

    @plain_torch
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples (n, d) float32 in [0, 1] of `chains` chains: the first picture of each, then the second, … Pictures
        of one chain are not independent; `autocorrelation` says how far."""
        expect_draw(n, seed)
        chains = min(n, self.chains)
        return self.run(chains, -(-n // chains), self.every, self.burn_in, seed).transpose(0, 1).flatten(0, 1)[:n]


@dataclass(frozen=True)
class Autocorrelation:
    """Of chains (c, t, d): rho (t,), from 1 at lag 0; the integrated autocorrelation time in steps; the lag at which
    its sum ends; and whether the chains are long enough for it (at least 50 such times)."""

    rho: NDArray[np.float64]
    time: float
    window: int
    long_enough: bool


@plain_torch
def autocorrelation(chains: Tensor) -> Autocorrelation:
    """The integrated autocorrelation time tau = 1 + 2 sum_t rho(t) of chains (c, t, d): t steps of a chain are worth
    t / tau independent samples.

    rho is that of the whole picture, sum_j cov(x_j(s), x_j(s + t)) / sum_j var(x_j), about the mean of all chains, so
    that chains which stay apart count as correlated. The sum ends at the first lag of at least 5 tau (Sokal, 1997).
    Independent draws have tau = 1. Raises ValueError for fewer than 8 steps and for chains that never move.
    """
    if chains.ndim != 3 or chains.shape[1] < 8 or 0 in chains.shape:
        raise ValueError(f"chains has shape {tuple(chains.shape)}; expected (chains, steps, d) with at least 8 steps")
    mean, steps = chains.mean((0, 1), dtype=torch.float64), chains.shape[1]
    if bool((chains == chains[:1, :1]).all()):
        raise ValueError("chains never move: all their pictures are equal, and nothing is correlated")
    spectrum = torch.zeros(steps + 1, dtype=torch.float64)
    for chain in chains:  # padded with zeros, so that lags do not wrap around
        spectrum += torch.fft.rfft(chain - mean, 2 * steps, dim=0).abs().square().sum(1)
    covariance = torch.fft.irfft(spectrum, 2 * steps)[:steps] / torch.arange(steps, 0, -1)
    rho = (covariance / covariance[0]).numpy()
    times = 2 * np.cumsum(rho) - 1
    within = np.flatnonzero(np.arange(steps) >= WINDOW * times)
    window = int(within[0]) if len(within) else steps - 1
    time = float(times[window])
    return Autocorrelation(rho, time, window, bool(len(within)) and steps >= ENOUGH * time)
