"""Algorithm 1 of the paper, and the step of the authors' code. Each is a function of its arguments alone.

Both move the players in place and return (4,): L_D, L_G, D(x), D(G(z)), means over the minibatch (n, d). `task` says
what the players are conditioned on and what they lose (tasks.py); in the paper's own game c is None. With the players
of R replicas stacked, minibatches and draws are (R, n, ...) and the result is (4, R).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ganrepro import game
from ganrepro.device import plain_torch

from .players import Player
from .schedule import Rates
from .tasks import Draw, PlainTask

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@plain_torch
def algorithm1_step(
    task: PlainTask, g: Player, d: Player, minibatches: Sequence[Float[Tensor, "... n d"]], draws: Sequence[Draw],
    rates: Rates,
) -> Float[Tensor, "4 ..."]:  # fmt: skip
    """The printed algorithm: D moves on each of k minibatches, then G moves on fresh noise (draws[k:])."""
    for rows, draw in zip(minibatches, draws, strict=False):  # line 2: for k steps do
        x, c = task.split(rows, draw)  # line 4: a minibatch of examples
        x_fake = g(draw.z, c).detach()  # line 3: a minibatch of noise samples
        real, fake = d(x, draw.dropout_real, c), d(x_fake, draw.dropout_fake, c)
        d_loss = task.discriminator_loss(real, fake, rows)
        d.descend(d.gradients(d_loss), rates)  # line 5: D ascends its stochastic gradient

    for draw in draws[len(minibatches) :]:
        _, c = task.split(minibatches[-1], draw)
        g_loss = task.generator_loss(d(g(draw.z, c), draw.dropout_fake, c))  # line 7: a minibatch of noise samples
        g.descend(g.gradients(g_loss), rates)  # line 8: G descends its stochastic gradient
    return _means(task, d_loss, g_loss, real, fake)


@plain_torch
def simultaneous_step(
    task: PlainTask, g: Player, d: Player, minibatches: Sequence[Float[Tensor, "... n d"]], draws: Sequence[Draw],
    rates: Rates,
) -> Float[Tensor, "4 ..."]:  # fmt: skip
    """The authors' code: both players move from one minibatch, one z and one set of dropout masks. One forward pass
    gives both losses, and each player takes the gradient of its own."""
    (rows,), (draw,) = minibatches, draws
    x, c = task.split(rows, draw)
    x_fake = g(draw.z, c)
    real, fake = d(x, draw.dropout_real, c), d(x_fake, draw.dropout_fake, c)
    d_loss, g_loss = task.discriminator_loss(real, fake, rows), task.generator_loss(fake)
    d_gradients = d.gradients(d_loss, retain_graph=True)
    g_gradients = g.gradients(g_loss)
    d.descend(d_gradients, rates)
    g.descend(g_gradients, rates)
    return _means(task, d_loss, g_loss, real, fake)


STEPS = {"simultaneous": simultaneous_step, "alternating": algorithm1_step}  # by Recipe.update


def _means(task: PlainTask, d_loss: Tensor, g_loss: Tensor, real: Tensor, fake: Tensor) -> Float[Tensor, "4 ..."]:
    d_real, d_fake = (game.mean_output(task.logit(outputs.detach())) for outputs in (real, fake))
    return torch.stack([d_loss.detach(), g_loss.detach(), d_real, d_fake])
