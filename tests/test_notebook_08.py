"""Notebook 08 as its users run it, with parameters of their own."""

import numpy as np
import pandas as pd
from test_notebooks import papermill, status, text


def test_08_on_other_data_with_few_labels(tmp_path):
    before, out = status(), tmp_path / "claims.csv"
    given = {"dataset": "digits", "labels": "60", "draws": "4", "out": str(out), "seed": "1"}
    asked = [x for k, v in given.items() for x in ("-p", k, v)]
    done, executed = papermill(tmp_path, "08_semisupervised.ipynb", *asked)
    assert done.returncode == 0, done.stderr[-3000:]
    found = pd.read_csv(out).set_index("claim")
    pixels = found.loc["test error of raw pixels, 60 labels"]
    assert pixels.n == 4 and 5 < pixels.measured < 40 and np.isfinite(pixels.error)
    assert found.loc["K + 1 classes errs less than D, 60 labels: difference"].n == 1
    assert "60" in text(executed) and not any("1000 labels" in claim for claim in found.index)
    assert status() == before


def test_08_refuses_what_it_cannot_classify(tmp_path):
    for given, message in (
        ({"dataset": "digits", "labels": "2000"}, "labels = 2000; choose 20 to"),
        ({"dataset": "att"}, "dataset = 'att'; choose one of"),
        ({"dataset": "tfd"}, "classes in test"),  # its stand-in's test people are not in train
        ({"labels": "-5"}, "at least 0"),
    ):
        asked = [x for k, v in given.items() for x in ("-p", k, v)]
        done, _ = papermill(tmp_path, "08_semisupervised.ipynb", *asked, GANREPRO_DATA=str(tmp_path))
        assert done.returncode != 0 and message in done.stderr, done.stderr[-2000:]
        assert not (tmp_path / "runs").exists()
