"""Notebook 11 as its users run it, with parameters of their own."""

import pandas as pd
import pytest


@pytest.mark.slow
def test_11_measures_other_data_and_says_no_more_than_it_tested(papermill, clean_tree, tmp_path):
    claims = tmp_path / "claims.csv"
    done = papermill("11_generalization.ipynb", {"dataset": "digits", "n_samples": 100, "seed": 3, "out": claims})
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.text
    assert "digits" in said.lower() and "quick profile" in said and "100 samples, 100 held-out examples" in said
    assert done.pictures == 4
    found = pd.read_csv(claims)
    assert (found.profile == "quick").all() and found.measured.notna().all() and found.claim.is_unique
    decided = found[found.holds.notna()]
    assert decided.claim.str.contains("two-sample test|copies|copying").all()  # one seed decides nothing else
    caught = found[found.claim.str.contains("a copying model is caught")]
    assert caught.holds.tolist() == [True] and (caught.measured < 0.01).all()
    capacity = pd.read_csv(tmp_path / "runs/generalization/capacity_digits_quick.csv")
    assert set(capacity.seed) == {3} and capacity.distance.between(-0.05, 0.7).all()


@pytest.mark.slow
def test_11_says_how_many_samples_it_needs(papermill, tmp_path):
    done = papermill("11_generalization.ipynb", {"dataset": "digits", "n_samples": 49})
    assert done.returncode != 0 and "need at least 50" in done.stderr
    assert not (tmp_path / "runs").exists()
