"""Claim tables: means, errors and what they are over."""

import numpy as np
import pandas as pd
import pytest
import torch

from ganrepro import paths, records
from ganrepro.report import claims
from ganrepro.report.claims import Claim


def test_mean_and_standard_error_are_those_of_the_values():
    values = [1.0, 2.0, 4.0]
    (row,) = claims.table([Claim("it grows", values, "seeds", "nats", True)]).to_dict("records")
    assert row["measured"] == pytest.approx(7 / 3)
    assert row["error"] == pytest.approx(np.std(values, ddof=1) / np.sqrt(3))
    assert (row["over"], row["n"], row["holds"]) == ("seeds", 3, True)


def test_one_value_has_no_error():
    found = claims.table([Claim("a mere number", [5.0], "seeds")])
    assert pd.isna(found.error[0])
    assert claims.readable(found).measured[0] == "5 (1 seeds)"


def test_one_training_has_a_binomial_error_over_its_examples_and_several_one_over_seeds():
    hits = [100 * (np.arange(400) < n).astype(float) for n in (300, 320)]
    (alone,) = claims.table([claims.of_trainings("a", hits[:1], "quick profile", "samples", "%", True)]).itertuples()
    p = 0.75
    assert alone.measured == 75 and alone.error == pytest.approx(100 * np.sqrt(p * (1 - p) / 399))
    assert (alone.over, alone.n, alone.holds) == ("samples, one training, quick profile", 400, True)
    (both,) = claims.table([claims.of_trainings("a", hits, "quick profile", "samples", "%")]).itertuples()
    assert both.measured == pytest.approx(77.5) and both.error == pytest.approx(np.std([75, 80], ddof=1) / np.sqrt(2))
    assert (both.over, both.n) == ("seeds, quick profile", 2)
    (single,) = claims.table([claims.of_trainings("a", [np.array([3.0])], "quick profile", "samples")]).itertuples()
    assert pd.isna(single.error) and single.over == "seeds, quick profile"


def test_for_people():
    found = claims.table([Claim("a", [97.0, 99.0], "seeds", "%", True), Claim("b", [1.0], "runs", holds=False)])
    shown = claims.readable(found)
    assert list(shown.measured) == ["98 ± 1 % (2 seeds)", "1 (1 runs)"]
    assert list(shown.holds) == ["yes", "no"]


LONG = claims.table([Claim(f"claim <{i}>", [float(i)], "seeds", holds=None if i % 2 else i > 3) for i in range(30)])


def test_a_summary_opens_the_claims_with_a_verdict_and_folds_the_rest():
    found = claims.summary(LONG, paths.results() / "claims/x.csv", rows=4)
    assert list(found.shown.claim) == ["claim <0>", "claim <2>", "claim <4>", "claim <6>"]
    assert list(found.shown.holds) == ["no", "no", "yes", "yes"] and len(found.folded) == 26
    said = repr(found)
    assert said.endswith("26 more rows; all 30 are in results/claims/x.csv") and "claim <5>" not in said
    html = found._repr_html_()
    before, after = html.split("<details><summary>26 more rows; all 30 are in results/claims/x.csv</summary>")
    assert "claim &lt;6&gt;" in before and "claim &lt;5&gt;" in after and html.count("claim &lt;") == 30


def test_a_summary_opens_the_claims_that_are_named_in_their_order():
    found = claims.summary(LONG, "/elsewhere/x.csv", ["claim <9>", "claim <3>"])
    assert repr(found).endswith("all 30 are in x.csv")
    assert list(found.shown.claim) == ["claim <9>", "claim <3>"]
    with pytest.raises(ValueError, match="no such claim"):
        claims.summary(LONG, "x.csv", ["claim 99"])
    with pytest.raises(ValueError, match="rows = 0"):
        claims.summary(LONG, "x.csv", rows=0)


def test_a_short_table_is_shown_whole():
    found = claims.summary(LONG[:1], "x.csv")
    assert not len(found.folded) and "<details>" not in found._repr_html_() and "more" not in repr(found)
    without = claims.summary(LONG[1::2].reset_index(drop=True), "x.csv", rows=3)  # no verdict at all: from the top
    assert list(without.shown.claim) == ["claim <1>", "claim <3>", "claim <5>"]


def test_a_saved_table_says_how_it_came_to_be(tmp_path):
    found = claims.table([Claim("a", [1.0, 3.0], "seeds", "nats", True)])
    read = pd.read_csv(claims.save(found, tmp_path / "below" / "t.csv", "paper", torch.device("cpu")))
    assert read.profile[0] == "paper" and "cores" in read.hardware[0]
    assert claims.readable(read).equals(claims.readable(found))
    assert claims.of_record(read) == ""
    bare = claims.table([Claim("a", [1.0, 3.0], "seeds")])
    read = pd.read_csv(claims.save(bare, tmp_path / "bare.csv", "paper", torch.device("cpu")))
    assert claims.readable(read).measured[0] == "2 ± 1 (2 seeds)"


def test_a_table_about_a_record_says_how_long_that_was(tmp_path):
    record = records.get_or_train("mnist", "paper", train=False)
    found = claims.table([Claim("a", [1.0], "samples")])
    read = pd.read_csv(claims.save(found, tmp_path / "t.csv", "paper", torch.device("cpu"), record))
    assert claims.of_record(read) == f"the record of {record.meta['epochs']} epochs"


@pytest.mark.parametrize("name", ["06_inference", "08_semisupervised", "11_generalization", "12_baselines"])
def test_committed_claims_about_the_record_are_no_longer_than_it(name):
    committed = claims.stored(name, "mnist", "paper").committed()
    (length,) = committed.record.unique()
    assert int(length.split()[0]) <= records.get_or_train("mnist", "paper", train=False).meta["epochs"]


def test_only_committed_tables_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    stored = claims.stored("05_conditional", "mnist", "paper")
    assert stored.committed() is None
    found = claims.table([Claim("a", [1.0], "seeds")])
    claims.save(found, stored.file, "paper", torch.device("cpu"))
    assert stored.file == tmp_path / "runs/claims/05_conditional_mnist_paper.csv" and stored.committed() is None
    claims.save(found, tmp_path / "results/claims/05_conditional_mnist_paper.csv", "paper", torch.device("cpu"))
    assert stored.committed().claim[0] == "a"
