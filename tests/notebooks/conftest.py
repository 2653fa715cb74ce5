"""Run a notebook as its users do: papermill from a shell, with a runs folder of the test's own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
# Two kernels that start at once may pick one free port: then the second dies before any cell has run.
NO_KERNEL = "Kernel died before replying to kernel_info"


@dataclass(frozen=True)
class Executed:
    """What papermill left: its exit status, its messages and the executed notebook."""

    returncode: int
    stderr: str
    file: Path

    @property
    def outputs(self) -> list:
        cells = nbformat.read(self.file, as_version=4).cells
        return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]

    @property
    def text(self) -> str:
        return "\n".join(o.get("text", "") + str(o.get("data", {}).get("text/plain", "")) for o in self.outputs)

    @property
    def pictures(self) -> int:
        """How many figures it shows."""
        return sum("image/png" in o.get("data", {}) for o in self.outputs)


@pytest.fixture
def papermill(tmp_path):
    """papermill(notebook, {name: value, …}, cwd=folder, VARIABLE=value, …) -> Executed."""

    def run(notebook, given=None, cwd=ROOT / "notebooks", **environment) -> Executed:
        out = tmp_path / "out.ipynb"
        parameters = [x for name, value in (given or {}).items() for x in ("-p", name, str(value))]
        command = [sys.executable, "-m", "papermill", notebook, str(out), "--no-progress-bar", *parameters]
        env = {**os.environ, "GANREPRO_RUNS": str(tmp_path / "runs"), **environment}
        for _ in range(2):
            done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=280)
            if NO_KERNEL not in done.stderr:
                break
        return Executed(done.returncode, done.stderr, out)

    return run


@pytest.fixture
def clean_tree():
    """`git status` says after the test what it said before."""

    def status() -> str:
        return subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout

    before = status()
    yield
    assert status() == before
