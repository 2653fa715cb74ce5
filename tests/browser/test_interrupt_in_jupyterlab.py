"""JupyterLab's button Interrupt in a training, and the same cell run again."""

import time

import pytest

from ganrepro.training import checkpoints

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def trained_epochs(lab, after, seconds=240):
    """The epoch of the checkpoint, as soon as it is beyond another one."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for file in (lab.folder / "runs/checkpoints").rglob("seed7.safetensors"):
            if (epoch := checkpoints.read_metadata(file)["state"]["epoch"]) > after:
                return epoch
        time.sleep(0.2)
    raise AssertionError(f"no checkpoint beyond epoch {after} after {seconds} s")


def test_interrupt_and_the_cell_again(lab, opened):
    notebook = opened("03_parzen.ipynb", dataset="digits", profile="paper", seed=7)

    def interrupted():
        notebook.interrupt()
        notebook.wait_until_idle(60)
        (found,) = [(i, o) for i, cell in enumerate(notebook.saved().cells) if cell.cell_type == "code"
                    for o in cell.outputs if o.output_type == "error"]  # fmt: skip
        return found

    notebook.run_all()
    first = trained_epochs(lab, after=1)
    index, error = interrupted()
    notebook.photograph("interrupted")
    assert error.traceback == [error.evalue] and "\n" not in error.evalue
    assert "was stopped, seed 7 after epoch" in error.evalue and "run it again to go on from the last" in error.evalue
    shown = notebook.cell(index).locator("[data-mime-type='application/vnd.jupyter.stderr'], .jp-mod-error")
    assert error.evalue in notebook.cell(index).inner_text().replace("\n", "") and shown.count() <= 1

    stopped_at = trained_epochs(lab, after=first - 1)
    notebook.run(index)
    second = trained_epochs(lab, after=stopped_at)
    again, error = interrupted()
    assert again == index and stopped_at < second < stopped_at + 50  # it did not begin anew
    assert int(error.evalue.split("after epoch ")[1].split(";")[0]) >= second
    assert notebook.errors == []
