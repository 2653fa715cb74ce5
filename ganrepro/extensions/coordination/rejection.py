"""Rejection of samples by D, after the training: G proposes, D keeps. Section 7, extension 5; Azadi et al. (2019).

For the optimal D, D / (1 - D) = p_data / p_g (Proposition 1): if samples of p_g were kept with a probability in
proportion to it, they would be samples of p_data. Here D is the trained one.
"""

import math

import torch
from scipy.optimize import brentq
from torch import Tensor

from ganrepro import networks
from ganrepro.device import plain_torch
from ganrepro.training import Run


@plain_torch
def kept(logits: Tensor, n: int, how: str, rng: torch.Generator) -> Tensor:
    """Which n of m samples to keep by D's logits (m,): their indices, (n,), in order.

    "best" keeps the highest logits; "rejection" each with a probability of min(1, c D / (1 - D)), by systematic
    sampling of exactly n; c (Azadi's gamma) is such that n are expected. Raises ValueError for n not below m, or
    another way.
    """
    if not 0 < n < len(logits):
        raise ValueError(f"n = {n}; choose from 1 to {len(logits) - 1} of {len(logits)} samples")
    if how == "best":
        return logits.topk(n).indices.sort().values
    if how != "rejection":
        raise ValueError(f"how = {how!r}; choose one of best, rejection")
    log_odds = logits.double() - logits.double().max()

    def chances(log_c: float) -> Tensor:
        return (log_odds + log_c).clamp(max=0).exp()

    low, high = -math.log(len(logits)), -float(log_odds.min())  # from at most 1 sample expected to m
    chance = chances(brentq(lambda log_c: float(chances(log_c).sum()) - n, low, high))
    marks = (chance.cumsum(0) * (n / chance.sum()) + torch.rand(1, generator=rng, dtype=torch.float64)).floor()
    return marks.diff(prepend=marks.new_zeros(1)).nonzero().flatten()[:n]


@plain_torch
@torch.no_grad()
def with_logits(run: Run, m: int, seed: int) -> tuple[Tensor, Tensor]:
    """m samples (m, d) of a run and D's logits of them (m,), without dropout, on the CPU."""
    x, device = run.sample(m, seed), next(run.discriminator.parameters()).device
    return x, torch.cat([run.discriminator(part.to(device)).cpu() for part in x.split(networks.SAMPLE_BLOCK)])
