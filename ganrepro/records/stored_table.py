"""A table that is made under runs/ and committed under results/."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ganrepro import paths


@dataclass(frozen=True)
class StoredTable:
    """<root>/<kind>/<name>.csv under both roots."""

    kind: str
    name: str

    @property
    def file(self) -> Path:
        """Where it is made, under runs/."""
        return paths.runs() / self.kind / f"{self.name}.csv"

    @property
    def committed_file(self) -> Path:
        """Where it is committed, under results/. Raises FileNotFoundError without a repository."""
        return paths.results() / self.kind / f"{self.name}.csv"

    def committed(self) -> pd.DataFrame | None:
        """The committed table; None if there is none, or no repository."""
        there = paths.REPOSITORY is not None and self.committed_file.is_file()
        return read_table(self.committed_file) if there else None

    def write(self, table: pd.DataFrame, digits: int = 10) -> Path:
        """Write it under runs/, whole or not at all. Returns the path."""
        return write_table(table, self.file, digits)


def write_table(table: pd.DataFrame, path: str | Path, digits: int = 10) -> Path:
    """Write a table as CSV, numbers to so many digits, whole or not at all. Returns the path."""
    path = paths.absolute(path)
    with paths.atomic_file(path) as unfinished:
        table.to_csv(unfinished, index=False, float_format=f"%.{digits}g")
    return path


def read_table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A table. Raises ValueError, naming it, where it is missing, damaged, or lacks one of these columns."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' and codecs' errors are ValueErrors
        raise ValueError(f"the table {path} is missing or damaged ({error}); restore it, or make it anew") from error
    if missing := [name for name in columns if name not in table]:
        raise ValueError(f"the table {path} is damaged: it has no column {missing[0]!r}; restore it, or make it anew")
    return table
