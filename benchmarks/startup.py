"""What a user waits for before anything happens: imports, data, the first figure of a notebook; and its memory."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import nbformat

from ganrepro.report import notebooks

LOAD = """
import time
from ganrepro import datasets
began = time.perf_counter()
datasets.load("mnist")
print(time.perf_counter() - began)
"""
BARE = """
import time, torch
began = time.perf_counter()
import ganrepro
print(time.perf_counter() - began)
"""
IMPORT = """
import time
began = time.perf_counter()
import torch
between = time.perf_counter()
from ganrepro import datasets, game, networks, parameters, parzen, recipes, records, training
from ganrepro.report import figures
from ganrepro.training import algorithm1
print(time.perf_counter() - between, between - began)
"""


def rows(repeats: int = 5) -> list[dict]:
    """Seconds, and for the notebooks the largest memory of a kernel."""
    ours, torchs = zip(*(map(float, python(IMPORT).split()) for _ in range(repeats)), strict=True)
    loads = [float(python(LOAD)) for _ in range(repeats)]
    bare = [float(python(BARE)) for _ in range(repeats)]
    taken = {
        "import torch": (torchs, ""),
        "import ganrepro, beyond torch": (bare, "at most 0.3"),
        "import of the modules that notebooks use, beyond torch": (ours, "pandas, matplotlib, scikit-learn among them"),
        "MNIST in memory": (loads, "at most 0.5"),
    }
    table = [{"what": f"start: {k}", "median_s": statistics.median(v), "note": note} for k, (v, note) in taken.items()]
    return table + [notebook_row(path) for path in notebooks.find()]


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def notebook_row(path: Path) -> dict:
    """Run All on the quick profile: seconds until the first figure stands, in all, and the kernel's memory.

    The memory is the largest of any process so far, so that of one notebook may be that of an earlier one.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.ipynb"
        options = ["-p", "profile", "quick", "--no-progress-bar"]
        command = [sys.executable, "-m", "papermill", str(path), str(out), *options]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        cells = nbformat.read(out, as_version=4)
    papermill = [c.metadata.papermill for c in cells.cells if c.cell_type == "code"]
    shows = [any("image/png" in o.get("data", {}) for o in c.outputs) for c in cells.cells if c.cell_type == "code"]
    began = datetime.fromisoformat(cells.metadata.papermill.start_time)
    first = datetime.fromisoformat(papermill[shows.index(True)].end_time) - began
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return {
        "what": f"start: {path.stem}, its first figure, quick profile", "median_s": first.total_seconds(),
        "note": f"at most 10; whole run {cells.metadata.papermill.duration:.0f} s, memory at most {memory:.1f} GiB",
    }  # fmt: skip
