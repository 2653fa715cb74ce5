"""A user's own pictures from an .npz file, and the strict reader of such files."""

import hashlib
import io
import math
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganrepro.paths import absolute, slug
from ganrepro.progress import say

from .arrays import SPLIT_CODES, expect
from .dataset import Dataset, pixels, splits
from .labels import from_zero

FEWEST = 10
LARGEST = 2 * 2**30  # bytes of an entry
Array = NDArray[Any]


def load(name: str) -> Dataset:
    """A user's pictures: the path of an .npz with `images` (N, h, w[, c]) uint8, c 1 or 3, N at least 10.

    Optional: `labels` (N,) integers, whose classes are numbered from 0 in order, a negative one means unlabelled;
    `split` (N,) with 0, 1, 2 for train, valid, test. Without `split`, numpy.random.RandomState(0).permutation(N) is cut
    80/10/10, with two pictures at least in each part. Dataset.name is the file's stem and the first 8 hex
    digits of its SHA-256. Raises FileNotFoundError, or ValueError naming the wrong part of the file.
    """
    path = absolute(name)
    if not path.is_file():
        raise FileNotFoundError(f"data set {name!r}: there is no file {path}; give the path of an .npz")
    raw = path.read_bytes()
    content = read(raw, str(path), ("images",), optional=("labels", "split"))
    images, labels = content["images"], None
    _check_images(images, path)
    if "labels" in content:
        expect(content["labels"], f"{path}: labels", "integers", (len(images),))
        given = torch.from_numpy(content["labels"].astype(np.int64))
        if len(moved := given[given != (labels := from_zero(given))]):
            say(f"{path.name}: classes are numbered from 0 here; label {moved[0]} is {labels[given == moved[0]][0]}")
    label = os.fsencode(path.stem).decode(errors="replace")  # a name that is no UTF-8 cannot be written to a table
    digest, stem = hashlib.sha256(raw).hexdigest(), slug(label[:60], keep="._-") or "images"
    n_channels = images.shape[3] if images.ndim == 4 else 1
    return Dataset(name=f"{stem}-{digest[:8]}", label=label, shape=(n_channels, *images.shape[1:3]),
                   sha256={path.name: digest},
                   **splits(pixels(images), labels, _parts(content.get("split"), len(images), path)))  # fmt: skip


def read(raw: bytes, source: str, keys: Sequence[str], optional: Sequence[str] | None = ()) -> dict[str, Array]:
    """The arrays `keys`, and those of `optional` that are there (None: all others), of the .npz with content `raw`.

    Raises ValueError, naming `source`, if `raw` is no .npz, a key is missing, or an entry is damaged, larger than
    LARGEST, of another size than its header says, an array of objects (nothing is unpickled), or no array. An array's
    memory is taken only after that.
    """
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        raise ValueError(f"{source}: found {len(raw)} bytes that are not a whole zip file, expected an .npz "
                         "as numpy.savez writes it")  # fmt: skip
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            found = [name.removesuffix(".npy") for name in archive.namelist()]
            wanted = [*keys, *(found if optional is None else optional)]
            content = {key: _entry(archive, key, source) for key in dict.fromkeys(wanted) if key in found}
    except OtherEntry:
        raise
    except Exception as error:  # numpy and zipfile raise many types on a damaged file
        raise ValueError(f"{source}: an entry cannot be read ({error}); expected plain numeric arrays, "
                         "no objects, as numpy.savez writes them") from error  # fmt: skip
    if missing := [key for key in keys if key not in content]:
        raise ValueError(f"{source}: no key {missing[0]!r}; found {', '.join(map(repr, found)) or 'none'}, "
                         f"expected {', '.join(map(repr, keys))}")  # fmt: skip
    return content


class OtherEntry(ValueError):
    """An entry that is no array."""


def _entry(archive: zipfile.ZipFile, key: str, source: str) -> Array:
    """One array, whose header must agree with the size of its entry: numpy would take the memory that it claims."""
    if f"{key}.npy" not in archive.namelist():
        raise OtherEntry(f"{source}: {key} is no .npy array; write the file with numpy.savez")
    entry = archive.getinfo(f"{key}.npy")
    if entry.file_size > LARGEST:
        raise ValueError(f"{key} has {entry.file_size} bytes, of which at most {LARGEST} are read")
    with archive.open(entry) as file:
        check_header(file, entry.file_size, key)
    with archive.open(entry) as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
        file.read(1)  # at the end of an entry its checksum is checked
    return array


def check_header(file: IO[bytes], size: int, what: str) -> None:
    """Raise ValueError unless the header of an .npy file of `size` bytes, `what`, claims that many."""
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(file)
    if dtype.hasobject:
        raise ValueError(f"{what} is an array of objects")
    if file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{what} has {size} bytes, and its header claims the shape {shape} of {dtype}")


def _check_images(images: Array, path: Path) -> None:
    if images.dtype != np.uint8:
        raise ValueError(f"{path}: images has dtype {images.dtype}, expected uint8 with values 0 to 255; "
                         "convert it, e.g. np.rint(255 * images).astype(np.uint8) for values in [0, 1]")  # fmt: skip
    if images.ndim < 3 or 0 in images.shape[1:] or images.shape[3:] not in ((), (1,), (3,)):
        raise ValueError(f"{path}: images has shape {images.shape}, expected (N, h, w) or (N, h, w, c) with c = 1 or 3")
    if len(images) < FEWEST:
        raise ValueError(f"{path}: images has {len(images)} image(s), expected at least {FEWEST}, to split "
                         "into train, valid and test")  # fmt: skip


def _parts(split: Array | None, n: int, path: Path) -> list[Tensor]:
    if split is None:
        order = torch.from_numpy(np.random.RandomState(0).permutation(n))
        tenth = max(2, n // 10)  # one example would have no error
        return list(order.split([n - 2 * tenth, tenth, tenth]))
    expect(split, f"{path}: split", "integers", (n,), SPLIT_CODES)
    for code, name in SPLIT_CODES.items():
        if code not in split:
            raise ValueError(f"{path}: split has no image with {code}, so {name} is empty; each of 0, 1, 2 must occur")
    return [torch.from_numpy(np.flatnonzero(split == code)) for code in SPLIT_CODES]
