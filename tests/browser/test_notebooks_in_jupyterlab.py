"""Every notebook as its users open it: Run All Cells in JupyterLab, in Chromium."""

import re
import subprocess
from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PATIENCE = 900  # seconds, on a machine with much else to do


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(output):
    """How many an output shows."""
    data = output.get("data", {})
    return 1 if any(kind.startswith("image/") for kind in data) else "".join(data.get("text/html", "")).count("<img")


def texts(output):
    return [output.get("text", ""), *output.get("data", {}).values(), *output.get("traceback", [])]


@pytest.fixture
def same_tree():
    """`git status` says after the test what it said before."""
    status = ["git", "status", "--porcelain"]
    before = subprocess.run(status, cwd=ROOT, capture_output=True, check=True).stdout
    yield
    assert subprocess.run(status, cwd=ROOT, capture_output=True, check=True).stdout == before


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_run_all_cells(file, opened, same_tree):
    notebook = opened(file.name)
    notebook.run_all()
    notebook.wait_until_idle(PATIENCE)
    notebook.photograph()
    saved, committed = notebook.saved(), nbformat.read(file, as_version=4)

    assert [f"{o.ename}: {o.evalue}" for o in outputs(saved) if o.output_type == "error"] == []
    written = [cell for cell in saved.cells if cell.cell_type == "code" and cell.source.strip()]
    numbers = [cell.execution_count for cell in written]
    assert None not in numbers and numbers == sorted(numbers)
    assert set(notebook.numbers) >= {f"[{number}]:" for number in numbers}

    figures = notebook.page.locator(".jp-OutputArea-output img:not(.jupyter-widgets)")
    shown = figures.evaluate_all("all => all.map(i => i.complete && i.naturalWidth)")
    assert len(shown) == sum(map(pictures, outputs(committed))) and all(shown)
    moved = notebook.moved_by_their_sliders()
    assert len(moved) == sum("live.show(" in cell.source for cell in written) and all(moved)

    assert [o.text for o in outputs(saved) if o.get("name") == "stderr"] == []
    bars = [found for o in outputs(saved) for text in texts(o) for found in re.findall(r"(\d+)%\|", str(text))]
    assert set(bars) <= {"100"}
    lines = notebook.page.locator(".jp-OutputArea-output.jp-RenderedText").evaluate_all(
        "all => all.filter(e => e.offsetHeight).map(e => e.innerText.trim())"
    )
    assert lines.count("") == 0  # an output that is blank and yet has a height
    assert notebook.errors == []
