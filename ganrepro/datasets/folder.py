"""Where data files are: inside the package, or in the user's data directory."""

import hashlib
import os
from importlib.resources import files
from pathlib import Path

from ganrepro.paths import absolute


class DatasetUnavailable(RuntimeError):
    """A known data set whose files are not here and cannot be fetched; the message says how to get them."""


def data_dir() -> Path:
    """The data directory: $GANREPRO_DATA, else the user's cache folder as pooch names it."""
    if chosen := os.environ.get("GANREPRO_DATA"):
        return absolute(chosen)
    import pooch

    return absolute(pooch.os_cache("ganrepro"))


def find(folder: str, *names: str) -> Path | None:
    """The first file of `names` that is in data_dir()/folder or in data_dir() itself, or None."""
    places = (place / name for name in names for place in (data_dir() / folder, data_dir()))
    return next((path for path in places if path.is_file()), None)


def shipped(path: str, sha256: str) -> bytes:
    """The content of this package's files/`path`. Raises ValueError if it is damaged, FileNotFoundError if absent."""
    source = files(__package__).joinpath("files", *path.split("/"))
    verify(raw := source.read_bytes(), str(source), sha256, "reinstall the package")
    return raw


def verify(content: bytes, source: str, sha256: str, remedy: str) -> None:
    """Raise ValueError, naming `source` and `remedy`, unless `content` has the hex digest `sha256`."""
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"{source}: found {len(content)} bytes with SHA-256 {found}, expected {sha256}; {remedy}")
