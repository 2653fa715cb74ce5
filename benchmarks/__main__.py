"""`make bench`: every figure of speed, as a table on the screen and as results/benchmarks/<machine>.json."""

from __future__ import annotations

import json
import time

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks import growth, measure, parzen, startup, training
from ganrepro import paths
from ganrepro.report import documents, figures


def main() -> None:
    """Measure, print, and store; with the profile of a step and the curves of growth beside it."""
    began, folder, name = time.perf_counter(), paths.results() / "benchmarks", measure.machine_name()
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for module in (training, parzen, startup):
        found = module.rows()
        rows += found
        print(table(found), "\n", flush=True)
    curves = pd.concat([training.growth(), tidy(parzen.growth())], ignore_index=True)
    figures.use_style()
    figures.save(figure := growth.draw(curves), folder / f"{name}-growth.png")
    plt.close(figure)
    seconds = round(time.perf_counter() - began)
    written = {"machine": measure.machine(), "seconds": seconds, "rows": rows, "growth": curves.to_dict("records")}
    with paths.atomic_file(folder / f"{name}.json") as unfinished:
        unfinished.write_text(json.dumps(written, indent=1) + "\n")
    with paths.atomic_file(folder / f"{name}-step.txt") as unfinished:
        unfinished.write_text(training.profiled())
    documents.update()
    print(f"{folder / name}.json, -growth.png and -step.txt: {time.perf_counter() - began:.0f} s in all")


def tidy(measured: pd.DataFrame) -> pd.DataFrame:
    """The Parzen window's growth in the columns of the training's."""
    sizes = [row[row["axis"]] for row in measured.to_dict("records")]
    columns = {"ours": "median_s", "limit": "limit_s", "MiB": "memory_mib"}
    against = measured["axis"] + " (Parzen)"
    parts = [
        pd.DataFrame({"against": against, "size": sizes, "which": which, "value": measured[column]})
        for which, column in columns.items()
    ]
    return pd.concat(parts).sort_values("against", kind="stable")


def table(rows: list[dict]) -> str:
    """The rows as aligned text."""
    return pd.DataFrame(rows).to_string(index=False, na_rep="", float_format="{:.4g}".format)


main()
