"""What a command says when it cannot do its work: one line, with what to do."""

from __future__ import annotations

import errno

from ganrepro import paths

_SPACE, _IN_THE_WAY = "free some space or {}another folder", "move the file that is in the way, or {}another folder"
REMEDIES = {errno.ENOSPC: _SPACE, errno.EDQUOT: _SPACE, errno.EACCES: "make it writable or {}another folder",
            errno.EROFS: "{}a folder that can be written to",
            errno.ENOTDIR: _IN_THE_WAY, errno.EEXIST: _IN_THE_WAY}  # fmt: skip
NOTEBOOK_PACKAGES = ("papermill", "nbformat", "ipykernel", "jupyterlab", "sympy")
NEEDED_BY = {**dict.fromkeys(NOTEBOOK_PACKAGES, "notebooks"), "shtab": "completion",
             "snakemake": "sweep"}  # packages and their extras


def one_line(error: Exception) -> str:
    """The error's message; pydantic's several lines in one; and what to do where the system refused to write."""
    from pydantic import ValidationError

    if isinstance(error, OSError) and error.errno in REMEDIES:
        variable = paths.variable_of(error.filename) if error.filename else paths.FOLDERS[0]
        place = f"set {variable} to " if variable else "give a path in "
        return f"{error}; {REMEDIES[error.errno].format(place)}, then give the same command again"
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()
    )
