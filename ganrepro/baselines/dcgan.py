"""A small net in the style of DCGAN (Radford, Metz and Chintala, 2016): strided convolutions in D, transposed ones in
G, batch normalisation (Ioffe and Szegedy, 2015), leaky ReLU in D, Adam with beta_1 = 1/2. The game is the paper's.

No layer pools and none but the first of G and the last of D is fully connected. Two strides of 2 fit small pictures,
where Radford et al. take four for 64 x 64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from ganrepro.device import plain_torch
from ganrepro.networks import count_parameters, generate
from ganrepro.parameters import expect_number

from . import measuring
from .fitted import expect_draw, expect_examples, generator_of

Z_DIM, KERNEL, LEAK, WEIGHTS = 100, 4, 0.2, 0.02  # Radford et al., section 4: the leak, and the weights' deviation
RATE = 2e-4


class Unflatten(nn.Module):
    """Rows (n, c h w) as maps (n, c, h, w)."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, self.shape)


class ToPixels(nn.Module):
    """tanh's range [-1, 1] as pixels in [0, 1], flat."""

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) + 1) / 2


class FromPixels(nn.Module):
    """Pixels in [0, 1] in tanh's range."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x - 1


@plain_torch
def noise(n: int, rng: torch.Generator) -> Tensor:
    """z (n, 100), standard normal."""
    return torch.randn(n, Z_DIM, generator=rng)


def check_shape(shape: tuple[int, int, int]) -> None:
    """Raise ValueError unless both sides of a picture (c, h, w) are multiples of 4 and at least 8."""
    if len(shape) != 3 or any(side < 8 or side % 4 for side in shape[1:]):
        raise ValueError(f"shape = {shape!r}; this net halves pictures (c, h, w) twice and needs sides that are "
                         "multiples of 4, at least 8")  # fmt: skip


def players(shape: tuple[int, int, int], width: int, rng: torch.Generator) -> tuple[nn.Sequential, nn.Sequential]:
    """G: z (n, 100) -> x (n, d), and D: x (n, d) -> logits (n,), for pictures of shape (c, h, w)."""
    c, h, w = shape
    base = (2 * width, h // 4, w // 4)
    units = math.prod(base)
    doubled = {"kernel_size": KERNEL, "stride": 2, "padding": 1}
    generator = nn.Sequential(
        skip_init(nn.Linear, Z_DIM, units, bias=False), nn.BatchNorm1d(units), nn.ReLU(), Unflatten(base),
        skip_init(nn.ConvTranspose2d, 2 * width, width, **doubled, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        skip_init(nn.ConvTranspose2d, width, c, **doubled), nn.Tanh(), ToPixels(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        FromPixels(), Unflatten(shape), skip_init(nn.Conv2d, c, width, **doubled), nn.LeakyReLU(LEAK),
        skip_init(nn.Conv2d, width, 2 * width, **doubled, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(LEAK),
        nn.Flatten(), skip_init(nn.Linear, units, 1), nn.Flatten(0),
    )  # fmt: skip
    for module in (*generator, *discriminator):
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, WEIGHTS, generator=rng)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return generator, discriminator


@dataclass(frozen=True)
class DCGAN:
    """The trained G, in evaluation mode: its batch normalisation uses the running means, so that a sample depends on
    its own z alone."""

    generator: nn.Sequential

    @property
    def parameters(self) -> int:
        """G's."""
        return count_parameters(self.generator)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples (n, d) float32 in [0, 1]."""
        return generate(self.generator, noise(n, expect_draw(n, seed)))


@plain_torch
def fit(
    train: Tensor, shape: tuple[int, int, int], steps: int = 1000, width: int = 32, batch: int = 64, seed: int = 0
) -> DCGAN:  # fmt: skip
    """Play the paper's game on train (m, d) in [0, 1], pictures of this shape: so many steps of D, each followed by one
    of G, both by Adam at .0002 (`measuring.train`).

    width: channels next to the picture; twice as many below. Raises ValueError for a shape whose sides are no multiples
    of 4, fewer examples than a minibatch, and equal examples.
    """
    for name, value in (("steps", steps), ("width", width), ("batch", batch)):
        expect_number(name, value, 1, 10**6)
    check_shape(shape)
    expect_examples(train, max(2, batch))
    if train.shape[1] != math.prod(shape):
        raise ValueError(f"shape = {shape!r} has {math.prod(shape)} numbers, and an example of train {train.shape[1]}")
    g, d = players(shape, width, generator_of(seed))
    measuring.train("non-saturating", g, d, train.float(), steps=steps, batch_size=batch, seed=seed, learning_rate=RATE,
                    noise=noise)  # fmt: skip
    return DCGAN(g)
