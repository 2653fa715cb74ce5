"""Notebook 05 as its users run it, with parameters of their own."""

import pandas as pd


def test_05_on_other_digits_with_errors_over_seeds(papermill, clean_tree, tmp_path):
    given = {"dataset": "digits", "seeds": 2, "shown_class": 4, "caption": "a very thick three, leaning left"}
    done = papermill("05_conditional.ipynb", given | {"out": tmp_path / "claims.csv"})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "scikit-learn digits: 2 of quick profile" in done.text
    assert done.pictures >= 7
    table = pd.read_csv(tmp_path / "claims.csv").set_index("claim")
    (accuracy,) = (r for claim, r in table.iterrows() if claim.startswith("the requested class"))
    assert accuracy.n == 2 and accuracy.error >= 0 and accuracy.measured > 30


def test_05_refuses_a_class_and_a_caption_before_any_work(papermill, tmp_path):
    for given, messages in (
        ({"shown_class": 10}, ("class = 10", "0 to 9")),
        ({"caption": "a slim seven"}, ("'slim' is not known", "thin, medium, thick")),
    ):
        done = papermill("05_conditional.ipynb", given)
        assert done.returncode != 0
        assert "ParameterError" in done.stderr and all(m in done.stderr for m in messages), done.stderr[-1500:]
        assert not (tmp_path / "runs").exists()
