"""What a record says of how it came to be: code, versions and hardware."""

import io
import os
import platform
import subprocess
import tarfile
import tempfile
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ganrepro.code_checksum import code_sha256
from ganrepro.paths import REPOSITORY
from ganrepro.progress import say

PACKAGES = ("ganrepro", "torch", "numpy", "scipy", "pandas", "safetensors")


def git() -> dict[str, Any]:
    """Commit and dirty flag of the code, both None where it is not a git checkout."""
    with suppress(OSError, subprocess.CalledProcessError):
        if REPOSITORY is not None:
            return {"commit": _git("rev-parse", "HEAD"),
                    "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}  # fmt: skip
    return {"commit": None, "dirty": None}


@cache
def say_if_unknown() -> None:
    """Say once where records made here will name no commit, and why, with the remedy."""
    if REPOSITORY is None:  # installed: the version stands for the code
        return
    try:
        _git("rev-parse", "HEAD")
        return
    except OSError:
        reason = "there is no command git; install it"
    except subprocess.CalledProcessError as error:
        reason = f"{REPOSITORY} is no git checkout; clone the repository"
        if "dubious ownership" in error.stderr:
            reason = (f"{REPOSITORY} belongs to another user, so git does not read it; do "
                      f"`git config --global --add safe.directory {REPOSITORY}`")  # fmt: skip
    say(f"records made here name no commit, only a checksum of the code: {reason}")


def is_known_code(checksum: str) -> bool:
    """Whether the code with this checksum (`code_sha256`) is that of HEAD or a commit before it."""
    with suppress(OSError, subprocess.CalledProcessError):
        for commit in _git("log", "--format=%H", "--", "ganrepro").split():
            command = ["git", "-C", str(REPOSITORY), "archive", commit, "ganrepro"]
            content = subprocess.run(command, check=True, capture_output=True).stdout
            with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(content)) as archive:
                archive.extractall(folder, filter="data")
                if code_sha256(Path(folder) / "ganrepro") == checksum:
                    return True
    return False


def is_before(commit: str, other: str) -> bool:
    """Whether one commit is an ancestor of another; False for the same one and for commits that are not known here."""
    with suppress(OSError, subprocess.CalledProcessError):
        _git("merge-base", "--is-ancestor", commit, other)
        return commit != other
    return False


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def versions() -> dict[str, str]:
    """Python's and the packages' that numbers depend on."""
    found = {"python": platform.python_version()} | dict.fromkeys(PACKAGES, "not installed as a package")
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found | {"torch": str(torch.__version__)}  # with its build, +cpu or +cu130, which PyPI's metadata leave out


def hardware(device: torch.device) -> dict[str, Any]:
    """Processor, threads and, where the training ran on one, the GPU."""
    gpu = {"gpu": torch.cuda.get_device_name(device), "cuda": torch.version.cuda} if device.type == "cuda" else {}
    threads = {"cores": os.cpu_count(), "threads": torch.get_num_threads()}
    return {"device": device.type, "cpu": _cpu_model()} | threads | gpu


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
