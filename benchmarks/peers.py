"""What the training step is compared with: plain PyTorch as its users write it, and the package's own earlier step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganrepro import game, training
from ganrepro.datasets import Dataset
from ganrepro.recipes import Recipe
from ganrepro.training import Run, minibatches, rates_at, tasks


class PlainMaxout(nn.Module):
    """Linear, and the maximum over groups of outputs."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear, self.units, self.pieces = nn.Linear(inputs, units * pieces), units, pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).view(-1, self.units, self.pieces).max(dim=2).values


class Eager:
    """The recipe's nets as nn.Sequential, SGD with momentum, D first, then G on fresh noise."""

    def __init__(self, recipe: Recipe, x: Tensor, compiled: bool = False) -> None:
        h = recipe.generator[0].units
        m, pieces = recipe.discriminator[0].units, recipe.discriminator[0].pieces
        g = nn.Sequential(
            nn.Linear(recipe.z_dim, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, recipe.dim), nn.Sigmoid()
        )
        d = nn.Sequential(
            nn.Dropout(0.2), PlainMaxout(recipe.dim, m, pieces), nn.Dropout(), PlainMaxout(m, m, pieces), nn.Dropout(),
            nn.Linear(m, 1),
        )  # fmt: skip
        g, d = g.to(x.device), d.to(x.device)
        self.move_g = torch.optim.SGD(g.parameters(), lr=0.1, momentum=0.5)
        self.move_d = torch.optim.SGD(d.parameters(), lr=0.1, momentum=0.5)
        self.loss, self.x, self.recipe = nn.BCEWithLogitsLoss(), x, recipe
        self.g, self.d = (torch.compile(g), torch.compile(d)) if compiled else (g, d)

    def epoch(self) -> int:
        """One pass over the data. Returns the number of its steps."""
        n = self.recipe.batch_size
        order = torch.randperm(len(self.x), device=self.x.device)
        for rows in order.split(n):
            x, ones, zeros = self.x[rows], torch.ones(n, 1, device=order.device), torch.zeros(n, 1, device=order.device)
            fake = self.g(torch.rand(n, self.recipe.z_dim, device=order.device) * 12**0.5 - 3**0.5)
            d_loss = self.loss(self.d(x), ones) + self.loss(self.d(fake.detach()), zeros)
            self.move_d.zero_grad()
            d_loss.backward()
            self.move_d.step()
            fake = self.g(torch.rand(n, self.recipe.z_dim, device=order.device) * 12**0.5 - 3**0.5)
            g_loss = self.loss(self.d(fake), ones)
            self.move_g.zero_grad()
            g_loss.backward()
            self.move_g.step()
        return len(order) // n


def slope_turn(recipe: Recipe, data: Dataset, x: Tensor, steps: int) -> Callable[[], None]:
    """One short epoch of the simultaneous step as it was until version 0.1: G's gradient made from D's slope at x."""
    run, part = training.start(recipe, data, 0, x.device), x[: steps * recipe.batch_size]

    def turn() -> None:
        total = torch.zeros(4, device=x.device)
        for i, (rows,) in enumerate(minibatches(recipe, part, run.rng)):
            total += slope_step(run, rows, i)
        total.tolist()

    return turn


def slope_step(run: Run, x: Tensor, batch: int) -> Tensor:
    """One backward pass through D serves both players: a sample reaches both losses through its logit alone, so G's
    gradient at the sample is D's times the ratio of the two slopes. It needed a correction for logits below -40."""
    (draw,), n = tasks.of(run.recipe).draw([len(x)], run.rng), len(x)
    x_fake = run.g(draw.z)
    both = torch.cat([x, x_fake.detach()]).requires_grad_()
    dropout = tuple(torch.cat(pair) for pair in zip(draw.dropout_real, draw.dropout_fake, strict=True))
    l_real, l_fake = run.d(both, dropout).split(n)
    d_loss = game.discriminator_loss(l_real, l_fake)
    *d_gradients, slope = torch.autograd.grad(d_loss, [*run.d.theta.values(), both])
    ratio = -torch.exp(-l_fake.detach()) / 0.5
    g_gradients = torch.autograd.grad(x_fake, list(run.g.theta.values()), ratio[:, None] * slope[n:])
    rates = rates_at(run.recipe, 1, batch)
    run.d.descend(d_gradients, rates)
    run.g.descend(g_gradients, rates)
    with torch.no_grad():
        means = [d_loss, game.generator_loss(l_fake), game.mean_output(l_real), game.mean_output(l_fake)]
        return torch.stack(means)
