"""A training that is killed again and again ends as one that never was, and leaves nothing lying about."""

import random
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganrepro import records, training
from ganrepro.training import checkpoints

TRAIN = 'status = cli.main(["records", "train", "--dataset", "digits", "--epochs", "8", "--device", "cpu"])'
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def evidence(record):
    """All of a record but times and the hardware's names."""
    curves = record.curves.drop(columns="seconds").to_numpy()
    weights = {k: p.numpy() for k, p in record.weights().items()}
    return {"curves": curves, **record.arrays, **record.scored, **weights}


def hidden(folder: Path) -> list[str]:
    return [str(p) for p in folder.rglob(".*")]


def chain(start, train, runs, kills, rng):
    """Kill a training so many times, at random moments and in the writing of checkpoints and records; then let it end.
    Returns the record, how many were killed before they ended, and what interrupted commands said wrongly."""
    wrong, killed = [], 0
    for i in range(kills):
        child, number = start(train, runs), SIGNALS[i % 3]
        early = ["", ".safetensors"]  # at any moment, in the writing of a checkpoint
        aim = rng.choice(early if i < kills // 2 else [*early, "seed0"])  # later in that of a record, too
        if aim:
            child.writing(runs, aim)
        else:
            child.writing(runs, "seed0.safetensors")
            child.writing(runs, "no such name", seconds=rng.random() * 0.5)
        child.signal(number)
        status, said = child.wait(), child.log.read_text()
        killed += status != 0
        if number != signal.SIGKILL and status not in (0, 128 + number):
            wrong.append((number, status, said))
        if status == 128 + number and said.count("the same command resumes") != 1 or "Traceback" in said:
            wrong.append((number, status, said))
        if (runs / "paper/mnist@digits/seed0/record.json").is_file():
            break
    last = start(train, runs)
    assert last.wait() == 0, last.log.read_text()
    return records.Record(runs / "paper/mnist@digits/seed0"), killed, wrong


def compare(start, tmp_path, promise, train, chains, kills):
    whole = tmp_path / "whole"
    assert start(train, whole).wait() == 0
    expected = evidence(records.Record(whole / "paper/mnist@digits/seed0"))
    other, left, wrong, tried, rng = [], [], [], 0, random.Random(chains)
    for k in range(chains):
        record, killed, said = chain(start, train, tmp_path / f"runs{k}", kills, rng)
        found = evidence(record)
        if not all(np.array_equal(v, found[name], equal_nan=True) for name, v in expected.items()):
            other.append(k)
        left += hidden(tmp_path / f"runs{k}")
        wrong, tried = wrong + said, tried + killed
    promise("killed trainings end in the same bits (chains)", chains, other)
    promise("kills leave no file behind that the next run does not remove", tried, left)
    promise("SIGINT and SIGTERM say one line and how to go on", tried, wrong)


def test_killed_trainings_end_in_the_same_bits(start, tmp_path, promise):
    compare(start, tmp_path, promise, TRAIN, chains=1, kills=4)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_sixty_times(start, tmp_path, promise):
    compare(start, tmp_path, promise, TRAIN.replace("8", "24", 1), chains=10, kills=8)


def test_a_signal_is_answered_from_the_first_moment_on(start, tmp_path, promise):
    """Also within imports, and where what it raises is lost on its way."""
    wrong = []
    lost = "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, lambda: None)\n"
    slow = "cli.options.list_records = lambda _: __import__('time').sleep(30)\n"
    for i, number in enumerate([signal.SIGINT, signal.SIGTERM] * 2):
        child = start(f'{lost}{slow}status = cli.main(["records", "list"])', tmp_path / "runs")
        child.writing(tmp_path, "no such name", seconds=0.1 + 0.1 * i)
        child.signal(number)
        if (status := child.wait()) != 128 + number or "the same command resumes" not in child.log.read_text():
            wrong.append((number, status, child.log.read_text()))
    promise("a command that waits answers SIGINT and SIGTERM", 4, wrong)


def test_a_torn_table_or_figure_is_never_seen(start, tmp_path, promise):
    code = """
import pandas as pd, matplotlib.pyplot as plt
for i in range(10**6):
    records.write_table(pd.DataFrame({"x": range(2000)}), paths.runs() / "table.csv")
    figures.save(plt.figure(figsize=(1, 1)), paths.runs() / "figure.png"); plt.close()
"""
    torn, runs = [], tmp_path / "runs"
    for ending in ("table.csv", "figure.png") * 3:
        child = start(code, runs)
        while not (runs / "figure.png").exists():
            child.writing(runs, ending)
        child.writing(runs, ending)
        child.signal(signal.SIGKILL)
        child.wait()
        if len((runs / "table.csv").read_text().splitlines()) != 2001:
            torn.append("table.csv")
        if not (runs / "figure.png").read_bytes().endswith(b"IEND\xaeB`\x82"):
            torn.append("figure.png")
    records.write_table(pd.DataFrame({"x": [1]}), runs / "table.csv")
    promise("killed writers of tables and figures leave whole ones", 6, torn + hidden(runs))



LONG = """
from ganrepro import datasets, training
from ganrepro.recipes import Layer, for_dataset
data = datasets.load("digits")
recipe = for_dataset("digits", data.shape).replace(
    generator=(Layer(32, "relu"), Layer(64, "sigmoid", bias="marginal")),
    discriminator=(Layer(16, "maxout", 0.05, pieces=5), Layer(1, "linear", 0.05)),
)
options = {"device": "cpu", "show_progress": False}
"""
CELL = "(run,) = training.train(recipe, data, epochs=EPOCHS, checkpoint_dir=FOLDER, **options)"
JUDGE = """
import torch
(whole,) = training.train(recipe, data, epochs=run.epoch, **options)
print(run.epoch, all(torch.equal(p, run.weights()[n]) for n, p in whole.weights().items()))
"""


def test_interrupt_kernel_and_the_cell_again(tmp_path, monkeypatch, promise):
    """As JupyterLab's stop button does it: one line, and the same cell goes on to the bits of an unbroken training."""
    start_new_kernel = pytest.importorskip("jupyter_client.manager").start_new_kernel
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    manager, client = start_new_kernel(kernel_name="python3")

    def run(code, interrupt=None):
        """The outputs of a cell, which is interrupted as soon as that file is there."""
        said, ident = [], client.execute(code)
        while interrupt is not None and not interrupt.exists():
            time.sleep(0.02)
        if interrupt is not None:
            manager.interrupt_kernel()
        while True:
            message = client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") != ident:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return said
            said.append((message["msg_type"], message["content"]))

    def cell(epochs):
        return CELL.replace("EPOCHS", str(epochs)).replace("FOLDER", repr(str(tmp_path)))

    try:
        run(LONG)
        errors = [content for kind, content in run(cell(100_000), tmp_path / "seed0.safetensors") if kind == "error"]
        reached = checkpoints.read_metadata(tmp_path / "seed0.safetensors")["state"]["epoch"]
        run(cell(reached + 1))
        (epoch, same) = next(c["text"] for kind, c in run(JUDGE) if kind == "stream").split()
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    (error,) = errors
    assert error["traceback"] == [error["evalue"]] and "\n" not in error["evalue"]
    assert "run it again to go on from the last checkpoint" in error["evalue"] and int(epoch) == reached + 1
    promise("Interrupt Kernel and the cell again: one line, then the same bits", 1, [] if same == "True" else [same])


def test_an_interrupted_training_says_what_is_kept(digits, small_recipe, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.loop, "_advance", stopped)
    with pytest.raises(training.Interrupted, match="2 epochs was stopped, seed 0 after epoch 0; it has no check"):
        training.train(small_recipe(epochs=2), digits, device="cpu")
