"""Progress bars in a notebook's kernel: one output each, which goes or stays as one finished line."""

import nbformat
import pytest

CELL = """
from ganrepro import progress
for i in progress.bar(range(200), desc="gone", delay=0, mininterval=0):
    i == 100 and print("said meanwhile")
for _ in progress.bar(range(200), desc="outer", delay=0, leave=True, mininterval=0):
    for _ in progress.bar(range(2), desc="inner", delay=0, mininterval=0):
        pass
"""


@pytest.mark.parametrize("shown", ["1", "0"])
def test_a_finished_bar_leaves_nothing_or_one_line(shown, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("GANREPRO_PROGRESS", shown)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    outputs = notebook.cells[0].outputs
    said = [o.text for o in outputs if o.output_type == "stream"]
    lines = [o.data["text/plain"] for o in outputs if o.output_type == "display_data"]
    assert said == ["said meanwhile\n"] and {o.get("name") for o in outputs} <= {"stdout", None}
    left = [line for line in lines if line]
    assert len(left) == (shown == "1") and len(lines) == 202 * (shown == "1")
    assert all(line.startswith("outer: 100%|██████████| 200/200 [") and "\n" not in line for line in left)
