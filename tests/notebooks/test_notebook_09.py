"""Notebook 09 as its users run it, with parameters of their own."""

import pandas as pd
import pytest


@pytest.mark.slow
def test_09_compares_on_other_data_with_its_own_length(papermill, clean_tree, tmp_path):
    claims = tmp_path / "claims.csv"
    given = {"dataset": "digits", "n_seeds": 2, "epochs": 2, "examples": 300, "out": claims}
    done = papermill("09_coordination.ipynb", given)
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.text
    assert "digits" in said.lower() and "2 seeds, 6 steps" in said and "quick profile" in said
    assert done.pictures == 5
    found = pd.read_csv(claims)
    assert (found.n == 2).all() and (found.profile == "quick").all() and found.error.notna().all()
    assert sum(found.claim.str.startswith("k = 5: better than alternating updates at equal")) == 2  # its own control
    assert sum(found.claim.str.startswith("mixture z: better than the authors' recipe at equal")) == 2
    assert found[~found.claim.str.contains("better")].holds.isna().all()  # no verdict without the rule
    curves = pd.read_csv(tmp_path / "runs/coordination/digits_quick.csv")
    assert sorted(curves.step.unique()) == [3, 6] and set(curves.seed) == {0, 1}
