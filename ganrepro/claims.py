"""What a notebook claims, as a table: claim -> measured, with the error and what it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ganrepro import paths, provenance, scores

COLUMNS = ["claim", "measured", "error", "over", "n", "unit", "holds"]


@dataclass(frozen=True)
class Claim:
    """One sentence and the values that were measured for it.

    values: one a seed, a label draw, an example, …; over: the name of what they are taken over; unit: such as "nats"
    or "%"; holds: whether they bear the sentence out, None where it is a mere measurement.
    """

    text: str
    values: Sequence[float]
    over: str
    unit: str = ""
    holds: bool | None = None


def table(claims: Sequence[Claim]) -> pd.DataFrame:
    """A claim a row: the mean of its values, its standard error (std (n - 1) / sqrt n; none for one), their number."""
    rows = [
        [c.text, float(np.mean(v := list(c.values))), scores.standard_error(v), c.over, len(v), c.unit, c.holds]
        for c in claims
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """`table` for people: one column with value, error, what it is over, and one that says yes or no."""

    def measured(row: pd.Series) -> str:
        error = "" if pd.isna(row.error) else f" ± {row.error:.2g}"
        unit = "" if pd.isna(row.unit) or not row.unit else f" {row.unit}"  # an empty one comes back from a file as NaN
        return f"{row.measured:.4g}{error}{unit} ({row.n} {row.over})"

    def verdict(holds: bool | None) -> str:
        return "" if holds is None or pd.isna(holds) else "yes" if holds else "no"

    return pd.DataFrame({
        "claim": found.claim,
        "measured": [measured(row) for _, row in found.iterrows()],
        "holds": [verdict(h) for h in found.holds],
    })  # fmt: skip


def save(found: pd.DataFrame, path: str | Path, profile: str, device: torch.device) -> Path:
    """Write a table with its profile, commit and hardware in columns of their own, whole or not at all."""
    made = found.assign(profile=profile, commit=provenance.git()["commit"], hardware=_hardware(device))
    with paths.atomic_file(Path(path)) as unfinished:
        made.to_csv(unfinished, index=False, float_format="%.10g")
    return Path(path)


def _hardware(device: torch.device) -> str:
    found = provenance.hardware(device)
    return found.get("gpu") or f"{found['cpu']}, {found['threads']} of {found['cores']} cores"


def default_file(notebook: str, dataset: str, profile: str) -> Path:
    """Where a notebook writes its table when `out` is empty: under runs/. Paper tables are committed from there."""
    return paths.runs() / "claims" / f"{notebook}_{dataset}_{profile}.csv"


def committed(notebook: str, dataset: str) -> pd.DataFrame | None:
    """The committed paper-profile table of a notebook; None where there is none, or no repository."""
    if paths.REPOSITORY is None:
        return None
    path = paths.results() / "claims" / f"{notebook}_{dataset}_paper.csv"
    return pd.read_csv(path) if path.is_file() else None
