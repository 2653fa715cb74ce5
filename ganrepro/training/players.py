"""One player: a network with its parameters and the state of its optimizer, and how it moves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import torch
from torch import Tensor
from torch.func import functional_call

from ganrepro import networks
from ganrepro.recipes import Recipe

from .schedule import Rates

ADAM_BETA2, ADAM_EPSILON = 0.999, 1e-8  # Kingma and Ba (2015)


@dataclass
class Player:
    """One player's network, its parameters by name and its momentum buffers; or those of R replicas, stacked."""

    net: torch.nn.Module
    recipe: Recipe
    theta: dict[str, Tensor]
    velocity: dict[str, Tensor]  # with Adam the mean gradient
    square: dict[str, Tensor] = field(default_factory=dict)  # with Adam the mean squared gradient
    beta_powers: Tensor | None = None  # (2,) Adam's bias-correction terms beta_1^t and beta_2^t
    stacked: bool = False

    @classmethod
    def of(cls, net: torch.nn.Module, recipe: Recipe) -> Self:
        """A player at the start, its weights within the recipe's norm constraint."""
        theta: dict[str, Tensor] = dict(net.named_parameters())
        player = cls(net, recipe, theta, {name: torch.zeros_like(p) for name, p in theta.items()})
        if recipe.coordination.optimizer == "adam":
            player.square = {name: torch.zeros_like(p) for name, p in theta.items()}
            player.beta_powers = torch.ones(2, dtype=torch.float64, device=next(iter(theta.values())).device)
        player.constrain()
        return player

    @classmethod
    def stack(cls, players: Sequence[Self]) -> Self:
        """One player that moves all of them: from now on their tensors are slices of its own, (R, ...)."""
        first = players[0]
        theta = {k: torch.stack([p.theta[k].detach() for p in players]).requires_grad_() for k in first.theta}
        velocity = {k: torch.stack([p.velocity[k] for p in players]) for k in theta}
        square = {k: torch.stack([p.square[k] for p in players]) for k in first.square}
        beta_powers = None if first.beta_powers is None else first.beta_powers.clone()  # of the same step in all
        for r, player in enumerate(players):
            for k in theta:
                player.theta[k].data, player.velocity[k] = theta[k].data[r], velocity[k][r]
            player.square, player.beta_powers = {k: s[r] for k, s in square.items()}, beta_powers
        return cls(first.net, first.recipe, theta, velocity, square, beta_powers, True)

    def state(self) -> dict[str, Tensor]:
        """Every tensor that a step changes, by name: what a checkpoint keeps."""
        parts = {"theta": self.theta, "velocity": self.velocity, "square": self.square}
        named = {f"{part}.{k}": t.detach() for part, tensors in parts.items() for k, t in tensors.items()}
        return named if self.beta_powers is None else named | {"beta_powers": self.beta_powers}

    def __call__(self, *inputs: Tensor | tuple[Tensor, ...] | None) -> Tensor:
        """The network's output; of R stacked ones for inputs (R, ...). An input of None, no condition, is left out."""
        given = tuple(i for i in inputs if i is not None)
        if self.stacked:
            return torch.func.vmap(partial(functional_call, self.net))(self.theta, given)
        return functional_call(self.net, self.theta, given)

    def gradients(self, loss: Tensor, retain_graph: bool = False) -> tuple[Tensor, ...]:
        """Those of a loss with respect to each parameter. loss: one number, or R, each of its own replica."""
        return torch.autograd.grad(loss, list(self.theta.values()), torch.ones_like(loss), retain_graph=retain_graph)

    @torch.no_grad()
    def descend(self, gradients: Sequence[Tensor], rates: Rates) -> None:
        """v <- momentum v - lr g; theta <- theta + v, or Adam's update; then the norm constraint, if there is one."""
        own, lr = self.recipe.coordination.d_learning_rate, rates.lr
        if own is not None and isinstance(self.net, networks.Discriminator):
            lr = lr * (own / self.recipe.learning_rate)
        if self.beta_powers is not None:
            self._adam(gradients, lr, rates.momentum)
        else:
            for theta, v, gradient in zip(self.theta.values(), self.velocity.values(), gradients, strict=True):
                theta.add_(v.mul_(rates.momentum).addcmul_(gradient, lr, value=-1))
        self.constrain()

    def _adam(self, gradients: Sequence[Tensor], lr: Tensor, beta1: Tensor) -> None:
        """Kingma and Ba (2015), Algorithm 1: v <- beta_1 v + (1 - beta_1) g; s <- beta_2 s + (1 - beta_2) g^2;
        theta <- theta - lr v' / (sqrt(s') + epsilon), with v' = v / (1 - beta_1^t) and s' = s / (1 - beta_2^t)."""
        assert self.beta_powers is not None
        self.beta_powers[0].mul_(beta1)
        self.beta_powers[1].mul_(ADAM_BETA2)
        correct_v, correct_s = (1 - self.beta_powers).unbind()
        moved = (self.theta.values(), self.velocity.values(), self.square.values())
        for theta, v, s, gradient in zip(*moved, gradients, strict=True):
            v.mul_(beta1).addcmul_(gradient, 1 - beta1)
            s.mul_(ADAM_BETA2).addcmul_(gradient, gradient, value=1 - ADAM_BETA2)
            theta.sub_(v / correct_v / ((s / correct_s).sqrt_().add_(ADAM_EPSILON)) * lr)

    @torch.no_grad()
    def constrain(self) -> None:
        """Bound the norm of each unit's incoming weights (pylearn2's max_col_norm: W clip(n, 0, c) / (1e-7 + n))."""
        if (bound := self.recipe.max_col_norm) is None:
            return
        for name, w in self.theta.items():
            if name.endswith("weight"):
                norm = w.norm(dim=-1, keepdim=True)
                w.mul_(norm.clamp(0, bound) / (1e-7 + norm))
