"""Where files are, anchored on the repository and never on the working directory; and how they are written, whole."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

PACKAGE = Path(__file__).resolve().parent
_ABOVE = PACKAGE.parent
REPOSITORY: Path | None = _ABOVE if (_ABOVE / "notebooks").is_dir() and (_ABOVE / "pyproject.toml").is_file() else None


def repository() -> Path:
    """The checkout this package runs from. Raises FileNotFoundError where it was installed without one."""
    if REPOSITORY is None:
        raise FileNotFoundError(f"ganrepro is installed at {PACKAGE} without its repository, so there are no notebooks"
                                "/ and no results/: clone the repository and install it with `pip install -e .`. Data, "
                                "training, the Parzen window and load_generator work without it")  # fmt: skip
    return REPOSITORY


def results() -> Path:
    """Committed evidence."""
    return repository() / "results"


def runs() -> Path:
    """Where new records and executed notebooks go: $GANREPRO_RUNS, else runs/ in the repository, else ./runs."""
    if moved := os.environ.get("GANREPRO_RUNS"):
        return Path(moved).expanduser().resolve()
    return (REPOSITORY or Path.cwd()) / "runs"


def slug(text: str, keep: str = "-") -> str:
    """The text as a part of a file name: letters, digits and the characters of `keep`; all else becomes hyphens."""
    return re.sub(rf"[^A-Za-z0-9{re.escape(keep)}]+", "-", text).strip("-._")


def require_writable(folder: Path) -> None:
    """Make the folder if it is missing. Raises OSError, naming it, where nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(f"the folder {folder} cannot be written to ({error.strerror or error}); make it writable, "
                      "or set GANREPRO_RUNS to a folder that is") from error  # fmt: skip


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to, which takes its final name when the block ends well and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid4().hex}.{path.name}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """The same for a whole folder; an older one of that name stays until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    unfinished.chmod(0o755)
    try:
        yield unfinished
        replaced = unfinished.with_name(unfinished.name + ".old")
        if path.exists():
            os.replace(path, replaced)
        os.replace(unfinished, path)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
