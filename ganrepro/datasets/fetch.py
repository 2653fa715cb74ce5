"""One file from the data directory, or from the first mirror that gives it whole."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from .folder import DatasetUnavailable

T = TypeVar("T")
TIMEOUT = (10, 60)  # seconds to connect, and between two reads


def fetch(target: Path, urls: Sequence[str], unpack: Callable[[bytes, str], T]) -> T:
    """The unpacked content of the file `target`, downloaded from `urls` in turn if it is missing or damaged.

    unpack(raw, source) returns what the caller wants of the bytes, or raises ValueError if they are not the
    right ones. A download stands under a name of its own until it is unpacked; only then is it renamed to
    `target`. A damaged `target` is left as it is unless a good download replaces it.
    Raises DatasetUnavailable if no source is good, or GANREPRO_OFFLINE is set and `target` is not good.
    """
    failures = []
    if target.is_file():
        try:
            return unpack(target.read_bytes(), str(target))
        except ValueError as error:
            failures.append(str(error))
    if os.environ.get("GANREPRO_OFFLINE", "0") not in ("", "0"):
        failures += ["GANREPRO_OFFLINE is set, so nothing was downloaded; mirrors that have the file:", *urls]
        raise _unavailable(target, failures)
    if failures:
        warnings.warn(f"{failures[0]}; downloading it anew", stacklevel=2)
    for url in urls:
        try:
            return _download(url, target, unpack)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            failures.append(str(error) if url in str(error) else f"{url}: {error}")
    raise _unavailable(target, failures)


def _download(url: str, target: Path, unpack: Callable[[bytes, str], T]) -> T:
    import pooch

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid4().hex}.part")  # same folder: os.replace is atomic there
    # identity: a server must not hand over the .gz file already decompressed
    get = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"})
    try:
        get(url, str(part), None)
        content = unpack(part.read_bytes(), url)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return content


def _unavailable(target: Path, failures: list[str]) -> DatasetUnavailable:
    return DatasetUnavailable("\n  ".join([
        f"{target.parent.name}: the file {target.name} is not available", *failures,
        f"Put it at {target} (GANREPRO_DATA names the data directory), or try again with a network."]))
