"""Do memory and open files stay flat? `python -m benchmarks.soak 60` sweeps for 60 minutes in one process.

A sweep is what a long-lived kernel does all day: train quick records of four data sets with a new seed, score and
draw them, tabulate all, and run a notebook headless. Each sweep's records are deleted after it.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
import time

import matplotlib.pyplot as plt
import pandas as pd
import psutil
from matplotlib.figure import Figure
from scipy.stats import theilslopes

from benchmarks import measure
from ganrepro import datasets, parzen, paths, records
from ganrepro.report import figures, notebooks, tables

DATASETS = ("gaussian1d", "ring", "digits", "mnist")
WARM_UP = 0.25  # of the sweeps: what is loaded and cached once is loaded by then


def main(minutes: float) -> None:
    """Sweep, print a line each, and store the curves with their figure in results/benchmarks."""
    name = paths.results() / "benchmarks" / f"{measure.machine_name()}-soak"
    found = soak(minutes)
    records.write_table(found, f"{name}.csv")
    figures.save(figure := draw(found), f"{name}.png")
    plt.close(figure)
    print(verdict(found))


def soak(minutes: float, notebook: str = "03") -> pd.DataFrame:
    """One row a sweep: minutes since the start, and this process's MiB, open files and threads after it."""
    process, rows, began = psutil.Process(), [], time.perf_counter()
    before = os.environ.get("GANREPRO_RUNS")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GANREPRO_RUNS"] = folder
        try:
            while not rows or rows[-1][0] < minutes:
                _sweep(len(rows), notebook)
                shutil.rmtree(folder)
                os.mkdir(folder)
                gc.collect()
                now = (time.perf_counter() - began) / 60
                taken = (process.memory_info().rss / 2**20, process.num_fds(), process.num_threads())
                rows.append((now, *taken))
                print("{:6.1f} minutes: {:7.1f} MiB, {} open files, {} threads".format(*rows[-1]), flush=True)
        finally:
            os.environ.pop("GANREPRO_RUNS") if before is None else os.environ.update(GANREPRO_RUNS=before)
    return pd.DataFrame(rows, columns=["minutes", "mib", "files", "threads"])


def _sweep(seed: int, notebook: str) -> None:
    for name in DATASETS:
        data = datasets.load(name)
        record = records.get_or_train(data, "quick", seed=seed, device="cpu")
        parzen.evaluate(record.samples[:500], data.valid[:200], data.test[:200])
        plt.close(figures.learning_curves(record.curves))
    tables.table1(records.longest("quick"), "computed here")
    if notebook:
        list(notebooks.run([notebook], {"profile": "quick", "seed": seed}))


def growth(found: pd.DataFrame) -> tuple[float, float, float]:
    """MiB an hour after the warm-up, and its 95 % interval: the median slope of all pairs of sweeps (Theil and Sen)."""
    late = found[int(WARM_UP * len(found)) :]
    slope, _, low, high = theilslopes(late.mib, late.minutes / 60)
    return slope, low, high


def verdict(found: pd.DataFrame) -> str:
    """One line: how memory grew after the warm-up, and whether files and threads came back to where they were."""
    late = found[int(WARM_UP * len(found)) :]
    slope, low, high = growth(found)
    return (
        f"{len(found)} sweeps in {found.minutes.max():.0f} minutes; after the first {len(found) - len(late)}: "
        f"memory {slope:+.1f} MiB an hour (95 %: {low:+.1f} to {high:+.1f}) at {late.mib.median():.0f} MiB, "
        f"open files {late.files.min()} to {late.files.max()}, threads {late.threads.min()} to {late.threads.max()}"
    )


def draw(found: pd.DataFrame) -> Figure:
    """Memory, open files and threads against minutes, each from zero; the warm-up is shaded."""
    figures.use_style()
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 2.6))
    for axes, column, label in zip(panels, ("mib", "files", "threads"), ("MiB", "open files", "threads"), strict=True):
        axes.plot(found.minutes, found[column], "o-", color=figures.MODEL, markersize=3)
        axes.axvspan(0, found.minutes.iloc[int(WARM_UP * len(found))], color="0.95", zorder=0)
        axes.set(xlabel="minutes", title=label, ylim=(0, 1.2 * found[column].max()), xlim=(0, None))
    return figure


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 60)
