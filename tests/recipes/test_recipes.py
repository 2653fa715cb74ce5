"""The paper's hyper-parameters, and recipes as data."""

import dataclasses
import json
import math

import pytest
import torch

from ganrepro import datasets, networks, recipes, training
from ganrepro.recipes import (
    RECIPES,
    Classes,
    Conditional,
    Layer,
    Plain,
    Recipe,
    SecondStage,
    Subsets,
    for_dataset,
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(**changes):
    return recipes.quick(for_dataset("digits", (1, 8, 8)), 1000).replace(**changes)


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
    family = {"tfd": "tfd", "fer2013": "tfd-small", "att": "tfd-small", "cifar10": "cifar10-fc-small"}
    family |= dict.fromkeys(("ring", "grid", "gaussian1d"), "toy")
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
    assert for_dataset("cifar10", (3, 32, 32), "own") == RECIPES["cifar10-fc-small"]
    assert for_dataset("digits", (1, 8, 8), "tfd").generator[-1].units == 64
    assert recipes.made_for("cifar10-conv") == recipes.made_for("cifar10-fc") == "cifar10"
    assert recipes.made_for("tfd") == recipes.made_for("tfd-small") == "tfd"
    assert recipes.made_for("cifar10-conv-small") == "cifar10" and recipes.made_for("subsets-small") == "mnist"
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
        ({"noise": "normal"}, "noise\n  Input should be 'uniform', 'gaussian' or 'spherical'"),
        ({"update": "both"}, "update\n  Input should be 'simultaneous' or 'alternating'"),
        ({"objective": "saturating"}, "objective\n  Input should be 'non-saturating', 'minimax' or 'blend'"),
        ({"products": "float16"}, "products\n  Input should be 'tf32' or 'bfloat16'"),
        ({"epochs": 0}, "epochs\n  Input should be greater than or equal to 1"),
        ({"epochs": 2.0}, "epochs\n  Input should be a valid integer"),
        ({"epochs": True}, "epochs\n  Input should be a valid integer"),
        ({"z_dim": -1}, "z_dim\n  Input should be greater than or equal to 1"),
        ({"batch_size": 0}, "batch_size\n  Input should be greater than or equal to 1"),
        ({"k": 0}, "k\n  Input should be greater than or equal to 1"),
        ({"k": 2}, "recipe mnist: k needs update = 'alternating'"),
        ({"momentum_epochs": 0}, "momentum_epochs\n  Input should be greater than or equal to 1"),
        ({"keep_input": 0.0}, "keep_input\n  Input should be greater than 0"),
        ({"keep_hidden": 1.5}, "keep_hidden\n  Input should be less than or equal to 1"),
        ({"learning_rate": 0.0}, "learning_rate\n  Input should be greater than 0"),
        ({"learning_rate": float("nan")}, "learning_rate\n  Input should be a finite number"),
        ({"learning_rate_decay": 0.0}, "learning_rate_decay\n  Input should be greater than or equal to 1"),
        ({"max_col_norm": -1.0}, "max_col_norm\n  Input should be greater than 0"),
        ({"shape": (1, 9, 9)}, "recipe mnist: G's last layer has 64 units"),
        ({"task": Classes(classes=3)}, "D's last layer has 1 units; the task classes needs 3"),
        ({"task": "plain"}, "task\n  Input should be a valid dictionary or object"),
        ({"lr": 0.1}, "lr\n  Unexpected keyword argument"),
        ({"second_stage": SecondStage(1, (Layer(99, "sigmoid"),))}, "second_stage.front must end in 100 units"),
        ({"second_stage": SecondStage(1, (Layer(100, "sigmoid"),)), "task": Conditional(numbers=3)}, "second_stage"),
    ],
)
def test_a_bad_value_is_refused_by_name(change, said):
    with pytest.raises(ValueError, match="Recipe") as caught:
        tiny(**change)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SecondStage(after=0, front=(Layer(100, "sigmoid"),)), "after"),
        (lambda: SecondStage(after=1, front=()), "front"),
        (lambda: Layer(units=0, activation="relu"), "units"),
        (lambda: Layer(units=3, activation="tanh"), "activation"),
        (lambda: Layer(3, "relu", bias="mean"), "bias"),
        (lambda: Conditional(numbers=0), "numbers"),
        (lambda: Conditional(numbers=True), "numbers"),
        (lambda: Conditional(condition_scale=0.0), "condition_scale"),
        (lambda: Subsets(condition_scale=float("inf")), "condition_scale"),
        (lambda: Classes(classes=0), "classes"),
    ],
)
def test_parts_of_a_recipe_are_refused_by_name(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_an_unknown_field_in_a_record_is_refused():
    with pytest.raises(ValueError, match="lr"):
        Recipe.from_dict(tiny().to_dict() | {"lr": 0.1})


@pytest.mark.parametrize(
    ("flat", "task"),
    [
        ({"condition": 12, "loudness": 4.0}, Conditional(numbers=12, condition_scale=4.0)),
        ({"condition": 10}, Conditional(numbers=10)),
        ({"subsets": True, "loudness": 3.0}, Subsets(condition_scale=3.0)),
        ({}, Plain()),
    ],
)
def test_the_flat_form_of_earlier_records_is_read(flat, task):
    """Committed records and the checkpoints of that time hold it."""
    now = RECIPES["mnist"].replace(task=task)
    now = now.replace(update="alternating").coordinate(optimizer="adam", d_margin=0.25, k_schedule=((1, 5), (3, 1)))
    then = now.to_dict()
    moved = then.pop("coordination")
    del then["task"], moved["g_moves"]
    assert Recipe.from_dict(json.loads(json.dumps(then | moved | flat))) == now


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
    quick = recipes.quick(full, examples)
    batches = math.ceil(examples / full.batch_size)
    convolves = name.startswith("cifar10-conv")
    steps = 250 if convolves else 500  # a step of a convolution takes longer
    assert quick.epochs == 1 or abs(quick.epochs * batches - steps) <= batches / 2
    most = 800 if convolves else 256  # eight channels of 10 x 10
    assert all(x.units <= most for x in quick.generator[:-1]) and networks.count_parameters(
        networks.Discriminator(quick, rng())) < 1_100_000
    assert quick.generator[-1].units == full.generator[-1].units
    kept = ("generator", "discriminator", "epochs", "epoch_batches", "second_stage")
    assert quick.replace(**{field: getattr(full, field) for field in kept}) == full
    assert [type(x) for x in quick.discriminator] == [type(x) for x in full.discriminator]


@pytest.mark.parametrize("name", recipes.SMALL)
def test_a_small_recipe_is_the_authors_but_narrower(name):
    full, small = RECIPES[name.removesuffix("-small")], RECIPES[name]
    factor = {"tfd-small": 16, "cifar10-fc-small": 16, "cifar10-conv-small": 8}.get(name, 4)
    ours = {"cifar10-fc-small": small.generator[-1:], "cifar10-conv-small": small.generator[-1:] + small.discriminator}
    kept = ["name", "generator", "discriminator", "epochs", "epoch_batches", "second_stage", "stopping", "task"]
    assert (small.task == full.task) == (name != "attributes-small")
    if name == "cifar10-conv-small":
        kept.append("learning_rate")
    assert small.replace(**{field: getattr(full, field) for field in kept}) == full and small.stopping == "best"
    for wide, narrow in ((full.generator, small.generator), (full.discriminator, small.discriminator)):
        assert [type(x) for x in wide] == [type(x) for x in narrow]
        fan_in = 1.0
        for i, (before, after) in enumerate(zip(wide, narrow, strict=True)):
            unchanged = {"irange": before.irange, "units": before.units} if isinstance(before, Layer) else {}
            if unchanged:  # activations, pieces and biases stay
                assert dataclasses.replace(after, **unchanged) == before
            last = i == len(wide) - 1
            if not any(after is layer for layer in ours.get(name, ())):
                assert after.irange == pytest.approx(before.irange * fan_in)  # activations keep their scale
            narrower = 1 if last else factor
            assert before.units / after.units == pytest.approx(narrower, rel=0.01)
            fan_in = math.sqrt(before.units / after.units)


def test_samples_of_the_small_cifar10_recipe_begin_at_the_datas_scale():
    small, g = RECIPES["cifar10-fc-small"], networks.Generator(RECIPES["cifar10-fc-small"], rng())
    assert 0.8 < networks.generate(g, networks.noise(small, 100, 0)).std() < 1.25  # contrast-normalised data: .99


def test_the_small_face_recipe_makes_as_many_steps_as_the_authors_training():
    small, steps = RECIPES["tfd-small"], training.steps_in_all
    authors = steps(RECIPES["tfd"], 98_058, 72)
    assert authors == 70_632 and steps(small, 98_058, 72) == authors
    assert steps(small, 240, 72) == pytest.approx(authors, rel=0.01)  # of the AT&T faces, 409 passes an epoch
    assert small.second_stage.after == 50 and [x.units for x in small.second_stage.front] == [500, 100]


@pytest.mark.parametrize("examples", [100, 240, 27_866])
def test_a_quick_second_stage_takes_its_share_of_the_epochs(examples):
    quick = recipes.quick(RECIPES["tfd"], examples)
    assert [x.units for x in quick.second_stage.front] == [256, 100]
    assert abs(quick.second_stage.after / quick.epochs - 50 / 72) < 0.2
    assert 1 <= quick.second_stage.after < quick.epochs
