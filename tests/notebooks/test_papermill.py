"""Papermill from a shell: its help, its ways to give parameters, and what it leaves where a notebook fails."""

import ast
import base64
import subprocess
import sys

import nbformat
import papermill as pm
import pytest

from ganrepro import paths
from ganrepro.report import notebooks

ALL = [p.name for p in notebooks.find()]


@pytest.mark.parametrize("notebook", ALL)
def test_help_lists_every_parameter_with_its_type_default_and_meaning(notebook):
    path = paths.repository() / "notebooks" / notebook
    known, listed = notebooks.parameter_list(path), pm.inspect_notebook(str(path))
    assert list(listed) == list(known)  # the command line's `-p` takes the same list
    for name, parameter in known.items():
        shown = listed[name]
        assert shown["inferred_type_name"].partition("[")[0] == type(parameter.default).__name__, name
        assert ast.literal_eval(shown["default"]) == parameter.default
        assert shown["help"] == parameter.comment and len(parameter.comment) > 5


def test_help_is_printed(tmp_path):
    command = [sys.executable, "-m", "papermill", "--help-notebook", "03_parzen.ipynb"]
    done = subprocess.run(command, cwd=paths.repository() / "notebooks", capture_output=True, text=True, check=True)
    for name, parameter in notebooks.parameter_list(paths.repository() / "notebooks/03_parzen.ipynb").items():
        assert f"{name}: {type(parameter.default).__name__}" in done.stdout, name


def test_every_way_to_give_parameters_and_a_failure_that_keeps_its_output(tmp_path):
    """-y, -b and -f beside -p, from an empty folder by the notebook's absolute path."""
    (tmp_path / "given.yml").write_text("profile: fast\n")
    encoded = base64.b64encode(b"seed: -1\n").decode()
    notebook, out = paths.repository() / "notebooks/03_parzen.ipynb", tmp_path / "new/folder/out.ipynb"
    out.parent.mkdir(parents=True)
    given = ["-y", "n_samples: 0", "-b", encoded, "-f", str(tmp_path / "given.yml"), "-p", "dataset", "minst"]
    command = [sys.executable, "-m", "papermill", str(notebook), str(out), "--no-progress-bar", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    messages = ("n_samples = 0", "seed = -1", "profile = 'fast'", "dataset = 'minst'")
    kept = [o for cell in nbformat.read(out, 4).cells for o in cell.get("outputs", []) if o.output_type == "error"]
    assert len(kept) == 1 and all(m in kept[0].evalue and m in done.stderr for m in messages)
