"""Generator, discriminator and noise, built from a recipe as plain nn.Modules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganrepro import conditions
from ganrepro.convolution import MaxoutConvolution, UntiedTransposedConvolution
from ganrepro.layers import MARGINAL, AnyLayer, Convolution, Layer, TransposedConvolution
from ganrepro.recipe import Recipe

ACTIVATION = {"relu": torch.relu, "sigmoid": torch.sigmoid, "linear": lambda h: h}


class Maxout(torch.autograd.Function):
    """The maximum over dimension -2. As `amax(-2)`, but its gradient takes a fifth of the time."""

    generate_vmap_rule = True

    @staticmethod
    def forward(pieces: Tensor) -> Tensor:
        return pieces.amax(-2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        pieces, largest = ctx.saved_tensors
        chosen = (pieces - largest.unsqueeze(-2)).sign_().add_(1)  # 1 at the maximum, 0 elsewhere
        return chosen.mul_(gradient.unsqueeze(-2))


class Dense(nn.Module):
    """One layer of a recipe: activation(W x + b), or its maximum over pieces; piece p of unit u is row p units + u."""

    def __init__(self, inputs: int, layer: Layer, rng: torch.Generator, marginal: Tensor | None = None) -> None:
        super().__init__()
        self.layer = layer
        rows = layer.units * layer.pieces
        self.weight = nn.Parameter(initial_weight(inputs, rows, layer, rng))
        bias = torch.full((rows,), 0.0 if layer.bias == MARGINAL else float(layer.bias))
        if layer.bias == MARGINAL and marginal is not None:
            bias = torch.logit(marginal.float().clamp(1e-7, 1 - 1e-7))
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) -> (..., units)."""
        h = nn.functional.linear(x, self.weight, self.bias)
        if self.layer.activation == "maxout":
            return Maxout.apply(h.unflatten(-1, (self.layer.pieces, self.layer.units)))
        return ACTIVATION[self.layer.activation](h)


def initial_weight(inputs: int, rows: int, layer: Layer, rng: torch.Generator) -> Tensor:
    """(rows, inputs) float32: U(-irange, irange), or `sparse` N(0, 1) entries in every row and zeros elsewhere."""
    if not layer.sparse:
        return torch.empty(rows, inputs).uniform_(-layer.irange, layer.irange, generator=rng)
    chosen = torch.rand(rows, inputs, generator=rng).topk(min(layer.sparse, inputs), dim=1).indices
    return torch.zeros(rows, inputs).scatter_(1, chosen, torch.randn(chosen.shape, generator=rng))


def build(
    inputs: int, layers: Sequence[AnyLayer], rng: torch.Generator, marginal: Tensor | None = None
) -> nn.ModuleList:  # fmt: skip
    """The modules of a recipe's layers on `inputs` numbers, their weights drawn in order."""

    def one(inputs: int, layer: AnyLayer) -> nn.Module:
        if isinstance(layer, Convolution):
            return MaxoutConvolution(layer, rng)
        if isinstance(layer, TransposedConvolution):
            return UntiedTransposedConvolution(layer, rng)
        return Dense(inputs, layer, rng, marginal)

    widths = [inputs] + [layer.units for layer in layers]
    return nn.ModuleList(one(n, layer) for n, layer in zip(widths, layers, strict=False))


class Generator(nn.Module):
    """G(z; theta_g). `marginal` (d,) is the training mean that a "marginal" bias starts from."""

    def __init__(self, recipe: Recipe, rng: torch.Generator, marginal: Tensor | None = None) -> None:
        super().__init__()
        self.layers = build(recipe.g_inputs, recipe.generator, rng, marginal)
        self.recipe = recipe

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """z (..., z_dim), with conditions c (..., g_inputs - z_dim) beside it -> x (..., d), in data space."""
        h = z if c is None else torch.cat([z, c], -1)
        for layer in self.layers:
            h = layer(h)
        return conditions.complete(h, c) if self.recipe.subsets and c is not None else h

    def deepen(self, recipe: Recipe, rng: torch.Generator) -> None:
        """Become the G of `recipe`: the layers that it has more are drawn and put in front of the trained ones."""
        fresh = recipe.generator[: len(recipe.generator) - len(self.layers)]
        added = build(recipe.z_dim, fresh, rng).to(next(self.parameters()).device)
        self.layers = nn.ModuleList([*added, *self.layers])
        self.recipe = recipe


class Discriminator(nn.Module):
    """The logit of D(x; theta_d)."""

    def __init__(self, recipe: Recipe, rng: torch.Generator) -> None:
        super().__init__()
        self.layers = build(recipe.d_inputs, recipe.discriminator, rng)
        self.recipe = recipe

    def forward(self, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """x (..., n, d_inputs) -> logits (..., n). masks: a factor for each layer's input, as `draw_masks` makes them;
        none at evaluation."""
        for i, layer in enumerate(self.layers):
            x = layer(x * masks[i] if masks else x)
        return x.squeeze(-1)


def draw_masks(recipe: Recipe, n: int, rng: torch.Generator, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """Inverted dropout for n examples: for each layer of D a factor (n, inputs) that is 0 or 1/keep.

    Empty where the recipe keeps everything. What D is told besides x is always kept.
    """
    keeps = [recipe.keep_input] + [recipe.keep_hidden] * (len(recipe.discriminator) - 1)
    if all(keep == 1 for keep in keeps):
        return ()
    widths = [recipe.dim] + [layer.units for layer in recipe.discriminator]
    first, *others = (_dropout(n, width, keep, rng, dtype) for width, keep in zip(widths, keeps, strict=False))
    if recipe.told:
        first = torch.nn.functional.pad(first, (0, recipe.told), value=1.0)
    return first, *others


def _dropout(n: int, width: int, keep: float, rng: torch.Generator, dtype: torch.dtype) -> Tensor:
    """(n, width) of 1/keep with a probability of keep, to 2^-16, and else 0: four from 64 random bits, for speed."""
    bits = torch.empty((n * width + 3) // 4, dtype=torch.int64, device=rng.device)
    bits.random_(-(2**63), None, generator=rng)
    return bits.view(torch.int16)[: n * width].view(n, width).to(dtype).lt_((keep - 0.5) * 2**16).div_(keep)


def draw_noise(recipe: Recipe, n: int, rng: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    """z (n, z_dim) on the generator's device, each of its numbers with a mean square of 1.

    "uniform": U(-sqrt 3, sqrt 3); "gaussian": N(0, 1); "spherical": uniform on the sphere of radius sqrt(z_dim) (in the
    authors' code, of radius 1). With a mixture of K, z = [sqrt(K) e_c, eps], c one of K with equal chance and eps such
    noise of the rest: W z = mu_c + W' eps in G's first layer, a mixture whose means mu_c it learns.
    """
    choices = recipe.mixture or 0
    z = torch.empty(n, recipe.z_dim - choices, device=rng.device, dtype=dtype)
    if recipe.noise == "uniform":
        z.uniform_(-math.sqrt(3), math.sqrt(3), generator=rng)
    else:
        z.normal_(generator=rng)
    if recipe.noise == "spherical":
        z.mul_(math.sqrt(z.shape[1]) / z.norm(dim=1, keepdim=True).clamp_min(1e-7))
    if not choices:
        return z
    chosen = torch.randint(choices, (n,), generator=rng, device=rng.device)
    return torch.cat([torch.eye(choices, device=rng.device, dtype=dtype)[chosen] * math.sqrt(choices), z], 1)


def count_parameters(module: nn.Module) -> int:
    """Trainable numbers in a module."""
    return sum(p.numel() for p in module.parameters())


SAMPLE_BLOCK = 1000


def noise(recipe: Recipe, n: int, seed: int) -> Tensor:
    """z (n, z_dim) float32 of a seed: in whole blocks from a CPU random state, so that z_i is the same whatever n."""
    if type(n) is not int or n < 1:
        raise ValueError(f"n = {n!r}; the number of samples must be an int of at least 1")
    rng = torch.Generator().manual_seed(seed)
    return torch.cat([draw_noise(recipe, SAMPLE_BLOCK, rng) for _ in range(math.ceil(n / SAMPLE_BLOCK))])[:n]


@torch.no_grad()
def generate(generator: nn.Module, z: Tensor, condition: Tensor | None = None) -> Tensor:
    """x (n, d) float32 on the CPU: what G makes of z (n, z_dim), and of a condition (n, c) where its recipe has one.

    In blocks of one size, the last one filled up, so that x_i is the same whatever n.
    """
    device = next(generator.parameters()).device
    given = [z] if condition is None else [z, condition]
    whole = [nn.functional.pad(rows, (0, 0, 0, -len(z) % SAMPLE_BLOCK)).split(SAMPLE_BLOCK) for rows in given]
    blocks = zip(*whole, strict=True)
    return torch.cat([generator(*(rows.to(device) for rows in block)).cpu() for block in blocks])[: len(z)]


def sample(
    generator: nn.Module, recipe: Recipe, n: int, seed: int, condition: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """n fresh samples and their noise: x (n, d), z (n, z_dim), float32 on the CPU; the same on every device but for
    rounding. condition (n, c): a row a sample, where the recipe has conditions."""
    z = noise(recipe, n, seed)
    return generate(generator, z, condition), z


@torch.no_grad()
def walk(generator: nn.Module, ends: Tensor, steps: int) -> Tensor:
    """(rows, steps, d): what G makes along the straight line between each pair of ends (rows, 2, z_dim)."""
    t = torch.linspace(0, 1, steps)[:, None]
    z = torch.stack([(1 - t) * a + t * b for a, b in ends])  # (rows, steps, z_dim)
    return generator(z)
