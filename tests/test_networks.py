"""Networks, dropout and noise, as they are built from a recipe."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import networks, recipes
from ganrepro.recipes import RECIPES, Conditional, Layer, Subsets, for_dataset


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(**changes):
    return recipes.quick(for_dataset("digits", (1, 8, 8)), 1000).replace(**changes)


# -------------------------------------------------------------------------------- initial values


@pytest.mark.parametrize("irange", [0.005, 0.05, 0.3])
def test_weights_start_uniform_within_irange(irange):
    w = networks.initial_weight(300, 200, Layer(200, "relu", irange), rng()).double()
    assert w.shape == (200, 300)
    assert 0.999 * irange < w.abs().max() <= irange
    assert abs(w.mean()) < 0.01 * irange  # 4 standard errors of 60,000 draws
    assert w.std() == pytest.approx(irange / math.sqrt(3), rel=0.01)


def test_sparse_weights_are_exactly_so_many_normal_ones_in_every_row():
    w = networks.initial_weight(800, 300, Layer(300, "sigmoid", sparse=100), rng())
    assert ((w != 0).sum(1) == 100).all()
    drawn = w[w != 0].double()
    assert abs(drawn.mean()) < 0.025 and drawn.std() == pytest.approx(1, abs=0.02)  # 4 standard errors of 30,000
    assert abs(np.corrcoef((w != 0).float().numpy())[np.triu_indices(300, 1)].mean()) < 0.01  # rows choose on their own
    per_column = (w != 0).sum(0).double()
    assert per_column.mean() == 37.5 and per_column.min() > 10  # no input is left out


def test_sparse_weights_of_fewer_inputs_are_dense():
    assert (networks.initial_weight(30, 5, Layer(5, "sigmoid", sparse=100), rng()) != 0).all()


def test_biases_start_as_the_recipe_says():
    recipe = tiny(generator=(Layer(9, "relu"), Layer(8, "sigmoid", bias=-2.0), Layer(64, "sigmoid", bias="marginal")))
    mean = torch.rand(64, generator=rng())
    mean[:2] = torch.tensor([0.0, 1.0])
    biases = [layer.bias for layer in networks.Generator(recipe, rng(), mean).layers]
    assert (biases[0] == 0).all() and (biases[1] == -2).all()
    assert all((layer.bias == 0).all() for layer in networks.Discriminator(recipe, rng()).layers)
    p = np.clip(mean.numpy().astype(np.float64), 1e-7, 1 - 1e-7)
    expected = np.log(p) - np.log1p(-p)
    np.testing.assert_allclose(biases[2].detach().numpy()[2:], expected[2:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(biases[2].detach().numpy()[:2], expected[:2], rtol=0.02)  # 1 - 1e-7 in float32
    assert torch.isfinite(biases[2]).all()


def test_with_a_marginal_bias_a_generator_of_no_weights_makes_the_mean():
    mean = torch.linspace(0.01, 0.99, 64)
    g = networks.Generator(tiny(), rng(), mean)
    torch.nn.init.zeros_(g.layers[-1].weight)
    torch.testing.assert_close(g(torch.randn(3, 100, generator=rng())), mean.expand(3, 64))


def test_initial_values_are_a_function_of_the_random_state_alone():
    a, b, other = (networks.Generator(tiny(), rng(seed)).layers[0].weight for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, other)
    square = networks.Generator(tiny(generator=(Layer(64, "relu"),) * 2, z_dim=64), rng())
    assert not torch.equal(square.layers[0].weight, square.layers[1].weight)


# -------------------------------------------------------------------------------- forward passes


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 7), st.integers(0, 99))
def test_maxout_is_the_maximum_over_its_pieces(pieces, units, inputs, seed):
    layer = networks.Dense(inputs, Layer(units, "maxout", 1.0, pieces=pieces), rng(seed))
    torch.nn.init.normal_(layer.bias, generator=rng(seed + 1))
    x = torch.randn(4, inputs, generator=rng(seed + 2))
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    assert w.shape == (units * pieces, inputs) and b.shape == (units * pieces,)  # one bias for each piece
    expected = np.empty((4, units))
    for n in range(4):
        for u in range(units):
            own = range(u, pieces * units, units)
            expected[n, u] = max(float(w[j].astype(np.float64) @ x[n].numpy() + b[j]) for j in own)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pieces", [2, 5])
def test_tied_pieces_each_receive_the_whole_gradient(pieces):
    """As in pylearn2: its maxout chains Theano's maximum, whose gradient goes to both of two equal arguments."""
    tied = torch.zeros(3, pieces, 2, requires_grad=True)
    networks.Maxout.apply(tied).sum().backward()
    assert (tied.grad == 1).all()
    (divided,) = torch.autograd.grad(tied.amax(-2).sum(), tied)
    assert (divided == 1 / pieces).all()
    apart = torch.arange(pieces * 2.0).view(1, pieces, 2).requires_grad_()
    networks.Maxout.apply(apart).sum().backward()
    assert (apart.grad[0, :-1] == 0).all() and (apart.grad[0, -1] == 1).all()


def test_maxouts_gradient_is_that_of_the_maximum():
    pieces = torch.randn(4, 5, 3, dtype=torch.float64, generator=rng(), requires_grad=True)
    assert torch.autograd.gradcheck(networks.Maxout.apply, pieces)


@pytest.mark.parametrize(
    ("activation", "formula"),
    [("relu", lambda a: np.maximum(a, 0)), ("sigmoid", lambda a: 1 / (1 + np.exp(-a))), ("linear", lambda a: a)],
)
def test_a_layer_is_its_activation_of_an_affine_map(activation, formula):
    layer = networks.Dense(5, Layer(4, activation, 1.0, bias=0.3), rng())
    x = torch.randn(6, 5, generator=rng(1))
    a = x.numpy().astype(np.float64) @ layer.weight.detach().numpy().T + 0.3
    np.testing.assert_allclose(layer(x).detach().numpy(), formula(a), rtol=1e-5, atol=1e-6)


def test_generator_and_discriminator_have_their_shapes():
    recipe = tiny()
    z = networks.draw_noise(recipe, 6, rng())
    x = networks.Generator(recipe, rng())(z)
    assert x.shape == (6, 64) and x.min() >= 0 and x.max() <= 1
    d = networks.Discriminator(recipe, rng())
    assert d(x).shape == (6,)
    torch.testing.assert_close(d(x.unflatten(0, (2, 3))), d(x).unflatten(0, (2, 3)))  # stacks of minibatches too


def test_dropout_multiplies_the_input_of_each_layer():
    recipe = tiny()
    d, x = networks.Discriminator(recipe, rng()), torch.rand(5, 64, generator=rng(1))
    masks = networks.draw_dropout(recipe, 5, rng(2))
    h = x
    for mask, layer in zip(masks, d.layers, strict=True):
        h = layer(h * mask)
    assert torch.equal(d(x, masks), h[:, 0])
    assert not torch.allclose(d(x, masks), d(x))
    ones = tuple(torch.ones_like(m) for m in masks)
    torch.testing.assert_close(d(x, ones), d(x))  # evaluation keeps everything, unscaled


def test_a_condition_is_scaled_and_never_dropped():
    recipe = tiny(task=Conditional(numbers=3, condition_scale=4.0))
    d, g, x = networks.Discriminator(recipe, rng()), networks.Generator(recipe, rng()), torch.rand(5, 64)
    z, c = networks.draw_noise(recipe, 5, rng()), torch.eye(3)[[0, 1, 2, 0, 1]]
    assert g.layers[0].weight.shape[1] == 103 and d.layers[0].weight.shape[1] == 67
    h = torch.cat([z, 4 * c], 1)
    for layer in g.layers:
        h = layer(h)
    assert torch.equal(g(z, c), h)
    zeros = (torch.zeros(5, 64), *(torch.ones(5, layer.weight.shape[1]) for layer in d.layers[1:]))
    h = torch.cat([torch.zeros(5, 64), 4 * c], 1)
    for layer in d.layers:
        h = layer(h)
    assert torch.equal(d(x, zeros, c), h[:, 0])


def test_observed_pixels_stay_and_the_mask_is_scaled_down():
    recipe = tiny(task=Subsets(condition_scale=3.0))
    g, d = networks.Generator(recipe, rng()), networks.Discriminator(recipe, rng())
    x, mask = torch.rand(5, 64, generator=rng(1)), (torch.rand(5, 64, generator=rng(2)) < 0.5).float()
    made = g(networks.draw_noise(recipe, 5, rng()), torch.cat([mask, mask * x], 1))
    assert torch.equal(made[mask == 1], x[mask == 1]) and not torch.equal(made[mask == 0], x[mask == 0])
    h = torch.cat([made, mask / 3], 1)
    for layer in d.layers:
        h = layer(h)
    torch.testing.assert_close(d(made, (), torch.cat([mask, mask * x], 1)), h[:, 0])


# ----------------------------------------------------------------------------- dropout and noise


def test_dropout_is_inverted_and_keeps_at_the_recipes_rates():
    recipe = RECIPES["mnist"]
    masks = networks.draw_dropout(recipe, 500, rng())
    assert [m.shape for m in masks] == [(500, 784), (500, 240), (500, 240)]
    for mask, keep in zip(masks, (0.8, 0.5, 0.5), strict=True):
        assert mask.unique().tolist() == pytest.approx([0, 1 / keep])
        error = math.sqrt(keep * (1 - keep) / mask.numel())
        assert abs((mask > 0).double().mean() - keep) < 4 * error
        assert abs(mask.double().mean() - 1) < 4 * error / keep  # its expectation is 1
    assert not torch.equal(masks[1], masks[2])


def test_no_dropout_where_everything_is_kept():
    assert networks.draw_dropout(tiny(keep_input=1.0, keep_hidden=1.0), 5, rng()) == ()
    first, *rest = networks.draw_dropout(tiny(keep_input=1.0), 5, rng())
    assert (first == 1).all() and all((m == 0).any() for m in rest)


def test_uniform_noise_has_its_range_and_unit_variance():
    z = networks.draw_noise(RECIPES["mnist"], 2000, rng()).double()
    assert z.shape == (2000, 100)
    assert z.abs().max() <= math.sqrt(3) + 1e-6 and z.abs().max() > 1.73
    assert abs(z.mean()) < 0.01 and z.var() == pytest.approx(1, abs=0.01)
    assert (z**4).mean() == pytest.approx(9 / 5, abs=0.03)  # a uniform's, not a normal's 3


def test_gaussian_noise_is_standard_normal():
    z = networks.draw_noise(RECIPES["tfd"], 2000, rng()).double()
    assert abs(z.mean()) < 0.01 and z.var() == pytest.approx(1, abs=0.01)
    assert (z**4).mean() == pytest.approx(3, abs=0.1) and (z**3).mean().abs() < 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_the_dtype_asked_for(dtype):
    assert networks.draw_noise(tiny(), 3, rng(), dtype).dtype == dtype
    assert {m.dtype for m in networks.draw_dropout(tiny(), 3, rng(), dtype)} == {dtype}


# --------------------------------------------------------------------------------------- samples


def test_samples_are_the_generators_images_of_their_noise():
    recipe = tiny()
    g = networks.Generator(recipe, rng())
    x, z = networks.sample(g, recipe, 1003, seed=4)
    assert x.shape == (1003, 64) and z.shape == (1003, 100) and x.dtype == z.dtype == torch.float32
    assert not x.requires_grad
    torch.testing.assert_close(x, g(z).detach())
    assert len(z.unique(dim=0)) == 1003


@pytest.mark.parametrize("n", [0, -1, 2.0, True])
def test_a_number_of_samples_below_one_is_refused(n):
    with pytest.raises(ValueError, match=f"n = {n!r}"):
        networks.sample(networks.Generator(tiny(), rng()), tiny(), n, seed=0)


def test_a_walk_runs_along_straight_lines_from_end_to_end():
    recipe = tiny()
    g = networks.Generator(recipe, rng())
    ends = networks.draw_noise(recipe, 6, rng()).unflatten(0, (3, 2))
    path = networks.walk(g, ends, 5)
    assert path.shape == (3, 5, 64)
    torch.testing.assert_close(path[:, 0], g(ends[:, 0]).detach())
    torch.testing.assert_close(path[:, -1], g(ends[:, 1]).detach())
    torch.testing.assert_close(path[:, 1], g(0.75 * ends[:, 0] + 0.25 * ends[:, 1]).detach())
