"""The recipe with one thing changed at a time: each arm changes what it says, and the table keeps every training."""

import dataclasses

import pandas as pd
import pytest
import torch

from ganrepro import cli, networks
from ganrepro.diagnostics import ablations
from ganrepro.recipes import RECIPES


def test_every_arm_differs_from_the_recipe_in_what_it_says():
    recipe = RECIPES["mnist"]
    known = ablations.arms(recipe)
    assert known.pop(ablations.RECIPE) == recipe
    changed = {}
    for name, arm in known.items():
        fields = [f.name for f in dataclasses.fields(arm) if getattr(arm, f.name) != getattr(recipe, f.name)]
        changed[name] = fields
    assert changed["alternating updates"] == ["update"]
    assert changed["gaussian z"] == ["noise"]
    assert changed["no dropout in D"] == ["keep_input", "keep_hidden"]
    assert changed["no marginal bias in G"] == ["generator"]
    assert changed["k = 5"] == ["update", "k"]
    assert changed["D's loss without its half"] == ["d_loss_scale"]
    assert all(changed.values()) and len(known) == 10


def test_relu_arm_has_about_as_many_parameters():
    sizes = [
        networks.count_parameters(networks.Discriminator(r, torch.Generator()))
        for r in (RECIPES["mnist"], ablations.arms(RECIPES["mnist"])["ReLU in place of maxout"])
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05)


def test_table_grows_by_what_is_missing_and_keeps_the_rest(digits, small_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    some = [ablations.RECIPE, "gaussian z"]
    *_, first = ablations.run(small_recipe(), digits, 1, [0], "cpu", some)
    assert first.arm.tolist() == some and (first.epochs == 1).all()
    assert first.best.tolist() == pytest.approx(first.valid.tolist(), abs=1e-3) and (first.best_epoch == 1).all()
    monkeypatch.setattr(ablations, "train_arm", lambda *_: pytest.fail("trained again"))
    *_, again = ablations.run(small_recipe(), digits, 1, [0], "cpu", some)
    pd.testing.assert_frame_equal(first, again)
    monkeypatch.undo()
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    *_, longer = ablations.run(small_recipe(), digits, 2, [0, 1], "cpu", some)
    assert sorted(zip(longer.arm, longer.seed, longer.epochs, strict=True)) == sorted(
        (arm, seed, 2) for arm in some for seed in (0, 1)
    )
    curves = pd.read_csv(ablations.CURVES.file)
    assert sorted(zip(curves.arm, curves.seed, strict=True)) == sorted(
        (arm, seed) for arm in some for seed in (0, 0, 1)  # seed 0 was scored at its epochs 1 and 2, seed 1 at 2 only
    )


def test_summary_compares_on_shared_seeds():
    rows = [("x", 0, 12.0), ("x", 1, 16.0), (ablations.RECIPE, 0, 10.0), (ablations.RECIPE, 1, 12.0), ("y", 2, 50.0)]
    trained = pd.DataFrame(
        [
            (arm, seed, 30, "float32", 0.2, valid, valid - 1, 1.0, valid + 2, 28, 0.7 + 0.295 * seed)
            for arm, seed, valid in rows
        ],
        columns=ablations.COLUMNS,
    )
    found = ablations.summary(trained).set_index("arm")
    assert found.loc["x", "valid, less the recipe's"] == 3.0
    assert pd.isna(found.loc["y", "valid, less the recipe's"])  # no seed in common
    assert found.loc["x", "se_seeds"] == pytest.approx(2.0)
    assert found.loc["x", "best"] == 16.0 and found.loc["x", "D separates"] == 1
    assert found.index[0] == "y"


def test_without_a_table_there_is_a_summary_without_rows(monkeypatch):
    """As installed without the repository: notebook 03 shows it at its defaults."""
    monkeypatch.setattr("ganrepro.paths.REPOSITORY", None)
    trained, by_epoch = ablations.committed()
    shown = ablations.readable(ablations.summary(trained))
    assert len(by_epoch) == len(shown) == 0
    monkeypatch.undo()
    assert list(shown.columns) == list(ablations.readable(ablations.summary(ablations.committed()[0])).columns)


def test_summary_keeps_lengths_and_products_apart():
    rows = [(a, 0, e, p, v) for a, v in ((ablations.RECIPE, 10.0), ("x", 13.0)) for e in (30, 60) for p in ("a", "b")]
    trained = pd.DataFrame(
        [(a, s, e, p, 0.2, v + e, v, 1.0, v, e, 0.5) for a, s, e, p, v in rows], columns=ablations.COLUMNS
    )
    found = ablations.summary(trained)
    assert len(found) == 8 and (found.seeds == 1).all()
    assert (found[found.arm == "x"]["valid, less the recipe's"] == 3.0).all()


def test_bad_input_is_refused_before_any_training(digits, small_recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    with pytest.raises(ValueError, match="there is no arm 'adam'; choose one of the authors' recipe, alternating"):
        next(ablations.run(small_recipe(), digits, 1, [0], "cpu", ["adam"]))
    for arguments, message in (
        (["--epochs", "0"], "epochs = 0"),
        (["--seeds", "0"], "seeds = 0"),
        (["--arm", "adam"], "arm 'adam'"),
        (["--device", "tpu"], "device = 'tpu'"),
    ):
        assert cli.main(["ablate", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
