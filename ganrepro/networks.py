"""Generator, discriminator and noise, built from a recipe as plain nn.Modules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganrepro.device import plain_torch, without_autocast
from ganrepro.parameters import expect, expect_number
from ganrepro.recipes import MARGINAL, AnyLayer, Convolution, Layer, Recipe, Subsets, TransposedConvolution

if TYPE_CHECKING:
    from jaxtyping import Float

    Noise = Float[Tensor, "... n z"]
    Examples = Float[Tensor, "... n d"]
    Condition = Float[Tensor, "... n c"] | None

SAMPLE_BLOCK = 1000  # samples that are made at once
MOST = 10**9  # samples, or steps of a walk, in one call
ACTIVATION = {"relu": torch.relu, "sigmoid": torch.sigmoid, "linear": lambda h: h}


class Maxout(torch.autograd.Function):
    """The maximum over dimension -2. Pieces that tie for it each receive the whole gradient, as in pylearn2, whose
    maxout chains Theano's binary maximum; `amax` would divide the gradient among them, in five times the time."""

    generate_vmap_rule = True

    @staticmethod
    def forward(pieces: Float[Tensor, "... p u"]) -> Float[Tensor, "... u"]:
        return pieces.amax(-2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, gradient: Float[Tensor, "... u"]) -> Float[Tensor, "... p u"]:
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

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... u"]:
        h = functional.linear(x, self.weight, self.bias)
        if self.layer.activation == "maxout":
            return Maxout.apply(h.unflatten(-1, (self.layer.pieces, self.layer.units)))
        return ACTIVATION[self.layer.activation](h)


class MaxoutConvolution(nn.Module):
    """Convolution, maximum over each channel's consecutive pieces, maximum over space (C: MaxoutConvC01B)."""

    def __init__(self, layer: Convolution, rng: torch.Generator) -> None:
        super().__init__()
        self.layer = layer
        maps = layer.channels * layer.pieces
        weight = torch.empty(maps, layer.inputs[0], layer.kernel, layer.kernel)
        self.weight = nn.Parameter(weight.uniform_(-layer.irange, layer.irange, generator=rng))
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... u"]:
        layer = self.layer
        h = functional.conv2d(x.reshape(-1, *layer.inputs), self.weight, self.bias, padding=layer.pad)
        h = Maxout.apply(h.unflatten(1, (layer.channels, layer.pieces)).flatten(3)).unflatten(2, h.shape[2:])
        h = functional.max_pool2d(h, layer.pool, layer.stride, ceil_mode=True)
        return h.reshape(*x.shape[:-1], layer.units)


class UntiedTransposedConvolution(nn.Module):
    """Transposed convolution, linear, with a bias for every output (C: the generator of cifar10_convolutional)."""

    def __init__(self, layer: TransposedConvolution, rng: torch.Generator) -> None:
        super().__init__()
        self.layer = layer
        weight = torch.empty(layer.inputs[0], layer.channels, layer.kernel, layer.kernel)
        self.weight = nn.Parameter(weight.uniform_(-layer.irange, layer.irange, generator=rng))
        self.bias = nn.Parameter(torch.zeros(layer.outputs))

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... u"]:
        h = functional.conv_transpose2d(x.reshape(-1, *self.layer.inputs), self.weight, stride=self.layer.stride)
        return (h + self.bias).reshape(*x.shape[:-1], self.layer.units)


def initial_weight(inputs: int, rows: int, layer: Layer, rng: torch.Generator) -> Float[Tensor, "r i"]:
    """(rows, inputs) float32: U(-irange, irange), or `sparse` N(0, 1) entries in every row and zeros elsewhere."""
    if not layer.sparse:
        return torch.empty(rows, inputs).uniform_(-layer.irange, layer.irange, generator=rng)
    chosen = torch.rand(rows, inputs, generator=rng).topk(min(layer.sparse, inputs), dim=1).indices
    return torch.zeros(rows, inputs).scatter_(1, chosen, torch.randn(chosen.shape, generator=rng))


def build(n: int, layers: Sequence[AnyLayer], rng: torch.Generator, marginal: Tensor | None = None) -> nn.ModuleList:
    """The modules of a recipe's layers on n numbers, their weights drawn in order."""

    def one(inputs: int, layer: AnyLayer) -> nn.Module:
        if isinstance(layer, Convolution):
            return MaxoutConvolution(layer, rng)
        if isinstance(layer, TransposedConvolution):
            return UntiedTransposedConvolution(layer, rng)
        return Dense(inputs, layer, rng, marginal)

    widths = [n] + [layer.units for layer in layers]
    return nn.ModuleList(one(inputs, layer) for inputs, layer in zip(widths, layers, strict=False))


class Generator(nn.Module):
    """G(z; theta_g), or G(z, c; theta_g). `marginal` (d,) is the training mean that a "marginal" bias starts from."""

    factors: Tensor

    @plain_torch
    def __init__(self, recipe: Recipe, rng: torch.Generator, marginal: Tensor | None = None) -> None:
        super().__init__()
        self.layers = build(recipe.g_inputs, recipe.generator, rng, marginal)
        self.recipe = recipe
        factors = torch.tensor(recipe.task.factors(recipe.dim), dtype=torch.float64)
        self.register_buffer("factors", factors, persistent=False)

    @without_autocast
    def forward(self, z: Noise, c: Condition = None) -> Examples:
        """Samples in data space, from noise and, where the task has one, a condition."""
        h = z if c is None else torch.cat([z, c * self.factors.to(c.dtype)], -1)
        for layer in self.layers:
            h = layer(h)
        if c is not None and isinstance(self.recipe.task, Subsets):  # c is m‖m x: observed pixels stay as they are
            mask, observed = c.chunk(2, -1)
            h = observed + (1 - mask) * h
        return h

    @plain_torch
    def deepen(self, recipe: Recipe, rng: torch.Generator) -> None:
        """Become the G of `recipe`, whose additional first layers are drawn and put in front of the trained ones."""
        fresh = recipe.generator[: len(recipe.generator) - len(self.layers)]
        added = build(recipe.z_dim, fresh, rng).to(next(self.parameters()).device)
        self.layers = nn.ModuleList([*added, *self.layers])
        self.recipe = recipe


class Discriminator(nn.Module):
    """The logit of D(x; theta_d), or of D(x, c; theta_d); with K classes K outputs (training/tasks.py)."""

    factors: Tensor

    @plain_torch
    def __init__(self, recipe: Recipe, rng: torch.Generator) -> None:
        super().__init__()
        self.layers = build(recipe.d_inputs, recipe.discriminator, rng)
        self.recipe = recipe
        factors = recipe.task.factors(recipe.dim)[: recipe.task.d_condition(recipe.dim)]
        self.register_buffer("factors", torch.tensor(factors, dtype=torch.float64), persistent=False)

    def scaled(self, x: Examples) -> Examples:
        """What the first layer is given: examples, times the recipe's input_scale where it has one."""
        return x if self.recipe.input_scale is None else x * self.recipe.input_scale

    @without_autocast
    def forward(self, x: Examples, dropout: tuple[Tensor, ...] = (), c: Condition = None) -> Float[Tensor, "... n"]:
        """Logits (..., n), or outputs (..., n, K), of examples and, where the task has one, their condition, which is
        never dropped. dropout: a factor for each layer's input, as `draw_dropout` makes them; none at evaluation."""
        h = self.scaled(x) * dropout[0] if dropout else self.scaled(x)
        if c is not None:
            h = torch.cat([h, c[..., : len(self.factors)] * self.factors.to(c.dtype)], -1)
        for i, layer in enumerate(self.layers):
            h = layer(h * dropout[i] if dropout and i else h)
        return h if self.recipe.task.d_outputs > 1 else h.squeeze(-1)


Player = TypeVar("Player", Generator, Discriminator)


@plain_torch
def with_weights(player: type[Player], recipe: Recipe, weights: Mapping[str, Tensor]) -> Player:
    """A Generator or Discriminator with those of the weights named generator.* or discriminator.*, in eval mode."""
    net, prefix = player(recipe, torch.Generator()), f"{player.__name__.lower()}."
    net.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    return net.eval()


def count_parameters(module: nn.Module) -> int:
    """Trainable numbers in a module."""
    return sum(p.numel() for p in module.parameters())


def expect_numbers(name: str, given: Any, axes: int) -> None:
    """Raise TypeError or ValueError unless an argument is a dense tensor of floats with rows and so many axes."""
    expect(Tensor, **{name: given})
    if given.is_meta or given.layout != torch.strided or not given.is_floating_point():
        raise TypeError(f"{name} has dtype {given.dtype} and layout {given.layout} on {given.device}; expected floats")
    if given.ndim != axes or 0 in given.shape:
        raise ValueError(f"{name} has shape {tuple(given.shape)}; expected {axes} axes, none of them empty")


def _expect_rows(name: str, given: Any, shape: tuple[int, int], dtype: torch.dtype) -> None:
    expect_numbers(name, given, 2)
    if tuple(given.shape) != shape or given.dtype != dtype:
        raise ValueError(f"{name} has shape {tuple(given.shape)} and dtype {given.dtype}; expected {shape} and {dtype}")


def draw_dropout(
    recipe: Recipe, n: int, rng: torch.Generator, dtype: torch.dtype = torch.float32
) -> tuple[Float[Tensor, "n i"], ...]:
    """Inverted dropout for n examples: a factor (n, inputs) of 0 or 1/keep for each layer of D; () if all is kept."""
    keeps = [recipe.keep_input] + [recipe.keep_hidden] * (len(recipe.discriminator) - 1)
    if all(keep == 1 for keep in keeps):
        return ()
    widths = [recipe.dim] + [layer.units for layer in recipe.discriminator]
    return tuple(_dropout(n, width, keep, rng, dtype) for width, keep in zip(widths, keeps, strict=False))


def _dropout(n: int, width: int, keep: float, rng: torch.Generator, dtype: torch.dtype) -> Tensor:
    """(n, width) of 1/keep with a probability of keep, to 2^-16, and else 0: four from 64 random bits, for speed."""
    bits = torch.empty((n * width + 3) // 4, dtype=torch.int64, device=rng.device)
    bits.random_(-(2**63), None, generator=rng)
    return bits.view(torch.int16)[: n * width].view(n, width).to(dtype).lt_((keep - 0.5) * 2**16).div_(keep)


def draw_noise(recipe: Recipe, n: int, rng: torch.Generator, dtype: torch.dtype = torch.float32) -> Noise:
    """z (n, z_dim) on the generator's device, each of its numbers with a mean square of 1: U(-sqrt 3, sqrt 3), N(0, 1),
    or, if "spherical", uniform on the sphere of radius sqrt(z_dim) (in the authors' code, of radius 1).

    With a mixture of K, z = [sqrt(K) e_c, eps], c one of K with equal chance and eps such noise of the rest: then
    W z = mu_c + W' eps in G's first layer, a mixture whose means mu_c it learns.
    """
    expect(Recipe, recipe=recipe)
    expect(torch.Generator, rng=rng)
    expect_number("n", n, 0, MOST)
    choices = recipe.coordination.mixture or 0
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


@plain_torch
def noise(recipe: Recipe, n: int, seed: int) -> Noise:
    """z (n, z_dim) float32 of a seed: in whole blocks from a CPU random state, so that z_i is the same whatever n."""
    expect(Recipe, recipe=recipe)
    expect_number("n", n, 1, MOST)
    expect_number("seed", seed, -(2**63), 2**64 - 1)
    rng = torch.Generator().manual_seed(seed)
    return torch.cat([draw_noise(recipe, SAMPLE_BLOCK, rng) for _ in range(math.ceil(n / SAMPLE_BLOCK))])[:n]


@plain_torch
@torch.no_grad()
def generate(generator: nn.Module, z: Noise, condition: Condition = None) -> Examples:
    """x (n, d) float32 on the CPU: G of z (n, z_dim) and, where its task has one, of a condition (n, c). In blocks of
    one size, the last one padded, so that x_i is the same whatever n."""
    expect(nn.Module, generator=generator)
    first = next(generator.parameters())
    if isinstance(generator, Generator):
        expect(Tensor, z=z)
        _expect_rows("z", z, (len(z) if z.ndim else 0, generator.recipe.z_dim), first.dtype)
        if condition is not None:
            _expect_rows("condition", condition, (len(z), len(generator.factors)), first.dtype)
    device = first.device
    given = [z] if condition is None else [z, condition]
    whole = [functional.pad(rows, (0, 0, 0, -len(z) % SAMPLE_BLOCK)).split(SAMPLE_BLOCK) for rows in given]
    made = [generator(*(rows.to(device) for rows in block)).cpu() for block in zip(*whole, strict=True)]
    return torch.cat(made)[: len(z)]


@plain_torch
def sample(
    generator: nn.Module, recipe: Recipe, n: int, seed: int, condition: Condition = None
) -> tuple[Examples, Noise]:  # fmt: skip
    """n samples and their noise: x (n, d), z (n, z_dim), float32 on the CPU, equal on every device up to rounding.
    condition (n, c): a row for each sample, where the task has one."""
    z = noise(recipe, n, seed)
    return generate(generator, z, condition), z


@plain_torch
@torch.no_grad()
def walk(
    generator: Callable[[Tensor], Tensor], ends: Float[Tensor, "rows 2 z"], steps: int
) -> Float[Tensor, "rows steps d"]:
    """Samples along the straight line between each pair of ends (rows, 2, z_dim); generator is G, or a part of it."""
    if not callable(generator):
        raise TypeError(f"generator = {generator!r}; expected a function of z, such as a Generator")
    expect_numbers("ends", ends, 3)
    expect_number("steps", steps, 1, MOST)
    t = torch.linspace(0, 1, steps)[:, None]
    z = torch.stack([(1 - t) * a + t * b for a, b in ends])  # (rows, steps, z_dim)
    return generator(z)
