"""The notebooks of Section 7 as their users run them, with parameters of their own."""

import pandas as pd
from test_notebooks import PICTURES, outputs, papermill, status, text


def test_09_races_on_other_data_with_its_own_length(tmp_path):
    before, claims = status(), tmp_path / "claims.csv"
    given = {"dataset": "digits", "n_seeds": "2", "epochs": "2", "examples": "300", "out": str(claims)}
    done, out = papermill(tmp_path, "09_coordination.ipynb", *(x for k, v in given.items() for x in ("-p", k, v)))
    assert done.returncode == 0, done.stderr[-3000:]
    said = text(out)
    assert "digits" in said.lower() and "2 seeds, 6 steps" in said and "quick profile" in said
    assert sum(PICTURES in o.get("data", {}) for o in outputs(out)) == 5
    found = pd.read_csv(claims)
    assert (found.n == 2).all() and (found.profile == "quick").all() and found.error.notna().all()
    assert sum(found.claim.str.startswith("Adam, 0.001: better than the recipe")) == 2
    races = pd.read_csv(tmp_path / "runs/races/digits_quick.csv")
    assert sorted(races.step.unique()) == [3, 6] and set(races.seed) == {0, 1}
    assert status() == before
