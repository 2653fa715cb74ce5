"""Where data files are: inside the package, or in the user's data directory."""

import hashlib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from ganrepro.paths import data_dir

SHOWN = 12  # names in a message


class DatasetUnavailable(RuntimeError):
    """A known data set whose files are not here and cannot be fetched; the message says how to get them."""


def find(folder: str, *names: str) -> Path | None:
    """The first file of `names` that is in data_dir()/folder or in data_dir() itself, or None."""
    return next(iter(candidates([folder], names)), None)


def candidates(folders: Iterable[str], names: Iterable[str]) -> list[Path]:
    """The files of these names in these folders of data_dir() and in itself, written in whichever case."""
    places = [located for folder in folders if (located := locate(data_dir(), folder))] + [data_dir()]
    files = (locate(place, name) for name in names for place in places)
    return [path for path in files if path and path.is_file()]


def locate(place: Path, below: str) -> Path | None:
    """The file or folder `below` (parts joined by /) a place, in whichever case it is written there, or None."""
    for part in below.split("/"):
        alike = sorted(place.glob("*"), key=lambda path: path.name != part)  # the exact name first
        found = [path for path in alike if path.name.lower() == part.lower()]
        if not found:
            return None
        place = found[0]
    return place


def not_taken(*folders: str | Path) -> str:
    """For a message: what lies in these folders of data_dir() and in itself, since it may be what is looked for."""
    places = dict.fromkeys([*(data_dir() / folder for folder in folders), data_dir()])
    found = [path for place in places for path in sorted(place.glob("[!.]*"))]
    names = [path.relative_to(data_dir()).as_posix() + "/" * path.is_dir() for path in found]
    more = f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
    return f"In {data_dir()} lie, and were not taken: {', '.join(names[:SHOWN])}{more}." if names else ""


def shipped(path: str, sha256: str) -> bytes:
    """The content of this package's files/`path`. Raises ValueError if it is damaged, FileNotFoundError if absent."""
    source = files(__package__).joinpath("files", *path.split("/"))
    verify(raw := source.read_bytes(), str(source), sha256, "reinstall the package")
    return raw


def verify(content: bytes, source: str, sha256: str, remedy: str) -> None:
    """Raise ValueError, naming `source` and `remedy`, unless `content` has the hex digest `sha256`."""
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"{source}: found {len(content)} bytes with SHA-256 {found}, expected {sha256}; {remedy}")
