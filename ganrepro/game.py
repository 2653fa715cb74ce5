"""Section 3, the two-player game: its value and both players' losses, on D's logits.

With l = logit D(x), log D = -softplus(-l) and log(1 - D) = -softplus(l): no logarithm of a rounded 0.
Every function takes logits (..., n) and returns the mean over the last axis, in nats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import softplus

from ganrepro.parameters import expect, expect_number

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

OBJECTIVES = ("non-saturating", "minimax", "blend")


def value(l_real: Float[Tensor, "... n"], l_fake: Float[Tensor, "... m"]) -> Float[Tensor, "..."]:
    """V(D, G) = E log D(x) + E log(1 - D(G(z))), equation 1. D maximises it, G minimises it."""
    _expect_logits(l_real=l_real, l_fake=l_fake)
    return -(softplus(-l_real).mean(-1) + softplus(l_fake).mean(-1))


def discriminator_loss(
    l_real: Float[Tensor, "... n"], l_fake: Float[Tensor, "... m"], scale: float = 0.5, margin: float | None = None
) -> Float[Tensor, "..."]:
    """D's loss: -scale * V(D, G). The authors' code has scale = 1/2 (adversarial/__init__.py). Examples that D
    classifies correctly by more than the margin are masked out (`beyond`)."""
    _expect_logits(l_real=l_real, l_fake=l_fake)
    expect_number("scale", scale, 0, 1e6, float)
    real, fake = softplus(-l_real), softplus(l_fake)
    if margin is not None:
        real, fake = real * ~beyond(l_real, margin), fake * ~beyond(-l_fake, margin)
    return scale * (real.mean(-1) + fake.mean(-1))


def generator_loss(
    l_fake: Float[Tensor, "... n"], objective: str = "non-saturating", margin: float | None = None
) -> Float[Tensor, "..."]:
    """G's loss, on D's logits of its samples.

    - "non-saturating": -E log D(G(z)), section 3's remedy, with the same fixed point.
    - "minimax": E log(1 - D(G(z))), equation 1 itself, whose gradient vanishes while D rejects every sample.
    - "blend": the mean of the two. Any other raises ValueError.

    Samples that D takes for data by more than the margin are masked out (`beyond`).
    """
    _expect_logits(l_fake=l_fake)
    expect(str, objective=objective)
    if objective == "non-saturating":
        losses = softplus(-l_fake)
    elif objective == "minimax":
        losses = -softplus(l_fake)
    elif objective == "blend":
        losses = 0.5 * (softplus(-l_fake) - softplus(l_fake))
    else:
        raise ValueError(f"objective = {objective!r}; choose one of {', '.join(OBJECTIVES)}")
    return (losses if margin is None else losses * ~beyond(l_fake, margin)).mean(-1)


def beyond(logits: Float[Tensor, "... n"], margin: float) -> Tensor:
    """Where sigmoid(logits) >= 1/2 + margin, bool: the masks of ThresholdedAdversaryCost and LazyAdversaryCost (C:
    adversarial/__init__.py), which none of the authors' recipes uses."""
    expect_number("margin", margin, 0, 0.5, float)
    return torch.sigmoid(logits) >= 0.5 + margin


def mean_output(logits: Float[Tensor, "... n"]) -> Float[Tensor, "..."]:
    """D's mean output, in [0, 1]: D(x) on data, D(G(z)) on samples."""
    _expect_logits(logits=logits)
    return torch.sigmoid(logits).mean(-1)


def _expect_logits(**given: Tensor) -> None:
    for name, logits in given.items():
        expect(torch.Tensor, **{name: logits})
        if logits.is_meta or logits.layout != torch.strided or not logits.is_floating_point() or not logits.ndim:
            raise TypeError(f"{name} has dtype {logits.dtype}, layout {logits.layout} and shape {tuple(logits.shape)}; "
                            "expected floats (..., n)")  # fmt: skip
