"""The convolutional layers against plain loops, and every layer of every full-size recipe as it starts."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import networks, recipes
from ganrepro.recipes import RECIPES, Convolution, Layer, TransposedConvolution


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def plain_maxout_convolution(x, w, b, layer):
    """x (c, h, w) -> (channels, h', w'), float64: one output at a time."""
    c, h, width = x.shape
    p, k = layer.pad, layer.kernel
    padded = np.zeros((c, h + 2 * p, width + 2 * p))
    padded[:, p : p + h, p : p + width] = x
    rows, columns = padded.shape[1] - k + 1, padded.shape[2] - k + 1
    maps = np.empty((len(w), rows, columns))
    for m in range(len(w)):
        for i in range(rows):
            for j in range(columns):
                maps[m, i, j] = (padded[:, i : i + k, j : j + k] * w[m]).sum() + b[m]
    channels = [maps[u * layer.pieces : (u + 1) * layer.pieces].max(0) for u in range(layer.channels)]
    out = np.empty((layer.channels, math.ceil((rows - layer.pool) / layer.stride) + 1,
                    math.ceil((columns - layer.pool) / layer.stride) + 1))  # fmt: skip
    for u, i, j in np.ndindex(out.shape):
        top, left = i * layer.stride, j * layer.stride
        out[u, i, j] = channels[u][top : top + layer.pool, left : left + layer.pool].max()
    return out


@given(
    st.integers(1, 2), st.integers(4, 7), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2),
    st.sampled_from([(1, 1), (2, 2), (4, 2), (3, 1)]), st.integers(0, 9),
)  # fmt: skip
def test_a_maxout_convolution_is_its_definition(c, side, channels, pieces, kernel, pad, pooling, seed):
    layer = Convolution((c, side, side + 1), channels, kernel, pad, *pooling, pieces=pieces, irange=1.0)
    if min(side + 2 * pad - kernel + 1, side) < pooling[0] or pad > kernel:
        return
    module = networks.MaxoutConvolution(layer, rng(seed)).double()
    torch.nn.init.normal_(module.bias, generator=rng(seed + 1))
    x = torch.randn(2, c * side * (side + 1), generator=rng(seed + 2), dtype=torch.float64)
    found = module(x)
    assert found.shape == (2, layer.units) == (2, math.prod(layer.outputs))
    w, b = module.weight.detach().numpy(), module.bias.detach().numpy()
    for row, one in zip(found.detach().numpy(), x.numpy(), strict=True):
        expected = plain_maxout_convolution(one.reshape(layer.inputs), w, b, layer)
        np.testing.assert_allclose(row.reshape(layer.outputs), expected, rtol=1e-10, atol=1e-10)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), st.integers(1, 3), st.integers(0, 9))
def test_a_transposed_convolution_adds_kernels_and_its_own_bias_everywhere(c, side, channels, kernel, stride, seed):
    layer = TransposedConvolution((c, side, side), channels, kernel, stride, irange=1.0)
    module = networks.UntiedTransposedConvolution(layer, rng(seed)).double()
    torch.nn.init.normal_(module.bias, generator=rng(seed + 1))
    x = torch.randn(1, c * side * side, generator=rng(seed + 2), dtype=torch.float64)
    expected = module.bias.detach().numpy().copy()
    assert expected.shape == layer.outputs  # one for every number it makes
    w = module.weight.detach().numpy()
    for u, i, j in np.ndindex(layer.inputs):
        value = x.reshape(layer.inputs)[u, i, j].item()
        expected[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel] += value * w[u]
    np.testing.assert_allclose(module(x)[0].detach().numpy().reshape(layer.outputs), expected, rtol=1e-10, atol=1e-10)


def test_stacks_of_minibatches_go_through_convolutions_too():
    recipe = recipes.quick(RECIPES["cifar10-conv"], 1000)
    x = torch.randn(6, 3072, generator=rng())
    d = networks.Discriminator(recipe, rng())
    torch.testing.assert_close(d(x.unflatten(0, (2, 3))), d(x).unflatten(0, (2, 3)))
    g, z = networks.Generator(recipe, rng()), torch.randn(6, 100, generator=rng(1))
    torch.testing.assert_close(g(z.unflatten(0, (2, 3))), g(z).unflatten(0, (2, 3)))


def test_dropout_reaches_the_input_of_every_convolution():
    masks = networks.draw_dropout(RECIPES["cifar10-conv"], 3, rng())
    assert [m.shape[1] for m in masks] == [3 * 32 * 32, 32 * 16 * 16, 32 * 7 * 7, 192 * 5 * 5, 500]
    assert [round(float(m.max()), 2) for m in masks] == [1.25, 2, 2, 2, 2]


def test_convolutions_that_do_not_fit_are_refused_by_name():
    recipe = RECIPES["cifar10-conv"]
    first, second, *rest = recipe.discriminator
    with pytest.raises(ValueError, match=r"D's layer 1 takes inputs of shape \(192, 7, 7\), 9408 numbers"):
        recipe.replace(discriminator=(first, dataclasses.replace(second, inputs=(192, 7, 7)), *rest))
    with pytest.raises(ValueError, match="cifar10-conv: G's layer 2 takes inputs .* but is given 7999"):
        recipe.replace(generator=(recipe.generator[0], Layer(7999, "sigmoid"), recipe.generator[2]))
    with pytest.raises(ValueError, match="max_col_norm = 1.9 is for fully connected layers only"):
        recipe.replace(max_col_norm=1.9)


@pytest.mark.parametrize("name", RECIPES)
def test_every_layer_at_full_size_starts_within_its_range(name):
    recipe = RECIPES[name]
    recipe = recipe.at(recipe.epochs)
    mean = torch.full((recipe.dim,), 0.25)
    for net, own in (
        (networks.Generator(recipe, rng(), mean), recipe.generator),
        (networks.Discriminator(recipe, rng(1)), recipe.discriminator),
    ):
        for module, layer in zip(net.layers, own, strict=True):
            w = module.weight.detach()
            if getattr(layer, "sparse", 0):
                assert ((w != 0).sum(1) == 100).all() and 3 < w.abs().max() < 7
            elif w.numel() >= 1000:
                assert 0.99 * layer.irange < w.abs().max() <= layer.irange
                assert w.std() == pytest.approx(layer.irange / math.sqrt(3), rel=0.05)
            else:
                assert 0.5 * layer.irange < w.abs().max() <= layer.irange
            bias = getattr(layer, "bias", 0.0)
            expected = math.log(0.25 / 0.75) if bias == "marginal" else bias
            assert torch.allclose(module.bias.detach(), torch.tensor(expected), atol=1e-6)
