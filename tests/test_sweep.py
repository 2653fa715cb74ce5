"""`ganrepro sweep` on this machine, and `ganrepro records table` over seeds."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from ganrepro import cli, paths, records
from ganrepro.cli import sweep

needs_snakemake = pytest.mark.skipif(sweep.importlib.util.find_spec("snakemake") is None, reason="no sweep extra")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0-3", [0, 1, 2, 3]), ("7", [7]), ("5,0-2,2", [0, 1, 2, 5]), ("2147483647", [2**31 - 1]), (" 1, 2", [1, 2])],
)
def test_seeds_are_numbers_and_ranges(text, seeds):
    assert sweep.numbers(text) == seeds


@pytest.mark.parametrize("text", ["", "-1", "3-1", "a", "1-", "1,,2", "2147483648", "0-10000", "1.5", "١", "0-9-12"])
def test_other_seeds_are_refused(text):
    with pytest.raises(ValueError, match="seeds = .*; expected numbers and ranges such as"):
        sweep.numbers(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "3-1"], "seeds = '3-1'"),
        (["--dataset", "mnist,minst"], "dataset = 'minst'; choose one of"),
        (["--dataset", "ring", "--only", "05"], "dataset = 'ring'; choose one of"),  # 05 has no toys
        (["--only", "77"], "no notebook starts with '77'"),
        (["-p", "seed", "1"], "seed is given by --dataset, --seeds"),
        (["-p", "profile", "auto"], "profile = 'auto'; a sweep makes records"),
        (["-p", "n_samples", "0"], "n_samples = 0; it must be at least 1"),
        (["-p", "speed", "9"], "no parameter 'speed'"),
        (["--cores", "0"], "cores = 0; it must be at least 1"),
        (["--memory", "-1"], "memory = -1; it must be at least 100"),
        (["--minutes", "0"], "minutes = 0; it must be at least 1"),
        (["--gpus", "-1"], "gpus = -1; it must be at least 0"),
        (["--dataset", ""], "dataset = ''; choose one of"),
        (["--dataset", "ring,,grid"], "dataset = ''; choose one of"),
        (["--dataset", "own/a.npz,own-a.npz"], "has two of the name 'own-a-npz'"),
        (["--profile", "nowhere"], "profile = 'nowhere'; choose slurm"),
        (["--seeds", "0-5000", "--dataset", "ring,grid"], "a sweep of 10,002 jobs"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(here, capsys, arguments, message):
    (here / "own").mkdir()
    for name in ("own/a.npz", "own-a.npz"):
        (here / name).write_text("pictures")
    assert cli.main(["sweep", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not (here / "runs").exists()


def test_without_snakemake_it_says_what_to_install(here, capsys, monkeypatch):
    monkeypatch.setattr(sweep.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["sweep", "--dataset", "ring"]) == 2
    assert "pip install 'ganrepro[sweep]'" in capsys.readouterr().err and not (here / "runs").exists()


def test_other_parameters_have_a_folder_of_their_own(here):
    def folder(*more):
        return sweep.plan(cli.parser().parse_args(["sweep", "--dataset", "ring", *more]))[1].name

    found = {folder(), folder("-p", "profile", "quick"), folder("-p", "n_samples", "9"), folder("-p", "n_samples", "8")}
    assert len(found) == 4 and folder("-p", "n_samples", "9.0") == folder("-p", "n_samples", "9")


@needs_snakemake
def test_a_dry_run_lists_the_jobs(here, capfd):
    assert cli.main(["sweep", "--seeds", "0-9", "--dataset", "mnist,att", "--only", "04", "-n"]) == 0
    said = capfd.readouterr()
    assert "40 notebooks" in said.err + said.out and "notebook" in said.out
    assert not [p for p in (here / "runs").rglob("*.ipynb")]


@needs_snakemake
@pytest.mark.slow
@pytest.mark.parametrize("seeds", [[1], [0, 1]])
def test_a_sweep_makes_the_records_and_the_table_over_seeds(here, capfd, seeds):
    named = ",".join(map(str, seeds))
    assert cli.main(["sweep", "--seeds", named, "--dataset", "gaussian1d", "-p", "profile", "quick"]) == 0
    rows, found = pd.read_csv(here / "runs/sweep/quick/table1.csv"), records.below(here / "runs", "quick")
    assert [r.meta["seed"] for r in found] == seeds and (rows.n_seeds == len(seeds)).all()
    said, over_seeds = capfd.readouterr().out, len(seeds) > 1
    assert "Gaussian N(4, 0.5" in said and ("(seeds)" in said) == over_seeds and (rows.se_seeds > 0).all() == over_seeds


@needs_snakemake
@pytest.mark.slow
def test_a_sweep_goes_on_after_failures_and_finds_what_is_there(here, capfd):
    """Its notebooks fail at first, and stay to be looked at; the same command goes on; the next one finds all there."""
    pictures = np.random.default_rng(0).integers(0, 256, (200, 4, 4), np.uint8)
    (here / "small.npz").write_text("not yet")
    arguments = ["sweep", "--seeds", "0-1", "--dataset", "small.npz", "-p", "profile", "quick"]
    folder = sweep.plan(cli.parser().parse_args(arguments))[1]
    assert cli.main([*arguments, "--", "--retries", "0"]) == 1
    log = folder / "03_parzen/small-npz/seed1.log"
    assert "small.npz" in log.read_text() and log.with_suffix(".unfinished.ipynb").is_file()
    assert not (folder / "table1.csv").exists() and not (here / "runs/quick").exists()

    np.savez(here / "small.npz", images=pictures)
    assert cli.main(arguments) == 0
    assert "± " in capfd.readouterr().out
    rows, found = pd.read_csv(folder / "table1.csv"), records.below(here / "runs", "quick")
    assert [r.meta["seed"] for r in found] == [0, 1]
    assert (rows.label == "small").all() and (rows.n_seeds == 2).all() and (rows.se_seeds > 0).all()
    scores = [r.meta["scores"]["last"]["mean"] for r in found]
    assert rows[rows.rule == "last epoch"]["mean"].item() == pytest.approx(np.mean(scores))

    made = log.with_suffix(".ipynb").stat().st_mtime_ns
    assert cli.main(arguments) == 0
    assert log.with_suffix(".ipynb").stat().st_mtime_ns == made
    assert not log.with_suffix(".unfinished.ipynb").exists()


@needs_snakemake
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupted_sweep_leaves_no_process_behind(here):
    command = [sys.executable, "-m", "ganrepro.cli", "sweep", "--dataset", "ring", "-p", "profile", "quick"]
    environment = os.environ | paths.environment()
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 120
    while not (logs := [*(here / "runs/sweep").rglob("seed*.log")]) and time.monotonic() < until:
        time.sleep(0.1)
    assert logs
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[0]
    assert running.returncode == 130 and "the same command resumes" in said
    left = subprocess.run(["pgrep", "-f", str(here / "runs/sweep")], capture_output=True, text=True).stdout
    assert left == ""


def test_records_table_of_committed_records_is_the_published_one(here, capsys):
    assert cli.main(["records", "table", "--dataset", "tfd", "--out", "faces.csv"]) == 0
    found, published = pd.read_csv("faces.csv"), pd.read_csv(paths.results() / "table1.csv")
    wanted = published[published.dataset.isin(["att", "tfd"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.drop(columns="source"), wanted.drop(columns="source"))
    assert cli.main(["records", "table", "--dataset", "cifar10", "--profile", "quick"]) == 2
    assert "there is no quick record of cifar10" in capsys.readouterr().err
    assert cli.main(["records", "table", "--out", "faces.txt"]) == 2 and not (here / "faces.txt").exists()
