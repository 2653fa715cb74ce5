"""Notebook 07 as its users run it, with parameters of their own."""

import numpy as np
import pandas as pd


def test_07_subsets_on_digits_with_a_mask_of_ones_own(papermill, clean_tree, tmp_path):
    mask = np.indices((8, 8)).sum(0) % 2
    np.save(tmp_path / "mask.npy", mask)
    rows = tmp_path / "rows.csv"
    given = {"dataset": "digits", "n_seeds": 2, "n_pictures": 60, "mask": tmp_path / "mask.npy", "out": rows}
    done = papermill("07_subsets.ipynb", given)
    assert done.returncode == 0, done.stderr[-3000:]
    found = pd.read_csv(rows)
    assert set(found.profile) == {"quick"} and (found.n == 2).sum() >= 15  # errors over two seeds
    nats = found[found.unit == "nats"]
    assert len(nats) == 3 + 3 * 6 and nats.error.notna().all()
    exact = found[found.claim.str.contains("changed")]
    assert exact.measured.item() == 0 and bool(exact.holds.item())
    assert "seed 1: " in done.text and "made now from its weights" in done.text


def test_07_subsets_refuses_masks_that_mean_nothing_before_any_work(papermill, tmp_path):
    np.save(tmp_path / "small.npy", np.eye(5))
    for given, message in (
        ({"mask": tmp_path / "small.npy"}, "mask has shape (5, 5); expected (8, 8)"),
        ({"top": 0, "left": 0, "height": 1, "width": 1}, "mask is empty"),
    ):
        done = papermill("07_subsets.ipynb", {"dataset": "digits", **given})
        assert done.returncode != 0 and message in done.stderr, done.stderr[-2000:]
        assert not (tmp_path / "runs").exists()
