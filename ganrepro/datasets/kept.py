"""Decoded pictures as files of the data directory: a cache by content, and the sets that a user named."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ganrepro import paths
from ganrepro.progress import say

from . import npz
from .own import Pictures

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
KEYS, OPTIONAL = ("images", "split", "digest", "details"), ("labels", "classes")


def write(pictures: Pictures, path: Path) -> None:
    """Keep checked pictures in one .npz, whole."""
    arrays: dict[str, Any] = {
        "images": pictures.images, "split": pictures.split, "digest": np.array(pictures.digest),
        "details": np.array(json.dumps(pictures.details)),
        **({} if pictures.labels is None else {"labels": pictures.labels}),
        **({} if pictures.classes is None else {"classes": np.array(pictures.classes)}),
    }  # fmt: skip
    with paths.atomic_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)


def read(path: Path) -> Pictures:
    """What `write` wrote. Raises ValueError, naming the file, where it is damaged, OSError where it is not there."""
    found = npz.read(path.read_bytes(), str(path), KEYS, OPTIONAL)
    classes = tuple(found["classes"].tolist()) if "classes" in found else None
    return Pictures(found["images"], found.get("labels"), found["split"], classes, str(found["digest"]),
                    json.loads(str(found["details"])))  # fmt: skip


def cache(key: str) -> Path:
    """The file of decoded pictures with this key, there or not."""
    return paths.data_dir() / "decoded" / f"{key}.npz"


def cached(key: str) -> Pictures | None:
    """The decoded pictures with this key; None where they are not there, or damaged."""
    try:
        return read(cache(key))
    except (OSError, ValueError):
        return None


def store(pictures: Pictures, key: str) -> None:
    """Put decoded pictures into the cache. Where that cannot be written to, a line says so."""
    try:
        write(pictures, cache(key))
    except OSError as error:
        say(f"the decoded pictures are not kept, since {paths.data_dir()} cannot be written to ({error}); "
            "the next load decodes them again")


def add(name: str, pictures: Pictures) -> None:
    """Keep pictures under a name that passed `check_name`. Raises ValueError where other pictures have it."""
    if name in paths.named_sets() and read(paths.named_set(name)).digest != pictures.digest:
        raise ValueError(f"name = {name!r} is taken by other pictures; choose another, or do "
                         f"`ganrepro data remove {name}`")  # fmt: skip
    write(pictures, paths.named_set(name))


def check_name(name: str, taken: tuple[str, ...]) -> None:
    """Raise ValueError for a name that a set of a user's own cannot have."""
    if not NAME.fullmatch(name) or name.lower().endswith((".npz", ".npy")):
        raise ValueError(f"name = {name!r}; choose at most 60 letters, digits, '.', '_' and '-', a letter or digit "
                         "first")  # fmt: skip
    if name.lower() in taken:
        raise ValueError(f"name = {name!r} is the name of one of the project's data sets; choose another")


def remove(name: str) -> None:
    """Forget a named set. Its pictures' own folder is left alone. Raises ValueError where there is none."""
    if name not in (there := paths.named_sets()):
        raise ValueError(f"there is no set named {name!r}; there are: {', '.join(there) or 'none'}")
    paths.named_set(name).unlink()
