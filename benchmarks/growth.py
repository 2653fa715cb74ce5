"""The cost of growth, drawn: time, and memory where it was taken, against each size."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ganrepro.report import figures

STYLE = {
    "ours": ("-o", figures.MODEL),
    "limit": ("--s", "0.4"),
    "one after another": ("--s", figures.DISCRIMINATOR),
    "MiB": (":^", figures.ACCENT),
}


def draw(curves: pd.DataFrame, columns: int = 3) -> Figure:
    """One panel for each `against`, both axes logarithmic; a thin line is linear growth, or linear gain from threads.

    curves: columns against, size, which (a key of STYLE), value: seconds, or MiB of additional memory.
    """
    groups = list(curves.groupby("against", sort=False))
    rows = -(-len(groups) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(3.2 * columns, 2.6 * rows), squeeze=False)
    for axes, (against, group) in zip(panels.flat, groups, strict=False):
        for which, own in group.groupby("which", sort=False):
            style, color = STYLE[str(which)]
            axes.loglog(own["size"], own["value"], style, color=color, markersize=4, label=which)
        ours = group[group.which == "ours"]
        first = ours.iloc[0]
        linear = ours["size"] / first["size"]
        linear = 1 / linear if "threads" in str(against) else linear
        axes.loglog(ours["size"], first["value"] * linear, color="0.8", linewidth=1, zorder=0)
        axes.set_xticks(ours["size"], [f"{size:g}" if size < 10_000 else f"{size / 1000:g}k" for size in ours["size"]])
        axes.xaxis.minorticks_off()
        axes.set(xlabel=str(against), ylabel="seconds" if "MiB" not in set(group.which) else "seconds; MiB")
        axes.legend(fontsize=7)
    for axes in panels.flat[len(groups) :]:
        axes.set_axis_off()
    return figure
