"""One question before work of more than ten minutes, where someone sits at a terminal to answer it."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable

LONG = 600.0  # seconds


class NotBegun(Exception):
    """The answer was no."""


def ask_before(options: Namespace, what: str, estimate: Callable[[], float]) -> None:
    """Ask whether to continue, once, where the estimate (seconds) is above LONG. Raises NotBegun unless the answer is
    yes. With `--yes`, or where nobody is there to answer, nothing is estimated and nothing asked."""
    if options.yes or not is_attended():
        return
    from ganrepro.progress import duration  # which loads tqdm

    if (seconds := estimate()) <= LONG:
        return
    try:
        answer = input(f"{what}: about {duration(seconds)} here; continue? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise NotBegun("nothing was begun; --yes begins without the question")


def is_attended() -> bool:
    """Whether stdin and stdout are terminals, outside CI and a notebook: `!ganrepro` in a cell has a terminal too, but
    nobody can answer there."""
    terminals = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    return terminals and os.environ.get("CI", "").lower() in ("", "0", "false") and "JPY_PARENT_PID" not in os.environ
