"""The data sets, by name: load("mnist") -> Dataset. Files are in this package or in $GANREPRO_DATA."""

import difflib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ganrepro.device import plain_torch
from ganrepro.paths import absolute, data_dir, named_set, named_sets

from . import cifar10, digits, faces, fer2013, kept, mnist, npz, picture_folder, tfd, toys
from .contrast import normalised, pictures, prepare
from .dataset import Dataset
from .folder import DatasetUnavailable
from .labels import count_classes, known
from .own import Pictures, from_arrays

__all__ = [
    "NAMES", "Dataset", "DatasetUnavailable", "Pictures", "count_classes", "data_dir", "from_arrays", "kept", "known",
    "load", "normalised", "own_pictures", "pictures", "prepare",
]  # fmt: skip

_LOADERS: dict[str, Callable[[], Dataset]] = {
    "mnist": mnist.mnist, "fashion-mnist": mnist.fashion_mnist, "tfd": tfd.load, "fer2013": fer2013.load,
    "att": faces.load, "cifar10": cifar10.load, "digits": digits.load,
    **{name: partial(toys.load, name) for name in toys.TOYS},
}  # fmt: skip
NAMES = tuple(_LOADERS)


@contextmanager
def _random_kept() -> Iterator[None]:
    """Leave `random`'s global state alone: packages move it that are imported when they are needed."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@plain_torch
@_random_kept()
def load(
    name: str | Path, *, strict: bool = False, size: int = 0, channels: int | None = None, skip_broken: bool = False
) -> Dataset:
    """The data set `name`: one of NAMES; or a user's own pictures: the name that `ganrepro data add` gave them, the
    path of a folder of picture files (see picture_folder.load), or of an .npz or .npy (see npz.load).

    - strict: refuse a stand-in for "tfd"; the other data sets have none.
    - size: of a user's own pictures: the square in the middle of each, reduced to size x size by averaging over boxes.
      0 keeps pictures that are all alike. None is enlarged.
    - channels: of a user's own pictures: 1 for grey, 3 for colour. None: grey only if all pictures of a folder are.
    - skip_broken: leave out picture files of a folder that cannot be read, and list them in `Dataset.details`.

    Raises ValueError for an unknown name, pictures or a file that are not as described, mixed sizes without `size`,
    broken files, a size above the smallest picture's, and pictures that are all the same; FileNotFoundError for a path
    that is not there, DatasetUnavailable for other files.
    """
    if str(name) in _LOADERS:
        for option, given in (("size", size), ("channels", channels), ("skip_broken", skip_broken)):
            if given:
                raise ValueError(f"{option} = {given!r} is for pictures of your own; {name} has its own")
        return tfd.load(strict=strict) if name == "tfd" else _LOADERS[str(name)]()
    found, label, source = own_pictures(name, size, channels, skip_broken)
    return found.dataset(label, source)


def own_pictures(
    name: str | Path, size: int = 0, channels: int | None = None, skip_broken: bool = False
) -> tuple[Pictures, str, str]:
    """A user's own pictures as `load` finds them, with their label and the name of what was read."""
    text = str(name)
    path = absolute(text)
    if text in named_sets():
        return kept.read(named_set(text)).at(size, channels, text), text, f"{text}.npz"
    if path.suffix.lower() in (".npz", ".npy") and not path.is_dir():
        return npz.load(text).at(size, channels, text), path.stem, path.name
    if text and path.is_dir() and path != Path(path.anchor):
        return picture_folder.load(path, size, channels, skip_broken), path.name, path.name
    if text.endswith("/") and len(text) > 1:
        raise FileNotFoundError(f"data set {text!r}: there is no folder {path}")
    if path.is_file():
        raise ValueError(f"data set {text!r} is a file; a data set is a folder of pictures, an .npz or an .npy")
    hint = "".join(f"; did you mean {c!r}?" for c in difflib.get_close_matches(text.lower(), NAMES, n=1, cutoff=0.4))
    added = f"the names that you added ({', '.join(there)}), " if (there := named_sets()) else ""
    raise ValueError(f"unknown data set {text!r}; allowed: {', '.join(NAMES)}, {added}or the path of a folder of "
                     f"pictures, an .npz or an .npy{hint}")  # fmt: skip
