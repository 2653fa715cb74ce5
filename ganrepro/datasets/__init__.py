"""The data sets, by name: load("mnist") -> Dataset. Files are in this package or in $GANREPRO_DATA."""

import difflib
from collections.abc import Callable
from functools import partial

from . import cifar10, digits, faces, fer2013, mnist, npz, tfd, toys
from .contrast import normalised, pictures, prepare
from .dataset import Dataset
from .folder import DatasetUnavailable, data_dir
from .labels import count_classes, known

__all__ = [
    "NAMES", "Dataset", "DatasetUnavailable", "count_classes", "data_dir", "known", "load", "normalised", "pictures",
    "prepare",
]  # fmt: skip

_LOADERS: dict[str, Callable[[], Dataset]] = {
    "mnist": mnist.mnist, "fashion-mnist": mnist.fashion_mnist, "tfd": tfd.load, "fer2013": fer2013.load,
    "att": faces.load, "cifar10": cifar10.load, "digits": digits.load,
    **{name: partial(toys.load, name) for name in toys.TOYS},
}  # fmt: skip
NAMES = tuple(_LOADERS)


def load(name: str, *, strict: bool = False) -> Dataset:
    """The data set `name`: one of NAMES, or the path of an .npz with a user's own pictures (see npz.load).

    strict: refuse a stand-in for "tfd"; the other data sets have none. Raises ValueError for an unknown name or a file
    that is not as described, FileNotFoundError for an .npz that is not there, DatasetUnavailable for other files.
    """
    name = str(name)  # a pathlib.Path too
    if name in _LOADERS:
        return tfd.load(strict=strict) if name == "tfd" else _LOADERS[name]()
    if name.lower().endswith(".npz"):
        return npz.load(name)
    hint = "".join(f"; did you mean {c!r}?" for c in difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=0.4))
    raise ValueError(f"unknown data set {name!r}; allowed: {', '.join(NAMES)}, or the path of an .npz{hint}")
