"""The paper's hyper-parameters, and networks, dropout and noise as they are built from them."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import datasets, networks, recipes
from ganrepro.recipes import RECIPES, Layer, Recipe, SecondStage, for_dataset


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(**changes):
    return for_dataset("digits", (1, 8, 8)).quick(1000).replace(**changes)


# ------------------------------------------------------------------------- the paper's numbers


def test_mnist_is_the_authors_recipe():
    r = RECIPES["mnist"]
    assert [(x.units, x.activation, x.irange) for x in r.generator] == [
        (1200, "relu", 0.05), (1200, "relu", 0.05), (784, "sigmoid", 0.05),
    ]  # fmt: skip
    assert [(x.units, x.pieces, x.irange) for x in r.discriminator] == [(240, 5, 0.005), (240, 5, 0.005), (1, 1, 0.005)]
    assert [x.bias for x in r.generator] == [0, 0, "marginal"]
    assert (r.noise, r.z_dim, r.batch_size, r.learning_rate, r.max_col_norm) == ("uniform", 100, 100, 0.1, None)
    assert (r.keep_input, r.keep_hidden, r.momentum, r.momentum_epochs) == (0.8, 0.5, (0.5, 0.7), 250)
    assert (r.learning_rate_decay, r.learning_rate_floor) == (1.000004, 1e-6)
    assert (r.update, r.k, r.objective, r.d_loss_scale) == ("simultaneous", 1, "non-saturating", 0.5)


def test_tfd_is_the_authors_recipe():
    r = RECIPES["tfd"]
    assert [(x.units, x.activation, x.irange, x.bias, x.sparse) for x in r.generator] == [
        (8000, "relu", 0.05, 0, 0), (8000, "sigmoid", 0.05, -2, 0), (2304, "sigmoid", 0.05, "marginal", 100),
    ]  # fmt: skip
    assert [(x.units, x.pieces) for x in r.discriminator] == [(1200, 5), (1200, 5), (1, 1)]
    assert (r.noise, r.batch_size, r.learning_rate, r.max_col_norm, r.contrast) == ("gaussian", 100, 0.05, 1.9365, None)


def test_tfd_has_the_authors_second_stage():
    r = RECIPES["tfd"]
    assert (r.second_stage.after, r.epochs - r.second_stage.after) == (50, 22)
    assert [(x.units, x.activation, x.irange, x.bias) for x in r.second_stage.front] == [
        (8000, "relu", 0.05, 0), (100, "sigmoid", 0.05, -2),
    ]  # fmt: skip
    first, second = r.at(50), r.at(51)
    assert first.generator == r.generator and second.generator == (*r.second_stage.front, *r.generator)
    assert first.second_stage is second.second_stage is None and first.discriminator == second.discriminator
    assert RECIPES["mnist"].at(3000) is RECIPES["mnist"]


def test_cifar10_fc_is_the_authors_recipe():
    r = RECIPES["cifar10-fc"]
    assert [(x.units, x.activation, x.irange, x.bias) for x in r.generator] == [
        (8000, "relu", 0.05, 0), (8000, "sigmoid", 0.05, 0), (3072, "linear", 0.5, 0),
    ]  # fmt: skip
    assert [(x.units, x.pieces, x.irange) for x in r.discriminator] == [
        (1600, 5, 0.005), (1600, 5, 0.005), (1, 1, 0.005),
    ]  # fmt: skip
    assert (r.noise, r.batch_size, r.learning_rate, r.max_col_norm, r.contrast) == ("gaussian", 100, 0.025, None, 55)


def test_cifar10_conv_is_the_authors_recipe():
    r = RECIPES["cifar10-conv"]
    assert [(x.units, x.irange) for x in r.generator] == [(8000, 0.05), (8000, 0.05), (3072, 0.05)]
    assert [x.activation for x in r.generator[:-1]] == ["relu", "sigmoid"]
    last = r.generator[-1]
    assert (last.inputs, last.outputs, last.kernel, last.stride) == ((80, 10, 10), (3, 32, 32), 5, 3)
    assert [(x.inputs, x.outputs) for x in r.discriminator[:3]] == [
        ((3, 32, 32), (32, 16, 16)), ((32, 16, 16), (32, 7, 7)), ((32, 7, 7), (192, 5, 5)),
    ]  # fmt: skip
    assert [(x.kernel, x.pad, x.pieces, x.pool, x.stride, x.irange) for x in r.discriminator[:3]] == [
        (8, 4, 2, 4, 2, 0.005), (8, 3, 2, 4, 2, 0.005), (5, 3, 2, 2, 2, 0.005),
    ]  # fmt: skip
    assert [(x.units, x.pieces, x.irange) for x in r.discriminator[3:]] == [(500, 5, 0.005), (1, 1, 0.005)]
    assert (r.noise, r.batch_size, r.learning_rate, r.max_col_norm, r.contrast) == ("gaussian", 128, 0.004, None, 55)


@pytest.mark.parametrize(
    ("name", "of_g", "of_d", "epoch"),
    [
        ("mnist", 2_503_984, 1_231_441, 1),
        ("tfd", 83_250_304, 21_037_201, 50),
        ("tfd", 83_250_304 + 1_608_100, 21_037_201, 51),
        ("cifar10-fc", 89_395_072, 37_393_601, 1),
        ("cifar10-conv", 64_825_072, 12_454_073, 1),
    ],
)
def test_numbers_of_parameters_are_the_papers(monkeypatch, name, of_g, of_d, epoch):
    """Weights are made without memory: TFD's generator alone would fill a third of a gigabyte."""
    monkeypatch.setattr(networks, "initial_weight", lambda n, rows, layer, rng: torch.empty(rows, n, device="meta"))
    assert networks.count_parameters(networks.Generator(RECIPES[name].at(epoch), rng())) == of_g
    assert networks.count_parameters(networks.Discriminator(RECIPES[name].at(epoch), rng())) == of_d


@pytest.mark.parametrize("name", datasets.NAMES)
def test_every_data_set_has_a_recipe_of_its_size(name):
    shape = {"cifar10": (3, 32, 32), "ring": (1, 1, 2), "grid": (1, 1, 2), "gaussian1d": (1, 1, 1)}.get(name, (1, 6, 7))
    recipe = for_dataset(name, shape)
    assert recipe.shape == shape and recipe.generator[-1].units == recipe.dim == math.prod(shape)
    family = {"tfd": "tfd", "fer2013": "tfd", "att": "tfd", "ring": "toy", "grid": "toy", "gaussian1d": "toy",
              "cifar10": "cifar10-fc"}  # fmt: skip
    assert recipe.name == family.get(name, "mnist")
    own = dataclasses.replace(recipe.generator[-1], units=RECIPES[recipe.name].generator[-1].units)
    standard = RECIPES[recipe.name]
    assert recipe.replace(shape=standard.shape, generator=(*recipe.generator[:-1], own)) == standard


def test_a_users_own_pictures_take_the_mnist_recipe_at_their_size():
    recipe = for_dataset("faces-0a1b2c3d", (3, 20, 30))
    assert recipe.name == "mnist" and recipe.generator[-1].units == 1800
    assert recipe.generator[:-1] == RECIPES["mnist"].generator[:-1]


def test_another_recipe_than_the_data_sets_own_is_taken_by_its_name():
    assert for_dataset("cifar10", (3, 32, 32), "cifar10-conv") == RECIPES["cifar10-conv"]
    assert for_dataset("cifar10", (3, 32, 32), "own") == RECIPES["cifar10-fc"]
    assert for_dataset("digits", (1, 8, 8), "tfd").generator[-1].units == 64
    assert recipes.made_for("cifar10-conv") == recipes.made_for("cifar10-fc") == "cifar10"
    assert recipes.made_for("tfd") == "tfd"
    with pytest.raises(ValueError, match="recipe = 'conv'; choose one of own, mnist, tfd, cifar10-fc, cifar10-conv"):
        for_dataset("cifar10", (3, 32, 32), "conv")
    with pytest.raises(ValueError, match=r"shape = \(1, 28, 28\); the recipe cifar10-conv is for .* \(3, 32, 32\)"):
        for_dataset("mnist", (1, 28, 28), "cifar10-conv")


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 0), (1, -1, 28), (1, 28, 28.0), (1, 2, 3, 4), ()])
def test_a_shape_that_is_none_is_refused(shape):
    with pytest.raises(ValueError, match="shape = .*three ints"):
        for_dataset("mnist", shape)


# -------------------------------------------------------------------------------- recipes as data


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"noise": "normal"}, "noise = 'normal'; choose one of uniform, gaussian"),
        ({"update": "both"}, "update = 'both'; choose one of simultaneous, alternating"),
        ({"objective": "saturating"}, "objective = 'saturating'; choose one of non-saturating, minimax, blend"),
        ({"epochs": 0}, "epochs = 0"),
        ({"epochs": 2.0}, "epochs = 2.0"),
        ({"epochs": True}, "epochs = True"),
        ({"z_dim": -1}, "z_dim = -1"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"k": 0}, "k = 0"),
        ({"k": 2}, "k = 2 needs update='alternating'"),
        ({"momentum_epochs": 0}, "momentum_epochs = 0"),
        ({"keep_input": 0.0}, "keep_input = 0.0"),
        ({"keep_hidden": 1.5}, "keep_hidden = 1.5"),
        ({"learning_rate": 0.0}, "learning_rate = 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate = nan"),
        ({"shape": (1, 9, 9)}, "G's last layer has 64 units"),
        ({"second_stage": SecondStage(0, (Layer(100, "sigmoid"),))}, "second_stage.after = 0; an int of at least 1"),
        ({"second_stage": SecondStage(1, (Layer(99, "sigmoid"),))}, "second_stage.front must end in 100 units"),
        ({"second_stage": SecondStage(1, ())}, "second_stage.front must end in 100 units"),
    ],
)
def test_a_bad_value_is_refused_by_name(change, said):
    with pytest.raises(ValueError, match="recipe mnist: ") as caught:
        tiny(**change)
    assert said in str(caught.value)


def test_an_unknown_field_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match="no field dropout, lr; its fields are name, shape, .*learning_rate"):
        tiny(lr=0.1, dropout=0.5)
    with pytest.raises(TypeError, match="lr"):
        Recipe.from_dict(tiny().to_dict() | {"lr": 0.1})


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny().epochs = 3


@pytest.mark.parametrize("recipe", [*RECIPES.values(), tiny(update="alternating", k=3, objective="blend")])
def test_a_recipe_survives_json(recipe):
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe and hash(again) == hash(recipe) and again.checksum() == recipe.checksum()


def test_every_field_enters_the_checksum_and_the_difference():
    a = tiny()
    changes = {"learning_rate": 0.2, "z_dim": 7, "noise": "gaussian", "k": 2, "update": "alternating", "epochs": 9,
               "generator": (Layer(64, "sigmoid"),), "momentum": (0.5, 0.9), "max_col_norm": 1.0}  # fmt: skip
    for field, value in changes.items():
        b = a.replace(**{field: value} | ({"update": "alternating"} if field == "k" else {}))
        assert b.checksum() != a.checksum(), field
        assert f"{field} is " in a.difference(b)
    assert a.difference(a) == ""
    assert a.difference(a.replace(z_dim=7)) == "z_dim is 100 there and 7 here"


def test_recipes_that_differ_in_length_alone_may_go_on_as_each_other():
    assert tiny(epochs=3).same_but_length(tiny(epochs=50))
    assert not tiny(epochs=3).same_but_length(tiny(epochs=3, learning_rate=0.2))


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("examples", [100, 1197, 10_000, 50_000, 10**6])
def test_quick_is_the_same_recipe_but_narrower_and_about_as_many_steps(name, examples):
    full = RECIPES[name]
    quick = full.quick(examples)
    batches = math.ceil(examples / full.batch_size)
    steps = 250 if name == "cifar10-conv" else 500  # a step of a convolution takes longer
    assert quick.epochs == 1 or abs(quick.epochs * batches - steps) <= batches / 2
    most = 800 if name == "cifar10-conv" else 256  # eight channels of 10 x 10
    assert all(x.units <= most for x in quick.generator[:-1]) and networks.count_parameters(
        networks.Discriminator(quick, rng())) < 1_100_000
    assert quick.generator[-1].units == full.generator[-1].units
    kept = ("generator", "discriminator", "epochs", "second_stage")
    assert quick.replace(**{field: getattr(full, field) for field in kept}) == full
    assert [type(x) for x in quick.discriminator] == [type(x) for x in full.discriminator]


@pytest.mark.parametrize("examples", [100, 240, 27_866])
def test_a_quick_second_stage_takes_its_share_of_the_epochs(examples):
    quick = RECIPES["tfd"].quick(examples)
    assert [x.units for x in quick.second_stage.front] == [256, 100]
    assert abs(quick.second_stage.after / quick.epochs - 50 / 72) < 0.2
    assert 1 <= quick.second_stage.after < quick.epochs


# ---------------------------------------------------------------------------------- start values


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


def test_start_values_are_a_function_of_the_random_state_alone():
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


def test_masks_multiply_the_input_of_each_layer():
    recipe = tiny()
    d, x = networks.Discriminator(recipe, rng()), torch.rand(5, 64, generator=rng(1))
    masks = networks.draw_masks(recipe, 5, rng(2))
    h = x
    for mask, layer in zip(masks, d.layers, strict=True):
        h = layer(h * mask)
    assert torch.equal(d(x, masks), h[:, 0])
    assert not torch.allclose(d(x, masks), d(x))
    ones = tuple(torch.ones_like(m) for m in masks)
    torch.testing.assert_close(d(x, ones), d(x))  # evaluation keeps everything, unscaled


# --------------------------------------------------------------------------------- what is drawn


def test_dropout_is_inverted_and_keeps_at_the_recipes_rates():
    recipe = RECIPES["mnist"]
    masks = networks.draw_masks(recipe, 500, rng())
    assert [m.shape for m in masks] == [(500, 784), (500, 240), (500, 240)]
    for mask, keep in zip(masks, (0.8, 0.5, 0.5), strict=True):
        assert mask.unique().tolist() == pytest.approx([0, 1 / keep])
        error = math.sqrt(keep * (1 - keep) / mask.numel())
        assert abs((mask > 0).double().mean() - keep) < 4 * error
        assert abs(mask.double().mean() - 1) < 4 * error / keep  # its expectation is 1
    assert not torch.equal(masks[1], masks[2])


def test_no_masks_where_everything_is_kept():
    assert networks.draw_masks(tiny(keep_input=1.0, keep_hidden=1.0), 5, rng()) == ()
    first, *rest = networks.draw_masks(tiny(keep_input=1.0), 5, rng())
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
    assert {m.dtype for m in networks.draw_masks(tiny(), 3, rng(), dtype)} == {dtype}


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
