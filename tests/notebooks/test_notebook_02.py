"""Notebook 02 as its users run it, with parameters of their own."""

import pandas as pd
import pytest

SHORT = {"dataset": "digits", "steps": 20, "long_steps": 60, "arm_steps": 40, "ring_steps": 40}


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"update": "simultaneous"}, {"k": 3}])
def test_02_runs_both_updates_on_other_pictures(papermill, clean_tree, tmp_path, given):
    done = papermill("02_algorithm1.ipynb", SHORT | given | {"out": tmp_path / "steps.csv"})
    assert done.returncode == 0, done.stderr[-3000:]
    for kind in ("alternating", "simultaneous"):
        assert f"{kind}: the weights agree after ten steps" in done.text
    assert f"updates are {given.get('update', 'alternating')}, k = {given.get('k', 1)}" in done.text
    assert "dL_G/dx: none" in done.text and "sum of payoffs" in done.text
    assert done.pictures >= 11
    assert set(pd.read_csv(tmp_path / "steps.csv").arm) >= {"minimax", "alternating, k = 3"}


def test_02_refuses_k_without_alternating_updates_before_any_work(papermill, tmp_path):
    done = papermill("02_algorithm1.ipynb", {"update": "simultaneous", "k": 3})
    assert done.returncode != 0 and "k = 3 needs update = 'alternating'" in done.stderr, done.stderr[-2000:]
    assert not (tmp_path / "runs").exists()
