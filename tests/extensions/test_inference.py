"""Learned inference against closed forms: a linear G of Gaussian noise has its E[z | x] on paper."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from ganrepro import networks
from ganrepro.extensions import inference
from ganrepro.recipes import Layer, Recipe


def generator(d, *hidden, z_dim=4, noise="gaussian", last="linear"):
    """A small G: z_dim numbers -> the hidden layers -> d numbers, with weights of some size."""
    layers = (*hidden, Layer(d, last, 1.0, bias=0.5))
    recipe = Recipe("small", (1, 1, d), layers, (Layer(1, "linear"),), 1, z_dim, noise)
    return networks.Generator(recipe, torch.Generator().manual_seed(3))


def drawn(g, n=500, seed=7):
    """Pairs x (n, d), z (n, z_dim); the default seed is that of held-out ones."""
    return networks.sample(g, g.recipe, n, seed)


DEEP = generator(9, Layer(6, "relu", 1.0), Layer(5, "sigmoid", 1.0), noise="uniform")


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_layer_and_the_rest_of_g_make_g(layer):
    x, z = drawn(DEEP)
    h = inference.activations(DEEP, z, layer)
    assert h.shape == (500, (4, 6, 5)[layer])
    assert torch.equal(inference.onward(DEEP, h, layer), x)


def test_linear_inference_of_a_linear_g_is_exact():
    g = generator(9)
    x, z = drawn(g)
    found = inference.fit_linear(g, *drawn(g, 5000, 1))
    assert inference.relative_error(found.predict(x), z).mean() < 1e-4
    assert inference.per_pixel(found.reconstruct(x), x).max() < 1e-3


def test_where_g_is_not_injective_the_regression_gives_the_mean_of_z_given_x():
    """x = W z + b of fewer numbers than z ~ N(0, I): E[z | x] = W^+ (x - b), and half of z's variance is lost."""
    g = generator(2)
    x, z = drawn(g, 4000)
    expected = (x - g.layers[0].bias) @ torch.linalg.pinv(g.layers[0].weight.detach()).T
    assert inference.relative_error(expected.detach(), z).mean() == pytest.approx(0.5, abs=0.02)
    pairs = drawn(g, 20_000, 1)
    linear = inference.fit_linear(g, *pairs)
    assert (linear.predict(x) - expected).square().mean() < 1e-3
    network = inference.fit_network(g, *pairs, hidden=(100, 100))
    assert (network.predict(x) - expected).square().mean() < 0.01
    assert inference.relative_error(network.predict(x), z).mean() == pytest.approx(0.5, abs=0.02)


def test_a_network_sees_a_bend_that_a_line_does_not():
    g = generator(9, Layer(12, "relu", 1.0))
    x, z = drawn(g)
    linear, network = (
        inference.relative_error(fit(g, *drawn(g, 10_000, 1)).predict(x), z).mean()
        for fit in (inference.fit_linear, partial(inference.fit_network, passes=4))
    )
    assert network < 0.5 * linear


@pytest.mark.parametrize(("layer", "low", "high"), [(1, 0, math.inf), (2, 0, 1)])
def test_predicted_activations_keep_their_range_and_improve_on_the_mean(layer, low, high):
    x, z = drawn(DEEP)
    h, pairs = inference.activations(DEEP, z, layer), drawn(DEEP, 5000, 1)
    for fit in (inference.fit_linear, inference.fit_network):
        found = fit(DEEP, *pairs, layer).predict(x)
        assert found.shape == h.shape and low <= found.min() and found.max() <= high
        assert inference.relative_error(found, h).mean() < 0.6
    far = inference.fit_linear(DEEP, *pairs, layer).predict(100 * x)
    assert far.min() == low and far.max() <= high


def test_a_seed_fixes_an_inferer_and_another_gives_another():
    x, _ = drawn(DEEP, 20)
    fit = partial(inference.fit_network, DEEP, *drawn(DEEP, 400, 1), 1, hidden=(8,))
    first, again, other = (fit(seed=seed).predict(x) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_more_passes_fit_the_pairs_better():
    x, z = drawn(DEEP, 2000, 1)
    errors = [
        inference.relative_error(inference.fit_network(DEEP, x, z, passes=n, hidden=(50,)).predict(x), z).mean()
        for n in (1, 10)
    ]
    assert errors[1] < 0.9 * errors[0]


def test_relative_error_of_known_predictions():
    target = torch.randn(300, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 0.1])
    half = target.mean(0) + (target - target.mean(0)) / 2
    for predicted, expected in ((target, 0), (target.mean(0).expand(300, 3), 1), (half, 0.25)):
        found = inference.relative_error(predicted, target)
        assert found.shape == (300,) and found.mean() == pytest.approx(expected, abs=1e-6)
        score = r2_score(target.numpy(), predicted.numpy(), multioutput="variance_weighted")
        assert found.mean() == pytest.approx(1 - score, abs=1e-5)


def test_error_per_pixel_is_numpys():
    a, b = torch.rand(4, 9), torch.rand(4, 9)
    expected = ((a.numpy().astype(float) - b.numpy().astype(float)) ** 2).mean(1)
    np.testing.assert_allclose(inference.per_pixel(a, b).numpy(), expected, rtol=1e-12)


def test_optimisation_finds_the_z_of_a_linear_g_and_leaves_g_as_it_is():
    g = generator(9)
    before = [p.clone() for p in g.parameters()]
    x, z = drawn(g, 20)
    found, errors = inference.optimise(g, x, torch.zeros_like(z), steps=400, rate=0.05)
    assert (found - z).abs().max() < 1e-2
    assert errors.shape == (401, 20)
    torch.testing.assert_close(errors[0], inference.per_pixel(g(torch.zeros_like(z)).detach(), x), rtol=1e-5, atol=0)
    torch.testing.assert_close(errors[-1], inference.per_pixel(g(found).detach(), x), rtol=1e-3, atol=1e-9)
    assert all(torch.equal(p, q) for p, q in zip(before, g.parameters(), strict=True))
    assert all(p.grad is None for p in g.parameters())


def test_optimisation_stays_in_the_support_of_uniform_noise():
    g = generator(9, noise="uniform")
    start = torch.full((5, 4), 3.0)
    far = g(torch.full((5, 4), 10.0)).detach()
    for steps in (0, 50):
        found, errors = inference.optimise(g, far, start, steps, rate=0.5)
        assert found.abs().max() <= math.sqrt(3) + 1e-6 and len(errors) == steps + 1
    assert torch.equal(start, torch.full((5, 4), 3.0))


def test_search_keeps_the_best_start_of_each_picture():
    g = generator(9, Layer(12, "relu", 1.0))
    x, z = drawn(g, 6)
    starts = torch.stack([torch.zeros_like(z), z + 0.01])  # the second begins beside the answer
    found, errors = inference.search(g, x, starts, 20, rate=0.01)
    assert errors.shape == (21, 2, 6)
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-9)
    close(inference.per_pixel(g(found).detach(), x), errors[-1].min(0).values)
    for i, start in enumerate(starts):
        close(errors[:, i], inference.optimise(g, x, start, 20, rate=0.01)[1])
    assert torch.equal(errors[-1, 1] < errors[-1, 0], errors[-1].argmin(0) == 1)


def test_directions_that_g_does_not_use_may_be_redrawn():
    g = generator(2)
    z, other = torch.randn(6, 4), torch.randn(6, 4)
    found = inference.directions(g, z)
    torch.testing.assert_close(g(found.redraw(z, other, slice(2, None))), g(z), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(g(found.redraw(z, other, slice(2))), g(other), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.redraw(z, other, slice(None)), other, atol=1e-5, rtol=1e-5)


def test_inferers_are_stored_and_belong_to_one_g(tmp_path):
    pairs, (x, _) = drawn(DEEP, 2000, 1), drawn(DEEP, 50)
    made = {"linear": inference.fit_linear(DEEP, *pairs), "network": inference.fit_network(DEEP, *pairs, hidden=(9, 7)),
            "deep": inference.fit_network(DEEP, *pairs, 2, hidden=(8,))}  # fmt: skip
    path = inference.save(tmp_path / "below" / "inferers.safetensors", made)
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    found = inference.load(path, DEEP)
    assert list(found) == list(made)
    for name, f in made.items():
        assert found[name].layer == f.layer
        torch.testing.assert_close(found[name].predict(x), f.predict(x), atol=5e-3, rtol=5e-3)  # float16
    assert inference.load(tmp_path / "nowhere", DEEP) is None
    other = generator(9, Layer(6, "relu", 1.0), Layer(5, "sigmoid", 1.0), noise="uniform")
    assert inference.load(path, other) is not None  # the same weights
    with torch.no_grad():
        other.layers[0].bias += 1
    assert inference.load(path, other) is None
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="inferers.safetensors is damaged"):
        inference.load(path, DEEP)


def test_directions_of_a_linear_g_are_its_singular_vectors():
    g = generator(2)  # two numbers of four: two directions are lost
    z, predicted = torch.randn(6, 4), torch.randn(6, 4)
    found = inference.directions(g, z)
    _, gain, basis = torch.linalg.svd(g.layers[0].weight.detach().double())
    torch.testing.assert_close(found.gain, torch.cat([gain, torch.zeros(2)]).expand(6, 4), atol=1e-5, rtol=1e-5)
    along = found.squared_error(predicted, z)
    torch.testing.assert_close(along.sum(1), (predicted - z).square().sum(1).double())
    torch.testing.assert_close(along[:, 0], ((predicted - z).double() @ basis[0]).square(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: inference.fit_network(DEEP, *drawn(DEEP, 199)),
            "pairs = 199; it must be an int of at least 200",
        ),
        (lambda: inference.fit_linear(DEEP, torch.zeros(300, 8), torch.zeros(300, 4)), r"expected \(n, 9\)"),
        (lambda: inference.fit_linear(DEEP, torch.zeros(300, 9), torch.zeros(300)), r"\(n, 4\)"),
        (lambda: inference.fit_network(DEEP, *drawn(DEEP), hidden=()), r"hidden = \(\)"),
        (lambda: inference.fit_network(DEEP, *drawn(DEEP), hidden=(4, 0)), r"hidden = \(4, 0\)"),
        (lambda: inference.fit_network(DEEP, *drawn(DEEP), passes=0), "passes = 0; it must be an int of at least 1"),
        (
            lambda: inference.fit_network(DEEP, *drawn(DEEP), 3),
            "layer = 3; choose 0 for z, or a hidden layer of G, 1 to 2",
        ),
        (lambda: inference.check_pairs(1e4), "pairs = 10000.0"),
        (lambda: inference.activations(DEEP, torch.zeros(2, 4), -1), "layer = -1"),
        (lambda: inference.onward(DEEP, torch.zeros(2, 4), True), "layer = True"),
        (lambda: inference.optimise(DEEP, torch.zeros(2, 9), torch.zeros(2, 4), steps=-1), "steps = -1"),
        (lambda: inference.optimise(DEEP, torch.zeros(2, 9), torch.zeros(3, 4)), r"x \(2, 9\) and z \(3, 4\)"),
        (lambda: inference.optimise(DEEP, torch.zeros(2, 9), torch.zeros(2, 5)), r"expected \(n, 9\), \(n, 4\)"),
    ],
)
def test_bad_input_is_refused_with_what_is_allowed(call, said):
    with pytest.raises(ValueError, match=said):
        call()
