"""One step of Algorithm 1, or of the authors' simultaneous variant, and what a step is given.

`step` is a function of its arguments alone: parameters, momentum buffers, minibatches, draws and rates. What is random
is drawn before it, by `draw`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from ganrepro import conditions, game, networks
from ganrepro.recipes import Recipe


class Draws(NamedTuple):
    """What chance decides in half a step: z (n, z_dim), and D's dropout factors, on n data and then on n samples.

    For a step of G alone, on samples only. observed: the mask (n, d) of what G is given, where the recipe has subsets.
    """

    z: Tensor
    masks: tuple[Tensor, ...] = ()
    observed: tuple[Tensor, ...] = ()


class Rates(NamedTuple):
    """Learning rate and momentum of one step: 0-d tensors, so that a captured step can be given new ones."""

    lr: Tensor
    momentum: Tensor

    def of_d(self, recipe: Recipe) -> Rates:
        """D's, where the recipe gives it a rate of its own: always as many times G's."""
        own = recipe.d_learning_rate
        return self if own is None else Rates(self.lr * (own / recipe.learning_rate), self.momentum)


@dataclass
class Player:
    """One player's network, its parameters and its momentum buffers, by name; or those of R alike ones, stacked.

    Adam's velocity is the mean gradient; it has `square`, the mean squared one, too, and `decayed` (2,): what is left
    in the two of the zeros that they began with.
    """

    net: torch.nn.Module
    theta: dict[str, Tensor]
    velocity: dict[str, Tensor]
    stacked: bool = False
    square: dict[str, Tensor] = field(default_factory=dict)
    decayed: Tensor | None = None

    @classmethod
    def of(cls, net: torch.nn.Module, optimizer: str | None = None) -> Player:
        theta: dict[str, Tensor] = dict(net.named_parameters())
        player = cls(net, theta, {name: torch.zeros_like(p) for name, p in theta.items()})
        if optimizer == "adam":
            player.square = {name: torch.zeros_like(p) for name, p in theta.items()}
            player.decayed = torch.ones(2, dtype=torch.float64, device=next(iter(theta.values())).device)
        return player

    @classmethod
    def together(cls, players: Sequence[Player]) -> Player:
        """One player that moves all of them: from now on their tensors are slices of its own, (R, ...)."""
        theta = {k: torch.stack([p.theta[k].detach() for p in players]).requires_grad_() for k in players[0].theta}
        velocity = {k: torch.stack([p.velocity[k] for p in players]) for k in theta}
        square = {k: torch.stack([p.square[k] for p in players]) for k in players[0].square}
        decayed = None if players[0].decayed is None else players[0].decayed.clone()  # of the same step in all
        for r, player in enumerate(players):
            for k in theta:
                player.theta[k].data, player.velocity[k] = theta[k].data[r], velocity[k][r]
            player.square, player.decayed = {k: s[r] for k, s in square.items()}, decayed
        return cls(players[0].net, theta, velocity, True, square, decayed)

    def state(self) -> dict[str, Tensor]:
        """Every tensor that a step changes, by name: what a checkpoint keeps."""
        parts = {"theta": self.theta, "velocity": self.velocity, "square": self.square}
        named = {f"{part}.{k}": t.detach() for part, tensors in parts.items() for k, t in tensors.items()}
        return named if self.decayed is None else named | {"decayed": self.decayed}

    def __call__(self, *inputs: object) -> Tensor:
        """The network's answer; of R stacked ones to inputs (R, ...)."""
        if self.stacked:
            return torch.func.vmap(partial(functional_call, self.net))(self.theta, inputs)
        return functional_call(self.net, self.theta, inputs)

    def gradients(
        self, of: Tensor, *others: Tensor, along: Tensor | None = None, retain_graph: bool = False
    ) -> tuple[Tensor, ...]:
        """Those of `of` with respect to each parameter, and to other inputs.

        of: one number, or R of which each depends on its own replicate alone; with `along`, a tensor of its shape, any.
        """
        along = torch.ones_like(of) if along is None else along
        return torch.autograd.grad(of, [*self.theta.values(), *others], along, retain_graph=retain_graph)


def draw(recipe: Recipe, sizes: Sequence[int], rng: torch.Generator, dtype: torch.dtype = torch.float32) -> list[Draws]:
    """The draws of one step over minibatches of these sizes: one for each D-step, and for "alternating" G's own."""

    def one(n: int, judged: int) -> Draws:
        observed = (conditions.draw_mask(recipe, n, rng, dtype),) if recipe.subsets else ()
        masks = networks.draw_masks(recipe, judged, rng, dtype)  # before z: the order is part of what a seed fixes
        return Draws(networks.draw_noise(recipe, n, rng, dtype), masks, observed)

    draws = [one(n, 2 * n) for n in sizes]
    if recipe.update == "simultaneous":
        return draws
    return draws + [one(sizes[-1], sizes[-1]) for _ in range(recipe.g_moves or 1)]


def step(
    recipe: Recipe, g: Player, d: Player, batches: Sequence[Tensor], draws: Sequence[Draws], rates: Rates
) -> Tensor:
    """A step of G, and of D one on each minibatch (n, d), in place. Returns (4,): d_loss, g_loss, D(x), D(G(z)).

    With conditions, a minibatch is x‖c (n, d + c); with classes it ends in one-hot labels, zeros where there is none.
    With R stacked players, minibatches and draws, it moves each of them: then it takes (R, n, d) and returns (4, R).
    Depends on its arguments alone, changes `g` and `d` alone, and never reads a number back to the host.
    "simultaneous" (the authors' code): both players move from one minibatch, z and set of dropout masks.
    "alternating" (Algorithm 1): k moves of D, then one of G on fresh z (or recipe.g_moves of them).
    """
    simultaneous, d_rates = recipe.update == "simultaneous", rates.of_d(recipe)
    for batch, draw_d in zip(batches, draws, strict=False):  # Algorithm 1, line 2: for k steps
        x, given = conditions.split(recipe, batch, draw_d.observed)
        x_fake, n = g(draw_d.z, *given), x.shape[-2]
        judged = torch.cat([x, x_fake.detach()], -2).requires_grad_(simultaneous)
        answers = d(conditions.show(recipe, judged, given), draw_d.masks)
        l_real, l_fake = game.logit(recipe.classes, answers).split(n, -1)
        d_loss = game.discriminator_loss(l_real, l_fake, recipe.d_loss_scale, recipe.d_margin)
        if recipe.classes:  # on data alone: what reaches the samples is still the game's
            d_loss = d_loss + game.label_loss(answers.narrow(-2, 0, n), batch[..., recipe.dim :])
        if simultaneous:
            *d_gradients, slope = d.gradients(d_loss + game.lift(l_fake, recipe.d_loss_scale), judged)
        else:
            descend_(recipe, d, d.gradients(d_loss), d_rates)
    l_real, l_fake = l_real.detach(), l_fake.detach()
    confidences = game.confidence(l_real), game.confidence(l_fake)
    if simultaneous:  # D has already carried its own loss back to x_fake: only the loss at its end is another
        exchange = game.exchange(l_fake, recipe.objective, recipe.d_loss_scale, recipe.g_margin)
        g_loss = game.generator_loss(l_fake, recipe.objective, recipe.g_margin)
        g_gradients = g.gradients(x_fake, along=exchange.unsqueeze(-1) * slope.narrow(-2, n, n))
        descend_(recipe, d, d_gradients, d_rates)
        descend_(recipe, g, g_gradients, rates)
    for draw_g in draws[len(batches) :]:  # Algorithm 1, line 7; none where both have moved
        _, given = conditions.split(recipe, batches[-1], draw_g.observed)
        x_fake = conditions.show(recipe, g(draw_g.z, *given), given)
        l_fake = game.logit(recipe.classes, d(x_fake, draw_g.masks))
        g_loss = game.generator_loss(l_fake, recipe.objective, recipe.g_margin)
        descend_(recipe, g, g.gradients(g_loss), rates)
    return torch.stack([d_loss.detach(), g_loss.detach(), *confidences])


@torch.no_grad()
def descend_(recipe: Recipe, player: Player, gradients: Sequence[Tensor], rates: Rates) -> None:
    """v <- momentum v - lr g; theta <- theta + v, or Adam's update; then the norm constraint, where there is one."""
    if recipe.optimizer == "adam":
        descend_by_adam_(player, gradients, rates)
    else:
        for theta, v, gradient in zip(player.theta.values(), player.velocity.values(), gradients, strict=True):
            theta.add_(v.mul_(rates.momentum).addcmul_(gradient, rates.lr, value=-1))
    constrain_(recipe, player)


ADAM_BETA2, ADAM_EPSILON = 0.999, 1e-8  # Kingma and Ba (2015)


def descend_by_adam_(player: Player, gradients: Sequence[Tensor], rates: Rates) -> None:
    """Adam (Kingma and Ba, 2015, Algorithm 1), whose beta_1 is the momentum of the step.

    v <- beta_1 v + (1 - beta_1) g; s <- beta_2 s + (1 - beta_2) g^2; theta <- theta - lr v' / (sqrt(s') + epsilon),
    where v' and s' are v and s over what their weights add up to.
    """
    assert player.decayed is not None
    player.decayed[0].mul_(rates.momentum)
    player.decayed[1].mul_(ADAM_BETA2)
    of_v, of_s = (1 - player.decayed).unbind()
    moved = (player.theta.values(), player.velocity.values(), player.square.values())
    for theta, v, s, gradient in zip(*moved, gradients, strict=True):
        v.mul_(rates.momentum).addcmul_(gradient, 1 - rates.momentum)
        s.mul_(ADAM_BETA2).addcmul_(gradient, gradient, value=1 - ADAM_BETA2)
        theta.sub_(v / of_v / ((s / of_s).sqrt_().add_(ADAM_EPSILON)) * rates.lr)


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


def steps_in_all(recipe: Recipe, n: int, epochs: int) -> int:
    """Steps in the first so many passes over n examples."""
    if recipe.k_schedule is None:
        return epochs * steps_in_epoch(recipe, n)
    return sum(steps_in_epoch(recipe.at(epoch), n) for epoch in range(1, epochs + 1))
