"""Notebook 08 as its users run it, with parameters of their own."""

import numpy as np
import pandas as pd


def test_08_on_other_data_with_few_labels(papermill, clean_tree, tmp_path):
    out = tmp_path / "claims.csv"
    given = {"dataset": "digits", "labels": 60, "draws": 4, "out": out, "seed": 1}
    done = papermill("08_semisupervised.ipynb", given)
    assert done.returncode == 0, done.stderr[-3000:]
    found = pd.read_csv(out).set_index("claim")
    pixels = found.loc["test error of raw pixels, 60 labels"]
    assert pixels.n == 4 and 5 < pixels.measured < 40 and np.isfinite(pixels.error)
    assert found.loc["K + 1 classes errs less than D, 60 labels: difference"].n == 1
    assert "60" in done.text and not any("1000 labels" in claim for claim in found.index)


def test_08_refuses_what_it_cannot_classify(papermill, tmp_path):
    for given, message in (
        ({"dataset": "digits", "labels": 2000}, "labels = 2000; choose 20 to"),
        ({"dataset": "att"}, "dataset = 'att'; choose one of"),
        ({"dataset": "tfd"}, "'att' has the training labels 2 to 39; they must be 0 to K - 1"),  # people held out
        ({"labels": -5}, "at least 0"),
    ):
        done = papermill("08_semisupervised.ipynb", given, GANREPRO_DATA=str(tmp_path))
        assert done.returncode != 0 and message in done.stderr, done.stderr[-2000:]
        assert not (tmp_path / "runs").exists()
