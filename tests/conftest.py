"""Fixtures that several folders of tests share."""

import pytest
import torch

from ganrepro import datasets, paths, training
from ganrepro.recipes import Layer, for_dataset
from ganrepro.training.replicas import Replicas


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's 8 x 8 digits: real pictures that load at once."""
    return datasets.load("digits")


@pytest.fixture(scope="session")
def small_recipe():
    """small_recipe(**changes): the MNIST recipe with narrow layers on 8 x 8 pictures."""

    def small(**changes):
        recipe = for_dataset("digits", (1, 8, 8)).replace(
            generator=(Layer(32, "relu"), Layer(32, "relu"), Layer(64, "sigmoid", bias="marginal")),
            discriminator=(
                Layer(12, "maxout", 0.05, pieces=5),
                Layer(12, "maxout", 0.05, pieces=5),
                Layer(1, "linear", 0.05),
            ),
            z_dim=10,
            epochs=4,
        )
        return recipe.replace(**changes)

    return small


@pytest.fixture(scope="session")
def replicas_match_single_runs():
    """An epoch of two seeds as replicas over rows x ends where an epoch of each alone does, to float32's rounding."""

    def check(recipe, data, x):
        alone, group = ([training.start(recipe, data, seed) for seed in (0, 1)] for _ in range(2))
        stacked = Replicas(recipe, [(r.g, r.d) for r in group], [r.rng for r in group], x)
        training.run_epoch(group, x, stacked=stacked)
        for run, other in zip(alone, group, strict=True):
            training.run_epoch([run], x)
            for k, p in run.weights().items():
                torch.testing.assert_close(other.weights()[k], p, rtol=1e-4, atol=1e-6)

    return check


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """An empty runs folder of this test's own, few samples to score, and no repository with committed records."""
    monkeypatch.setattr(paths, "REPOSITORY", None)
    monkeypatch.setattr("ganrepro.records.write.STORED_SAMPLES", 400)
    monkeypatch.setattr("ganrepro.training.run.VALIDATION_SAMPLES", 400)
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"
