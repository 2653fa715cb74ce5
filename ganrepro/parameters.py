"""Notebook parameters, checked before any work; and the device that one of them names.

A notebook's first code cell is its parameter list, one `name: type = default  # what it is` a line. That list is the
whole rule: names and types are its own, and the comment, which `papermill --help-notebook` shows, bounds the values
by "one of a, b, c", "at least 1", "above 0" or "0 to 4". `check(globals())` enforces what it says.
"""

from __future__ import annotations

import ast
import difflib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganrepro import paths

STANDARD = ("dataset", "profile", "seed", "device", "out")
INJECTED = "# Parameters"  # the first line of the cell that papermill inserts
NPZ = "a path to an .npz"


class ParameterError(ValueError):
    """A notebook was given parameters that it does not take."""


@dataclass(frozen=True)
class Parameter:
    """One line of a parameter list."""

    name: str
    default: Any
    comment: str


def declared(source: str) -> dict[str, Parameter]:
    """The parameters that a cell's source assigns literals to, with the comments behind them, by name."""
    lines, found = source.splitlines(), {}
    for node in _parse(source):
        value = node.value
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if isinstance(target, ast.Name) and value is not None:
            comment = lines[(value.end_lineno or 1) - 1][value.end_col_offset :].strip().lstrip("#").strip()
            try:
                found[target.id] = Parameter(target.id, ast.literal_eval(value), comment)
            except ValueError:
                continue
    return found


def _parse(source: str) -> Iterator[ast.Assign | ast.AnnAssign]:
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a cell with a %magic in it, say
        return
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            yield node


def check(namespace: dict[str, Any]) -> None:
    """Refuse parameters that the notebook does not take; write exact ints for floats such as 1e3 back.

    namespace: the notebook's `globals()`, whose `In` holds the parameter list and what papermill injected. Where it
    holds nothing at all the kernel keeps no history (nbval's does not): nothing was injected, all is as committed.
    Raises ParameterError, a ValueError, that names every wrong parameter, its value and what is allowed.
    """
    cells = [c for c in namespace.get("In", []) if c]
    if "In" in namespace and not cells:
        return
    lists = [declared(c) for c in cells if not c.startswith(INJECTED)]
    allowed = next((found for found in lists if set(STANDARD) <= set(found)), None)
    if allowed is None:
        raise ParameterError(
            "no parameter list was run in this kernel: run the notebook's first cell, which assigns "
            f"{', '.join(STANDARD)}, and then this one"
        )
    injected = [name for c in cells if c.startswith(INJECTED) for name in declared(c)]
    problems = [unknown(name, allowed) for name in injected if name not in allowed]
    values: dict[str, Any] = {}
    for name, parameter in allowed.items():
        try:
            values[name] = value_of(parameter, namespace[name])
        except ParameterError as error:
            problems.append(str(error))
    if not namespace["out"]:
        try:
            _check_out(paths.runs() / "out")
        except ParameterError:
            moved = "set GANREPRO_RUNS to a folder that is, or give the parameter out"
            problems.append(f"the runs folder {paths.runs()} cannot be written to; {moved}")
    if problems:
        raise ParameterError("; ".join(dict.fromkeys(problems)))
    namespace.update(values)


def unknown(name: str, allowed: dict[str, Parameter]) -> str:
    """What to say of a parameter that a notebook does not have."""
    close = difflib.get_close_matches(name, allowed, n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return f"there is no parameter {name!r}{meant}; this notebook takes {', '.join(allowed)}"


def value_of(parameter: Parameter, value: Any) -> Any:
    """The value in the parameter's own type, if type and comment allow it. Raises ParameterError if they do not."""
    value = _typed(parameter, value)
    comment = parameter.comment
    if problem := _bounds(comment, value if isinstance(value, list) else [value]):
        raise ParameterError(f"{parameter.name} = {value!r}; it must be {problem}")
    if options := re.search(r"one of ([^;:(]+)", comment):
        names = [n.strip().removeprefix("or ") for n in options[1].split(",")]
        choices = [n for n in names if n != NPZ]
        if str(value) not in choices and not (NPZ in names and _is_npz(parameter.name, value)):
            raise ParameterError(f"{parameter.name} = {value!r}; choose one of {', '.join(names)}")
    if parameter.name == "device":
        device(value)
    if parameter.name == "out" and value:
        _check_out(Path(value))
    return value


def _typed(parameter: Parameter, value: Any) -> Any:
    """Types must agree; only an exact float (1e3) passes for an int, and an int for a float."""
    expected, found = type(parameter.default), type(value)
    if expected is int and found is float and value.is_integer():
        return int(value)
    if expected is float and found is int:
        return float(value)
    if expected is found is list and parameter.default:
        return [_typed(Parameter(parameter.name, parameter.default[0], parameter.comment), v) for v in value]
    if expected is found and not (expected is float and not math.isfinite(value)):
        return value
    hint = ""
    if expected is bool and isinstance(value, str):
        hint = "; papermill's -p takes True or False, other spellings arrive as text"
    raise ParameterError(
        f"{parameter.name} = {value!r} is of type {found.__name__}; expected {expected.__name__}, "
        f"such as {parameter.default!r}{hint}"
    )


def _bounds(comment: str, values: list[Any]) -> str:
    """What the comment asks of numbers and these are not; nothing if all is well. Text is not bounded."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    number = r"(-?\d+(?:\.\d+)?)"
    if (m := re.search(rf"at least {number}", comment)) and any(v < float(m[1]) for v in numbers):
        return f"at least {m[1]}"
    if (m := re.search(rf"above {number}", comment)) and any(v <= float(m[1]) for v in numbers):
        return f"above {m[1]}"
    span = re.search(rf"{number} to {number}", comment)
    if span and any(not float(span[1]) <= v <= float(span[2]) for v in numbers):
        return f"{span[1]} to {span[2]}"
    return ""


def _is_npz(name: str, value: str) -> bool:
    if not value.endswith(".npz"):
        return False
    if not Path(value).is_file():
        raise ParameterError(f"{name} = {value!r}; there is no such file (looked for {Path(value).resolve()})")
    return True


def _check_out(path: Path) -> None:
    above = next((p for p in (path, *path.resolve().parents) if p.exists()), Path("/"))
    if path.is_dir() or not os.access(above, os.W_OK) or (above != path and not above.is_dir()):
        raise ParameterError(f"out = {str(path)!r} cannot be written; give a file path in a folder that can be")


def device(name: str) -> torch.device:
    """The torch device that a parameter names: "auto", "cpu", "cuda", "cuda:1", …

    "auto" is the GPU where there is one. Raises ParameterError, with what there is, for one that is not there.
    """
    there = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    wanted = {"auto": there[min(1, len(there) - 1)], "cuda": "cuda:0"}.get(name, name)
    if wanted not in there:
        raise ParameterError(f"device = {name!r} is not there; choose one of auto, {', '.join(there)}")
    if wanted != "cpu":  # the same bits every time
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return torch.device(wanted)
