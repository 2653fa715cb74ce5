"""Notebook 10 as its users run it, with parameters of their own."""

import pandas as pd
import pytest


@pytest.mark.slow
def test_10_follows_a_training_and_compares_on_the_grid(papermill, clean_tree, tmp_path):
    claims = tmp_path / "claims.csv"
    given = {"dataset": "grid", "profile": "quick", "n_seeds": 2, "ring_steps": 60, "steps": 20, "out": claims}
    done = papermill("10_equilibrium.ipynb", given)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.pictures == 6 and "quick profile, 20 steps, 2 seeds" in done.text
    assert sum("image/gif" in output.get("data", {}) for output in done.outputs) == 1
    found = pd.read_csv(claims)
    ours = found[found.claim.str.startswith("grid, ")]
    assert (ours.n == 2).all() and (found.profile == "quick").all() and found.measured.notna().all()
    assert ours.claim.str.contains("Wasserstein-1").sum() == 5 and ours.claim.str.contains("better").sum() == 12
    table = pd.read_csv(tmp_path / "runs/equilibrium/toys_quick.csv")
    assert set(table.dataset) == {"grid"} and set(table.seed) == {0, 1} and sorted(table.step.unique()) == [10, 20]
    assert (tmp_path / "runs/figures/10_equilibrium_ring.gif").is_file()
