"""What rescues Algorithm 1 as it is printed: arms that change what they say, and a table that hides no seed."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from ganrepro import cli
from ganrepro.diagnostics import ablations
from ganrepro.extensions.coordination import alternating
from ganrepro.recipes import RECIPES


def changed(arm, base) -> list[str]:
    return [f.name for f in dataclasses.fields(arm) if getattr(arm, f.name) != getattr(base, f.name)]


def test_every_arm_differs_in_what_it_says():
    known = alternating.arms(RECIPES["mnist"])
    printed, faster = known[alternating.PRINTED], known[alternating.FASTER]
    assert printed.update == "alternating" and printed.k == 1
    assert changed(printed, RECIPES["mnist"]) == ["generator", "discriminator", "update"]  # rates and dropout stay
    assert changed(known[alternating.CONTROL], printed) == ["update"]
    assert changed(known[alternating.FASTER_CONTROL], faster) == ["update"]
    assert changed(faster, printed) == ["learning_rate"]
    assert changed(known[alternating.RESCUED], faster) == ["k"]
    assert changed(known[f"{alternating.FASTER}, falling"], faster) == ["learning_rate_decay"]
    for name, fields in {
        "G's rate x 3": ["learning_rate", "coordination"], "D's rate x 3": ["coordination"],
        "D's rate / 3": ["coordination"], "G moves 3 times": ["coordination"], "momentum 0": ["momentum"],
        "no dropout in D": ["keep_input", "keep_hidden"], "D's first weights x 2.5": ["discriminator"],
        "D's first weights / 4": ["discriminator"], "k = 3": ["k"],
        "Adam, 0.001": ["learning_rate", "momentum", "coordination"],
    }.items():  # fmt: skip
        assert sorted(changed(known[name], printed)) == sorted(fields), name
    assert known["G's rate x 3"].coordination.d_learning_rate == printed.learning_rate  # D's stays


def test_narrow_nets_keep_the_output_and_take_wider_first_weights():
    recipe = RECIPES["mnist"]
    small = alternating.narrow(recipe)
    assert [x.units for x in (*small.generator, *small.discriminator)] == [256, 256, 784, 48, 48, 1]
    assert small.generator[1].irange == pytest.approx(0.05 * math.sqrt(1200 / 256))
    assert min(x.irange for x in small.discriminator) >= alternating.D_IRANGE


def test_the_study_runs_and_keeps_its_tables_apart(digits, small_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    some = [alternating.PRINTED, alternating.CONTROL]
    *_, table = ablations.run(small_recipe(), digits, 1, [0], "cpu", some, alternating.STUDY)
    assert table.arm.tolist() == some and table.valid.notna().all()
    assert alternating.STUDY.scores.file.is_file() and not ablations.SCORES.file.exists()
    curves = pd.read_csv(alternating.STUDY.curves.file)
    shown = alternating.readable(alternating.summary(table, curves, 1))
    assert shown["seed 0"].tolist() == [f"{v:.1f}" for v in sorted(table.valid, reverse=True)]


def test_a_diverged_training_is_a_row_without_scores(digits, small_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    hot = dataclasses.replace(alternating.STUDY, arms=lambda recipe: {alternating.PRINTED: recipe})
    *_, table = ablations.run(small_recipe(learning_rate=1e6), digits, 1, [0], "cpu", (), hot)
    assert len(table) == 1 and np.isnan(table.valid.item()) and table.epochs.item() == 1
    curves = pd.DataFrame(columns=["epoch", "valid_ll", "d_loss", "d_real", *ablations.KEY])
    assert alternating.readable(alternating.summary(table, curves, 1)).validation.item() == "–"


def test_summary_pairs_seeds_at_equal_epochs_and_shows_each():
    after = {alternating.PRINTED: (-10.0, -30.0), "x": (5.0, 7.0), "y": (1.0, np.nan)}
    scores = pd.DataFrame(
        [(a, s, 24 if a == alternating.PRINTED else 8, 40.0 + s) for a in after for s in (0, 1)],
        columns=["arm", "seed", "epochs", "valid"],
    )
    curves = pd.DataFrame(
        [(a, s, 8, v, 0.7) for a, values in after.items() for s, v in enumerate(values)]
        + [(alternating.PRINTED, s, 24, 40.0 + s, 0.6) for s in (0, 1)],
        columns=["arm", "seed", "epoch", "valid_ll", "d_real"],
    )
    table = alternating.summary(scores, curves)
    found = table.set_index("arm")
    assert found.index[0] == "x" and found.loc["x", "less the printed"] == 26.0
    assert found.loc["x", ["seed 0", "seed 1"]].tolist() == [5.0, 7.0]
    assert found.loc[alternating.PRINTED, ["epochs in all", "after them"]].tolist() == [24, 40.5]
    assert np.isnan(found.loc["y", "validation"])  # one diverged seed is no mean over two
    assert alternating.readable(table).set_index("arm").loc["y", "seed 1"] == "–"


def test_the_rescued_arm_is_the_best_by_validation_score():
    scores, curves = ablations.committed(alternating.STUDY)
    assert set(scores.arm) == set(alternating.arms(RECIPES["mnist"])) and (scores.groupby("arm").size() == 2).all()
    assert alternating.summary(scores, curves).arm[0] == alternating.RESCUED


def test_command_line_knows_the_study(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    assert cli.main(["ablate", "--of", "alternating", "--arm", "gaussian z"]) == 2
    assert "there is no arm 'gaussian z'; choose one of Algorithm 1 as printed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
