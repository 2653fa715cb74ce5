"""Run the notebooks headless, in order, through papermill; and refresh the committed ones."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from ganrepro import parameters, paths, recipes

from . import NotebookFailed

# the recipe of the paper record that a notebook trains where profile is "paper" and there is none
TRAINS = {"05_conditional": "conditional", "07_subsets": "subsets"} | dict.fromkeys(
    ("02_algorithm1", "03_parzen", "04_samples", "06_inference", "08_semisupervised", "11_generalization"), recipes.OWN)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}  # nbconvert asks for the ending
KEPT = {"tags", "slideshow"}  # metadata of a cell that its author wrote; the rest is of one run
QUIET = {"GANREPRO_PROGRESS": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # no text bars, no debugger warnings


@dataclass(frozen=True)
class Executed:
    """One notebook that ran: where its outputs are, and how long it took."""

    name: str
    output: Path
    seconds: float


def find(only: Sequence[str] = ()) -> list[Path]:
    """The notebooks in order; with `only`, those whose name starts so ("03"). Raises ValueError where none does."""
    everything = sorted(paths.notebooks().glob("[0-9][0-9]_*.ipynb"))
    for prefix in only:
        if len(prefix) < 2 or not any(p.name.startswith(prefix) for p in everything):  # not all of them by accident
            there = ", ".join(p.stem for p in everything)
            raise ValueError(f"no notebook starts with {prefix!r}; there are {there}; give two digits at least")
    return [p for p in everything if not only or p.name.startswith(tuple(only))]


def copy(folder: str | Path, only: Sequence[str] = ()) -> list[Path]:
    """Write the notebooks, outputs included, and the solutions of their exercises into a folder, which is made if it is
    not there; all of them or none. Returns the notebooks' paths. Raises FileExistsError where the folder holds a file
    of one of their names: it may be a reader's own work."""
    found, folder = find(only), paths.absolute(folder)
    names = [*(notebook.name for notebook in found), *(f"solutions/{notebook.stem}.py" for notebook in found)]
    if there := [place for name in names if os.path.lexists(place := folder / name)]:
        raise FileExistsError(f"{there[0]} is there already, and may hold your work; choose another folder")
    if not folder.exists():
        with paths.atomic_folder(folder) as unfinished:
            (unfinished / "solutions").mkdir()
            for name in names:
                shutil.copyfile(paths.notebooks() / name, unfinished / name)
    else:
        with ExitStack() as together:  # each takes its name once all are written
            for name in names:
                shutil.copyfile(paths.notebooks() / name, together.enter_context(paths.atomic_file(folder / name)))
    return [folder / notebook.name for notebook in found]


def parameter_list(notebook: Path) -> dict[str, parameters.Parameter]:
    """What a notebook takes: the assignments of its cell tagged `parameters`. Raises ValueError unless there is one."""
    cells = nbformat.read(notebook, as_version=4).cells
    tagged = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ValueError(f"{notebook} has {len(tagged)} cells tagged 'parameters'; it needs one")
    return parameters.declared(tagged[0])


def assign(notebooks: Sequence[Path], given: dict[str, Any]) -> dict[Path, dict[str, Any]]:
    """The given parameters that each notebook takes, checked. Raises ParameterError for one that none takes."""
    lists = {notebook: parameter_list(notebook) for notebook in notebooks}
    every = {name: parameter for known in lists.values() for name, parameter in known.items()}
    for name in given:
        if name not in every:
            raise parameters.ParameterError(parameters.unknown(name, every))
    return {notebook: {k: parameters.value_of(known[k], v) for k, v in given.items() if k in known}
            for notebook, known in lists.items()}  # fmt: skip


def run(only: Sequence[str] = (), given: dict[str, Any] | None = None) -> Iterator[Executed]:
    """Execute notebooks into runs/notebooks/, one line of progress each. Every parameter is checked before anything is
    executed. A cell that raises raises NotebookFailed, and ends the run."""
    paths.repository()  # a wheel's notebooks are copied first, since the committed results are not beside them
    assigned = assign(find(only), given or {})
    folder = paths.runs() / "notebooks"
    paths.require_writable(folder)
    return (_execute(notebook, folder / notebook.name, values) for notebook, values in assigned.items())


def refresh(only: Sequence[str] = ()) -> Iterator[Executed]:
    """Execute notebooks at their defaults and put the outputs into the committed files, without any time stamp."""
    for executed in run(only):
        notebook = nbformat.read(executed.output, as_version=4)
        notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
        notebook.cells = [c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
        for cell in notebook.cells:
            cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in KEPT and v})
        with paths.atomic_file(paths.repository() / "notebooks" / executed.output.name) as unfinished:
            nbformat.write(notebook, unfinished)
        yield executed


def _execute(notebook: Path, output: Path, values: dict[str, Any]) -> Executed:
    import papermill  # takes a second

    quiet = QUIET | paths.environment()  # the kernel stands in notebooks/, where a relative path means another folder
    began, before = time.perf_counter(), {name: os.environ.get(name) for name in quiet}
    os.environ |= quiet
    try:
        papermill.execute_notebook(
            notebook, output, values, kernel_name=KERNEL["name"], cwd=notebook.parent,
            progress_bar={"desc": notebook.stem, "dynamic_ncols": True},
            extra_arguments=["--log-level=ERROR"],  # hides the kernel's own messages
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        raise NotebookFailed(f"{notebook.stem} failed; its output is {output}\n{error}") from error
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return Executed(notebook.stem, output, time.perf_counter() - began)
