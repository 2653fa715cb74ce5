"""Rejection of samples by D, after the training: G proposes, D keeps. Section 7, extension 5; Azadi et al. (2019).

For the optimal D, D / (1 - D) = p_data / p_g (Proposition 1): to keep samples with a chance in proportion to it would
turn samples of p_g into samples of p_data. Here D is what the training left.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganrepro import networks
from ganrepro.training import Run


def kept(logits: Tensor, n: int, how: str, rng: torch.Generator) -> Tensor:
    """Which n of m samples to keep by D's logits (m,): their indices, (n,), in order.

    "best": those with the highest logits. "rejection": each with a chance of min(1, c D / (1 - D)), c such that n are
    expected, and by systematic sampling exactly n are kept: Azadi et al. (2019), whose gamma c is.
    Raises ValueError for n not below m, or another way.
    """
    if not 0 < n < len(logits):
        raise ValueError(f"n = {n}; choose from 1 to {len(logits) - 1} of {len(logits)} samples")
    if how == "best":
        return logits.topk(n).indices.sort().values
    if how != "rejection":
        raise ValueError(f"how = {how!r}; choose one of best, rejection")
    log_odds = logits.double() - logits.double().max()
    low, high = -math.log(len(logits)), -float(log_odds.min())  # of log c: from at most 1 sample expected to m
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if chances(log_odds, middle).sum() < n else (low, middle)
    chance = chances(log_odds, high)
    marks = (chance.cumsum(0) * (n / chance.sum()) + torch.rand(1, generator=rng, dtype=torch.float64)).floor()
    before = torch.cat([marks.new_zeros(1), marks[:-1]])
    return (marks > before).nonzero().flatten()[:n]


def chances(log_odds: Tensor, log_c: float) -> Tensor:
    """min(1, c odds) of each sample."""
    return (log_odds + log_c).clamp(max=0).exp()


@torch.no_grad()
def judged(run: Run, m: int, seed: int) -> tuple[Tensor, Tensor]:
    """m samples (m, d) of a run and D's logits of them (m,), without dropout, on the CPU."""
    x = run.sample(m, seed)
    device = next(run.discriminator.parameters()).device
    return x, torch.cat([run.discriminator(part.to(device)).cpu() for part in x.split(networks.SAMPLE_BLOCK)])
