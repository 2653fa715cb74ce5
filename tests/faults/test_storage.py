"""A disk that is full, read-only, gone, or a file in the way: one line, and what is there stays whole."""

import errno
import os
import platform
import shutil
import stat
import subprocess

import pandas as pd
import pytest
import torch

from ganrepro import paths, records, training
from ganrepro.cli import main
from ganrepro.cli.refusals import REMEDIES
from ganrepro.training import checkpoints

TRAIN = ["records", "train", "--dataset", "digits", "--device", "cpu", "--epochs", "3"]


@pytest.fixture
def narrow(monkeypatch, small_recipe, runs):
    monkeypatch.setattr("ganrepro.records.store.for_dataset", lambda name, shape, recipe="own": small_recipe())
    monkeypatch.setattr(training, "estimate_seconds", lambda *_: 1.0)
    return runs


def full_after(monkeypatch, writes, number):
    """After `writes` files the system refuses to write, and leaves half of each file, as on a full disk."""
    from pathlib import Path

    left, write = [writes], Path.write_bytes

    def refuse(path, content):
        left[0] -= 1
        if left[0] < 0:
            write(path, content[: len(content) // 2])
            raise OSError(number, os.strerror(number), str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", refuse)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_one_line_and_loses_nothing(narrow, digits, monkeypatch, capsys, promise, number):
    lost = []
    expected = training.train(records.store.for_dataset("", ()), digits, device="cpu", epochs=3)[0].weights()
    for writes in range(3):
        with monkeypatch.context() as patch:
            full_after(patch, writes, number)
            status, said = main(TRAIN), capsys.readouterr().err.splitlines()
        if status != 2 or len(said) != 1 or REMEDIES[number].format("set GANREPRO_RUNS to ") not in said[0]:
            lost.append((writes, status, said))
        if writes in (1, 2) and checkpoints.read_metadata(
            narrow / "checkpoints/paper/mnist@digits/seed0.safetensors"
        )["state"]["epoch"] != min(3, sum(range(1, writes + 1))):
            lost.append((writes, "the checkpoint"))
        lost += [str(p) for p in narrow.rglob(".*")]
    assert main(TRAIN) == 0
    made = records.Record(narrow / "paper/mnist@digits/seed0").weights()
    assert all(torch.equal(made[name], p.half()) for name, p in expected.items())
    promise("a disk that refuses to write: one line, nothing lost", 3, lost)


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 300 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(narrow, small_disk, monkeypatch, capsys, promise):
    monkeypatch.setenv("GANREPRO_RUNS", str(small_disk))
    (small_disk / "others").write_bytes(bytes(200_000))
    assert main(TRAIN) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line and "free some space" in line
    left = [str(p) for p in small_disk.rglob("*") if p.is_file() and p.name != "others"]
    promise("a disk that is full: one line, no half file", 1, left)


@pytest.mark.parametrize("place", ["paper", "paper/mnist@digits", "checkpoints", "checkpoints/paper/mnist@digits"])
def test_a_file_in_the_place_of_a_folder_is_one_line(narrow, capsys, place):
    (narrow / place).parent.mkdir(parents=True, exist_ok=True)
    (narrow / place).write_text("in the way")
    assert main(TRAIN) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(narrow / place) in line and "set GANREPRO_RUNS to another folder" in line
    assert (narrow / place).read_text() == "in the way"


def test_a_folder_that_is_removed_meanwhile_is_made_again(narrow, digits, small_recipe, monkeypatch):
    from ganrepro.training import loop

    def remove(*arguments):
        shutil.rmtree(narrow / "checkpoints", ignore_errors=True)
        return save(*arguments)

    save = checkpoints.save
    monkeypatch.setattr(loop.checkpoints, "save", remove)
    assert main(TRAIN) == 0
    assert records.Record(narrow / "paper/mnist@digits/seed0").meta["epochs"] == 3


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="a superuser may write anywhere")
def test_a_read_only_folder_is_one_line(narrow, capsys):
    narrow.mkdir()
    narrow.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert main(TRAIN) == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_what_a_killed_writer_left_is_removed_and_a_living_one_s_is_not(tmp_path):
    host = paths.slug(platform.node()) or "host"
    dead = subprocess.Popen(["true"])
    dead.wait()
    for process in (dead.pid, os.getpid()):
        (tmp_path / f".{host}-{process}-0123abcd.table.csv").write_text("half")
        (tmp_path / f".{host}-{process}-0123abcd.seed0").mkdir()
    kept = {f".{host}-{os.getpid()}-0123abcd.table.csv", f".{host}-{os.getpid()}-0123abcd.seed0",
            ".elsewhere-1-0123abcd.table.csv", ".mine", "other.csv"}  # fmt: skip
    for name in (".elsewhere-1-0123abcd.table.csv", ".mine"):
        (tmp_path / name).write_text("another's")
    records.write_table(pd.DataFrame({"x": [1]}), tmp_path / "other.csv")
    assert {p.name for p in tmp_path.iterdir()} == kept
