"""Notebook 12 as its users run it, with parameters of their own."""

import pandas as pd
import pytest


@pytest.mark.slow
def test_12_compares_all_models_on_other_data(papermill, clean_tree, tmp_path):
    claims = tmp_path / "claims.csv"
    done = papermill("12_baselines.ipynb", {"dataset": "digits", "examples": 300, "out": claims})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "300 training examples" in done.text and "no committed comparison" in done.text
    assert done.pictures == 3
    found = pd.read_csv(claims)
    assert (found.profile == "quick").all() and found.measured.notna().all()
    assert sum(found.claim.str.startswith("Parzen score: ")) == 13
    assert not list((tmp_path / "runs").glob("baselines/*"))  # no table of long fits


@pytest.mark.slow
def test_12_refuses_too_few_examples_before_any_fit(papermill, tmp_path):
    done = papermill("12_baselines.ipynb", {"dataset": "digits", "examples": 99})
    assert done.returncode != 0
    assert "examples = 99 of scikit-learn digits; the comparison needs at least 100" in done.stderr
    assert not (tmp_path / "runs").exists()
