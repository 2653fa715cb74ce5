"""`ganrepro sweep --profile slurm` on a real SLURM: a job killed, one cancelled, the node drained, and all is there."""

import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from ganrepro import records

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
pytest.importorskip("snakemake_executor_plugin_slurm", reason="the sweep extra is not installed")
SWEEP = [sys.executable, "-m", "ganrepro.cli", "sweep", "--seeds", "0-3", "--dataset", "ring,gaussian1d",
         "-p", "profile", "quick", "-p", "n_samples", "1000", "--profile", "slurm", "--memory", "1000",
         "--minutes", "10", "--", "--slurm-status-command", "squeue",
         "--default-resources", "slurm_partition=main", "slurm_account=none"]  # fmt: skip


def start(cluster, tmp_path, log):
    environment = cluster.environment | {"GANREPRO_RUNS": str(tmp_path / "runs"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(SWEEP, env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT)


def running(cluster, sweep, least=1):
    """The jobs that run, as soon as there are so many."""
    until = time.monotonic() + 240
    while len(found := cluster.jobs("RUNNING")) < least:
        assert sweep.poll() is None and time.monotonic() < until
        time.sleep(0.3)
    return found


def test_eight_jobs_one_killed_one_cancelled_the_node_drained_the_sweep_resumed(cluster, tmp_path):
    log = tmp_path / "first.log"
    sweep = start(cluster, tmp_path, log)
    killed, *_ = running(cluster, sweep, 2)
    cluster.run("scancel", "--signal=KILL", "--batch", killed)
    (cancelled, *_) = [job for job in running(cluster, sweep) if job != killed]
    cluster.run("scancel", cancelled)
    cluster.run("scontrol", "update", f"NodeName={cluster.node}", "State=DRAIN", "Reason=test")
    time.sleep(5)
    sweep.send_signal(signal.SIGINT)  # the person gives up, and comes back
    assert sweep.wait(120) != 0
    until = time.monotonic() + 60
    while cluster.jobs("PENDING,RUNNING,COMPLETING"):  # its jobs are cancelled with it
        assert time.monotonic() < until, cluster.run("squeue")
        time.sleep(0.5)
    cluster.run("scontrol", "update", f"NodeName={cluster.node}", "State=RESUME")
    again = start(cluster, tmp_path, tmp_path / "second.log")
    assert again.wait(900) == 0, (tmp_path / "second.log").read_text()[-3000:]

    made = records.below(tmp_path / "runs", "quick")
    assert sorted((r.meta["dataset"]["name"], r.meta["seed"]) for r in made) == [
        (name, seed) for name in ("gaussian1d", "ring") for seed in range(4)
    ]  # fmt: skip
    for record in made:
        records.evidence.check_whole(record)
    (table,) = (tmp_path / "runs/sweep").glob("quick-*/table1.csv")
    rows = pd.read_csv(table)
    assert set(rows.dataset) == {"gaussian1d", "ring"} and (rows.n_seeds == 4).all() and (rows.se_seeds > 0).all()
    assert not [p for p in (tmp_path / "runs").rglob(".*") if p.name != ".snakemake" and ".snakemake" not in p.parts]
