"""One writer at a time: locks of files and folders, which end with the process that holds them."""

import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from .progress import PATIENCE, say


@contextmanager
def locked(*paths: Path) -> Iterator[None]:
    """Hold the locks of these files or folders, which need not be there. Where another process has one, a line says
    which and since when, and it is waited for. A lock is a hidden file beside its path while it is held; that of a
    process that was killed is free."""
    with ExitStack() as held:
        for path in sorted(set(paths)):  # always in one order: no two wait for each other
            held.enter_context(_lock(path))
        yield


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        with suppress(OSError):
            say(f"{path} is in use: waiting for {file.read_text() or 'its owner'}")
        lock.acquire(poll_interval=0.2)
    try:
        owner = f"process {os.getpid()} on {platform.node()}"
        file.write_text(f"{owner}, which has held it since {datetime.now(UTC):%F %T} UTC")
        yield
    finally:
        with suppress(OSError):
            file.unlink()  # while it is held: who waits for it sees that, and makes a new one
        lock.release()
