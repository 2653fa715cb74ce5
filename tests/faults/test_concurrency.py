"""Several commands at once: no row is lost, no record is trained twice, no reader sees half."""

import os
import signal
import threading
import time

import pandas as pd
import pytest

from ganrepro import locks, paths, records

EPOCHS = "--epochs", "3"
RECIPE = 'records.store.for_dataset("digits", (1, 8, 8))'


def command(*arguments):
    return f"status = cli.main({['records', 'train', '--dataset', 'digits', '--device', 'cpu', *arguments]})"


def finish(children):
    """Wait for all; their output, which shows in a failure."""
    statuses = [child.wait() for child in children]
    said = [child.log.read_text() for child in children]
    assert statuses == [0] * len(children), said
    return said


def test_no_row_of_a_table_is_lost(start, tmp_path, promise):
    code = """
import pandas as pd
for i in range(5):
    row = {name: [0] for name in ablations.COLUMNS} | {"arm": ["%s"], "seed": [i], "products": ["float32"]}
    ablations._store(ablations.SCORES, pd.DataFrame(row))
"""
    finish([start(code % arm, tmp_path) for arm in "abcdefgh"])
    table = pd.read_csv(tmp_path / "ablations/scores.csv")
    there = set(zip(table.arm, table.seed, strict=True))
    lost = [(arm, i) for arm in "abcdefgh" for i in range(5) if (arm, i) not in there]
    promise("rows that eight processes write into one table", 40, lost)
    assert len(table) == 40


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "seeds", [[0] * 4, pytest.param([0] * 8, marks=SLOW), pytest.param([0, 0, 1, 1, 2, 2, 3, 3], marks=SLOW)]
)
def test_one_record_is_trained_once(start, tmp_path, promise, seeds):
    children = [start(command("--seed", str(seed), *EPOCHS), tmp_path) for seed in seeds]
    said = finish(children)
    trained = sum(text.count("steps/s") for text in said)
    promise(f"{len(seeds)} commands for {len(set(seeds))} record(s) train each once", len(seeds),
            [trained] * (trained != len(set(seeds))))  # fmt: skip
    for seed in set(seeds):
        record = records.Record(tmp_path / f"paper/mnist@digits/seed{seed}")
        records.evidence.check(record)
        assert record.meta["epochs"] == 3


def test_a_quick_record_is_made_once(start, tmp_path):
    code = f'records.get_or_train("digits", "quick", device="cpu", recipe={RECIPE})'
    said = finish([start(code, tmp_path) for _ in range(4)])
    assert sum(text.count("steps/s") for text in said) == 1


def test_a_longer_training_is_not_replaced_by_a_shorter_one(start, tmp_path, promise):
    lost, place = [], "paper/mnist@digits/seed0"
    for both in ((8, 3), (3, 8)):
        runs = tmp_path / str(both[0])
        finish([start(command("--epochs", str(n)), runs) for n in both])
        if records.Record(runs / place).meta["epochs"] != 8:
            lost.append(both)
        (runs / "checkpoints/paper/mnist@digits/seed0.safetensors").unlink()
        anew = f"""
training.train({RECIPE}, datasets.load("digits"), epochs=1, device="cpu",
               checkpoint_dir=paths.runs() / "checkpoints/paper/mnist@digits")
status = cli.main(["records", "snapshot", "--dataset", "digits"])
"""
        finish([start(anew, runs)])
        if records.Record(runs / place).meta["epochs"] != 8:
            lost.append((both, "snapshot"))
    promise("a longer training is not replaced by a shorter one", 4, lost)


def test_readers_never_see_half(start, tmp_path, promise):
    """Beside a writer that replaces a record by another, again and again."""
    finish([start(command("--seed", str(seed), "--epochs", "1"), tmp_path) for seed in (0, 1)])
    one, other = (tmp_path / f"paper/mnist@digits/seed{k}" for k in (0, 1))
    writer = start(f"""
import shutil, pathlib
while True:
    for source in map(pathlib.Path, ({str(one)!r}, {str(other)!r})):
        with paths.atomic_folder(pathlib.Path({str(tmp_path / "both")!r})) as unfinished:
            for file in source.iterdir():
                shutil.copyfile(file, unfinished / file.name)
""", tmp_path)  # fmt: skip
    expected = {k: records.Record(folder).ll.tolist() for k, folder in enumerate((one, other))}
    mixed, read, replaced = [], 0, 0
    while not (tmp_path / "both").exists():
        time.sleep(0.001)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        record = records.Record(tmp_path / "both")
        try:
            seed, ll = record.meta["seed"], record.ll.tolist()
        except ValueError as error:
            replaced += 1
            if "was replaced by another while it was read" not in str(error) and "No such file" not in str(error):
                mixed.append(str(error))
            continue
        read += 1
        if ll != expected[seed]:
            mixed.append(seed)
    writer.signal(signal.SIGKILL)
    writer.wait()
    assert read > 50
    promise("reads of a record beside a writer are whole or refused", read + replaced, mixed)


def test_many_threads_may_write_one_file(tmp_path, promise):
    failed = []

    def write(text):
        for _ in range(50):
            try:
                with paths.atomic_file(tmp_path / "f") as unfinished:
                    unfinished.write_text(text)
            except OSError as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(str(i) * 5000,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set((tmp_path / "f").read_text())) == 1 and os.listdir(tmp_path) == ["f"]
    promise("four threads write one file", 200, failed)


def test_the_lock_of_a_dead_owner_is_free_and_a_living_one_is_named(start, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    holder = start(f"""
import pathlib, time
with locks.locked(pathlib.Path({str(tmp_path / "x")!r})):
    time.sleep(60)
""", tmp_path / "runs")  # fmt: skip
    while not (tmp_path / ".x.lock").is_file() or not (tmp_path / ".x.lock").read_text():
        time.sleep(0.01)
    threading.Timer(0.6, lambda: holder.signal(signal.SIGKILL)).start()
    with locks.locked(tmp_path / "x"):
        said = capsys.readouterr().out
    holder.wait()
    assert f"{tmp_path / 'x'} is in use: waiting for process {holder.process} on " in said and "held it since 2" in said
    assert not (tmp_path / ".x.lock").exists()
