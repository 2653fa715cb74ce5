"""What a user sees while something runs: a progress bar for all that may take more than two seconds, and lines."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

from tqdm import tqdm

PATIENCE = 2.0  # seconds before a bar shows: what is quicker needs none


def bar(*iterable: Any, **options: Any) -> tqdm:
    """A tqdm bar on stderr, in a notebook as an output of the cell. None where GANREPRO_PROGRESS is 0, as in notebooks
    whose outputs are kept."""
    hidden = os.environ.get("GANREPRO_PROGRESS", "1") == "0"
    defaults: dict[str, Any] = {"delay": PATIENCE, "dynamic_ncols": True, "mininterval": 0.5, "leave": False}
    defaults |= {"file": CellOutput(), "dynamic_ncols": False} if _in_a_notebook() and not hidden else {}
    return tqdm(*iterable, **defaults | options | ({"disable": True} if hidden else {}))


class CellOutput(io.TextIOBase):
    """One line of a notebook cell's outputs, which what tqdm writes replaces. Of stderr, a cleared line would stay as a
    blank, and a bar would be cut in two by what the cell prints meanwhile."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.line = ""
        self.handle: Any = None

    def write(self, text: str) -> int:
        line = text.strip()
        if text.startswith("\r") and line != self.line:  # all else moves a terminal's cursor
            from IPython.display import display

            self.line, data = line, {"text/plain": line}
            if self.handle is None:
                self.handle = display(data, raw=True, display_id=True)
            else:
                self.handle.update(data, raw=True)
        return len(text)


def _in_a_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def duration(seconds: float) -> str:
    """A time in the unit that fits: "3.1 hours"."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def say(line: str) -> None:
    """Print a line. Characters that stdout cannot encode are escaped, and a closed pipe or a full disk behind stdout is
    ignored: no message may stop a training whose record is not yet written."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with suppress(OSError):
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
