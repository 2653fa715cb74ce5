"""Processes to be killed, and the count of what each promise was put through."""

import itertools
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

SERVER = Path(__file__).parent / "fork_server.py"


@dataclass
class Child:
    """One forked process."""

    server: subprocess.Popen
    process: int
    log: Path

    def signal(self, number: int) -> None:
        os.kill(self.process, number)

    def wait(self) -> int:
        """Its exit status; that of a signal is negative."""
        self.server.stdin.write(json.dumps({"wait": self.process}) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def writing(self, runs: Path, ending: str, seconds: float = 20) -> bool:
        """Wait until it has begun to write something whose name ends so; False once it is over without that."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and (state := Path(f"/proc/{self.process}/stat")).exists():
            there = [name for _, folders, files in os.walk(runs) for name in folders + files]
            if any(f"-{self.process}-" in name and name.endswith(ending) for name in there):
                return True
            if ") Z " in state.read_text():
                return False
        return False


@pytest.fixture(scope="session")
def fork_server():
    if not hasattr(os, "fork") or not Path("/proc/self/stat").exists():
        pytest.skip("needs fork and /proc: processes are forked, killed and watched")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GANREPRO_PROGRESS": "0"}
    server = subprocess.Popen([sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=environment)  # fmt: skip
    yield server
    server.stdin.close()
    server.wait()


@pytest.fixture
def start(fork_server, tmp_path):
    """start(code, runs): a forked process that runs the code."""
    number = itertools.count()

    def begin(code: str, runs: Path) -> Child:
        log = tmp_path / f"log{next(number)}"
        asked = {"code": code, "log": str(log), "runs": str(runs)}
        fork_server.stdin.write(json.dumps(asked) + "\n")
        fork_server.stdin.flush()
        return Child(fork_server, int(fork_server.stdout.readline()), log)

    return begin


@pytest.fixture
def promise(request):
    """promise(text, tried, lost): count it for the last lines of the test run, and fail if anything was lost."""

    def count(text: str, tried: int, lost: list) -> None:
        request.node.user_properties.append(("promise", [text, tried, len(lost)]))
        assert not lost, f"{text}: {len(lost)} of {tried} lost, such as {lost[:5]}"

    return count
