"""The limit of a training step: its matrix products alone."""

from __future__ import annotations

import torch

from ganrepro.recipes import AnyLayer, Layer, Recipe

Shape = tuple[int, int, int]  # rows, inner, columns of a product: 2 x their product operations


def products(recipe: Recipe) -> list[Shape]:
    """The matrix products of one step on full minibatches, forward and backward.

    Raises ValueError for a recipe whose layers are not all fully connected.
    """
    n = recipe.batch_size
    g, d = _sizes(recipe, recipe.g_inputs, recipe.generator), _sizes(recipe, recipe.d_inputs, recipe.discriminator)
    g_forward, d_forward = [(n, i, o) for i, o in g], [(n, i, o) for i, o in d]
    weights_g, weights_d = [(o, n, i) for i, o in g], [(o, n, i) for i, o in d]
    back_g, back_d = [(n, o, i) for i, o in g[1:]], [(n, o, i) for i, o in d]  # down to G's first layer; to x
    move_d = 2 * d_forward + 2 * weights_d + 2 * back_d[1:]
    move_g = back_d + weights_g + back_g
    if recipe.update == "simultaneous":
        return g_forward + move_d + move_g
    return recipe.k * (g_forward + move_d) + recipe.coordination.g_moves * (g_forward + d_forward + move_g)


def _sizes(recipe: Recipe, inputs: int, layers: tuple[AnyLayer, ...]) -> list[tuple[int, int]]:
    dense = [layer for layer in layers if isinstance(layer, Layer)]
    if len(dense) < len(layers):
        raise ValueError(f"recipe {recipe.name} has convolutions; its limit is not one of matrix products")
    widths = [inputs] + [layer.units for layer in dense]
    return [(i, layer.units * layer.pieces) for i, layer in zip(widths, dense, strict=False)]


def operations(recipe: Recipe) -> int:
    """Floating-point operations in the products of one step."""
    return sum(2 * m * k * n for m, k, n in products(recipe))


class Products:
    """The bare products of one step, on operands of their own, as a callable."""

    def __init__(self, recipe: Recipe, device: torch.device | str = "cpu") -> None:
        shapes = products(recipe)
        self.operands = [(torch.rand(m, k, device=device), torch.rand(k, n, device=device)) for m, k, n in shapes]
        self.results = [torch.empty(m, n, device=device) for m, k, n in shapes]

    def __call__(self) -> None:
        for (a, b), out in zip(self.operands, self.results, strict=True):
            torch.mm(a, b, out=out)
