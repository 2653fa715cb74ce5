"""Checkpoints of earlier versions go on: their recipe is flat, their tensors have the same names."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ganrepro import datasets, paths, training
from ganrepro.recipes import RECIPES
from ganrepro.training import checkpoints


def flattened(recipe):
    """A recipe's dictionary as version 0.1 wrote it."""
    values = recipe.to_dict()
    del values["task"], values["coordination"]
    return values | {"max_col_norm": recipe.max_col_norm}


def test_a_checkpoint_with_a_flat_recipe_goes_on_to_the_same_bits(digits, small_recipe, tmp_path):
    recipe = small_recipe(epochs=3)
    options = {"device": "cpu", "show_progress": False}
    (whole,) = training.train(recipe, digits, **options)
    training.train(recipe, digits, epochs=2, checkpoint_dir=tmp_path, **options)
    path = tmp_path / "seed0.safetensors"
    metadata = checkpoints.read_metadata(path)
    recipe_then = {k: v for k, v in flattened(recipe).items() if k != "epochs"}
    save_file(load_file(path), path, {"ganrepro": json.dumps(metadata | {"recipe": recipe_then})})
    (run,) = training.train(recipe, digits, checkpoint_dir=tmp_path, **options)
    assert all(torch.equal(run.weights()[name], p) for name, p in whole.weights().items())


def test_another_flat_recipe_is_still_refused(digits, small_recipe, tmp_path):
    options = {"device": "cpu", "show_progress": False, "checkpoint_dir": tmp_path, "epochs": 1}
    training.train(small_recipe(), digits, **options)
    path = tmp_path / "seed0.safetensors"
    metadata = checkpoints.read_metadata(path)
    other = {k: v for k, v in flattened(small_recipe(learning_rate=0.2)).items() if k != "epochs"}
    save_file(load_file(path), path, {"ganrepro": json.dumps(metadata | {"recipe": other})})
    with pytest.raises(ValueError, match="another recipe: learning_rate is 0.2 there and 0.1 here"):
        training.train(small_recipe(), digits, **options)


LONG = Path(os.environ.get("GANREPRO_LONG_CHECKPOINT", paths.runs() / "checkpoints/paper/mnist/seed0.safetensors"))


@pytest.mark.skipif(not LONG.is_file(), reason="no checkpoint of the long MNIST training here")
def test_the_long_mnist_training_goes_on():
    with safe_open(LONG, framework="pt") as file:
        state = json.loads(file.metadata()["ganrepro"])["state"]
    mnist = datasets.load("mnist")
    run = training.start(RECIPES["mnist"], mnist, 0)
    checkpoints.load(LONG, run, mnist)
    assert run.epoch == state["epoch"] >= 500
    before = run.weights()
    training.run_epoch([run], mnist.train[:2000])
    assert run.epoch == state["epoch"] + 1 and len(run.curves) == run.epoch
    after = run.curves.iloc[-1]
    assert 0.5 < after.d_real < 0.7 and 0.3 < after.d_fake < 0.5
    assert all(not torch.equal(before[name], p) for name, p in run.weights().items())
