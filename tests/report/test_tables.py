"""Scores with their errors named, over examples, folds and seeds; and the rows of Table 1 that are made from them."""

import dataclasses
import itertools
import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from ganrepro import datasets, parzen, paths, records
from ganrepro.report import tables

HEADER = "dataset,label,model,recipe,rule,epochs,n_seeds,sigma,mean,se_examples,se_folds,se_seeds,source"


# ----------------------------------------------------------------------------------------- scores


def pictures(n, seed, d=16):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(seed))


def plain_split(valid=40):
    return datasets.Dataset("x", "X", (1, 4, 4), pictures(50, 1), pictures(valid, 2), pictures(30, 3))


def five_folds(**changes):
    """50 rows in five folds of ten test and ten validation rows; one block is darker, so that folds differ."""
    rows = pictures(50, 4)
    rows[:10] *= 0.7
    folds = datasets.dataset.rotate(list(torch.arange(50).split(10)))
    arranged = datasets.dataset.arrange(rows, None, folds, 0)
    return dataclasses.replace(datasets.Dataset("x", "X", (1, 4, 4), **arranged), **changes)


def test_one_split_is_the_papers_protocol():
    data, samples = plain_split(), pictures(60, 5)
    expected = parzen.evaluate(samples, data.valid, data.test)
    found = parzen.score(samples, data)
    assert found.sigma.tolist() == [expected.sigma] and found.at_edge == expected.at_edge
    np.testing.assert_array_equal(found.ll, expected.ll)
    summary = found.summary()
    assert summary["mean"] == pytest.approx(expected.mean, rel=1e-12) and summary["se_examples"] == expected.se
    assert summary["fold_means"] == [summary["mean"]] and summary["se_folds"] is None
    assert summary["valid_ll"] == [parzen.choose_sigma(samples, data.valid).mean_ll.max()]


def test_summary_is_plain_json():
    summary = parzen.score(pictures(60, 5), plain_split()).summary()
    assert json.loads(json.dumps(summary)) == summary


def test_sigma_is_chosen_on_the_first_thousand_validation_examples():
    """Section 5 takes MNIST's first 1,000; what comes after them must not matter."""
    data = plain_split(valid=1200)
    changed = dataclasses.replace(data, valid=torch.cat([data.valid[:1000], torch.zeros(200, 16)]))
    a, b = (parzen.score(pictures(60, 5), d) for d in (data, changed))
    assert a.sigma.tolist() == b.sigma.tolist() and a.valid.tolist() == b.valid.tolist()
    assert len(parzen.validation_examples(data)) == 1000
    assert len(parzen.validation_examples(five_folds())) == 10  # of folds, all


def test_one_model_for_all_folds_is_scored_on_each_with_a_sigma_of_its_own():
    data, samples = five_folds(unlabeled=pictures(70, 6)), pictures(60, 5)
    grid = np.array([0.05, 0.2, 0.25, 0.3, 1.0])
    found = parzen.score(samples, data, sigmas=grid)
    means, sigmas = [], []
    for k in range(5):
        fold = data.fold(k)
        alone = parzen.evaluate(samples, fold.valid, fold.test, grid)
        np.testing.assert_allclose(found.ll[found.fold == k], alone.ll, rtol=0, atol=1e-6)
        means.append(alone.mean)
        sigmas.append(alone.sigma)
    assert found.sigma.tolist() == sigmas and len(set(sigmas)) > 1  # folds differ in what they choose
    summary = found.summary()
    assert summary["mean"] == pytest.approx(np.mean(means), abs=1e-6)
    variance = sum((m - np.mean(means)) ** 2 for m in means) / 4
    assert summary["se_folds"] == pytest.approx(math.sqrt(variance / 5), rel=1e-4)
    assert summary["se_examples"] == pytest.approx(np.std(found.ll) / math.sqrt(50), rel=1e-12)


def test_a_model_of_one_fold_is_scored_on_that_fold_alone():
    data, samples = five_folds(), pictures(60, 5)
    fold = data.fold(3)
    found = parzen.score(samples, fold)
    np.testing.assert_array_equal(found.ll, parzen.evaluate(samples, fold.valid, fold.test).ll)
    assert set(found.fold.tolist()) == {3} and found.summary()["se_folds"] is None


def test_models_of_five_folds_make_one_score():
    data = five_folds()
    parts = [parzen.score(pictures(60, 10 + k), data.fold(k)) for k in range(5)]
    whole = parzen.over_folds(parts)
    assert whole.fold.tolist() == [k for k in range(5) for _ in range(10)]
    means = [part.ll.mean() for part in parts]
    np.testing.assert_allclose(whole.fold_means, means)
    summary = whole.summary()
    assert summary["mean"] == pytest.approx(np.mean(means))
    assert summary["se_folds"] == pytest.approx(np.std(means, ddof=1) / np.sqrt(5))
    assert summary["sigma"] == [float(part.sigma[0]) for part in parts]


@pytest.mark.parametrize("data", [plain_split(), five_folds(), five_folds(unlabeled=pictures(70, 6))], ids=repr)
def test_a_sigma_at_the_edge_is_flagged_and_warned_of_whatever_the_folds(data):
    with pytest.warns(UserWarning, match="sigma = 0.05 stands at the edge"):
        assert parzen.score(pictures(60, 5), data, sigmas=np.array([0.01, 0.02, 0.05])).at_edge
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not parzen.score(pictures(60, 5), data, sigmas=np.array([0.05, 0.25, 2.0])).at_edge
        assert not parzen.score(pictures(60, 5), data, sigmas=np.array([0.25])).at_edge  # one sigma has no edge


def test_standard_error_of_a_few_values():
    assert parzen.standard_error([1.0, 3.0]) == pytest.approx(1.0)
    assert parzen.standard_error([2.0, 4.0, 9.0]) == pytest.approx(math.sqrt(13 / 3))
    assert parzen.standard_error([1.0]) is None and parzen.standard_error([]) is None


# ------------------------------------------------------------------------------------ rows of ours


def score(mean, se=2.0, sigma=0.2, folds=None, epoch=10):
    folds = folds or [mean]
    return {"epoch": epoch, "sigma": [sigma] * len(folds), "mean": mean, "se_examples": se, "fold_means": folds}


@pytest.fixture
def record(tmp_path):
    """Makes a record of which only record.json is there."""

    def made(
        last,
        best=None,
        *,
        dataset="mnist",
        label="MNIST",
        recipe="mnist",
        seed=0,
        fold=None,
        profile="paper",
        name=None,
        epochs=100,
    ):
        path = tmp_path / profile / (name or f"{recipe}@{dataset}") / f"seed{seed}"
        path = path if fold is None else path / f"fold{fold}"
        path.mkdir(parents=True)
        judged = {"last": last} | ({"best": best} if best else {})
        meta = {"profile": profile, "seed": seed, "recipe": {"name": recipe}, "scores": judged, "epochs": epochs}
        meta["dataset"] = {"name": dataset, "label": label, "fold": fold}
        (path / "record.json").write_text(json.dumps(meta))
        return records.Record(path)

    return made


def test_one_seed_has_no_error_over_seeds(record):
    (row,) = tables.gan_rows([record(score(150.0, 1.5, 0.2154, epoch=64))], "results/paper").to_dict("records")
    assert row["mean"] == 150 and row["se_examples"] == 1.5 and row["sigma"] == 0.2154
    assert (row["dataset"], row["label"], row["model"], row["recipe"]) == ("mnist", "MNIST", tables.OURS, "mnist")
    assert (row["rule"], row["epochs"], row["n_seeds"], row["source"]) == ("last epoch", "64", 1, "results/paper")
    assert row["se_folds"] is None and row["se_seeds"] is None


def test_seeds_are_averaged_and_their_spread_is_named(record):
    means, errors = [200.0, 210.0, 226.0], [1.0, 2.0, 3.0]
    made = [record(score(m, e, 0.1 * (k + 1), epoch=100), score(m, e, epoch=90 + k), seed=k)
            for k, (m, e) in enumerate(zip(means, errors, strict=True))]  # fmt: skip
    row, best = tables.gan_rows(made).to_dict("records")
    assert row["n_seeds"] == 3 and row["mean"] == pytest.approx(212)
    assert row["se_seeds"] == pytest.approx(math.sqrt((144 + 4 + 196) / 2 / 3))
    assert row["se_examples"] == pytest.approx(2) and row["sigma"] == pytest.approx(0.2)
    assert row["epochs"] == "100" and best["epochs"] == "90 to 92"


def test_only_trainings_of_equal_length_are_averaged(record):
    lengths = {0: 496, 1: 60, 2: 60, 3: 60}
    made = [record(score(100.0 + seed, epoch=n), seed=seed, epochs=n) for seed, n in lengths.items()]
    rows = tables.gan_rows(made)
    assert rows.epochs.to_list() == ["496", "60"] and rows.n_seeds.to_list() == [1, 3]
    assert rows["mean"].to_list() == [100, 102] and pd.isna(rows.se_seeds[0]) and rows.se_seeds[1] > 0


def test_folds_of_one_seed_are_put_together_before_seeds_are(record):
    means = {0: [10.0, 20.0, 30.0, 40.0, 50.0], 1: [12.0, 22.0, 32.0, 42.0, 52.0]}
    made = [
        record(score(m, se=3.0), dataset="att", label="AT&T faces", recipe="tfd", seed=seed, fold=k)
        for seed, fold_means in means.items()
        for k, m in enumerate(fold_means)
    ]
    (row,) = tables.gan_rows(made).to_dict("records")
    assert row["n_seeds"] == 2 and row["mean"] == pytest.approx(31)
    assert row["se_folds"] == pytest.approx(math.sqrt(250 / 5))  # std (n - 1) of 10 .. 50 is sqrt(1000 / 4)
    assert row["se_examples"] == pytest.approx(3 / math.sqrt(5))  # of the mean of five means
    assert row["se_seeds"] == pytest.approx(1)


def test_one_model_with_folds_gives_the_same_errors_over_folds(record):
    folds = [10.0, 20.0, 30.0, 40.0, 50.0]
    (row,) = tables.gan_rows([record(score(30.0, 4.0, folds=folds), recipe="tfd")]).to_dict("records")
    assert (row["mean"], row["n_seeds"], row["se_examples"]) == (30, 1, 4)
    assert row["se_folds"] == pytest.approx(math.sqrt(50)) and row["se_seeds"] is None


def test_each_stopping_rule_has_its_row(record):
    made = [record(score(150.0, epoch=64), score(145.0, epoch=55)), record(score(160.0, epoch=64), seed=1)]
    rows = tables.gan_rows(made).set_index("rule")
    assert list(rows.index) == ["last epoch", "best epoch on validation"]
    assert rows["mean"].to_list() == [155, 145] and rows.n_seeds.to_list() == [2, 1]
    assert rows.epochs.to_list() == ["64", "55"]


def test_what_is_not_one_experiment_is_not_averaged(record):
    """Another recipe, profile, data set or label is another row; a changed recipe is no fold of the unchanged one."""
    made = [
        record(score(1.0), name="mnist"),
        record(score(2.0), name="mnist~0a1b2c3d"),
        record(score(3.0), name="mnist", profile="quick"),
        record(score(4.0), dataset="fashion-mnist", label="Fashion-MNIST"),
        record(score(5.0), dataset="att", label="AT&T faces", recipe="tfd", fold=0),
        record(score(6.0), dataset="att", label="AT&T faces", recipe="tfd", name="tfd~0a1b2c3d@att", fold=0),
        record(score(7.0), dataset="att", label="TFD stand-in: AT&T faces", recipe="tfd", name="tfd@other", fold=0),
    ]
    for order in (made, made[::-1]):
        rows = tables.gan_rows(order)
        assert sorted(rows["mean"]) == [1, 2, 3, 4, 5, 6, 7]
        assert set(rows.n_seeds) == {1} and rows.se_folds.isna().all()
    assert tables.gan_rows(made).recipe[2] == "mnist (quick profile)"


def test_no_records_are_no_rows():
    assert len(tables.gan_rows([])) == 0 and list(tables.gan_rows([]).columns) == tables.COLUMNS


def test_the_label_in_use_replaces_the_records_own(record):
    rows = tables.gan_rows([record(score(1.0))], label="TFD stand-in: AT&T faces")
    assert rows.label.to_list() == ["TFD stand-in: AT&T faces"]


# ---------------------------------------------------------------------- the paper's rows, controls


def test_the_papers_rows_are_table_1():
    for name, label, over, expected in (
        ("mnist", "MNIST", "se_examples", [(138, 2), (121, 1.6), (214, 1.1), (225, 2)]),
        ("tfd", "TFD", "se_folds", [(1909, 66), (2110, 50), (1890, 29), (2057, 26)]),
    ):
        rows = tables.paper_rows(name)
        assert rows.model.to_list() == ["DBN", "Stacked CAE", "Deep GSN", "Adversarial nets"]
        assert list(zip(rows["mean"], rows[over], strict=True)) == expected
        others = {"se_examples", "se_folds", "se_seeds"} - {over}
        assert rows[list(others)].isna().all(axis=None)  # the other errors are not in the paper
        assert set(rows.label) == {label} and set(rows.source) == {"paper, Table 1"}


@pytest.mark.parametrize("name", ["fashion-mnist", "att", "digits", "ring", ""])
def test_the_paper_has_no_rows_for_other_data(name):
    rows = tables.paper_rows(name)
    assert len(rows) == 0 and list(rows.columns) == tables.COLUMNS


def test_a_control_has_the_errors_of_its_score_and_no_training():
    data = five_folds(unlabeled=pictures(70, 6))
    judged = parzen.score(pictures(60, 5), data)
    (row,) = tables.control_row("x", "X", "control: noise", judged).to_dict("records")
    summary = judged.summary()
    assert {k: row[k] for k in ("mean", "se_examples", "se_folds")} == {
        k: summary[k] for k in ("mean", "se_examples", "se_folds")
    }
    assert row["sigma"] == pytest.approx(np.mean(summary["sigma"])) and row["model"] == "control: noise"
    assert all(pd.isna(row[k]) for k in ("recipe", "rule", "epochs", "n_seeds", "se_seeds"))


def test_controls_made_once_are_read_for_their_data_set_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", None)
    assert len(tables.control_rows("mnist")) == 0  # installed without the repository
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    assert len(tables.control_rows("mnist")) == 0
    kept = [{"dataset": name, "model": "k-means", "mean": mean} for name, mean in (("mnist", 334.7), ("tfd", 1.0))]
    records.write_table(pd.DataFrame(kept, columns=tables.COLUMNS), tables.CONTROLS.committed_file)
    assert tables.control_rows("mnist")["mean"].to_list() == [334.7]
    assert list(tables.control_rows("mnist").columns) == tables.COLUMNS


# ----------------------------------------------------------------------------------- what is shown


@pytest.fixture
def table(record):
    made = [record(score(200.0, 1.5, 0.2154), score(199.0, 1.5, 0.1668, epoch=5)), record(score(206.0, 1.5), seed=1)]
    folds = record(score(30.0, 4.0, folds=[10.0, 50.0]), recipe="tfd", dataset="tfd", label="TFD")
    return tables.join(tables.paper_rows("mnist"), tables.paper_rows("tfd"), tables.gan_rows([*made, folds]))


def test_columns_are_the_designs(table):
    assert ",".join(tables.COLUMNS) == HEADER
    assert table.to_csv(index=False).splitlines()[0] == HEADER


def test_join_leaves_out_what_is_empty(table):
    again = tables.join(tables.paper_rows("att"), table.iloc[:2], tables.gan_rows([]), table.iloc[2:])
    pd.testing.assert_frame_equal(again, table, check_dtype=False)
    assert list(tables.join().columns) == list(tables.join(tables.paper_rows("att")).columns) == tables.COLUMNS


def test_every_error_that_is_shown_is_named(table):
    shown = tables.readable(table)["log-likelihood (nats)"].to_list()
    assert shown[:4] == [f"{m:.1f} ± {e:.1f} (examples)" for m, e in ((138, 2), (121, 1.6), (214, 1.1), (225, 2))]
    assert shown[4:8] == [f"{m:.1f} ± {e:.1f} (folds)" for m, e in ((1909, 66), (2110, 50), (1890, 29), (2057, 26))]
    assert shown[8:] == ["203.0 ± 1.5 (examples) ± 3.0 (seeds)", "199.0 ± 1.5 (examples)",
                         "30.0 ± 4.0 (examples) ± 20.0 (folds)"]  # fmt: skip


def test_what_is_unknown_is_shown_as_nothing(table):
    shown = tables.readable(table)
    assert shown.loc[0, ["σ", "epochs", "rule", "seeds"]].to_list() == ["", "", "", ""]
    assert shown.loc[8, ["σ", "epochs", "rule", "seeds"]].to_list() == ["0.2077", "10", "last epoch", "2"]


def test_a_table_reads_the_same_after_a_trip_through_csv(table, tmp_path):
    table.to_csv(tmp_path / "table.csv", index=False)
    pd.testing.assert_frame_equal(tables.readable(pd.read_csv(tmp_path / "table.csv")), tables.readable(table))


def test_markdown_has_every_cell(table):
    shown = tables.readable(table)
    lines = tables.rows_markdown(shown).splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    assert cells[0] == list(shown.columns) and set(cells[1]) == {"---"}
    assert cells[2:] == shown.astype(str).to_numpy().tolist()


# ---------------------------------------------------------------------------- what is committed


@pytest.fixture(scope="module")
def committed():
    return records.below(paths.results(), "paper")


def test_the_committed_table_is_made_of_the_committed_records(committed):
    fresh = tables.table1(committed).to_csv(index=False, float_format="%.10g")
    assert (paths.results() / "table1.csv").read_text() == fresh, "stale: make results"


def test_no_committed_number_is_quick_or_a_stand_in_by_another_name(committed):
    table = pd.read_csv(paths.results() / "table1.csv")
    ours = table[table.model == tables.OURS]
    assert not ours.recipe.str.contains("quick").any()
    assert not (ours.label == "TFD").any() or any(r.meta["dataset"]["name"] == "tfd" for r in committed)
    known = [set(g.model) for _, g in table[table.source == "paper, Table 1"].groupby("dataset")]
    assert all(g == {"DBN", "Stacked CAE", "Deep GSN", "Adversarial nets"} for g in known)


def test_seeds_are_0_to_r_and_none_is_left_out(committed):
    def group(record):
        below = record.path.relative_to(paths.results()).parts
        return below[1], below[3:]

    ordered = sorted(committed, key=lambda r: (group(r), r.meta["seed"]))
    for name, same in itertools.groupby(ordered, key=group):
        seeds = [r.meta["seed"] for r in same]
        assert seeds == list(range(len(seeds))), name
