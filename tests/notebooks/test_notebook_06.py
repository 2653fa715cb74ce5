"""Notebook 06 as its users run it, with parameters of their own."""

import pandas as pd


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
    assert not (tmp_path / "runs" / "claims").exists()


def test_06_inference_refuses_what_g_does_not_have_before_any_work(papermill, tmp_path):
    for name, value, said in (
        ("layer", 7, "layer = 7; choose 0 for z, or a hidden layer of G, 1 to 2"),
        ("pairs", 150, "pairs = 150; it must be an int of at least 200"),
        ("dataset", "ring", "choose one of mnist, fashion-mnist"),
    ):
        done = papermill("06_inference.ipynb", {name: value})
        assert done.returncode != 0 and said in done.stderr, done.stderr[-2000:]
    assert not (tmp_path / "runs").exists()
