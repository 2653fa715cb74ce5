"""Notebook 06 as its users run it, with parameters of their own."""

import pandas as pd
import pytest

from ganrepro import paths


@pytest.mark.slow
def test_06_inference_on_other_pictures_with_settings_of_ones_own(papermill, clean_tree, tmp_path):
    given = {"dataset": "digits", "inferers": 3, "pairs": "2e3", "layer": 1, "steps": 10, "n_test": 40}
    written = tmp_path / "claims.csv"
    done = papermill("06_inference.ipynb", given | {"out": written})
    assert done.returncode == 0, done.stderr[-3000:]
    said, table = done.text, pd.read_csv(written)
    assert "G is 100 -> 256 -> 256 -> 64" in said and "after 10 steps" in said
    assert set(table.n[table.over == "seeds"]) == {3} and {40, 20, 50} >= set(table.n[table.over == "pictures"])
    measured = table.drop_duplicates("claim").set_index("claim").measured
    assert measured["real pictures through layer 1"] > 0
    linear, network = (measured[measured.index.str.startswith(f"error of z from G(z), {k}")].iloc[0]
                       for k in ("linear", "network"))  # fmt: skip
    gain = measured["error of the linear inferer minus error of the network"]
    assert abs(linear - network - gain) < 1e-6
    assert measured["samples of G: left by the best of three searches; 0 is possible"] < (
        measured["samples of G: inference of those searched for"])  # fmt: skip
    gap = said.split("gap = not reached")[1].split("gap ")[1]
    whole, *terms = (float(part.split(" ± ")[0].split()[-1]) for part in gap.split("\n")[0].split(", "))
    assert abs(whole - sum(terms)) < 0.2  # three terms, each to 0.1
    assert not (tmp_path / "runs" / "claims").exists()


@pytest.mark.slow
def test_06_inference_draws_the_committed_inferer(papermill, tmp_path):
    done = papermill("06_inference.ipynb", {"steps": 20, "n_test": 60, "out": tmp_path / "claims.csv"})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "in use from here on: the committed inferer" in done.text
    table = pd.read_csv(tmp_path / "claims.csv").drop_duplicates("claim").set_index("claim")
    committed = pd.read_csv(paths.results() / "claims/06_inference_mnist_paper.csv").drop_duplicates("claim")
    committed = committed.set_index("claim").measured
    for row in ("error of z from G(z), network: below 1", "error of layer 2's activations; 1 is predicting the mean"):
        assert abs(table.measured[row] - committed[row]) < 0.02 and table.over[row] == "samples"  # one of five inferers


@pytest.mark.slow
def test_06_inference_refuses_what_g_does_not_have_before_any_work(papermill, tmp_path):
    for name, value, said in (
        ("layer", 7, "layer = 7; choose 0 for z, or a hidden layer of G, 1 to 2"),
        ("pairs", 150, "pairs = 150; it must be an int of at least 200"),
        ("dataset", "ring", "choose one of mnist, fashion-mnist"),
    ):
        done = papermill("06_inference.ipynb", {name: value})
        assert done.returncode != 0 and said in done.stderr, done.stderr[-2000:]
    assert not (tmp_path / "runs").exists()
