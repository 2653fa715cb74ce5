"""Where files are: ours anchored on the repository, a user's on the folder where the command was given; and how they
are written, whole."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import platformdirs

PACKAGE = Path(__file__).resolve().parent
FOLDERS = ("GANREPRO_RUNS", "GANREPRO_DATA")  # environment variables that hold paths


def checkout(folder: Path) -> Path | None:
    """The folder if it is this project's checkout, else None: others have a pyproject.toml and notebooks/ too."""
    project = folder / "pyproject.toml"
    ours = project.is_file() and b'\nname = "ganrepro"\n' in project.read_bytes().replace(b"\r\n", b"\n")
    return folder if ours and (folder / "notebooks").is_dir() else None


REPOSITORY = checkout(PACKAGE.parent)


def absolute(path: str | Path) -> Path:
    """What a path means wherever a user gives one: `~` is the home folder, a relative path starts at the folder where
    the command was given."""
    return Path(os.path.expanduser(path)).absolute()


def environment() -> dict[str, str]:
    """The variables of FOLDERS that are set, absolute: for a process that starts in another folder."""
    return {name: str(absolute(folder)) for name in FOLDERS if (folder := os.environ.get(name))}


def repository() -> Path:
    """The checkout this package runs from. Raises FileNotFoundError where it was installed without one."""
    if REPOSITORY is None:
        raise FileNotFoundError(f"ganrepro is installed at {PACKAGE} without its repository, so there is no results"
                                "/: clone the repository and install it with `pip install -e .`. Data, training, the "
                                "Parzen window and load_generator work without it, and `ganrepro notebooks --copy DIR` "
                                "writes the notebooks, which papermill and JupyterLab run anywhere")  # fmt: skip
    return REPOSITORY


def notebooks() -> Path:
    """The folder of the notebooks: the checkout's, else the one that a wheel carries."""
    return REPOSITORY / "notebooks" if REPOSITORY else PACKAGE / "notebooks"


def results() -> Path:
    """Committed evidence."""
    return repository() / "results"


def runs() -> Path:
    """Where new records and executed notebooks go: $GANREPRO_RUNS, else runs/ in the repository, else
    ~/ganrepro-runs: a folder of the name runs/ that one happens to stand in may be anyone's."""
    if moved := os.environ.get("GANREPRO_RUNS"):
        return absolute(moved)
    return REPOSITORY / "runs" if REPOSITORY else absolute("~/ganrepro-runs")


def data_dir() -> Path:
    """The data directory: $GANREPRO_DATA, else the user's cache folder."""
    return absolute(os.environ.get("GANREPRO_DATA") or platformdirs.user_cache_dir("ganrepro"))


def variable_of(path: str | Path) -> str | None:
    """The variable of FOLDERS whose folder a path is in, None where it is in neither."""
    for variable, folder in zip(FOLDERS, (runs(), data_dir()), strict=True):
        if absolute(path).is_relative_to(folder):
            return variable
    return None


def named_set(name: str) -> Path:
    """The file of a set of a user's pictures that `ganrepro data add` named, there or not."""
    return data_dir() / "named" / f"{name}.npz"


def named_sets() -> list[str]:
    """The names of those sets that are there, in order."""
    return sorted(path.stem for path in named_set("x").parent.glob("[!.]*.npz"))


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
    """A path to write to, which takes its final name when the block ends well and vanishes when it does not. Its
    permissions are those that open() gives: safetensors would keep other users from reading weights."""
    unfinished = _unfinished(path)
    try:
        unfinished.touch()
        permissions = stat.S_IMODE(unfinished.stat().st_mode)
        yield unfinished
        unfinished.chmod(permissions)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """The same for a whole folder; an older one of that name stays until the new one is complete. On Linux the two are
    swapped in one step; elsewhere there is none for a moment between."""
    unfinished = _unfinished(path)
    replaced = unfinished.with_name(unfinished.name + ".old")
    try:
        unfinished.mkdir()
        yield unfinished
        for file in filter(Path.is_file, unfinished.iterdir()):  # as open() would have made them
            file.chmod(stat.S_IMODE(unfinished.stat().st_mode) & 0o666)
        if not _swap(unfinished, path):
            if path.exists():
                os.replace(path, replaced)
            os.replace(unfinished, path)
    finally:
        for folder in (unfinished, replaced):
            shutil.rmtree(folder, ignore_errors=True)


def _unfinished(path: Path) -> Path:
    """A hidden name beside a path, which says who writes there. What killed writers left in the folder is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    here = f".{slug(platform.node()) or 'host'}-"
    for left in path.parent.glob(f"{here}*"):
        writer = re.match(rf"{re.escape(here)}(\d+)-[0-9a-f]{{8}}\.", left.name)
        if writer and not _is_running(int(writer[1])):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f"{here}{os.getpid()}-{uuid4().hex[:8]}.{path.name}")


def _is_running(process: int) -> bool:
    if os.name == "nt":  # os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True


def _swap(one: Path, other: Path) -> bool:
    """Exchange two names in one step, so that neither is ever missing; False where one is, or the system cannot."""
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return renameat2 is not None and renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0
