"""Measuring functions compared on the toys: the same start for every arm, measures on known samples, kept trainings."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from ganrepro import datasets
from ganrepro.baselines import measuring, measuring_on_toys


@pytest.fixture(scope="module")
def ring():
    return datasets.load("ring")


def test_held_out_data_are_a_perfect_model_and_a_collapse_is_not(ring):
    perfect = measuring_on_toys.measure(ring.valid, ring)
    assert perfect["modes"] == 8 and perfect["good"] > 0.98 and perfect["distance"] < 0.15
    one = measuring_on_toys.measure(ring.valid[ring.labels["valid"] == 0], ring)
    assert one["modes"] == 1 and one["good"] > 0.95 and one["distance"] > 2


@pytest.mark.slow
def test_a_training_is_measured_at_even_steps_and_read_back(tmp_path, monkeypatch):
    found = measuring_on_toys.train("least squares", "ring", 0, 6, "cpu", 3, tmp_path)
    assert list(found.columns) == measuring_on_toys.COLUMNS and found.step.tolist() == [2, 4, 6]
    assert np.isfinite(found[list(measuring_on_toys.MEASURES)].to_numpy()).all()
    monkeypatch.setattr(measuring, "train", lambda *_, **__: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(measuring_on_toys.train("least squares", "ring", 0, 6, "cpu", 3, tmp_path), found)


def test_every_arm_starts_from_the_weights_of_its_seed(monkeypatch):
    seen = {}

    def start(function, g, d, x, **given):
        seen[function, given["d_steps"]] = [p.clone() for net in (g, d) for p in net.parameters()]

    monkeypatch.setattr(measuring, "train", start)
    for arm in measuring_on_toys.ARMS:
        measuring_on_toys.train(arm, "grid", 5, 2, "cpu", 1)
    assert set(seen) == {(arm.function, arm.d_steps) for arm in measuring_on_toys.ARMS.values()}
    first, *others = seen.values()
    assert all(torch.equal(p, q) for other in others for p, q in zip(first, other, strict=True))


def test_a_training_that_diverged_has_no_measures_from_there_on(monkeypatch):
    def diverge(*_, watch, **__):
        watch(1)
        raise FloatingPointError

    monkeypatch.setattr(measuring, "train", diverge)
    found = measuring_on_toys.train("minimax", "ring", 0, 2, "cpu", 2)
    assert found.distance.notna().tolist() == [True, False]


def test_differences_from_the_control_are_paired_and_positive_where_better():
    rows = [("ring", arm, seed, step, 8 - worse, 0.9 - 0.1 * worse, 0.2 + worse)
            for arm, worse in (("minimax", 2), (measuring_on_toys.CONTROL, 0), ("least squares", math.nan))
            for seed in range(3) for step in (5, 10)]  # fmt: skip
    found = measuring_on_toys.against_control(pd.DataFrame(rows, columns=measuring_on_toys.COLUMNS))
    assert found.arm.tolist() == ["minimax"] * 3 and found.measure.tolist() == list(measuring_on_toys.MEASURES)
    np.testing.assert_allclose(found["mean"], [-2, -0.2, -2])
    assert found.p.tolist() == [0, 0, 0] and found.better.tolist() == [False] * 3


@pytest.mark.parametrize(
    "given, message",
    [
        (("log", "ring", 0, 5), "arm = 'log'; choose one of minimax"),
        (("minimax", "mnist", 0, 5), "dataset = 'mnist'; choose ring or grid"),
        (("minimax", "ring", 0, 0), "steps = 0"),
        (("minimax", "ring", 0, 5, "cpu", 6), "times = 6"),
        (("minimax", "ring", -1, 5, "cpu", 1), "seed = -1"),
    ],
)
def test_bad_input_is_refused(given, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        measuring_on_toys.train(*given)


def test_samples_of_another_shape_are_refused(ring):
    with pytest.raises(ValueError, match="expected"):
        measuring_on_toys.measure(torch.zeros(5, 3), ring)
