"""The generated parts of README.md and docs/: between `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

from ganrepro import paths, records
from ganrepro.diagnostics import ablations
from ganrepro.extensions.coordination import alternating

from . import tables

PARTS = {
    "headline": "README.md", "table1": "docs/results.md", "ablations": "docs/ablations.md",
    "alternating": "docs/ablations.md", "speed": "docs/speed.md",
}  # fmt: skip


def update() -> list[Path]:
    """Rewrite the generated parts that changed. Returns the written files."""
    written = []
    for name, content in parts().items():
        path = paths.repository() / PARTS[name]
        text = path.read_text(encoding="utf-8")
        if (now := replaced(text, name, content, PARTS[name])) != text:
            with paths.atomic_file(path) as unfinished:
                unfinished.write_text(now, encoding="utf-8")
            written.append(path)
    return written


def parts() -> dict[str, str]:
    """Each part as it should be, made from results/."""
    whole = tables.table1(records.below(paths.results(), "paper"))
    shown = {
        "headline": tables.headline(whole), "table1": tables.readable(whole), "speed": speed_table(),
        "ablations": ablations.readable(ablations.summary(ablations.committed()[0])),
        "alternating": alternating.readable(alternating.summary(*ablations.committed(alternating.STUDY))),
    }  # fmt: skip
    return {name: tables.rows_markdown(table) for name, table in shown.items()}


def replaced(text: str, name: str, content: str, file: str) -> str:
    """The text with one part made anew. Raises ValueError, naming the file, if the markers are missing."""
    found = re.search(rf"<!-- {name}:begin[^>]*-->\n(.*?)<!-- {name}:end -->", text, re.DOTALL)
    if not found:
        raise ValueError(f"{file} lacks the markers <!-- {name}:begin --> and <!-- {name}:end -->")
    return text[: found.start(1)] + content + "\n" + text[found.end(1) :]


def speed_table() -> pd.DataFrame:
    """The measurements that `make bench` stored, by machine: a step and the Parzen window, against their limits."""
    found = []
    for path in sorted((paths.results() / "benchmarks").glob("*.json")):
        for row in json.loads(path.read_text())["rows"]:
            if "ratio_to_limit" in row and "10 dimensions" not in row["what"]:
                seconds, ratio = row["median_s"], row["ratio_to_limit"]
                shown = f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.{0 if seconds >= 10 else 1}f} s"
                found.append([path.stem, row["what"], shown, f"{ratio:.{0 if ratio >= 10 else 2}f}", row["note"]])
    return pd.DataFrame(found, columns=["machine", "what", "median", "times the limit", "note"])
