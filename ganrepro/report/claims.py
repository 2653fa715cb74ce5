"""The claims of a notebook as a table: each sentence, the measured value, its error and what the error is over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ganrepro import parzen, paths
from ganrepro.parameters import expect_number
from ganrepro.records import Record, StoredTable, provenance, write_table

COLUMNS = ["claim", "measured", "error", "over", "n", "unit", "holds"]


@dataclass(frozen=True)
class Claim:
    """One sentence and the values that were measured for it."""

    text: str
    values: Sequence[float]  # one a seed, a label draw, an example, …
    over: str  # the name of what they are taken over
    unit: str = ""  # such as "nats" or "%"
    holds: bool | None = None  # whether the values support the sentence; None for a measurement without a verdict


def table(claims: Sequence[Claim]) -> pd.DataFrame:
    """A claim a row: the mean of its values, its standard error (std (n - 1) / sqrt n; none for one), their number."""
    rows = []
    for c in claims:
        values = list(c.values)
        rows += [[c.text, float(np.mean(values)), parzen.standard_error(values), c.over, len(values), c.unit, c.holds]]
    return pd.DataFrame(rows, columns=COLUMNS)


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """`table` for people: one column with value, error and what it is over, and one that says yes or no."""
    error = found.error.map(lambda e: "" if pd.isna(e) else f" ± {e:.2g}")
    unit = found.unit.map(lambda u: "" if pd.isna(u) or not u else f" {u}")  # an empty one is NaN in a file
    over = " (" + found.n.astype(str) + " " + found.over + ")"
    return pd.DataFrame({
        "claim": found.claim,
        "measured": found.measured.map("{:.4g}".format) + error + unit + over,
        "holds": ["" if pd.isna(h) else "yes" if h else "no" for h in found.holds],
    })  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """A table of claims as a notebook shows it: some rows open, the others folded (a text leaves those out), and the
    name of the file that has all."""

    shown: pd.DataFrame
    folded: pd.DataFrame
    file: str

    def _more(self) -> str:
        n = len(self.folded)
        return f"{n} more row{'s' * (n > 1)}; all {n + len(self.shown)} are in {self.file}"

    def __repr__(self) -> str:
        return self.shown.to_string(index=False) + (f"\n{self._more()}" if len(self.folded) else "")

    def _repr_html_(self) -> str:
        shown, folded = (each.to_html(index=False, border=0, justify="left") for each in (self.shown, self.folded))
        rest = f"<details><summary>{self._more()}</summary>{folded}</details>" if len(self.folded) else ""
        return re.sub(r">\s+<", "><", shown + rest)  # the blanks between tags would double the notebook's size


def summary(found: pd.DataFrame, file: str | Path, first: Sequence[str] | None = None, rows: int = 10) -> Summary:
    """`table` as a Summary of at most so many open rows: the claims `first`, in their order; by default those with a
    verdict. file: that of the whole table; its path is shown within the repository, or else its name."""
    expect_number("rows", rows, 1, 1000)
    chosen = list(found.claim[found.holds.notna()]) if first is None else list(first)
    known = dict(zip(found.claim[::-1], found.index[::-1], strict=True))  # the first row of each claim
    if unknown := [claim for claim in chosen if claim not in known]:
        raise ValueError(f"first = {unknown}; the table has no such claim")
    open_rows = list(dict.fromkeys(known[claim] for claim in chosen))[:rows] or list(found.index[:rows])
    shown = readable(found)
    file, root = Path(file).resolve(), paths.REPOSITORY
    name = file.relative_to(root).as_posix() if root and file.is_relative_to(root) else file.name
    return Summary(shown.loc[open_rows], shown.drop(index=open_rows), name)


def save(
    found: pd.DataFrame, path: str | Path, profile: str, device: torch.device, record: Record | None = None
) -> Path:
    """Write a table with its profile, commit and hardware in columns of their own, whole or not at all; and, where the
    claims are about a record, with its length ("1367 epochs"), since a record grows and the claims stay."""
    here = provenance.hardware(device)
    hardware = here.get("gpu") or f"{here['cpu']}, {here['threads']} of {here['cores']} cores"
    columns = {"profile": profile, "commit": provenance.git()["commit"], "hardware": hardware}
    return write_table(found.assign(**columns | ({"record": record.length} if record else {})), path)


def of_record(found: pd.DataFrame) -> str:
    """Which record a stored table is about, to follow a comma: "the record of 1367 epochs"; empty if none is known."""
    return f"the record of {found.record.iloc[0]}" if "record" in found else ""


def stored(notebook: str, dataset: str, profile: str) -> StoredTable:
    """A notebook's table: every profile's is made under runs/, the paper profile's is committed."""
    return StoredTable("claims", f"{notebook}_{dataset}_{profile}")


def of_trainings(
    text: str, found: Sequence[NDArray[Any]], kind: str, examples: str, unit: str = "", holds: bool | None = None
) -> Claim:
    """A claim on the mean of each training's values, (n,) each: one for each of its examples, or a single one.

    Its error is over the trainings (kind: such as "paper profile, 30 epochs"). One training has none, so the error is
    then over its examples; of 0 and 1 that is the binomial one. examples: their name, such as "samples".
    """
    if len(found) == 1 and len(found[0]) > 1:
        return Claim(text, [float(v) for v in found[0]], f"{examples}, one training, {kind}", unit, holds)
    return Claim(text, [float(np.mean(of_one)) for of_one in found], f"seeds, {kind}", unit, holds)
