"""Papermill from a shell: its help, its ways to give parameters, and what it leaves where a notebook fails."""

import ast
import base64
import os
import re
import subprocess
import sys

import nbformat
import papermill as pm
import pytest
from click.testing import CliRunner
from papermill import cli

from ganrepro import paths
from ganrepro.cli.options import parser
from ganrepro.report import notebooks

ALL = [p.name for p in notebooks.find()]
SCORED = notebooks.parameter_list(paths.repository() / "notebooks/03_parzen.ipynb")


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


@pytest.mark.parametrize("notebook", ALL)
def test_help_is_printed(notebook):
    path = paths.repository() / "notebooks" / notebook
    done = CliRunner().invoke(cli.papermill, ["--help-notebook", str(path)])
    assert done.exit_code == 0, done.output
    for name, parameter in notebooks.parameter_list(path).items():
        kind, default = type(parameter.default).__name__, re.escape(repr(parameter.default).replace("'", '"'))
        shown = rf"\b{name}: {kind}(\[\w+\])? \(default {default}\)\s+{re.escape(parameter.comment)}"
        assert re.search(shown, " ".join(done.output.split())), name


@pytest.mark.parametrize("notebook", ALL)
def test_the_command_line_takes_the_notebooks_own_list(notebook):
    """`reproduce` and `sweep` take its parameters by -p, checked as in the notebook, and options named like one of them
    mean the same."""
    path = paths.repository() / "notebooks" / notebook
    known = notebooks.parameter_list(path)
    defaults = {name: parameter.default for name, parameter in known.items()}
    assert notebooks.assign([path], defaults) == {path: defaults}
    options = parser().parse_args(["reproduce", *(w for n in known for w in ("-p", n, "x"))])
    assert [name for name, _ in options.parameter] == list(known)
    for profile in known["profile"].rule.choices:
        assert parser().parse_args(["reproduce", "--profile", profile]).profile == profile
    with pytest.raises(SystemExit):
        parser().parse_args(["reproduce", "--profile", "fast"])
    trained = vars(parser().parse_args(["records", "train"]))
    assert {"dataset", "seed", "device", "size", "recipe", "learning_rate"} <= set(trained) & set(SCORED)
    assert all(trained[name] == SCORED[name].default for name in ("device", "size"))


@pytest.mark.slow
def test_every_way_to_give_parameters_from_an_empty_folder_to_a_new_one(papermill, clean_tree, tmp_path):
    """-y, -b, -f, -r and -p together, the notebook named by its absolute path."""
    empty, new = tmp_path / "empty", tmp_path / "new/folder"
    for folder in (empty, new):
        folder.mkdir(parents=True)
    (tmp_path / "given.yml").write_text("n_samples: 500\n")
    encoded = base64.b64encode(b"seed: 1\n").decode()
    given = ["-y", "profile: quick", "-b", encoded, "-f", str(tmp_path / "given.yml"), "-r", "dataset", "digits",
             "-p", "device", "cpu", "-p", "out", "row.csv"]  # fmt: skip
    command = [sys.executable, "-m", "papermill", str(paths.repository() / "notebooks/03_parzen.ipynb")]
    env = os.environ | {"GANREPRO_RUNS": str(tmp_path / "runs")}
    done = subprocess.run([*command, str(new / "out.ipynb"), "--no-progress-bar", *given], cwd=empty, env=env,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    injected = nbformat.read(new / "out.ipynb", 4).metadata.papermill.parameters
    assert injected == {"profile": "quick", "seed": 1, "n_samples": 500, "dataset": "digits", "device": "cpu",
                        "out": "row.csv"}  # fmt: skip
    assert "500 samples" in (empty / "row.csv").read_text() and [p.name for p in empty.iterdir()] == ["row.csv"]
    assert list((tmp_path / "runs/quick").rglob("seed1/record.json"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", ALL)
def test_every_notebook_runs_from_an_empty_folder_by_its_absolute_path(papermill, clean_tree, tmp_path, notebook):
    (tmp_path / "empty").mkdir()
    done = papermill(str(paths.repository() / "notebooks" / notebook), {"profile": "quick"}, cwd=tmp_path / "empty")
    assert done.returncode == 0, done.stderr[-3000:]
    assert not list((tmp_path / "empty").iterdir()) and list((tmp_path / "runs").rglob("*.*"))


def test_every_way_to_give_parameters_and_a_failure_that_keeps_its_output(tmp_path):
    """-y, -b and -f beside -p, from an empty folder by the notebook's absolute path."""
    (tmp_path / "given.yml").write_text("profile: fast\n")
    encoded = base64.b64encode(b"seed: -1\n").decode()
    notebook, out = paths.repository() / "notebooks/03_parzen.ipynb", tmp_path / "new/folder/out.ipynb"
    out.parent.mkdir(parents=True)
    given = ["-y", "n_samples: 0", "-b", encoded, "-f", str(tmp_path / "given.yml"), "-p", "dataset", "minst"]
    given += ["-r", "device", "gpu"]
    command = [sys.executable, "-m", "papermill", str(notebook), str(out), "--no-progress-bar", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    messages = ("n_samples = 0", "seed = -1", "profile = 'fast'", "dataset = 'minst'", "device = 'gpu'")
    kept = [o for cell in nbformat.read(out, 4).cells for o in cell.get("outputs", []) if o.output_type == "error"]
    assert len(kept) == 1 and all(m in kept[0].evalue and m in done.stderr for m in messages)
