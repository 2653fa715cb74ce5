"""A checksum of the code that trains, samples and scores: a quick record made by other code is made again."""

import hashlib
from pathlib import Path

from ganrepro.paths import PACKAGE

DECIDES_NUMBERS = ("device.py", "game.py", "networks.py", "recipes", "datasets", "training", "parzen", "records")


def files(package: Path = PACKAGE) -> list[Path]:
    """The source files that decide a record's numbers, in a fixed order."""
    parts = [package / name for name in DECIDES_NUMBERS]
    return sorted(file for part in parts for file in (part.rglob("*.py") if part.is_dir() else [part]))


def code_sha256(package: Path = PACKAGE) -> str:
    """Hex digest over the names and contents of `files`."""
    digest = hashlib.sha256()
    for file in files(package):
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
