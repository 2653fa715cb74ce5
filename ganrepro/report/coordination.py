"""The claims of notebook 09, from the two tables of measurements that its comparison leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ganrepro import paths
from ganrepro.extensions.coordination import comparison, samples
from ganrepro.records import write_table

from . import claims


def listed(curves: pd.DataFrame, measured: pd.DataFrame | None) -> list[claims.Claim]:
    """curves: the epochs of all arms, as `comparison.rows`; measured: `samples.measure` of all trainings, if at hand.

    A difference holds, or does not, where Holm's correction for all comparisons of arms lets it; the two ways to choose
    samples are a family of their own. All else is a measurement without a verdict.
    """
    goal = comparison.target(curves)
    found = comparison.results(curves, goal)
    measured = pd.DataFrame(columns=samples.COLUMNS, dtype=object) if measured is None else measured
    of_choice = measured[measured.measure == samples.SHARE]
    out = [claims.Claim(f"{arm}: share of the samples' variance that c explains", own.tolist(), "seeds")
           for arm, own in of_choice.groupby("arm").value]  # fmt: skip
    for arm, own in found.groupby("arm", sort=False):
        lost, times = own["at equal steps"].isna().astype(float), own["seconds to goal"]
        if lost.any():
            out.append(claims.Claim(f"{arm}: diverges, share of trainings", lost.tolist(), "seeds"))
        reach, reached = f"the goal of {goal:.1f} nats", np.isfinite(times)
        share = claims.Claim(f"{arm}: reaches {reach}, share of trainings", reached.astype(float).tolist(), "seeds")
        out.append(claims.Claim(f"{arm}: time to {reach}", times.tolist(), "seeds", "s") if reached.all() else share)
    for row in comparison.compare(found).itertuples():
        text = f"{row.arm}: better than {row.control} {row.column}, by"
        out.append(claims.Claim(text, row.differences, "seeds", "nats", row.better))
    for row in comparison.compare(samples.scores(measured), ["score"]).itertuples():
        text = f"{row.arm}: better than its samples as they come, by"
        out.append(claims.Claim(text, row.differences, "seeds", "nats", row.better))
    return out


def rebuild() -> list[Path]:
    """Make the committed claims anew from the committed measurements. What says who measured them, with which commit
    and on what hardware, stays; so do the claims about samples where only those were kept. Returns the paths."""
    written = []
    for path in sorted((paths.results() / "coordination").glob("*_paper.csv")):
        data = path.stem.removesuffix("_paper")
        target, measured = claims.stored("09_coordination", data, "paper"), samples.stored(data, "paper").committed()
        if (earlier := target.committed()) is not None:
            origin = earlier.loc[0, ["profile", "commit", "hardware"]].to_dict()
            made = claims.table(listed(pd.read_csv(path), measured)).assign(**origin)
            kept = earlier[earlier.claim.str.contains("samples") & (measured is None)]
            written.append(write_table(pd.concat([made, kept]).astype({"holds": object}), target.committed_file))
    return written
