"""How far is a pair (G, D) from an equilibrium? Train the worst D against G, and the worst G against D.

The duality gap is max_D' V(G, D') - min_G' V(G', D) (Grnarova et al., 2019). It is 0 at an equilibrium of the paper's
game and positive elsewhere: with D = 1/2 it is max_D' V(G, D') + log 4, twice the Jensen-Shannon divergence.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ganrepro import game, networks
from ganrepro.device import plain_torch
from ganrepro.parameters import LARGEST_SEED, expect, expect_number

LEAST_HELD_OUT = 100  # examples: the values are means over them
Draw = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class Gap:
    """Values of the game in nats, on held-out examples: `against_worst_d` is V(G, D'), `against_worst_g` V(G', D), and
    `value` V(G, D). D' and G' are the best that a training of some steps found, so `gap` is too small where it was too
    short, and may fall below 0 by the error of the means."""

    against_worst_d: float
    against_worst_g: float
    value: float

    @property
    def gap(self) -> float:
        """The estimate of max_D' V(G, D') - min_G' V(G', D)."""
        return self.against_worst_d - self.against_worst_g


@plain_torch
def duality_gap(
    generator: nn.Module, discriminator: nn.Module, train: Tensor, held_out: Tensor, *, steps: int, seed: int,
    learning_rate: float = 2e-3, batch_size: int = 100, noise: Draw | None = None,
) -> Gap:  # fmt: skip
    """Train a copy of each player against the other as it is, by Adam for so many steps, and take the values of the
    game on held_out (m, d) and as many fresh samples. The players are left as they are.

    - train: (n, d), the examples that the copy of D learns from.
    - noise(n, rng): z for G; by default that of the recipe, where G is a `networks.Generator`.

    Raises ValueError or TypeError, before any training, for fewer than 100 held-out examples, examples that are not
    finite or of another width, and values out of range; FloatingPointError where a value is not finite.
    """
    expect(nn.Module, generator=generator, discriminator=discriminator)
    expect(Tensor, train=train, held_out=held_out)
    expect_number("steps", steps, 1, networks.MOST)
    expect_number("seed", seed, 0, LARGEST_SEED)
    expect_number("learning_rate", learning_rate, 1e-12, 1e3, float)
    expect_number("batch_size", batch_size, 1, networks.MOST)
    if len(held_out) < LEAST_HELD_OUT:
        raise ValueError(f"held_out has {len(held_out)} examples; the gap needs {LEAST_HELD_OUT}")
    for name, x in (("train", train), ("held_out", held_out)):
        if x.ndim != 2 or not len(x) or x.shape[1] != held_out.shape[1] or not bool(x.isfinite().all()):
            raise ValueError(f"{name} has shape {tuple(x.shape)}; expected finite examples (n, d), not empty, d as "
                             "in held_out")  # fmt: skip
    if noise is None and not isinstance(generator, networks.Generator):
        raise TypeError("noise = None; expected a function of (n, rng), since G has no recipe that says what z is")
    draw = noise or partial(networks.draw_noise, generator.recipe, dtype=train.dtype)  # type: ignore[arg-type]
    players, copies = ((deepcopy(generator).eval(), deepcopy(discriminator).eval()) for _ in range(2))

    def value(g: nn.Module, d: nn.Module, x: Tensor, rng: torch.Generator) -> Tensor:
        return game.value(d(x).flatten(), d(g(draw(len(x), rng))).flatten())

    for pair, own, sign in (((players[0], copies[1]), copies[1], -1), ((copies[0], players[1]), copies[0], 1)):
        rng = torch.Generator(train.device).manual_seed(seed)
        weights = list(own.parameters())
        optimizer = torch.optim.Adam(weights, learning_rate)
        for _ in range(steps):
            x = train[torch.randint(len(train), (batch_size,), generator=rng, device=train.device)]
            loss = sign * value(*pair, x, rng)
            for p, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                p.grad = gradient
            optimizer.step()
    with torch.no_grad():
        pairs = ((players[0], copies[1]), (copies[0], players[1]), players)
        found = [value(g, d, held_out, torch.Generator(train.device).manual_seed(seed)).item() for g, d in pairs]
    if not all(abs(v) < float("inf") for v in found):
        raise FloatingPointError(f"a value of the game is not finite ({found}); lower learning_rate = {learning_rate}")
    return Gap(*found)
