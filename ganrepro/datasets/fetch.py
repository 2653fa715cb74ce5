"""One file from the data directory, or from the first mirror that has a good copy."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from ganrepro.paths import atomic_file

from .folder import DatasetUnavailable, data_dir, not_taken

T = TypeVar("T")
SCHEMES = ("https",)
LARGEST = 2**29  # bytes of a download; CIFAR-10's archive has 170 million
TIMEOUT = (10, 60)  # seconds to connect, and between two reads
OFFLINE = "GANREPRO_OFFLINE"  # the environment variable that keeps everything from being downloaded


class NotDownloaded(DatasetUnavailable):
    """A file that mirrors have and that is not here."""


@contextmanager
def offline() -> Iterator[None]:
    """Download nothing meanwhile."""
    before = os.environ.get(OFFLINE)
    os.environ[OFFLINE] = "1"
    try:
        yield
    finally:
        os.environ.pop(OFFLINE)
        if before is not None:
            os.environ[OFFLINE] = before


def fetch(target: Path, urls: Sequence[str], unpack: Callable[[bytes, str], T], others: Sequence[Path] = ()) -> T:
    """The unpacked content of the file `target`, downloaded from `urls` in turn if it is missing or damaged.

    others: files that may have the content, too; the first good one is taken.
    unpack(raw, source) returns the wanted content of the bytes, or raises ValueError if they are not the right ones.
    A download replaces `target`, damaged or not there, only once it is unpacked.
    Raises DatasetUnavailable if no source is good, or if GANREPRO_OFFLINE is set and `target` is not good.
    """
    failures = []
    for file in dict.fromkeys([target, *others]):
        if not file.is_file():
            continue
        try:
            return unpack(file.read_bytes(), str(file))
        except ValueError as error:
            failures.append(str(error))
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        failures += ["GANREPRO_OFFLINE is set, so nothing was downloaded; mirrors that have the file:", *urls]
        urls = ()
    elif failures:
        warnings.warn(f"{failures[0]}; downloading it anew", stacklevel=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tqdm, which misses ipywidgets in a kernel
        import pooch  # late, because it is slow to import

    for url in urls:
        # identity: a server must not send the .gz file already decompressed
        get = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"},
                                   hooks={"response": _refuse})  # fmt: skip
        try:
            _allow(url)
            with atomic_file(target) as part:  # pooch.retrieve would rename it before it is unpacked
                get(url, str(part), None)
                return unpack(part.read_bytes(), url)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            failures.append(str(error) if url in str(error) else f"{url}: {error}")
    there = not_taken(target.parent) if target.is_relative_to(data_dir()) else ""
    raise NotDownloaded("\n  ".join(filter(None, [
        f"{target.parent.name}: the file {target.name} is not available", *failures, there,
        f"Put it at {target} (GANREPRO_DATA names the data directory), or try again with a network."])))  # fmt: skip


def _allow(url: str) -> None:
    """Raise ValueError for a scheme other than those of SCHEMES."""
    if urlsplit(url).scheme not in SCHEMES:
        raise ValueError(f"{url} is not taken: only {' and '.join(SCHEMES)} is")


def _refuse(response: Any, **_: Any) -> None:
    """Refuse a redirect to another scheme before it is followed, and a body of no or too large a length."""
    if response.is_redirect:
        _allow(urljoin(response.url, response.headers["location"]))
    elif response.ok and not 0 < int(response.headers.get("content-length", 0)) <= LARGEST:
        length = response.headers.get("content-length", "unknown")
        raise ValueError(f"{response.url} states a length of {length} bytes; expected 1 to {LARGEST}")
