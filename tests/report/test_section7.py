"""Notebook 09's claims are made of the committed measurements, by its rule; docs/section7.md has what is committed."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ganrepro import paths
from ganrepro.diagnostics import paired
from ganrepro.extensions.coordination import RECIPE, comparison, samples
from ganrepro.report import claims, coordination


def tables(last: dict[str, list[float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves of two epochs that end at these scores, a seed each, and samples of the recipe alone."""
    curves = pd.DataFrame([
        {"arm": arm, "seed": seed, "epoch": e, "step": 10 * e, "g_moves": 10 * e, "seconds": float(e), "d_real": 0.5,
         "d_fake": 0.5, "valid_ll": e * score / 2}
        for arm, scores in last.items() for seed, score in enumerate(scores) for e in (1, 2)
    ])  # fmt: skip
    rows = [(RECIPE, s, samples.SCORE + way, 30.0 - i) for s in (0, 1) for i, way in enumerate(samples.WAYS)]
    return curves, pd.DataFrame(rows, columns=samples.COLUMNS)


def test_only_what_holms_correction_leaves_has_a_verdict():
    found = claims.table(coordination.listed(*tables({
        RECIPE: [10.0, 10.0], "sure": [20.0, 20.0], "maybe": [14.0, 16.0], "lost": [math.nan, 20.0]
    }))).set_index("claim")  # fmt: skip
    assert found.holds[f"sure: better than {RECIPE} at equal steps, by"] is True
    assert found.holds[f"maybe: better than {RECIPE} at equal steps, by"] is None
    assert found.measured["lost: diverges, share of trainings"] == 0.5
    assert not found.index.str.contains("lost: better").any()
    assert found.holds[["better than" not in claim for claim in found.index]].isna().all()
    assert found.holds["samples with the highest D: better than its samples as they come, by"] is False
    assert np.isfinite(found.measured).all()


def test_committed_claims_are_made_of_the_committed_measurements():
    assert (known := sorted((paths.results() / "coordination").glob("*_paper.csv")))
    for path in known:
        data = path.stem.removesuffix("_paper")
        kept = claims.stored("09_coordination", data, "paper").committed()
        of_samples = kept.claim.str.contains("samples")
        if (measured := samples.stored(data, "paper").committed()) is None:
            kept, of_samples = kept[~of_samples], kept[of_samples & kept.claim.str.contains("better")]
            p = 2 * stats.t.sf(abs(of_samples.measured / of_samples.error), of_samples.n - 1)
            assert ((paired.holm(p) <= paired.LEVEL) == of_samples.holds.notna()).all()
        table = claims.table(coordination.listed(pd.read_csv(path), measured))
        assert table.claim.tolist() == kept.claim.tolist()
        np.testing.assert_allclose(table.measured, kept.measured, rtol=1e-8)
        np.testing.assert_allclose(table.error.astype(float), kept.error, rtol=1e-8, atol=1e-12)
        assert [None if pd.isna(x) else bool(x) for x in kept.holds] == table.holds.tolist()


def test_the_page_on_section_7_has_the_committed_numbers():
    text = (paths.repository() / "docs/section7.md").read_text()
    found = claims.stored("09_coordination", "mnist", "paper").committed().set_index("claim")
    for claim in (
        "lazy D and G: better than alternating updates at equal steps, by",
        "Adam, 0.0002: better than the authors' recipe at equal steps, by",
        "k = 5: better than alternating updates at equal seconds, by",
        "k = 5: better than alternating updates at equal steps, by",
        "k grows: 1, 2, 5: better than alternating updates at equal seconds, by",
        "samples with the highest D: better than its samples as they come, by",
    ):
        row = found.loc[claim]
        half = row.error * stats.t.isf(0.025, row.n - 1)
        assert f"{row.measured:.1f} ± {half:.1f}" in text, claim
    assert found.holds.notna().sum() == 2 and not found.holds.dropna().astype(bool).any()


def test_the_page_has_the_small_conditional_models_with_errors_over_seeds():
    text = (paths.repository() / "docs/section7.md").read_text()
    found = claims.stored("05_conditional-small", "mnist", "paper").committed().set_index("claim")
    for claim, digits, before, after in (
        ("the requested class is recognised in >= 95% of samples", 1, "shows in ", "% of samples"),
        ("samples of a class vary: >= 80% of the real spread", 1, "with ", "% of the real spread"),
        ("log p(x | y) of 2,000 test examples", 0, "log p(x | y) is at ", " nats"),
        ("slant: request and measurement are correlated, more than in the control", 3, "correlates at r = ", ""),
        ("thickness: request and measurement are correlated, more than in the control", 3, "thickness at ", ""),
    ):
        row = found.loc[claim]
        assert "seeds" in row.over and row.n == 3
        measured, error = (f"{value:.{digits}f}" for value in (row.measured, row.error))
        shown = f"{measured} ± {error}" if digits < 3 else f"{measured} ± {error}".replace("0.", ".")
        assert before + shown.replace(" ± 0.", " ± .") + after in text, claim


def test_the_page_has_the_small_subsets_models_with_errors_over_seeds():
    text = (paths.repository() / "docs/section7.md").read_text()
    found = claims.stored("07_subsets-small", "mnist", "paper").committed().set_index("claim")
    assert set(found.over) == {"seeds"} and set(found.n) == {2}
    for claim, digits, before, after in (
        ("all masks, 1 centre each: G above the nearest", 0, "win by ", " nats at one centre"),
        ("all masks, 8 centres each: G above the nearest", 0, "", " at 8"),
        ("all masks, 64 centres each: G above the nearest", 1, "", " at 64"),
        ("all masks, one centre: the mean of 64 completions above the mean fill", 1, "completions scores ", " nats"),
    ):
        row = found.loc[claim]
        shown = f"{abs(row.measured):.{digits}f} ± {row.error:.{digits}f}".replace(" ± 0.", " ± .")
        assert before + shown + after in text, claim


def test_the_page_has_08s_committed_errors():
    text = (paths.repository() / "docs/section7.md").read_text()
    found = claims.stored("08_semisupervised", "mnist", "paper").committed().set_index("claim")
    lines = {
        "label spreading, D": "D's features | ",
        "label spreading": "pixels, no net | ",
        "D": "linear, on D's features | ",
        "supervised net": "D's size | ",
        "raw pixels": "raw pixels | ",
        "K + 1 classes": "short training | ",
    }
    for method, before in lines.items():
        cells = []
        for n in (100, 1000):
            row = found.loc[f"test error of {method}, {n} labels"]
            cells.append(f"{row.measured:.1f} ± {f'{row.error:.1f}'.removeprefix('0')}%")
        assert f"{before}{' | '.join(cells)} | {row.n} |" in text, method


def test_rebuilding_keeps_the_origin_and_claims_without_measurements(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    curves, measured = tables({RECIPE: [10.0, 11.0], "other": [12.0, 12.0]})
    (tmp_path / "coordination").mkdir()
    (tmp_path / "claims").mkdir()
    curves.to_csv(tmp_path / "coordination/toy_paper.csv", index=False)
    target = tmp_path / "claims/09_coordination_toy_paper.csv"
    assert coordination.rebuild() == []
    old = claims.table([claims.Claim("stale", [1.0], "seeds"), claims.Claim("samples: 3", [3.0, 4.0], "seeds")])
    old.assign(profile="paper", commit="abc", hardware="a clock").to_csv(target, index=False)
    assert coordination.rebuild() == [target]
    made = pd.read_csv(target).set_index("claim")
    assert set(made.commit) == {"abc"} and set(made.hardware) == {"a clock"} and "stale" not in made.index
    assert made.measured["samples: 3"] == 3.5 and made.holds[~made.index.str.contains("better")].isna().all()
    by = comparison.compare(comparison.results(curves, comparison.target(curves))).set_index("column")["mean"]
    name = f"other: better than {RECIPE} at equal steps, by"
    assert made.measured[name] == pytest.approx(by["at equal steps"])
    measured.to_csv(tmp_path / "coordination/toy_paper_samples.csv", index=False)
    coordination.rebuild()
    again = pd.read_csv(target).set_index("claim")
    assert "samples: 3" not in again.index and again.index.str.startswith("samples kept by rejection").any()
