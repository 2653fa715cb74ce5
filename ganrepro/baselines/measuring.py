"""One loop, five measuring functions: a GAN whose D is scored by something else than log D.

With o = D's output, a number, D maximises E phi(o(x)) + E psi(o(G(z))) (Arora et al., 2017, call phi the measuring
function). For the first two o is the logit of the probability D; for the others it is what D says.

- "minimax": phi = log D, psi = log(1 - D), and G minimises the same sum (Goodfellow et al., 2014, equation 1).
- "non-saturating": the same D; G maximises E log D (Goodfellow et al., 2014, section 3).
- "least squares": D minimises (o - 1)^2 / 2 on data and o^2 / 2 on samples, G (o - 1)^2 / 2 (Mao et al., 2017, eq. 9).
- "Wasserstein, clipped": phi(o) = o, psi(o) = -o; D's weights stay in [-clip, clip] (Arjovsky et al., 2017, Alg. 1).
- "Wasserstein, gradient penalty": the same, with D's slope between data and samples held near 1 by a penalty in the
  place of clipping (Gulrajani et al., 2017, eq. 3).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor, nn

from ganrepro import game, networks
from ganrepro.device import plain_torch
from ganrepro.parameters import LARGEST_SEED, expect, expect_number

if TYPE_CHECKING:
    from jaxtyping import Float

    Noise = Callable[[int, torch.Generator], Tensor]

CLIPPED, PENALISED = "Wasserstein, clipped", "Wasserstein, gradient penalty"
FUNCTIONS = ("minimax", "non-saturating", "least squares", CLIPPED, PENALISED)
OF_LOGITS = FUNCTIONS[:2]
CLIP, PENALTY = 0.01, 10.0  # those of their papers
BETA2 = 0.999  # Kingma and Ba (2015)
CURVES = ("step", "d_loss", "g_loss", "d_real", "d_fake")


def discriminator_loss(function: str, real: Float[Tensor, "n"], fake: Float[Tensor, "m"]) -> Tensor:
    """What D descends, of its outputs on data and on samples, without the gradient penalty; nats where it is of logits.
    Raises ValueError for an unknown function."""
    _expect_function(function)
    if function in OF_LOGITS:
        return game.discriminator_loss(real, fake, scale=1.0)
    if function == "least squares":
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())
    return fake.mean() - real.mean()


def generator_loss(function: str, fake: Float[Tensor, "m"]) -> Tensor:
    """What G descends, of D's outputs on its samples. Raises ValueError for an unknown function."""
    _expect_function(function)
    if function in OF_LOGITS:
        return game.generator_loss(fake, function)
    return 0.5 * (fake - 1).square().mean() if function == "least squares" else -fake.mean()


def gradient_penalty(
    discriminator: nn.Module, x: Float[Tensor, "n ..."], x_fake: Float[Tensor, "n ..."], rng: torch.Generator
) -> Tensor:
    """E (|grad_x o(x')| - 1)^2 at x' = e x + (1 - e) G(z), e ~ U(0, 1) for each pair (Gulrajani et al., 2017, eq. 3).
    One number, which can be differentiated in D's weights."""
    e = torch.rand(len(x), *[1] * (x.ndim - 1), generator=rng, device=x.device, dtype=x.dtype)
    between = (e * x + (1 - e) * x_fake.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@plain_torch
def train(
    function: str, generator: nn.Module, discriminator: nn.Module, x: Float[Tensor, "n ..."], *, steps: int,
    batch_size: int, seed: int, learning_rate: float, d_steps: int = 1, noise: Noise | None = None, beta1: float = 0.5,
    clip: float = CLIP, penalty: float = PENALTY, watch: Callable[[int], object] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Train both players in place, with Adam, and leave them in eval mode. Returns `CURVES`, a step a row: losses and
    D's mean outputs, probabilities where it gives logits.

    - x: training examples on the players' device; D(x) is (n,) or (n, 1), without dropout.
    - steps: updates of G, each after d_steps updates of D, every one on batch_size examples drawn with replacement and
      as many samples.
    - noise(n, rng): z for G; by default that of the recipe, where G is a `networks.Generator`.
    - clip, penalty: of the two Wasserstein functions, not used by the others.
    - watch(step): called with 0 before the first step, and after each.

    The seed fixes minibatches, noise and interpolation; the initial weights are the caller's.

    Raises TypeError or ValueError, before any training, for an unknown function, values out of range, and players that
    do not fit each other or x; FloatingPointError, naming the step, where a loss is no longer finite.
    """
    _expect_arguments(function, generator, discriminator, x)
    expect_number("steps", steps, 1, networks.MOST)
    expect_number("batch_size", batch_size, 1, networks.MOST)
    expect_number("d_steps", d_steps, 1, 1000)
    expect_number("seed", seed, 0, LARGEST_SEED)
    for name, value, least, most in (("learning_rate", learning_rate, 1e-12, 1e3), ("beta1", beta1, 0, 0.9999),
                                     ("clip", clip, 1e-12, 1e6), ("penalty", penalty, 0, 1e6)):  # fmt: skip
        expect_number(name, value, least, most, float)
    if noise is not None:
        draw = noise
    elif isinstance(generator, networks.Generator):
        draw = partial(networks.draw_noise, generator.recipe, dtype=x.dtype)
    else:
        raise TypeError("noise = None; expected a function of (n, rng), since G has no recipe that says what z is")
    _expect_fit(generator, discriminator, x, draw)

    rng, rows = torch.Generator(x.device).manual_seed(seed), []
    players = generator.train(), discriminator.train()
    g_moves, d_moves = (torch.optim.Adam(p.parameters(), learning_rate, betas=(beta1, BETA2)) for p in players)
    if watch is not None:
        watch(0)
    for step in range(1, steps + 1):
        for _ in range(d_steps):
            real = x[torch.randint(len(x), (batch_size,), generator=rng, device=x.device)]
            fake = generator(draw(batch_size, rng)).detach()
            o_real, o_fake = discriminator(real).flatten(), discriminator(fake).flatten()
            d_loss = discriminator_loss(function, o_real, o_fake)
            if function == PENALISED:
                d_loss = d_loss + penalty * gradient_penalty(discriminator, real, fake, rng)
            _move(d_moves, d_loss)
            if function == CLIPPED:
                for p in discriminator.parameters():
                    p.data.clamp_(-clip, clip)
        g_loss = generator_loss(function, discriminator(generator(draw(batch_size, rng))).flatten())
        _move(g_moves, g_loss)
        means = [o.sigmoid().mean() if function in OF_LOGITS else o.mean() for o in (o_real.detach(), o_fake.detach())]
        row = torch.stack([d_loss.detach(), g_loss.detach(), *means]).tolist()
        if not all(map(torch.isfinite, torch.tensor(row[:2]))):
            raise FloatingPointError(f"{function}: a loss is no longer finite in step {step}; lower learning_rate")
        rows.append([step, *row])
        if watch is not None:
            watch(step)
    generator.eval(), discriminator.eval()
    return pd.DataFrame(rows, columns=list(CURVES))


def _move(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of one player; the other's gradients, which the loss left too, are dropped at its own step."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _expect_function(function: str) -> None:
    if function not in FUNCTIONS:
        raise ValueError(f"function = {function!r}; choose one of {' | '.join(FUNCTIONS)}")


def _expect_arguments(function: str, generator: nn.Module, discriminator: nn.Module, x: Tensor) -> None:
    _expect_function(function)
    expect(nn.Module, generator=generator, discriminator=discriminator)
    expect(Tensor, x=x)
    if not x.is_floating_point() or x.ndim < 2 or 0 in x.shape or not bool(x.isfinite().all()):
        raise ValueError(f"x has shape {tuple(x.shape)} and dtype {x.dtype}; expected finite floats (n, ...)")
    for name, net in (("generator", generator), ("discriminator", discriminator)):
        if isinstance(net, networks.Generator | networks.Discriminator) and net.recipe.task.kind != "plain":
            raise ValueError(f"{name} is for the task {net.recipe.task.kind}; this loop trains the plain game alone")


@torch.no_grad()
def _expect_fit(generator: nn.Module, discriminator: nn.Module, x: Tensor, draw: Noise) -> None:
    """Raise ValueError unless G makes rows of x's shape and D gives a number for each."""
    z = draw(2, torch.Generator(x.device).manual_seed(0))
    made = generator.eval()(z)
    if made.shape[1:] != x.shape[1:] or len(made) != 2:
        raise ValueError(f"G makes {tuple(made.shape)} of 2 z; expected {(2, *x.shape[1:])}, the shape of x")
    if (found := discriminator.eval()(made).shape) not in ((2,), (2, 1)):
        raise ValueError(f"D gives {tuple(found)} for 2 examples; expected (2,) or (2, 1)")
