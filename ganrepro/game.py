"""The two-player game: its value and both players' objectives, on D's logits.

With l = logit D(x), log D = -softplus(-l) and log(1 - D) = -softplus(l): no logarithm of a rounded 0.
Every function takes logits (..., n) and returns the mean over the last axis, in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus


def value(l_real: Tensor, l_fake: Tensor) -> Tensor:
    """V(D, G) = E log D(x) + E log(1 - D(G(z))): equation 1. D climbs it; G descends it."""
    return -(softplus(-l_real).mean(-1) + softplus(l_fake).mean(-1))


def logit(classes: int | None, answers: Tensor) -> Tensor:
    """The logit of D(x) (..., n), from D's answers: themselves; of K outputs l_k (..., n, K) log sum_k exp l_k.

    Then D(x) = Z / (Z + 1) with Z = sum_k exp l_k: the class K + 1, "sample", has the output 0 (Salimans et al., 2016).
    """
    return answers.logsumexp(-1) if classes else answers


def label_loss(answers: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of D's outputs (..., n, K) against one-hot labels (..., n, K): the mean over labelled rows.

    A row of zeros has no label. 0 where no row has one.
    """
    surprise = -(labels * answers.log_softmax(-1)).sum((-1, -2))
    return surprise / labels.sum((-1, -2)).clamp(min=1)


def counted(losses: Tensor, logits: Tensor, margin: float | None) -> Tensor:
    """The losses where sigmoid(logits) < 1/2 + margin, and 0 elsewhere: what a player already has counts no more.

    All of them where margin is None. Source: the masks in the authors' ThresholdedAdversaryCost and LazyAdversaryCost
    (adversarial/__init__.py), which none of their recipes uses.
    """
    return losses if margin is None else losses * (torch.sigmoid(logits) < 0.5 + margin)


def discriminator_loss(l_real: Tensor, l_fake: Tensor, scale: float = 0.5, margin: float | None = None) -> Tensor:
    """What D descends: -scale * V(D, G). The authors' code has scale = 1/2 (adversarial/__init__.py).

    With a margin, an example that D gets right by more than that does not count.
    """
    if margin is None:
        return -scale * value(l_real, l_fake)
    on_data, on_samples = counted(softplus(-l_real), l_real, margin), counted(softplus(l_fake), -l_fake, margin)
    return scale * (on_data.mean(-1) + on_samples.mean(-1))


def generator_loss(l_fake: Tensor, objective: str = "non-saturating", margin: float | None = None) -> Tensor:
    """What G descends, on D's logits of its samples.

    "minimax": E log(1 - D(G(z))), equation 1 itself, whose gradient fades while D rejects every sample;
    "non-saturating": -E log D(G(z)), section 3's remedy, with the same fixed point;
    "blend": the mean of the two.
    With a margin, a sample that D takes for data by more than that does not count.
    Raises ValueError for any other objective.
    """
    if objective == "non-saturating":
        return counted(softplus(-l_fake), l_fake, margin).mean(-1)
    if objective == "minimax":
        return counted(-softplus(l_fake), l_fake, margin).mean(-1)
    if objective == "blend":
        return counted(0.5 * (softplus(-l_fake) - softplus(l_fake)), l_fake, margin).mean(-1)
    raise ValueError(f"objective = {objective!r}; choose one of non-saturating, minimax, blend")


FARTHEST = 40.0  # the logit of a sample, below 0, from which on D's own slope is too small to be turned into G's


def lift(l_fake: Tensor, scale: float = 0.5) -> Tensor:
    """0, to add to D's loss: it holds the slope at each sample's logit l < -FARTHEST up to what it is at -FARTHEST.

    There D has stopped learning from the sample (the slope is e^-40), and float32 would lose it on the way back to x;
    G still learns at full rate from what `exchange` makes of it.
    """
    low = l_fake.clamp(max=-FARTHEST)
    missing = math.exp(-FARTHEST) * low - softplus(low)
    return scale * (missing - missing.detach()).mean(-1)


def exchange(
    l_fake: Tensor, objective: str = "non-saturating", scale: float = 0.5, margin: float | None = None
) -> Tensor:  # fmt: skip
    """(dL_G/dl) / (dL_D/dl) at each of D's logits of samples: what turns a gradient of D's loss into one of G's.

    Both losses reach a sample x = G(z) through its logit alone. So once D's loss, lifted, has been carried back to x,
    G's needs no second way through D. margin: G's. Raises ValueError as `generator_loss` does.
    """
    odds = torch.exp(-l_fake.clamp(min=-FARTHEST))  # (1 - D) / D
    unlifted = torch.exp((l_fake + FARTHEST).clamp(max=0))  # 1 down to -FARTHEST
    slopes = {"non-saturating": -odds, "minimax": -unlifted, "blend": -(unlifted + odds) / 2}
    if objective not in slopes:
        raise ValueError(f"objective = {objective!r}; choose one of {', '.join(slopes)}")
    return counted(slopes[objective] / scale, l_fake, margin)


def confidence(logits: Tensor) -> Tensor:
    """D's mean output, in [0, 1]: D(x) on data, D(G(z)) on samples."""
    return torch.sigmoid(logits).mean(-1)
