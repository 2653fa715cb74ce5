"""The MNIST recipe at other sizes of pictures: photographs of 8 x 8 to 128 x 128 train with the authors' rate."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from ganrepro import datasets, game, networks, recipes, training

SHAPES = [(1, 8, 8), (3, 16, 16), (1, 28, 28), (3, 32, 32), (1, 48, 48), (3, 48, 48), (3, 64, 64), (1, 128, 128),
          (3, 128, 128)]  # fmt: skip


def photographs(folder, shape, n=600):
    """n pieces of scikit-learn's two photographs, as a user's own data set."""
    channels, side, _ = shape
    rng, whole, pieces = np.random.default_rng(0), load_sample_images().images, []
    for i in range(n):
        picture = whole[i % 2]
        top, left = (rng.integers(0, most - side) for most in picture.shape[:2])
        pieces.append(picture[top : top + side, left : left + side])
    images = np.stack(pieces)
    if channels == 1:
        images = np.rint(images.mean(-1)).astype(np.uint8)
    np.savez(folder / "photographs.npz", images=images)
    return datasets.load(str(folder / "photographs.npz"))


def curvature(recipe, data):
    """The largest eigenvalue of the Hessian of D's loss in its first layer's weights, at the start of training."""
    run = training.start(recipe, data, seed=0)
    x, w = data.training[:100], run.d.theta["layers.0.weight"]
    x_fake = run.g(networks.noise(recipe, 100, seed=0)).detach()
    (slope,) = torch.autograd.grad(game.discriminator_loss(run.d(x), run.d(x_fake)), w, create_graph=True)
    v, found = torch.randn(w.shape, generator=torch.Generator().manual_seed(0)), 0.0
    for _ in range(20):  # power iteration
        (v,) = torch.autograd.grad(slope, w, v / v.norm(), retain_graph=True)
        found = float(v.norm())
    return found


def test_larger_pictures_are_scaled_for_the_discriminator():
    for shape in SHAPES:
        recipe = recipes.for_dataset("my", shape)
        if math.prod(shape) <= 784:
            assert recipe.input_scale is None and "input_scale" not in recipe.to_dict()
        else:
            assert recipe.input_scale == math.sqrt(784 / math.prod(shape))
    assert recipes.for_dataset("my", (1, 64, 64), "tfd").input_scale == 48 / 64
    assert recipes.for_dataset("my", (3, 64, 64), "cifar10-fc").input_scale is None  # its contrast is normalised
    assert all(recipe.input_scale is None for recipe in recipes.RECIPES.values())


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 64, 64)])
def test_the_curvature_does_not_grow_with_the_size(shape, tmp_path):
    small = photographs(tmp_path, (1, 28, 28))
    at_28 = curvature(recipes.quick(recipes.for_dataset("my", small.shape), 480), small)
    data = photographs(tmp_path, shape)
    recipe = recipes.quick(recipes.for_dataset("my", data.shape), 480)
    growth = math.prod(shape) / 784
    assert 0.5 < curvature(recipe, data) / at_28 < 2
    assert curvature(recipe.replace(input_scale=None), data) / at_28 > growth / 2  # as it was without the rule


def test_the_scale_is_a_matter_of_the_discriminator_alone(digits, small_recipe):
    recipe = small_recipe(input_scale=0.25)
    plain, scaled = (training.start(r, digits, seed=0) for r in (small_recipe(), recipe))
    x = digits.training[:5]
    torch.testing.assert_close(scaled.discriminator(x), plain.discriminator(0.25 * x))
    assert torch.equal(scaled.generator(torch.ones(2, 10)), plain.generator(torch.ones(2, 10)))


def test_divergence_names_its_remedy(digits, small_recipe):
    remedies = r"Try a learning rate below 4e\+30: `-p learning_rate 1e\+30` in the notebook, `--learning-rate 1e\+30`"
    with pytest.raises(FloatingPointError, match=remedies):
        training.train(small_recipe(learning_rate=4e30), digits, epochs=3, device="cpu", show_progress=False)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("shape", SHAPES)
def test_photographs_of_each_size_train_in_the_quick_profile(shape, tmp_path):
    """Five seeds each. D must have left 1/2, and the samples' mean must be nearer to the data's than a picture is."""
    data = photographs(tmp_path, shape)
    recipe = recipes.quick(recipes.for_dataset(data.name, data.shape), len(data.training))
    runs = training.train(recipe, data, seeds=range(5), device="cpu", show_progress=False)
    for run in runs:
        last, x = run.curves.iloc[-5:].mean(), run.sample(500)
        error = float((x.mean(0) - data.training.mean(0)).square().mean().sqrt())
        d = f"D(x) {last.d_real:.2f}, D(G(z)) {last.d_fake:.2f}"
        print(f"{shape}, seed {run.seed}: {d}, mean picture off by {error:.3f}")
        assert last.d_real - last.d_fake > 0.05 and error < data.training.std(0).square().mean().sqrt()
