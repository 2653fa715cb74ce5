"""The harness of the benchmarks: what it times, in which order, and what it calls memory."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import gpu, measure, parzen, soak, training
from ganrepro import datasets, paths, records
from ganrepro.recipes import RECIPES


def test_subjects_are_interleaved_after_one_warm_up_each():
    calls = []
    timings = measure.interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3)
    assert calls == ["a", "b"] * 4
    assert [len(timing.seconds) for timing in timings.values()] == [3, 3]


def test_a_ratio_is_the_median_over_rounds():
    slow, fast = measure.Timing((2.0, 30.0, 2.0)), measure.Timing((1.0, 10.0, 2.0))
    assert slow.over(fast) == 2.0  # not 2 / 2, the ratio of medians, nor 34 / 13, that of sums
    assert slow.quartiles == (2.0, 2.0, 16.0)


@pytest.mark.slow
def test_memory_is_that_of_the_first_subject_alone():
    found = measure.memory_apart(parzen.prepare, threads=1, m=20_000, n=200, d=784)
    assert len(found["seconds"]) == 2 and len(found["seconds"][0]) == 3
    assert 10 < found["memory_mib"] < 300


@pytest.mark.slow
def test_what_fails_apart_is_told():
    with pytest.raises(RuntimeError, match="prepare.*failed in its process"):
        measure.memory_apart(parzen.prepare, threads=1, m=10, n=10, d=0)


def test_the_machine_is_described():
    assert {"cpu", "cores", "threads", "allowed", "torch"} <= measure.machine().keys()


# --------------------------------------------------------------------------------- make gpu, on a CPU

CPU = torch.device("cpu")


def test_without_a_gpu_it_ends_at_once_and_writes_nothing(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "report", lambda *_: pytest.fail("something was measured"))
    assert gpu.main() == 2
    said = capsys.readouterr()
    assert said.err == gpu.NONE_HERE + "\n" and not said.out


def test_lockstep_is_timed_a_seed_against_eager_code():
    rows = gpu.lockstep_rows(training.small(RECIPES["mnist"]), CPU, seeds=(1, 2), steps=2, rounds=2)
    assert [row["what"].partition(": ")[2] for row in rows] == [
        "bare products", "ours, eager", "ours, 1 in lockstep", "ours, 2 in lockstep",
    ]  # fmt: skip
    assert all(0 < row["q1_s"] <= row["median_s"] <= row["q3_s"] for row in rows)
    assert rows[0]["ratio_to_limit"] == rows[1]["over_eager"] == 1


def test_the_window_is_checked_in_float64():
    limit, wide, ours = gpu.parzen_rows(CPU, m=300, n=100, checked=5, rounds=2)
    assert ours["error_nats"] < 1e-3 and limit["ratio_to_limit"] == 1 and wide["role"] == "peer"


def test_a_part_that_fails_is_kept_with_its_error_beside_the_others(tmp_path, capsys):
    def broken():
        raise RuntimeError("out of memory")

    file = tmp_path / "a-gpu.json"
    parts = {"steps": lambda: [{"what": "step", "role": "ours", "error_nats": float("nan")}], "parzen": broken}
    assert gpu.report(CPU, file, parts) == 1
    written = json.loads(file.read_text())
    assert written["rows"] == [{"what": "step", "role": "ours", "error_nats": None}]
    assert written["errors"] == {"parzen": "RuntimeError: out of memory"} and "cpu" in written["machine"]
    assert f"Written: {file}. Send this one file" in capsys.readouterr().out
    assert gpu.report(CPU, file, {}) == 0


@pytest.mark.slow
def test_a_record_is_gone_on_with_in_a_scratch_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    _ = list(records.train_paper(datasets.load("digits"), device="cpu", epochs=2))
    shutil.rmtree(tmp_path / "runs/checkpoints")
    (row,) = gpu.restart(CPU, tmp_path, "digits", 1)
    assert (row["before"]["epoch"], row["after"]["epoch"], row["epochs"]) == (2, 3, 1)
    assert row["median_s"] > 0 and row["hardware"]["device"] == "cpu"
    assert row["before"]["mean"] != row["after"]["mean"]


@pytest.mark.slow
def test_notebooks_run_with_the_device_named(tmp_path):
    (row,) = gpu.notebooks(CPU, tmp_path, ["03_parzen"])
    assert row["median_s"] > 0 and (tmp_path / "03_parzen.ipynb").is_file() and (tmp_path / "runs").is_dir()


def test_what_fails_in_its_process_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="raise SystemExit.*ended with 3: because"):
        gpu.apart("-c", "import sys; print('because', file=sys.stderr); raise SystemExit(3)", scratch=tmp_path)


def test_nothing_is_claimed_of_a_gpu_before_one_was_measured():
    stored = [json.loads(path.read_text()) for path in (paths.results() / "benchmarks").glob("*.json")]
    measured = any("gpu" in found["machine"] for found in stored)
    speed = (paths.repository() / "docs/speed.md").read_text()
    assert ("on a GPU are still to be measured" in speed) != measured, "docs/speed.md: the section on a GPU"
    contributing = (paths.repository() / "CONTRIBUTING.md").read_text()
    assert ("Nothing here was measured on a GPU yet" in contributing) != measured, "CONTRIBUTING.md"


def sweeps(mib, files=9):
    return pd.DataFrame({"minutes": np.arange(1.0, 1 + len(mib)), "mib": mib, "files": files, "threads": 2})


def test_a_soak_tells_a_leak_from_noise_and_from_what_is_loaded_once():
    noise = np.random.default_rng(0).normal(0, 5, 60)
    loading = 40 * np.exp(-np.arange(60) / 4)  # over after the warm-up
    flat, low, high = soak.growth(sweeps(600 - loading + noise))
    assert low < 0 < high and abs(flat) < 10
    leak, low, high = soak.growth(sweeps(600 - loading + noise + np.arange(60)))  # a MiB a minute
    assert low > 30 and leak == pytest.approx(60, abs=10)


def test_a_soak_says_how_many_files_stay_open():
    assert "open files 9 to 9, threads 2 to 2" in soak.verdict(sweeps(np.full(20, 600.0)))
    assert "open files 14 to 28" in soak.verdict(sweeps(np.full(20, 600.0), np.arange(9, 29)))


def test_a_sweep_of_a_soak_trains_scores_and_leaves_nothing(monkeypatch):
    monkeypatch.setattr(soak, "DATASETS", ("gaussian1d",))
    monkeypatch.setenv("GANREPRO_RUNS", "/nowhere")
    found = soak.soak(0, notebook="")
    assert len(found) == 1 and found.files[0] > 0 and os.environ["GANREPRO_RUNS"] == "/nowhere"
    assert soak.draw(found).axes[0].get_ylim()[0] == 0
