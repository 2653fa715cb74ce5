"""One step of Algorithm 1, or of the authors' simultaneous variant, and what a step is given.

`step` is a function of its arguments alone: parameters, momentum buffers, minibatches, draws and rates. What is random
is drawn before it, by `draw`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from ganrepro import game, networks
from ganrepro.recipes import Recipe


class Draws(NamedTuple):
    """What chance decides in half a step: z (n, z_dim), and D's dropout factors on data and on samples."""

    z: Tensor
    masks_real: tuple[Tensor, ...] = ()
    masks_fake: tuple[Tensor, ...] = ()


class Rates(NamedTuple):
    """Learning rate and momentum of one step: 0-d tensors, so that a captured step can be given new ones."""

    lr: Tensor
    momentum: Tensor


@dataclass
class Player:
    """One player's network, its parameters and its momentum buffers, by name; or those of R alike ones, stacked."""

    net: torch.nn.Module
    theta: dict[str, Tensor]
    velocity: dict[str, Tensor]
    stacked: bool = False

    @classmethod
    def of(cls, net: torch.nn.Module) -> Player:
        theta: dict[str, Tensor] = dict(net.named_parameters())
        return cls(net, theta, {name: torch.zeros_like(p) for name, p in theta.items()})

    @classmethod
    def together(cls, players: Sequence[Player]) -> Player:
        """One player that moves all of them: from now on their tensors are slices of its own, (R, ...)."""
        theta = {k: torch.stack([p.theta[k].detach() for p in players]).requires_grad_() for k in players[0].theta}
        velocity = {k: torch.stack([p.velocity[k] for p in players]) for k in theta}
        for r, player in enumerate(players):
            for k in theta:
                player.theta[k].data, player.velocity[k] = theta[k].data[r], velocity[k][r]
        return cls(players[0].net, theta, velocity, stacked=True)

    def __call__(self, *inputs: object) -> Tensor:
        """The network's answer; of R stacked ones to inputs (R, ...)."""
        if self.stacked:
            return torch.func.vmap(partial(functional_call, self.net))(self.theta, inputs)
        return functional_call(self.net, self.theta, inputs)

    def gradients(self, loss: Tensor, retain_graph: bool = False) -> tuple[Tensor, ...]:
        """Those of each parameter. loss: one number, or R of which each depends on its own replicate alone."""
        return torch.autograd.grad(loss.sum(), list(self.theta.values()), retain_graph=retain_graph)


def draw(recipe: Recipe, sizes: Sequence[int], rng: torch.Generator, dtype: torch.dtype = torch.float32) -> list[Draws]:
    """The draws of one step over minibatches of these sizes: one for each D-step, and for "alternating" one for G."""

    def one(n: int, real: bool) -> Draws:
        z = networks.draw_noise(recipe, n, rng, dtype)
        masks_real = networks.draw_masks(recipe, n, rng, dtype) if real else ()
        return Draws(z, masks_real, networks.draw_masks(recipe, n, rng, dtype))

    draws = [one(n, real=True) for n in sizes]
    return draws if recipe.update == "simultaneous" else [*draws, one(sizes[-1], real=False)]


def step(
    recipe: Recipe, g: Player, d: Player, batches: Sequence[Tensor], draws: Sequence[Draws], rates: Rates
) -> Tensor:
    """One step of G, and of D one on each minibatch (n, d), in place. Returns (4,): d_loss, g_loss, D(x), D(G(z)).

    With R stacked players, minibatches and draws, it moves each of them: then it takes (R, n, d) and returns (4, R).
    Depends on its arguments alone, changes `g` and `d` alone, and never reads a number back to the host.
    "simultaneous" (the authors' code): both players move from one minibatch, z and set of dropout masks.
    "alternating" (Algorithm 1): k moves of D, then one of G on fresh z.
    """
    for x, draw_d in zip(batches, draws, strict=False):  # Algorithm 1, line 2: for k steps
        x_fake = g(draw_d.z)
        l_real, l_fake = d(x, draw_d.masks_real), d(x_fake, draw_d.masks_fake)
        d_loss = game.discriminator_loss(l_real, l_fake, recipe.d_loss_scale)
        simultaneous = recipe.update == "simultaneous"
        d_gradients = d.gradients(d_loss, retain_graph=simultaneous)
        if not simultaneous:
            descend_(recipe, d, d_gradients, rates)
    confidences = game.confidence(l_real.detach()), game.confidence(l_fake.detach())
    if not simultaneous:
        l_fake = d(g(draws[-1].z), draws[-1].masks_fake)
    g_loss = game.generator_loss(l_fake, recipe.objective)
    g_gradients = g.gradients(g_loss)
    if simultaneous:
        descend_(recipe, d, d_gradients, rates)
    descend_(recipe, g, g_gradients, rates)
    return torch.stack([d_loss.detach(), g_loss.detach(), *confidences])


@torch.no_grad()
def descend_(recipe: Recipe, player: Player, gradients: Sequence[Tensor], rates: Rates) -> None:
    """v <- momentum v - lr g; theta <- theta + v; then the norm constraint, where the recipe has one."""
    for theta, v, gradient in zip(player.theta.values(), player.velocity.values(), gradients, strict=True):
        theta.add_(v.mul_(rates.momentum).addcmul_(gradient, rates.lr, value=-1))
    constrain_(recipe, player)


@torch.no_grad()
def constrain_(recipe: Recipe, player: Player) -> None:
    """Bound the norm of each unit's incoming weights (pylearn2's max_col_norm: W clip(n, 0, c) / (1e-7 + n))."""
    if recipe.max_col_norm is None:
        return
    for name, w in player.theta.items():
        if name.endswith("weight"):
            norm = w.norm(dim=-1, keepdim=True)
            w.mul_(norm.clamp(0, recipe.max_col_norm) / (1e-7 + norm))


def rates_at(recipe: Recipe, epoch: int, batch: int) -> Rates:
    """Rates for minibatch number `batch` (from 0, over the whole stage) in epoch `epoch` (from 1, over the whole
    training): a second stage begins as the first did."""
    if recipe.second_stage is not None and epoch > recipe.second_stage.after:
        epoch -= recipe.second_stage.after
    lr = max(recipe.learning_rate / recipe.learning_rate_decay**batch, recipe.learning_rate_floor)
    start, end = recipe.momentum
    grown = min(1.0, (epoch - 1) / max(1, recipe.momentum_epochs - 1))
    rates = torch.tensor([lr, start + (end - start) * grown], dtype=torch.float64)
    return Rates(*rates.unbind())


def minibatches(recipe: Recipe, x: Tensor, rng: torch.Generator) -> Iterator[list[Tensor]]:
    """Groups of up to k minibatches, in a fresh random order: what each step takes."""
    order = torch.randperm(len(x), generator=rng, device=rng.device).split(recipe.batch_size)
    for first in range(0, len(order), recipe.k):
        yield [x.index_select(0, rows) for rows in order[first : first + recipe.k]]


def steps_in_epoch(recipe: Recipe, n: int) -> int:
    """Steps in a pass over n examples."""
    return math.ceil(math.ceil(n / recipe.batch_size) / recipe.k)
