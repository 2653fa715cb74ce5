"""`ganrepro data|reproduce|notebooks|sweep|records|ablate|results|doctor|completion`: a thin wrapper over the modules.
A command imports torch and pandas when it runs, so that `ganrepro --help` is quick."""

from __future__ import annotations

import io
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from ganrepro.report import NotebookFailed

from .long_work import NotBegun
from .options import parser, with_data_action
from .refusals import NEEDED_BY, one_line
from .signals import STOPPED, stopping

__all__ = ["main", "parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status, as `options.STATUS` lists them. Bad input is one line on stderr, before
    any work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # ± on a terminal that has none is escaped
            stream.reconfigure(errors="backslashreplace")
    with stopping(restore=arguments is not None) as received:
        try:
            try:
                options = parser().parse_args(with_data_action(sys.argv[1:] if arguments is None else arguments))
                status = _run(options, received)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
            return 141
        except BaseException:  # what an interrupted import makes of the exception may be any other
            if not received:
                raise
        return 128 + received[0] if received else status


def _run(options: Namespace, received: Sequence[int] = ()) -> int:
    status = 2
    try:
        return options.command(options) or 0
    except (UnicodeEncodeError, BrokenPipeError):  # subclasses of ValueError and OSError that no input causes
        raise
    except (NotebookFailed, NotBegun) as error:
        reason, status = str(error), 1
    except KeyboardInterrupt:
        reason, status = STOPPED, 130
    except ModuleNotFoundError as error:
        if error.name not in NEEDED_BY:
            raise
        reason = f"{error.name} is not installed: pip install 'ganrepro[{NEEDED_BY[error.name]}]'"
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        reason = one_line(error)
    if not received:  # a signal has said its own line
        print(f"ganrepro: {reason}", file=sys.stderr)
    return status
