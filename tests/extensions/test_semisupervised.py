"""Few labels: draws, features, the classifiers on them, and a D with classes against plain autograd in float64."""

import dataclasses
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neural_network import MLPRegressor

from ganrepro import datasets, game, networks, training
from ganrepro.datasets import Dataset
from ganrepro.extensions import semisupervised
from ganrepro.extensions.semisupervised import classes, features
from ganrepro.parameters import ParameterError
from ganrepro.recipes import RECIPES, Classes, Conditional, Layer, Plain, Recipe
from ganrepro.training import tasks


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(**changes) -> Recipe:
    recipe = Recipe(
        name="tiny", shape=(1, 4, 3), z_dim=5, generator=(Layer(7, "relu", 0.5), Layer(12, "sigmoid", 0.5)),
        discriminator=(Layer(6, "maxout", 0.5, pieces=3), Layer(1, "linear", 0.5)), epochs=2, batch_size=10,
    )  # fmt: skip
    return classes.with_classes(recipe.replace(**changes), 3)


def pictures(n: int = 90) -> Dataset:
    """Three classes, three bright pixels each, noise in all."""
    labels = torch.arange(n) % 3
    x = 0.3 * torch.rand(n, 12, generator=rng(5))
    x[torch.arange(n)[:, None], 4 * labels[:, None] + torch.arange(3)] += 0.6
    return Dataset(
        name="bright", label="bright", shape=(1, 4, 3), train=x, valid=x[:30], test=x[:30],
        labels={"train": labels, "valid": labels[:30], "test": labels[:30]},
    )  # fmt: skip


def labelled_batch(n: int = 10, labelled: int = 4) -> torch.Tensor:
    known = torch.eye(3, dtype=torch.float64)[torch.arange(n) % 3]
    known[labelled:] = 0
    return torch.cat([torch.rand(n, 12, generator=rng(3), dtype=torch.float64), known], 1)


# --- label draws ---------------------------------------------------------------------------------------


@given(st.integers(6, 40), st.integers(0, 50))
def test_a_draw_is_balanced_without_repeats_and_the_same_each_time(n, seed):
    labels = torch.arange(60) % 3
    rows = semisupervised.draw_labels(labels, n, 3, seed)
    assert len(rows) == n == len(set(rows.tolist()))
    counts = torch.bincount(labels[rows], minlength=3)
    assert counts.max() - counts.min() <= 1
    assert torch.equal(rows, semisupervised.draw_labels(labels, n, 3, seed))
    assert set(rows.tolist()) != set(semisupervised.draw_labels(labels, n, 3, seed + 1).tolist())


def test_draws_that_cannot_be_are_refused():
    labels = torch.tensor([0] * 20 + [1] * 5)
    with pytest.raises(ParameterError, match="labels = 26; choose 4 to 10.*25 examples, 5 of the rarest"):
        semisupervised.draw_labels(labels, 26, 2, 0)
    with pytest.raises(ParameterError, match="labels = 3; choose 4 to 10"):
        semisupervised.draw_labels(labels, 3, 2, 0)
    with pytest.raises(ParameterError, match="labels lie in 0 to 1; 1 classes are 0 to 0"):
        semisupervised.draw_labels(labels, 4, 1, 0)
    with pytest.raises(ParameterError, match="labels lie in -1 to 1"):
        semisupervised.draw_labels(labels - 1 + labels, 4, 2, 0)


def test_label_counts_are_those_that_can_be_drawn():
    labels = torch.arange(1200) % 10
    assert semisupervised.label_counts(labels, 10) == [100, 300, 1000]
    assert semisupervised.label_counts(labels, 10, 57) == [57]
    with pytest.raises(ParameterError, match="labels = 1201; choose 20 to 1200"):
        semisupervised.label_counts(labels, 10, 1201)


def test_data_that_no_classifier_can_be_tested_on_are_refused():
    data = pictures()
    assert datasets.count_classes(data) == 3
    method = {"a": semisupervised.Method(lambda x: x)}
    for labels in (dict.fromkeys(data.labels), data.labels | {"test": None}):
        with pytest.raises(ValueError, match="'bright' has no labels"):
            semisupervised.sweep(method, dataclasses.replace(data, labels=labels), {(6, 0): torch.arange(6)}, 30)
        with pytest.raises(ValueError, match="'bright' has no labels"):
            semisupervised.spreading.sweep({}, dataclasses.replace(data, labels=labels), {}, 90, 30)
    with pytest.raises(ValueError, match="1 classes in test .7. without an example in train"):
        datasets.count_classes(dataclasses.replace(data, labels=data.labels | {"test": torch.tensor([0, 7])}))
    for bad in ([-1, 0, 1, 2], [0, 1, 2, 4], [0]):
        odd = {"train": torch.tensor(bad), "valid": None, "test": torch.tensor([0])}
        with pytest.raises(ValueError, match="must be 0 to K - 1"):
            datasets.count_classes(dataclasses.replace(data, labels=odd))
    with pytest.raises(ValueError, match="'att' has the training labels 2 to 39; they must be 0 to K - 1"):
        datasets.count_classes(datasets.load("att"))  # a fold's test people are not in train


# --- features and classifiers --------------------------------------------------------------------------


def test_hidden_layers_are_those_that_the_logit_is_made_of():
    recipe = RECIPES["mnist"]
    net = networks.Discriminator(recipe, rng())
    x = torch.rand(7, recipe.dim, generator=rng(1))
    first, second = features.hidden(net, x)
    weight, bias = net.layers[0].weight, net.layers[0].bias
    pieces = (x @ weight.T + bias).view(7, 5, 240)
    torch.testing.assert_close(first, pieces.amax(1).detach())
    torch.testing.assert_close(net.layers[-1](second).squeeze(-1), net(x))
    both = semisupervised.hidden_layers(net, 1, 2)(x)
    assert torch.equal(both, torch.cat([first, second], 1)) and not both.requires_grad


def test_scaling_has_one_number_for_all_features():
    x = torch.randn(500, 3, generator=rng()) * torch.tensor([1.0, 5.0, 0.0]) + 7
    scaled = semisupervised.scaled(lambda rows: rows, x)(x)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    assert scaled.std(0).mean() == pytest.approx(1, rel=1e-4)
    assert scaled.std(0)[1] / scaled.std(0)[0] == pytest.approx(float(x.std(0)[1] / x.std(0)[0]), rel=1e-4)


def test_the_linear_classifier_finds_what_is_linear_and_sees_only_its_rows():
    generator = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = generator.normal(0, 0.5, (120, 5)) + 3 * np.eye(5)[y]
    fitted = semisupervised.linear(x[:60], y[:60], 0)
    assert (fitted.predict(x[60:]) == y[60:]).mean() > 0.95
    assert fitted.best_params_["C"] in features.PENALTIES
    assert fitted.n_splits_ == math.ceil(features.HELD_OUT / 12)  # fifths of 60
    few = semisupervised.linear(x[:6], y[:6], 0)  # two of each class: one to learn from, one to choose by
    assert set(few.predict(x)) == {0, 1, 2}


def test_an_inference_nets_hidden_units_are_those_that_predict_z():
    generator = np.random.default_rng(0)
    x = generator.random((50, 6)).astype(np.float32)
    net = MLPRegressor(hidden_layer_sizes=(7, 5), max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(x, generator.random((50, 3)))
    found = semisupervised.regressor_layers(net)(torch.from_numpy(x))
    assert found.shape == (50, 12) and found.min() == 0
    z = found[:, 7:].numpy() @ net.coefs_[-1] + net.intercepts_[-1]
    np.testing.assert_allclose(z, net.predict(x), atol=1e-5)
    with pytest.raises(ValueError, match="'tanh' units"):
        semisupervised.regressor_layers(net.set_params(activation="tanh"))


@pytest.mark.parametrize(("inputs", "outputs", "parameters"), [(784, 10, 1_231_441), (64, 10, 50_000), (100, 3, 999)])
def test_the_supervised_net_has_the_size_asked_for(inputs, outputs, parameters):
    h = semisupervised.width_like(parameters, inputs, outputs)
    sizes = [(inputs + 1) * w + (w + 1) * w + (w + 1) * outputs for w in (h - 1, h, h + 1)]
    assert abs(sizes[1] - parameters) <= min(abs(s - parameters) for s in sizes)


def test_mlp_of_the_papers_size_has_its_parameters_to_a_thousandth():
    h = semisupervised.width_like(1_231_441, 784, 10)
    net = semisupervised.perceptron(h)(np.random.default_rng(0).random((20, 784)), np.arange(20) % 10, 0)
    assert sum(a.size for a in (*net.coefs_, *net.intercepts_)) == pytest.approx(1_231_441, rel=1e-3)


def test_a_sweep_is_paired_over_draws():
    data = pictures()
    same = semisupervised.Method(lambda x: x)
    noise = semisupervised.Method(lambda x: torch.zeros(len(x), 2), most=6)
    draws = semisupervised.label_draws(data, [6, 30], 2)
    found = semisupervised.sweep({"a": same, "b": same, "noise": noise}, data, draws, 30)
    by = found.set_index(["method", "labels", "draw"]).error
    assert by["a"].equals(by["b"]) and len(found) == 4 + 4 + 2
    assert semisupervised.paired(found, "a", "b", 30).tolist() == [0, 0]
    assert len(semisupervised.paired(found, "a", "noise", 6)) == 2
    assert semisupervised.paired(found, "a", "noise", 6).max() < -20
    assert by["a"].loc[30].max() < 5  # the classes are bright and apart
    assert by["noise"].loc[6].min() > 50  # a constant knows one class of three


def test_principal_components_are_of_the_features():
    x = torch.randn(200, 5, generator=rng()) * torch.tensor([9.0, 3.0, 1.0, 0.1, 0.1])
    found = semisupervised.principal(lambda rows: 2 * rows, x, 2)(x)
    assert found.shape == (200, 2) and found.dtype == torch.float32
    assert abs(np.corrcoef(found[:, 0], x[:, 0])[0, 1]) > 0.99 and found.std(0)[0] == pytest.approx(18, rel=0.15)
    assert semisupervised.principal(lambda rows: rows, x[:3], 50)(x).shape == (200, 3)  # no more than rows


# --- labels that spread along a graph ------------------------------------------------------------------


def test_the_graph_joins_each_picture_to_its_nearest():
    x = np.array([[0.0], [1.0], [1.1], [5.0]])
    between = semisupervised.spreading.graph(x, np.array([[4.0]]), 2)
    joined = between.edges.toarray() - np.eye(4)
    assert (joined == joined.T).all() and joined.tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    assert between.tested.toarray().tolist() == [[0, 0, 1, 1]]


def test_labels_spread_as_the_closed_form_says():
    """F = (1 - alpha S)^-1 Y up to a factor (Zhou et al., 2004), S the normalised graph without loops."""
    data, rows = pictures(), np.array([0, 1, 2, 30, 31])
    between = semisupervised.spreading.graph(data.train.numpy(), data.test.numpy())
    found = semisupervised.spreading.spread(between, rows, data.labels["train"][rows].numpy())
    edges = between.edges.toarray() - np.eye(90)
    root = np.sqrt(edges.sum(0))
    known = np.zeros((90, 3))
    known[rows, data.labels["train"][rows]] = 1
    closed = np.linalg.solve(np.eye(90) - semisupervised.spreading.ALPHA * edges / root / root[:, None], known)
    closed /= closed.sum(1, keepdims=True)
    assert (found == (between.tested @ closed).argmax(1)).mean() > 0.95
    assert (found == data.labels["test"].numpy()).mean() > 0.9


def test_spreading_and_a_classifier_see_the_same_draws_and_the_graph_holds_all_labelled():
    data = pictures()
    draws = semisupervised.label_draws(data, [6, 9], 2)
    found = semisupervised.spreading.sweep({"graph": lambda x: x, "blind": lambda x: 0 * x[:, :1]}, data, draws, 10, 30)
    assert found[["labels", "draw"]].head(4).to_numpy().tolist() == [[6, 0], [6, 1], [9, 0], [9, 1]]
    by = found.groupby("method").error.mean()
    assert by["graph"] < 10 and by["blind"] > 50  # equal features tell nothing


# --- a D with classes ----------------------------------------------------------------------------------


def test_the_logit_is_that_of_one_more_class_with_output_zero():
    task = tasks.of(tiny())
    outputs = torch.randn(50, 3, generator=rng(), dtype=torch.float64) * 5
    with_sample = torch.cat([outputs, torch.zeros(50, 1, dtype=torch.float64)], 1).softmax(-1)
    torch.testing.assert_close(torch.sigmoid(task.logit(outputs)), 1 - with_sample[:, -1])
    torch.testing.assert_close(tasks.of(RECIPES["mnist"]).logit(outputs), outputs)


def test_label_loss_is_the_mean_cross_entropy_of_labelled_rows():
    task, (real, fake) = tasks.of(tiny()), torch.randn(2, 6, 3, generator=rng(), dtype=torch.float64)
    labels = torch.tensor([0, 2, 1])
    known = torch.cat([torch.eye(3, dtype=torch.float64)[labels], torch.zeros(3, 3, dtype=torch.float64)])
    rows = torch.cat([torch.rand(6, 12, generator=rng(1), dtype=torch.float64), known], 1)
    of_game = game.discriminator_loss(task.logit(real), task.logit(fake), 0.5)
    expected = torch.nn.functional.cross_entropy(real[:3], labels)
    torch.testing.assert_close(task.discriminator_loss(real, fake, rows) - of_game, expected)
    rows[:, 12:] = 0
    assert task.discriminator_loss(real, fake, rows) == of_game


def test_d_starts_undecided():
    recipe = classes.with_classes(RECIPES["mnist"], 10)
    outputs = networks.Discriminator(recipe, rng())(torch.rand(20, 784, generator=rng(1))).detach()
    assert outputs.shape == (20, 10)
    assert torch.sigmoid(tasks.of(recipe).logit(outputs)).mean() == pytest.approx(0.5, abs=0.01)


def by_hand(recipe, g, d, batch, draws, lr):
    """New parameters after one step from rest, by two plain gradients of losses that share no code with the step."""
    x, known, k = batch[:, :12], batch[:, 12:], (batch[:, 12:].sum(1) > 0)

    def evaluate(rows, dropout):
        outputs = d(rows, dropout)
        z = outputs.exp().sum(-1)
        return z / (z + 1), outputs

    first = draws[0]
    p_real, outputs = evaluate(x, first.dropout_real)
    p_fake, _ = evaluate(g(first.z).detach(), first.dropout_fake)
    game_loss = -0.5 * (p_real.log().mean() + (1 - p_fake).log().mean())
    d_loss = game_loss + torch.nn.functional.cross_entropy(outputs[k], known[k].argmax(1))
    d_new = [p.detach() - lr * v for p, v in zip(d.parameters(), torch.autograd.grad(d_loss, list(d.parameters())),
                                                 strict=True)]  # fmt: skip
    if recipe.update == "alternating":
        with torch.no_grad():
            for p, new in zip(d.parameters(), d_new, strict=True):
                p.copy_(new)
    p_fake, _ = evaluate(g(draws[-1].z), draws[-1].dropout_fake)  # a simultaneous step has one draw
    g_gradients = torch.autograd.grad(-p_fake.log().mean(), list(g.parameters()))
    return [p.detach() - lr * v for p, v in zip(g.parameters(), g_gradients, strict=True)], d_new, d_loss.item()


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_a_step_is_that_of_two_plain_gradients(update):
    recipe, batch = tiny(update=update), labelled_batch()
    task, rates = tasks.of(recipe), training.rates_at(tiny(), 1, 0)
    draws = task.draw([10], rng(4), torch.float64)
    pairs = [(networks.Generator(recipe, rng(1)).double(), networks.Discriminator(recipe, rng(2)).double())
             for _ in range(2)]  # fmt: skip
    g_new, d_new, d_loss = by_hand(recipe, *pairs[0], batch, draws, float(rates.lr))
    (g, d), before = pairs[1], [p.detach().clone() for p in pairs[1][1].parameters()]
    players = training.Player.of(g, recipe), training.Player.of(d, recipe)
    measured = training.STEPS[update](task, *players, [batch], draws, rates)
    assert float(measured[0]) == pytest.approx(d_loss, rel=1e-10)
    for own, expected in zip([*g.parameters(), *d.parameters()], [*g_new, *d_new], strict=True):
        torch.testing.assert_close(own.detach(), expected, rtol=1e-9, atol=1e-12)
    assert max((p - q).abs().max().item() for p, q in zip(d.parameters(), before, strict=True)) > 1e-4


def test_replicas_move_each_as_if_alone(replicas_match_single_runs):
    data = pictures()
    few = classes.few_labels(data, torch.arange(6), 3, 0.2)
    replicas_match_single_runs(tiny(), few, training.rows(few))


def test_rows_carry_labels_and_none_is_lost():
    data, rows = pictures(), torch.tensor([0, 1, 2, 30, 31, 32])
    few = classes.few_labels(data, rows, 3, 0.25)
    assert torch.equal(few.train[:90], data.train) and not few.conditions[:90].any()
    assert len(few.train) == 90 + 5 * 6  # a quarter of all rows
    assert torch.equal(few.train[90:96], data.train[rows]) and torch.equal(few.train[-6:], data.train[rows])
    assert torch.equal(few.conditions[90:].argmax(1), data.labels["train"][rows].repeat(5))
    assert few.name != classes.few_labels(data, rows + 3, 3, 0.25).name
    with pytest.raises(ValueError, match=r"share = 1\.5"):
        classes.few_labels(data, rows, 3, 1.5)


def test_d_learns_classes_from_few_labels():
    data = pictures()
    few = classes.few_labels(data, semisupervised.draw_labels(data.labels["train"], 6, 3, 0), 3, 0.2)
    recipe = tiny(epochs=30, keep_input=1.0, keep_hidden=1.0)
    (run,) = training.train(recipe, few, device="cpu", show_progress=False)
    assert run.sample(5).shape == (5, 12)  # G has no condition
    untrained = training.start(recipe, few, 0).discriminator
    assert classes.error(run.discriminator, data.test, data.labels["test"]) < 5
    assert classes.error(untrained, data.test, data.labels["test"]) > 30


def test_recipes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="D's last layer has 1 units; the task classes needs 3"):
        RECIPES["mnist"].replace(task=Classes(classes=3))
    with pytest.raises(ValueError, match="D's last layer has 3 units; the task plain needs 1"):
        tiny().replace(task=Plain())
    with pytest.raises(ValueError, match="D's last layer has 3 units; the task conditional needs 1"):
        tiny().replace(task=Conditional(numbers=3))
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Classes(classes=0)
    with pytest.raises(ValueError, match=r"takes \(90, 3\)"):
        training.train(tiny(), dataclasses.replace(pictures(), conditions=torch.zeros(90, 4)), device="cpu")
    assert RECIPES["mnist"].to_dict()["task"] == {"kind": "plain"}
    assert Recipe.from_dict(tiny().to_dict()) == tiny()
