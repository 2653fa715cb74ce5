"""Ctrl-C and SIGTERM: one line that says how to go on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STOPPED = "stopped; the same command resumes from the last checkpoint, where there is one"


@contextmanager
def stopping(restore: bool) -> Iterator[list[int]]:
    """SIGINT and SIGTERM say one line, at once, and raise KeyboardInterrupt; the list holds the first one's number.
    What has not ended ten seconds later, or by a second signal, is ended. Once the work is done they are ignored."""
    received: list[int] = []

    def stop(number: int, _: object) -> None:
        if received:
            os._exit(128 + received[0])
        received.append(number)
        with suppress(OSError):
            os.write(2, f"ganrepro: {STOPPED}\n".encode())
        forced.start()
        raise KeyboardInterrupt

    forced = threading.Timer(10, lambda: os._exit(128 + received[0]))  # where the exception is lost on its way
    forced.daemon = True
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        forced.cancel()
        for number, handler in before.items():
            signal.signal(number, handler if restore else signal.SIG_IGN)
