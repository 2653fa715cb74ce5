"""The committed generator, in one call."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ganrepro
from ganrepro import datasets, networks, paths, records, training
from ganrepro.recipes import RECIPES
from ganrepro.records import pretrained


@pytest.fixture
def record():
    return records.Record(paths.results() / "paper/mnist/seed0")


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    """An installation without a repository and without weights."""
    monkeypatch.setattr(paths, "REPOSITORY", None)
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path / "pretrained_weights")
    (tmp_path / "pretrained_weights").mkdir()
    return tmp_path / "pretrained_weights"


def test_the_committed_generator_makes_the_committed_samples(record):
    g = ganrepro.load_generator("mnist")
    with torch.no_grad():
        x = g(torch.from_numpy(record.z))
    assert x.shape == (64, 784) and x.min() >= 0 and x.max() <= 1
    assert np.abs(np.rint(x.numpy() * 255) - np.rint(record.samples[:64] * 255)).max() <= 1  # grey levels


def test_the_committed_generator_is_the_papers_and_ready_to_use(record):
    g = ganrepro.load_generator()
    assert g.recipe == RECIPES["mnist"] and networks.count_parameters(g) == 2_503_984
    assert not g.training and {p.device.type for p in g.parameters()} == {"cpu"}
    samples, _ = networks.sample(g, g.recipe, len(record.samples), record.meta["seed"])
    assert (np.abs(np.rint(samples.numpy() * 255) - np.rint(record.samples * 255)) <= 1).all()


def test_committed_samples_are_no_copies_of_each_other(record):
    assert len(np.unique(record.samples, axis=0)) > 0.99 * len(record.samples)


@pytest.mark.parametrize("name", ["minst", "", "MNIST", "mnist@fashion-mnist"])
def test_an_unknown_name_is_refused_with_what_there_is(name):
    with pytest.raises(ValueError, match=f"no pretrained generator '{name}'; there are: ") as caught:
        ganrepro.load_generator(name)
    assert str(caught.value).endswith(", ".join(sorted(pretrained.weights())) or "none")


def test_where_there_are_no_weights_it_says_so(nothing):
    with pytest.raises(ValueError, match="no pretrained generator 'mnist'; there are: none"):
        ganrepro.load_generator("mnist")


def test_weights_shipped_in_the_package_serve_without_a_repository(nothing):
    run = training.start(RECIPES["toy"], datasets.load("ring"), seed=0)
    save_file(run.weights(), nothing / "toy.safetensors")
    save_file(run.weights(), nothing / "unheard-of.safetensors")  # no recipe of that name
    assert set(pretrained.weights()) == {"toy"}
    z = networks.draw_noise(RECIPES["toy"], 5, torch.Generator().manual_seed(0))
    assert torch.equal(ganrepro.load_generator("toy")(z), run.generator(z))


def test_weights_of_a_checkout_are_found_by_their_recipe(nothing, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    folder = tmp_path / "results/paper/toy/seed0"
    folder.mkdir(parents=True)
    run = training.start(RECIPES["toy"], datasets.load("ring"), seed=3)
    save_file(run.weights(), folder / "weights.safetensors")
    assert pretrained.weights() == {"toy": folder / "weights.safetensors"}
    z = networks.draw_noise(RECIPES["toy"], 5, torch.Generator().manual_seed(0))
    assert torch.equal(ganrepro.load_generator("toy")(z), run.generator(z))


def test_the_package_has_no_other_name():
    assert ganrepro.__all__ == ["load_generator"]
    with pytest.raises(AttributeError, match="no attribute 'load_discriminator'"):
        _ = ganrepro.load_discriminator
