"""Notebook 07 as its users run it, with parameters of their own."""

import numpy as np
import pandas as pd
import pytest


@pytest.mark.slow
def test_07_subsets_on_digits_with_a_mask_of_ones_own(papermill, clean_tree, tmp_path):
    mask = np.indices((8, 8)).sum(0) % 2
    np.save(tmp_path / "mask.npy", mask)
    rows = tmp_path / "rows.csv"
    given = {"dataset": "digits", "n_seeds": 2, "mask": tmp_path / "mask.npy", "out": rows}
    done = papermill("07_subsets.ipynb", given)
    assert done.returncode == 0, done.stderr[-3000:]
    found = pd.read_csv(rows)
    assert set(found.profile) == {"quick"} and (found.n == 2).sum() >= 15  # errors over two seeds
    nats = found[found.unit == "nats"]
    assert len(nats) == 6 + 6 and nats.error.notna().all()
    equal = found.set_index("claim").measured
    assert equal["all masks, 64 centres each: G above the nearest"] == pytest.approx(
        np.mean([v for k, v in equal.items() if "hidden, 64 centres each" in k]))  # fmt: skip
    assert "seed 1: " in done.text and "made now from its weights" in done.text


@pytest.mark.slow
def test_07_subsets_says_which_seed_has_no_comparable_record(papermill, tmp_path):
    rows = tmp_path / "rows.csv"
    done = papermill("07_subsets.ipynb", {"n_seeds": 2, "out": rows})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "seed 1 is left out: it has no paper record of" in done.text and "1 of 2 trainings are scored" in done.text
    found = pd.read_csv(rows)
    assert set(found.over) == {"test pictures"} and set(found.n) == {150, 40} and found.error.notna().all()


@pytest.mark.slow
def test_07_subsets_refuses_masks_that_mean_nothing_before_any_work(papermill, tmp_path):
    np.save(tmp_path / "small.npy", np.eye(5))
    for given, message in (
        ({"mask": tmp_path / "small.npy"}, "mask has shape (5, 5); expected (8, 8)"),
        ({"top": 0, "left": 0, "height": 1, "width": 1}, "mask is empty"),
    ):
        done = papermill("07_subsets.ipynb", {"dataset": "digits", **given})
        assert done.returncode != 0 and message in done.stderr, done.stderr[-2000:]
        assert not (tmp_path / "runs").exists()
