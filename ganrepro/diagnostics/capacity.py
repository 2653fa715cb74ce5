"""What a D of finite capacity can tell apart: few training points pass for the whole distribution (Arora et al., 2017).

For any finite set of points against a continuous distribution the Jensen-Shannon divergence is log 2: the unlimited D
of the paper's Proposition 1 looks each x up in the set. A net of limited width cannot, if the points are many enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganrepro.device import plain_torch
from ganrepro.networks import expect_numbers
from ganrepro.parameters import expect, expect_number

JSD = math.log(2)  # of any finite set of points against a continuous distribution
RATE, BATCH, SCORE_EVERY = 2e-3, 200, 50
LEAST = 100


@dataclass(frozen=True)
class Distance:
    """The neural-net distance, in nats, that a trained D reaches on held-out data; its standard error over them; the
    step at which validation data chose this D; and the distance that the same D reaches on its training data."""

    value: float
    error: float
    step: int
    on_training: float


@plain_torch
def neural_distance(
    points: Tensor, fresh: Tensor, valid: Tensor, held_out: Tensor, discriminator: Callable[[], nn.Module],
    steps: int = 1000, seed: int = 0,
) -> Distance:  # fmt: skip
    """How far a net tells points (m, d), each with probability 1/m, from a distribution known by draws from it.

    log 2 + (E log D(x) + E log(1 - D(g))) / 2 with x from the distribution and g a point: at most the Jensen-Shannon
    divergence, which is this for the optimal D. D is trained by Adam on the points against fresh draws (n, d), and kept
    at the step with the highest value on other draws, valid. The value is that on still others, held_out, and all
    points: they are the whole of their distribution. So it is a lower bound for what a net of this kind can reach, and
    D = 1/2, which reaches 0, is the first that is compared.

    discriminator makes the net, (b, d) -> (b, 1) logits, with torch's generator as `seed` sets it. Raises ValueError
    for shapes that do not agree, values that are not finite, no points, and fewer than LEAST draws in any part.
    """
    expect_number("steps", steps, 1, 10**7)
    for name, x, least in (("points", points, 1), ("fresh", fresh, LEAST), ("valid", valid, LEAST),
                           ("held_out", held_out, LEAST)):  # fmt: skip
        expect_numbers(name, x, 2)
        if x.shape[1] != points.shape[1] or not x.isfinite().all():
            raise ValueError(f"{name} has shape {tuple(x.shape)}; expected finite numbers (n, {points.shape[1]})")
        if len(x) < least:
            raise ValueError(f"{name} has {len(x)} rows; a distance needs at least {least}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = discriminator()
    expect(nn.Module, discriminator=net)
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    best, chosen, at = 0.0, (0.0, 0.0, 0.0), 0
    for step in range(1, steps + 1):
        real, fake = (x[torch.randint(len(x), (BATCH,), generator=rng)] for x in (fresh, points))
        loss = (softplus(-net(real)).mean() + softplus(net(fake)).mean()) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % SCORE_EVERY == 0 or step == steps:
            with torch.no_grad():
                of_points, of_valid = softplus(net(points)).mean().double(), softplus(-net(valid)).mean().double()
                value = JSD - float(of_points + of_valid) / 2
                if value > best:
                    lost = softplus(-net(held_out)).double().flatten()
                    seen = softplus(-net(fresh[: len(held_out)])).double().mean()
                    found, train = (JSD - float(of_points + part) / 2 for part in (lost.mean(), seen))
                    best, at, chosen = value, step, (found, float(lost.std()) / (2 * math.sqrt(len(lost))), train)
    return Distance(*chosen[:2], at, chosen[2])


def enough(points: ArrayLike, distances: ArrayLike, threshold: float) -> float:
    """How many points pass for the distribution: where distances (k,) at so many points (k,), rising, first fall to the
    threshold, by a straight line between logarithms of the number. The smallest number if all are below it, inf if none
    is. Raises ValueError for numbers that do not rise, and for a threshold not above 0."""
    m, d = np.asarray(points, float), np.asarray(distances, float)
    if m.shape != d.shape or m.ndim != 1 or not len(m) or (np.diff(m) <= 0).any() or m[0] <= 0 or threshold <= 0:
        raise ValueError(f"points = {points!r}, threshold = {threshold!r}; expected rising numbers above 0, a distance "
                         "for each, and a threshold above 0")  # fmt: skip
    if not (below := np.flatnonzero(d <= threshold)).size:
        return math.inf
    i = below[0]
    if i == 0:
        return float(m[0])
    part = (d[i - 1] - threshold) / (d[i - 1] - d[i])
    return float(m[i - 1] ** (1 - part) * m[i] ** part)
