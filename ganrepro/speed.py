"""How fast a training can be at most: its matrix products alone, and what share of that rate a run reached."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganrepro import parameters
from ganrepro.layers import AnyLayer, Layer
from ganrepro.recipe import Recipe

Shape = tuple[int, int, int]  # rows, inner, columns of a product: 2 x their product operations


def products(recipe: Recipe) -> list[Shape]:
    """The matrix products of one step on full minibatches, forward and backward.

    Raises ValueError for a recipe whose layers are not all fully connected.
    """
    n = recipe.batch_size
    g, d = _sizes(recipe.z_dim, recipe.generator, recipe), _sizes(recipe.dim, recipe.discriminator, recipe)
    generate, judge = [(n, i, o) for i, o in g], [(n, i, o) for i, o in d]
    weights_g, weights_d = [(o, n, i) for i, o in g], [(o, n, i) for i, o in d]
    back_g, back_d = [(n, o, i) for i, o in g[1:]], [(n, o, i) for i, o in d]  # down to G's first layer; to x
    move_d = 2 * judge + 2 * weights_d + 2 * back_d[1:]
    move_g = back_d + weights_g + back_g
    if recipe.update == "simultaneous":
        return generate + move_d + move_g
    return recipe.k * (generate + move_d) + (recipe.g_moves or 1) * (generate + judge + move_g)


def _sizes(inputs: int, layers: tuple[AnyLayer, ...], recipe: Recipe) -> list[tuple[int, int]]:
    dense = [layer for layer in layers if isinstance(layer, Layer)]
    if len(dense) < len(layers):
        raise ValueError(f"recipe {recipe.name} has convolutions; its limit is not one of matrix products")
    widths = [inputs] + [layer.units for layer in dense]
    return [(i, layer.units * layer.pieces) for i, layer in zip(widths, dense, strict=False)]


def operations(recipe: Recipe) -> int:
    """Floating-point operations in the products of one step."""
    return sum(2 * m * k * n for m, k, n in products(recipe))


@contextmanager
def rounding(recipe: Recipe) -> Iterator[None]:
    """Make matrix products as the recipe says: from numbers rounded to TF32 on a GPU, to bfloat16 on a CPU, or exact.

    Where the machine has no such products, they are the exact ones. torch takes "medium" for TF32 on a GPU, so
    `train` refuses bfloat16 there.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision({None: "highest", "tf32": "high", "bfloat16": "medium"}[recipe.products])
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class Products:
    """The bare products of one step, on operands of their own, as a callable."""

    def __init__(self, recipe: Recipe, device: torch.device | str = "cpu") -> None:
        shapes = products(recipe)
        self.operands = [(torch.rand(m, k, device=device), torch.rand(k, n, device=device)) for m, k, n in shapes]
        self.results = [torch.empty(m, n, device=device) for m, k, n in shapes]

    def __call__(self) -> None:
        for (a, b), out in zip(self.operands, self.results, strict=True):
            torch.mm(a, b, out=out)


def limit(recipe: Recipe, device: str = "auto", seconds: float = 0.5) -> float:
    """Steps per second that the bare products of one run, of the recipe's precision, would allow here and now."""
    where = parameters.device(device)
    bare = Products(recipe, where)
    times: list[float] = []
    with rounding(recipe):
        bare()
        began = time.perf_counter()
        while len(times) < 5 or time.perf_counter() - began < seconds:
            start = time.perf_counter()
            bare()
            if where.type == "cuda":
                torch.cuda.synchronize(where)
            times.append(time.perf_counter() - start)
    return 1 / sorted(times)[len(times) // 2]


def report(recipe: Recipe, steps: int, seconds: float, device: str = "auto") -> str:
    """One line: the rate of a training, and its share of the limit where there is one."""
    rate = f"{steps / seconds:.3g} steps/s"
    try:
        share = steps / seconds / limit(recipe, device)
    except ValueError:
        return rate
    return f"{rate}, {share:.0%} of what its matrix products alone allow here"
