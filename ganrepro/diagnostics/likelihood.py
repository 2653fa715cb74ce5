"""The log-likelihood of a decoder with Gaussian observation noise, p(x) = E_z N(x; G(z), sigma^2 I), by annealed
importance sampling (Neal, 2001; for decoders Wu et al., 2017). The Parzen window estimates the same density from z that
were drawn without regard to x; here chains of Hamiltonian Monte Carlo search for the z that explain it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganrepro import progress
from ganrepro.device import plain_torch
from ganrepro.networks import Generator, expect_numbers
from ganrepro.parameters import expect, expect_number

LEAPFROG = 10
ACCEPTED = 0.65  # of proposals: the best share in high dimensions (Neal, 2011)
ADAPTED = 0.2  # by how much a step size follows the share of accepted proposals
PILOT = 8  # chains that find the step sizes, or one for each example where those are more
STEEPNESS = 4.0  # of the schedule: a logistic curve between -4 and 4, as Wu et al. take
Decoder = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Annealed:
    """ll (n,), nats: the log of the mean weight of each example's chains, (chains, n) log_weights. On average a lower
    bound, which rises to the log-likelihood with more temperatures and chains. accepted: the share of proposals."""

    ll: NDArray[np.float64]
    log_weights: NDArray[np.float64]
    accepted: float


@dataclass(frozen=True)
class Bounds:
    """Of n examples that the decoder itself made, (n,) each, nats: on average lower is at most their log-likelihood,
    and upper at least (bidirectional Monte Carlo: Grosse, Ghahramani and Adams, 2015). x (n, d) are the examples."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    x: Tensor

    @property
    def gap(self) -> float:
        """The mean of upper less lower: what the estimate of the log-likelihood may be wrong by on such examples."""
        return float((self.upper - self.lower).mean())


def schedule(temperatures: int) -> NDArray[np.float64]:
    """(temperatures + 1,) inverse temperatures from 0 to 1: a logistic curve, rescaled, denser at the ends."""
    expect_number("temperatures", temperatures, 1, 10**6)
    curve = 1 / (1 + np.exp(-STEEPNESS * np.linspace(-1, 1, temperatures + 1)))
    return (curve - curve[0]) / (curve[-1] - curve[0])


def gaussian_decoder(generator: Generator) -> Decoder:
    """G as a function of u (n, z_dim) ~ N(0, I) that gives it its own z: uniform through the normal distribution
    function, spherical by length, Gaussian as it is. Chains then move in a space without walls. Raises ValueError for
    a G with a condition, and for z with a choice among a mixture's components."""
    expect(Generator, generator=generator)
    recipe = generator.recipe
    if len(generator.factors) or recipe.coordination.mixture:
        raise ValueError(f"recipe {recipe.name} has a condition or a mixture in z; expected a G of continuous z alone")

    def decode(u: Tensor) -> Tensor:
        if recipe.noise == "uniform":  # U(-sqrt 3, sqrt 3)
            u = math.sqrt(3) * torch.erf(u / math.sqrt(2))
        elif recipe.noise == "spherical":
            u = math.sqrt(u.shape[1]) * u / u.norm(dim=1, keepdim=True).clamp_min(1e-7)
        return generator(u)

    return decode


@plain_torch
def log_likelihood(
    decoder: Decoder, x: Tensor, z_dim: int, sigma: float, *, chains: int = 4, temperatures: int = 500,
    leapfrog: int = LEAPFROG, seed: int = 0,
) -> Annealed:  # fmt: skip
    """Of examples x (n, d) under decoder(z) + sigma N(0, I), z (n, z_dim) ~ N(0, I), by so many chains for each.

    From prior to posterior through p(z) p(x|z)^b, with one proposal of HMC at each inverse temperature b. A first run
    with about one chain for each example finds a step size for each b, at which ACCEPTED of its proposals are; the run
    that counts keeps them fixed, so that its weights are unbiased. Computes in x's dtype, sums in float64.
    Raises ValueError for arguments out of range, values of x that are not finite, and a decoder of another size.
    """
    return _two_runs(decoder, *_checked(decoder, x, z_dim, sigma, chains, leapfrog), schedule(temperatures), leapfrog,
                     seed)[0]  # fmt: skip


@plain_torch
def bounds(
    decoder: Decoder, n: int, z_dim: int, sigma: float, *, chains: int = 4, temperatures: int = 500,
    leapfrog: int = LEAPFROG, seed: int = 0, dtype: torch.dtype = torch.float32,
) -> Bounds:  # fmt: skip
    """Both bounds on n examples that the decoder makes: for these one exact draw from the posterior is known, the z
    they were made from. Chains that start there and run from posterior to prior, through the same steps reversed, give
    the upper bound. Arguments and errors as for `log_likelihood`."""
    expect_number("n", n, 1, 10**6)
    expect_number("z_dim", z_dim, 1, 10**6)
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(n, z_dim, generator=rng, dtype=dtype)
    with torch.no_grad():
        mean = decoder(z)
        x = mean + sigma * torch.randn(mean.shape, generator=rng, dtype=dtype)
    checked = _checked(decoder, x, z_dim, sigma, chains, leapfrog)
    forward, sizes = _two_runs(decoder, *checked, schedule(temperatures), leapfrog, seed + 1)
    back = _anneal(decoder, checked[0], z.repeat(chains, 1), sigma, schedule(temperatures)[::-1], leapfrog, sizes[::-1],
                   torch.Generator().manual_seed(seed + 2))  # fmt: skip
    return Bounds(forward.ll, -_log_mean(back[0].reshape(chains, n)), x)


def _checked(
    decoder: Decoder, x: Tensor, z_dim: int, sigma: float, chains: int, leapfrog: int
) -> tuple[Tensor, int, float, int]:  # fmt: skip
    """The arguments, x repeated for each chain; raises for what cannot be computed."""
    expect_numbers("x", x, 2)
    for name, value, most in (("z_dim", z_dim, 10**6), ("chains", chains, 10**6), ("leapfrog", leapfrog, 10**4)):
        expect_number(name, value, 1, most)
    expect_number("sigma", sigma, 1e-6, 1e6, float)
    if not x.isfinite().all():
        raise ValueError("x holds values that are not finite; expected finite ones")
    with torch.no_grad():
        made = decoder(torch.zeros(1, z_dim, dtype=x.dtype))
    if made.shape != (1, x.shape[1]):
        raise ValueError(f"the decoder makes {tuple(made.shape)} from one z; x has rows of {x.shape[1]} numbers")
    return x.repeat(chains, 1), z_dim, sigma, chains


def _two_runs(
    decoder: Decoder, x: Tensor, z_dim: int, sigma: float, chains: int, betas: NDArray[np.float64], leapfrog: int,
    seed: int,
) -> tuple[Annealed, list[float]]:  # fmt: skip
    """The run that finds step sizes, and the one that counts, on x (chains n, d)."""
    rng = torch.Generator().manual_seed(seed)
    n = len(x) // chains
    pilot = x[:n].repeat(math.ceil(PILOT / n), 1)
    *_, sizes = _anneal(decoder, pilot, torch.randn(len(pilot), z_dim, generator=rng, dtype=x.dtype), sigma, betas,
                        leapfrog, None, rng)  # fmt: skip
    start = torch.randn(len(x), z_dim, generator=rng, dtype=x.dtype)
    weights, accepted, _ = _anneal(decoder, x, start, sigma, betas, leapfrog, sizes, rng)
    by_chain = weights.reshape(chains, n)
    return Annealed(_log_mean(by_chain), by_chain.numpy(), accepted), sizes


def _log_mean(log_weights: Tensor) -> NDArray[np.float64]:
    """(n,) the log of the mean of weights (chains, n)."""
    return (log_weights.logsumexp(0) - math.log(len(log_weights))).numpy()


def _anneal(
    decoder: Decoder, x: Tensor, z: Tensor, sigma: float, betas: NDArray[np.float64], leapfrog: int,
    sizes: list[float] | None, rng: torch.Generator,
) -> tuple[Tensor, float, list[float]]:  # fmt: skip
    """Chains (c, z_dim) from betas[0] to betas[-1]: log weights (c,) float64, the share of accepted proposals, and the
    step size at each move. sizes None: adapted from move to move to ACCEPTED, over all chains."""
    def likelihood(z: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x|z) (c,) float64 without its constant, and its gradient in z."""
        z = z.detach().requires_grad_()
        ll = -(x - decoder(z)).square().sum(1) / (2 * sigma**2)
        return ll.detach().double(), torch.autograd.grad(ll.sum(), z)[0]

    constant = -x.shape[1] * math.log(sigma * math.sqrt(2 * math.pi))
    weights, shares, used, size = torch.zeros(len(x), dtype=torch.float64), [], [], 0.5
    ll, slope = likelihood(z)
    moves = list(zip(betas[:-1].tolist(), betas[1:].tolist(), strict=True))
    for i, (before, b) in enumerate(progress.bar(moves, desc="annealing", unit="temperature")):
        if b > before:  # forward: weighed, then moved; backward: moved, then weighed
            weights += (b - before) * (ll + constant)
        size = size if sizes is None else sizes[i]
        z, ll, slope, share = _hmc(likelihood, z, ll, slope, max(b, before), size, leapfrog, rng)
        if b < before:
            weights += (b - before) * (ll + constant)
        shares.append(share)
        used.append(size)
        size *= math.exp(ADAPTED * (share - ACCEPTED))
    return weights, float(np.mean(shares)), used


def _hmc(
    likelihood: Callable[[Tensor], tuple[Tensor, Tensor]], z: Tensor, ll: Tensor, slope: Tensor, beta: float,
    size: float, leapfrog: int, rng: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, float]:  # fmt: skip
    """One proposal for N(z; 0, I) p(x|z)^beta by so many leapfrog steps of this size, kept or not by Metropolis."""
    velocity = torch.randn(z.shape, generator=rng, dtype=z.dtype)
    energy = (z.double().square().sum(1) + velocity.double().square().sum(1)) / 2 - beta * ll
    new, new_ll, new_slope = z, ll, slope
    for _ in range(leapfrog):
        velocity = velocity + size / 2 * (beta * new_slope - new)
        new = new + size * velocity
        new_ll, new_slope = likelihood(new)
        velocity = velocity + size / 2 * (beta * new_slope - new)
    new_energy = (new.double().square().sum(1) + velocity.double().square().sum(1)) / 2 - beta * new_ll
    chance = torch.rand(len(z), generator=rng, dtype=torch.float64)
    keep = chance.log() < energy - new_energy  # False where an energy is not finite
    z, slope = (torch.where(keep[:, None], *pair) for pair in ((new, z), (new_slope, slope)))
    return z, torch.where(keep, new_ll, ll), slope, float(keep.double().mean())
