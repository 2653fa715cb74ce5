"""The question before long work: asked once, at a terminal, and nowhere else."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("nbformat", reason="the notebooks extra is not installed")
pty = pytest.importorskip("pty", reason="there is no pseudo-terminal on this system")

from ganrepro import cli, training  # noqa: E402
from ganrepro.cli import long_work  # noqa: E402
from ganrepro.report import notebooks  # noqa: E402

TRAIN = ["records", "train", "--dataset", "digits", "--epochs", "1000000", "--seed", "3", "--device", "cpu"]
QUESTION, BEGUN = "continue? [y/N]", "epochs: about"


class Terminal:
    """A command with a pseudo-terminal as its stdin, stdout and stderr."""

    def __init__(self, arguments, environment, stdin=None):
        self.end, other = pty.openpty()
        without = {name: value for name, value in os.environ.items() if name not in ("CI", "JPY_PARENT_PID")}
        command, env = [sys.executable, "-m", "ganrepro.cli", *arguments], without | environment
        self.text = ""
        self.process = subprocess.Popen(command, env=env, stdin=stdin or other, stdout=other, stderr=other)
        os.close(other)

    def until(self, *texts, seconds=150):
        """Read until one of these is on the screen, or the command ends; which one it was."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := [text for text in texts if text in self.text]:
                return found[0]
            if select.select([self.end], [], [], 0.5)[0]:
                try:
                    self.text += os.read(self.end, 4096).decode(errors="replace")
                except OSError:  # the other end is closed
                    return None
        raise AssertionError(f"none of {texts} within {seconds} s: {self.text}")

    def close(self, interrupt=True):
        """The exit status, at the command's own end or after an interrupt."""
        if interrupt and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.until("nothing will say this", seconds=60)
        os.close(self.end)
        return self.process.wait(60)


@pytest.fixture
def folder(tmp_path):
    return {"GANREPRO_RUNS": str(tmp_path / "runs"), "GANREPRO_PROGRESS": "0"}


@pytest.mark.parametrize(
    ("answer", "status"),
    [(b"y\n", 130), *(pytest.param(no, 1, marks=pytest.mark.slow) for no in (b"\n", b"n\n", b"\x04"))],
    ids=["yes", "return", "no", "end of file"],
)
def test_yes_begins_and_all_else_begins_nothing(folder, answer, status):
    asked = Terminal(TRAIN, folder)
    assert asked.until(QUESTION, BEGUN) == QUESTION, asked.text
    os.write(asked.end, answer)
    begun = asked.until(BEGUN, "nothing was begun")
    assert (begun == BEGUN) == (status == 130), asked.text
    assert asked.close(interrupt=begun == BEGUN) == status, asked.text
    assert asked.text.count(QUESTION) == 1 and "digits" in asked.text
    assert status == 130 or not Path(folder["GANREPRO_RUNS"]).exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "environment", "stdin"),
    [(["--yes"], {}, None), ([], {"CI": "true"}, None), ([], {"JPY_PARENT_PID": "1"}, None), ([], {}, subprocess.PIPE)],
    ids=["--yes", "CI", "notebook", "pipe"],
)
def test_nobody_is_asked(folder, more, environment, stdin):
    begun = Terminal([*TRAIN, *more], folder | environment, stdin)
    assert begun.until(QUESTION, BEGUN) == BEGUN
    assert begun.close() == 130 and QUESTION not in begun.text


@pytest.mark.parametrize(
    ("environment", "streams", "attended"),
    [({}, "tt", True), ({"CI": "false"}, "tt", True), ({"CI": "true"}, "tt", False), ({"CI": "1"}, "tt", False),
     ({"JPY_PARENT_PID": "1"}, "tt", False), ({}, "pt", False), ({}, "tp", False), ({}, "nt", False)],
    ids=str,
)  # fmt: skip
def test_someone_is_there_where_stdin_and_stdout_are_terminals(monkeypatch, environment, streams, attended):
    for name in ("CI", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ends = {"t": pty.openpty(), "p": os.pipe()}
    opened = {"t": open(ends["t"][1]), "p": open(ends["p"][0]), "n": None}
    with monkeypatch.context() as patched:  # pytest's own are back before it writes
        patched.setattr(sys, "stdin", opened[streams[0]])
        patched.setattr(sys, "stdout", opened[streams[1]])
        found = long_work.is_attended()
    for stream in (opened["t"], opened["p"]):
        stream.close()
    for end in (ends["t"][0], ends["p"][1]):
        os.close(end)
    assert found == attended


@pytest.fixture
def seated(monkeypatch, tmp_path):
    """Someone at a terminal who says no, before a machine on which each training takes an hour. The questions."""
    questions = []
    monkeypatch.setattr(long_work, "is_attended", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: questions.append(question) or "no")
    monkeypatch.setattr(training, "estimate_seconds", lambda *_: 3600.0)
    monkeypatch.setattr("ganrepro.records.store.WANTED", (("digits", "own", range(3)),))
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    return questions


@pytest.mark.parametrize(
    ("command", "hours"),
    [
        (["records", "train"], "3.0 hours"),
        (["records", "train", "--dataset", "mnist", "--seed", "8", "--seed", "9"], "2.0 hours"),
        (["records", "train", "--dataset", "att"], "5.0 hours"),  # a model for each fold
        (["reproduce", "--profile", "paper", "-p", "seed", "9"], "3.0 hours"),  # of 02, 05 and 07
        (["reproduce", "--only", "03", "-p", "profile", "paper", "-p", "seed", "9"], "60.0 minutes"),
        (["sweep", "--dataset", "mnist,digits", "--seeds", "8-9"], "4.0 hours"),
        (["ablate", "--epochs", "90000", "--seeds", "1", "--arm", "k = 2", "--arm", "k = 5"], "2.0 hours"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_long_command_asks_once_and_takes_no_for_an_answer(seated, capsys, tmp_path, command, hours):
    assert cli.main(command) == 1
    (question,) = seated
    assert f"about {hours} here; continue? [y/N] " in question
    assert capsys.readouterr().err == "ganrepro: nothing was begun; --yes begins without the question\n"
    assert not (tmp_path / "runs").exists()


def test_what_is_there_takes_no_time(seated, monkeypatch):
    """A committed record of any length is enough for a notebook, and a short training is not asked about."""
    monkeypatch.setattr(training, "estimate_seconds", lambda *_: 500.0)
    begun = []
    monkeypatch.setattr("ganrepro.report.notebooks.run", lambda *given: begun.append(given) or [])
    monkeypatch.setattr("ganrepro.records.train_paper", lambda *given: begun.append(given) or [])
    assert cli.main(["reproduce", "--only", "03", "--profile", "paper"]) == 0
    assert cli.main(["records", "train", "--dataset", "digits"]) == 0
    assert len(begun) == 2 and not seated


def test_the_list_of_what_notebooks_train_is_theirs():
    asks = re.compile(r"records\.get_(?:or_train|with_weights)\((?:data|model), profile, seed, device")
    found = {path.stem for path in notebooks.find() if asks.search(path.read_text())}
    assert found | {"05_conditional"} == set(notebooks.TRAINS)  # 05 asks by way of conditional.trained
