"""`ganrepro reproduce` and `ganrepro notebooks`."""

from __future__ import annotations

import ast
import time
from argparse import Namespace
from contextlib import suppress
from typing import Any

from ganrepro import paths

from .long_work import ask_before


def run_notebooks(options: Namespace) -> None:
    from ganrepro.report import notebooks, tables

    given = {name: literal(value) for name, value in options.parameter}
    if options.profile:
        given["profile"] = options.profile
    if given.get("profile") == "paper":
        ask_before(options, "the records that these notebooks train", lambda: seconds_left(options.only, given))
    began = time.time()
    done = list(notebooks.run(options.only, given))
    written = [p for p in sorted(paths.runs().glob("*/*.*")) if p.stat().st_mtime >= began]
    for path in (p for p in written if p.name.startswith("table1_")):
        print(f"\n{path}\n{tables.readable(tables.pd.read_csv(path)).to_string(index=False)}")
    print("\nFigures", *(p for p in written if p.suffix.lower() in (".png", ".gif", ".svg", ".pdf")), sep="\n  ")
    print("\nNotebooks", *(f"{n.name:<16} {n.seconds:6.1f} s   {n.output}" for n in done), sep="\n  ")


def seconds_left(only: list[str], given: dict[str, Any]) -> float:
    """Roughly how long the paper records that are missing would take; 0 where a notebook will refuse the parameters."""
    from ganrepro import datasets, records
    from ganrepro.report import notebooks

    seconds: dict[str, float] = {}
    for notebook, values in notebooks.assign(notebooks.find(only), given).items():
        taken = {name: p.default for name, p in notebooks.parameter_list(notebook).items()} | values
        recipe = notebooks.TRAINS.get(notebook.stem)
        if recipe is None or recipe in seconds:
            continue
        recipe = taken.get("recipe", recipe)
        size = {"size": taken["size"]} if taken["size"] else {}
        rate = taken.get("learning_rate") or None
        with suppress(ValueError, datasets.DatasetUnavailable):
            data = datasets.load(taken["dataset"], **size)
            seconds[recipe] = records.seconds_left(data, [taken["seed"]], taken["device"], None, recipe, rate,
                                                   full_length=False)  # fmt: skip
    return sum(seconds.values())


def literal(text: str) -> Any:
    """A command line value as papermill reads it: True, False, numbers and lists are parsed, all else is text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, bool | int | float | list) else text


def refresh_notebooks(options: Namespace) -> None:
    from ganrepro.report import notebooks

    if options.copy is not None:
        copied = notebooks.copy(options.copy, options.only)
        print(*copied, f"papermill {copied[0].name} out.ipynb, in that folder, runs the first", sep="\n")
        return
    for notebook in notebooks.refresh(options.only):
        print(f"{notebook.name:<16} {notebook.seconds:6.1f} s")
