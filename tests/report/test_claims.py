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
