"""A training that is killed again and again ends as one that never was, and leaves nothing lying about."""

import random
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ganrepro import records

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

