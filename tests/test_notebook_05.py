"""Notebook 05 as its users run it, with parameters of their own."""

import pandas as pd
from test_notebooks import PICTURES, outputs, papermill, status, text


def test_05_on_other_digits_with_errors_over_seeds(tmp_path):
    before, row = status(), tmp_path / "claims.csv"
    done, out = papermill(
        tmp_path, "05_conditional.ipynb", "-p", "dataset", "digits", "-p", "seeds", "2", "-p", "shown_class", "4",
        "-p", "caption", "a very thick three, leaning left", "-p", "out", str(row),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "scikit-learn digits: 2 of quick profile" in text(out)
    assert sum(PICTURES in o.get("data", {}) for o in outputs(out)) >= 7
    table = pd.read_csv(row).set_index("claim")
    (accuracy,) = (r for claim, r in table.iterrows() if claim.startswith("the class asked for"))
    assert accuracy.n == 2 and accuracy.error >= 0 and accuracy.measured > 30
    assert status() == before


def test_05_refuses_a_class_and_a_caption_before_any_work(tmp_path):
    for given, messages in (
        (("-p", "shown_class", "10"), ("class = 10", "0 to 9")),
        (("-p", "caption", "a slim seven"), ("'slim' is not known", "thin, medium, thick")),
    ):
        done, _ = papermill(tmp_path, "05_conditional.ipynb", *given)
        assert done.returncode != 0
        assert "ParameterError" in done.stderr and all(m in done.stderr for m in messages), done.stderr[-1500:]
        assert not (tmp_path / "runs").exists()
