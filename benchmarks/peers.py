"""The MNIST training as its users would write it in plain PyTorch: alternating updates with torch.optim."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganrepro.recipes import Recipe


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
