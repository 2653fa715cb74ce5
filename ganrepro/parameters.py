"""Notebook parameters, checked before any work.

A notebook's first code cell is its parameter list, one `name: type = default  # comment` a line. A rule for the values
stands in square brackets at the end of the comment, which `papermill --help-notebook` shows:

    [one of a, b, c]   [one of a, b, or a path to an .npz]   [at least 1]   [above 0]   [0 to 4]

Where a path to an .npz may stand, so may an .npy, a folder of pictures, and a set that `ganrepro data add` named.
Anything else in brackets is an error, and prose outside them bounds nothing. `check(globals())` enforces the rules.
"""

from __future__ import annotations

import ast
import difflib
import math
import os
import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganrepro import paths

STANDARD = ("dataset", "profile", "seed", "device", "out")
LARGEST_SEED = 2**32 - 1  # what numpy's RandomState, and so scikit-learn, takes
LARGEST_FIRST_SEED = 2**31 - 1  # of a notebook, which may go on with seed + 1 and so on
INT64 = range(-(2**63), 2**63)  # the whole numbers that torch takes
FILES = ("out", "mask")  # parameters that are paths or empty; their comments name a file with the ending they need
FIGURES = (".png", ".svg", ".pdf")
_ENDING = re.compile(r"\.(?:png|csv|npy)\b")
INJECTED = "# Parameters"  # the first line of the cell that papermill inserts
NPZ = "or a path to an .npz"
_N = r"-?\d+(?:\.\d+)?"
_RULE = re.compile(
    rf"one of (?P<choices>.+)|at least (?P<least>{_N})|above (?P<above>{_N})|(?P<low>{_N}) to (?P<most>{_N})"
)


def is_seed(value: Any) -> bool:
    """Whether every random generator takes it: torch and scikit-learn refuse a large one only after the training."""
    return type(value) is int and 0 <= value <= LARGEST_SEED


def expect(kind: type, **given: Any) -> None:
    """Raise TypeError, naming it, for the first argument that is not of this kind."""
    for name, value in given.items():
        if not isinstance(value, kind):
            raise TypeError(f"{name} = {reprlib.repr(value)}; expected a {kind.__name__}")


def expect_number(name: str, value: Any, least: float, most: float, kind: type = int) -> None:
    """Raise ValueError unless an argument is a number of this kind in [least, most]; an int is a float, too."""
    right = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if not right or not least <= value <= most:
        wanted = "an int" if kind is int else "a float"
        raise ValueError(f"{name} = {reprlib.repr(value)}; expected {wanted} from {least:g} to {most:g}")


def shown(value: Any) -> str:
    """A value for a message: in one line, of at most 200 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 200 else f"{text[:190]} ..."


class ParameterError(ValueError):
    """A notebook was given parameters that it does not take."""


@dataclass(frozen=True)
class Rule:
    """The values that a parameter may have: one of `choices`, or numbers from `least` to `most` that exceed `above`."""

    text: str
    choices: tuple[str, ...] = ()
    least: float = -math.inf
    above: float = -math.inf
    most: float = math.inf

    @classmethod
    def parse(cls, comment: str) -> Rule | None:
        """The rule in a comment; None for a comment without brackets. Raises ValueError for brackets that hold none."""
        if "[" not in comment and "]" not in comment:
            return None
        brackets = re.fullmatch(r"[^][]*\[([^][]*)\]", comment)
        match = brackets and _RULE.fullmatch(brackets[1])
        if not match:
            raise ValueError(f"{comment!r} must end in one rule: [one of a, b], [at least 1], [above 0] or [0 to 4]")
        choices = tuple(choice.strip() for choice in (match["choices"] or "").split(",") if choice.strip())
        least, above = match["least"] or match["low"] or -math.inf, match["above"] or -math.inf
        return cls(match[0], choices, float(least), float(above), float(match["most"] or math.inf))

    def refuse(self, name: str, value: Any) -> None:
        """Raise ParameterError unless the value, or each of a list, is allowed."""
        if self.choices and str(value) not in self.choices:
            if NPZ not in self.choices:
                raise ParameterError(f"{name} = {shown(value)}; choose {self.text}")
            _refuse_unless_own(name, value, self.text)
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int | float) and not (self.above < number and self.least <= number <= self.most):
                raise ParameterError(f"{name} = {shown(value)}; it must be {self.text}")


@dataclass(frozen=True)
class Parameter:
    """One line of a parameter list."""

    name: str
    default: Any
    comment: str

    @property
    def rule(self) -> Rule | None:
        """The rule in the comment's brackets."""
        return Rule.parse(self.comment)


def declared(source: str) -> dict[str, Parameter]:
    """The parameters that a cell's source assigns literals to, with the comments behind them, by name."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a cell with a %magic, say
        return {}
    lines, found = source.encode().splitlines(), {}  # ast counts bytes
    for node in body:
        match node:
            case ast.Assign([ast.Name(name), *_], value) | ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                comment = lines[(value.end_lineno or 1) - 1][value.end_col_offset :].decode()
                try:
                    found[name] = Parameter(name, ast.literal_eval(value), comment.strip().lstrip("#").strip())
                except ValueError:  # not a literal
                    continue
    return found


def assigned(source: str) -> list[str]:
    """The names that a cell assigns to, literals or not: papermill writes nan as float('nan')."""
    targets = [t for node in ast.parse(source).body if isinstance(node, ast.Assign) for t in node.targets]
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def check(namespace: dict[str, Any]) -> None:
    """Refuse parameters that the notebook does not take; replace floats such as 1e3 by exact ints.

    namespace: the notebook's `globals()`, whose `In` holds the parameter list and papermill's cell. It is empty in a
    kernel that keeps no history, such as nbval's: every value is as committed. In a script that `jupyter nbconvert`
    made of the notebook, the list is what stands above this call.
    Raises ParameterError, a ValueError, that names every wrong parameter, its value and the allowed values.
    """
    if type(history := namespace.get("In", _above_the_check(namespace.get("__file__")))) is not list:
        raise ParameterError("there is no parameter 'In': that name is the kernel's")
    cells = [c for c in history if c]
    if "In" in namespace and not cells:
        return
    lists = [declared(c) for c in cells if not c.startswith(INJECTED)]
    allowed = next((found for found in lists if set(STANDARD) <= set(found)), None)
    if allowed is None:
        raise ParameterError("no parameter list was run in this kernel: run the notebook's first cell, which assigns "
                             f"{', '.join(STANDARD)}, and then this one")  # fmt: skip
    injected = [name for c in cells if c.startswith(INJECTED) for name in assigned(c)]
    problems = [unknown(name, allowed) for name in injected if name not in allowed]
    values: dict[str, Any] = {}
    for name, parameter in allowed.items():
        try:
            values[name] = value_of(parameter, namespace[name])
        except ParameterError as error:
            problems.append(str(error))
    if values.get("out") == "" and not _writable(paths.runs() / "out"):
        problems.append(f"the runs folder {paths.runs()} cannot be written to; set GANREPRO_RUNS to a folder that is, "
                        "or give the parameter out")  # fmt: skip
    if problems:
        raise ParameterError("; ".join(dict.fromkeys(problems)))
    namespace.update(values)


def _above_the_check(script: str | None) -> list[str]:
    """What a script has above its call of `check`, as its only cell; nothing where there is no script."""
    if script is None:
        return []
    above, call, _ = Path(script).read_text(encoding="utf-8").partition("\nparameters.check(globals())")
    return [above] if call else []


def unknown(name: str, allowed: dict[str, Parameter]) -> str:
    """The message for a parameter that a notebook does not have."""
    meant = "".join(f" (did you mean {close}?)" for close in difflib.get_close_matches(name, allowed, n=1))
    return f"there is no parameter {name!r}{meant}; this notebook takes {', '.join(allowed)}"


def value_of(parameter: Parameter, value: Any) -> Any:
    """The value in the parameter's own type, a path in its absolute form. Raises ParameterError if type or rule refuse
    it."""
    expect(Parameter, parameter=parameter)
    value, rule = _typed(parameter, value), parameter.rule
    if rule:
        rule.refuse(parameter.name, value)
    if parameter.name == "seed" and not 0 <= value <= LARGEST_FIRST_SEED:
        raise ParameterError(f"seed = {value}; it must be from 0 to {LARGEST_FIRST_SEED}")
    if parameter.name == "device" and value not in ("auto", "cpu"):  # those are everywhere
        from ganrepro.device import torch_device  # imports torch, for seconds

        try:
            torch_device(value)
        except ValueError as error:
            raise ParameterError(str(error)) from None
    named = (*rule.choices, *paths.named_sets()) if rule and NPZ in rule.choices else None
    is_path = parameter.name in FILES or (named is not None and value not in named)
    if not is_path or not value:
        return value
    if parameter.name in FILES:
        _refuse_file(parameter, value)
    return str(paths.absolute(value))


def _refuse_file(parameter: Parameter, value: str) -> None:
    """Raise ParameterError for a file of another kind than the comment names, an `out` that cannot be written, and any
    other file that is not there."""
    name, path = parameter.name, paths.absolute(value)
    if endings := _ENDING.findall(parameter.comment):
        refuse_suffix(name, value, FIGURES if endings[-1] == FIGURES[0] else endings[-1:])
    if name == "out" and not _writable(path):
        raise ParameterError(f"out = {shown(value)} cannot be written; give a file path in a folder that can be")
    if name != "out" and not path.is_file():
        raise ParameterError(f"{name} = {shown(value)}; there is no such file (looked for {path})")


def refuse_suffix(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise ParameterError for a path with another ending than those allowed; "" passes."""
    if value and Path(value).suffix.lower() not in allowed:
        raise ParameterError(f"{name} = {shown(value)}; it must end in {' or '.join(allowed)}")


def _refuse_unless_own(name: str, value: str, text: str) -> None:
    """Raise ParameterError unless the value means pictures of the user's own: a named set, a folder or a file."""
    path, is_file = paths.absolute(value), value.lower().endswith((".npz", ".npy"))
    try:
        if value in paths.named_sets() or (value and path.is_dir()) or (is_file and path.is_file()):
            return
    except OSError as error:  # such as a name that is too long
        raise ParameterError(f"{name} = {shown(value)}; {error.strerror}") from None
    if is_file or value.endswith("/"):
        kind = "file" if is_file else "folder"
        raise ParameterError(f"{name} = {shown(value)}; there is no such {kind} (looked for {path})")
    if path.is_file():
        raise ParameterError(f"{name} = {shown(value)} is a file; it must be an .npz, an .npy or a folder of pictures")
    raise ParameterError(f"{name} = {shown(value)}; choose {text}, an .npy, a folder of pictures, or a set that "
                         "`ganrepro data add` named")  # fmt: skip


def _typed(parameter: Parameter, value: Any) -> Any:
    """Types must agree; only an exact float (1e3) passes for an int, and an int for a float."""
    if type(parameter.default) is int and type(value) is float and value.is_integer():
        value = int(value)
    expected, found = type(parameter.default), type(value)
    if found is int and value not in INT64:
        raise ParameterError(f"{parameter.name} = {value}; it must be from -2**63 to 2**63 - 1")
    if expected is float and found is int:
        return float(value)
    if expected is found is list and parameter.default:
        return [_typed(replace(parameter, default=parameter.default[0]), v) for v in value]
    if expected is found and not (expected is float and not math.isfinite(value)):
        return value
    text = expected is bool and found is str
    hint = "; papermill's -p takes True or False, other spellings arrive as text" if text else ""
    raise ParameterError(f"{parameter.name} = {shown(value)} is of type {found.__name__}; expected "
                         f"{expected.__name__}, such as {parameter.default!r}{hint}")  # fmt: skip


def _writable(file: Path) -> bool:
    """Whether a file can be written there, once its folders are made. Nothing is written."""
    above = next((p for p in (file, *file.resolve().parents) if p.exists()), Path("/"))
    return not file.is_dir() and os.access(above, os.W_OK) and (above == file or above.is_dir())
