"""A user's own pictures from an .npz or .npy file, and the strict reader of such files."""

import hashlib
import io
import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ganrepro.paths import absolute

from .own import SPLIT_NAMES, Pictures, checked
from .split import by_content

LARGEST = 2 * 2**30  # bytes of an array
ARRAYS = ("images", "labels", "split")
PARTS = tuple(f"{array}_{part}" for array in "xy" for part in SPLIT_NAMES)
Array = NDArray[Any]


def load(name: str) -> Pictures:
    """A user's pictures: the path of an .npy with images, or of an .npz with images and perhaps labels and split, each
    as `own.from_arrays` takes them.

    An .npz has the keys `images`, `labels`, `split`; or x_train, y_train, x_test, y_test, with x_val or x_valid or
    without (then a tenth of train is drawn for validation); or `arr_0`, as numpy.savez names it. The name is the file's
    stem, the digest the file's. Raises FileNotFoundError, or ValueError naming the wrong part of the file.
    """
    path = absolute(name)
    if not path.is_file():
        raise FileNotFoundError(f"data set {name!r}: there is no file {path}; give the path of an .npz")
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"{path}: found {size} bytes, of which at most {LARGEST} are read; give fewer pictures")
    raw = path.read_bytes()
    arrays = _named(raw, str(path)) if path.suffix.lower() == ".npz" else {"images": _npy(raw, str(path))}
    found = checked(arrays["images"], arrays.get("labels"), arrays.get("split"), str(path))
    return replace(found, digest=hashlib.sha256(raw).hexdigest())


def _named(raw: bytes, source: str) -> dict[str, Any]:
    """The arrays of an .npz as images, labels and split, whatever of its names they have."""
    there = read(raw, source, (), (*ARRAYS, *PARTS, "arr_0"))
    if "images" in there and "x_train" in there:
        raise ValueError(f"{source}: it has the keys 'images' and 'x_train', and so two readings; keep one of them")
    if "x_train" in there:
        return _joined(there, source)
    if "images" not in there and "arr_0" in there:
        there["images"] = there["arr_0"]
    return there if "images" in there else read(raw, source, ARRAYS[:1])


def _joined(there: dict[str, Array], source: str) -> dict[str, Any]:
    """x_train, y_train, ... as images, labels and split."""
    if {"x_val", "x_valid"} <= set(there):
        raise ValueError(f"{source}: it has the keys 'x_val' and 'x_valid', and so two readings; keep one of them")
    parts = [part for part in SPLIT_NAMES if f"x_{part}" in there]
    if "test" not in parts:
        raise ValueError(f"{source}: it has the key 'x_train' and no 'x_test'; give both, or all as 'images'")
    shapes = {part: there[f"x_{part}"].shape[1:] for part in parts}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"{source}: its pictures differ in shape: {shapes}")
    labelled = [part for part in parts if f"y_{part}" in there]
    if labelled and labelled != parts:
        raise ValueError(f"{source}: it has labels in {', '.join(labelled)} alone; give them in all parts or in none")
    images = np.concatenate([there[f"x_{part}"] for part in parts])
    split = np.repeat([SPLIT_NAMES[part] for part in parts], [len(there[f"x_{part}"]) for part in parts])
    if 1 not in split:
        digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in images[split == 0]]
        split[split == 0] = by_content(digests, ("valid",))
    found = {"images": images, "split": split}
    return found | ({"labels": np.concatenate([there[f"y_{part}"] for part in parts])} if labelled else {})


def _npy(raw: bytes, source: str) -> Array:
    try:
        return array(lambda: io.BytesIO(raw), len(raw), "the array")
    except Exception as error:  # numpy raises many types on a damaged file
        raise ValueError(f"{source}: it cannot be read ({error}); expected a plain numeric array as numpy.save writes "
                         "it") from error  # fmt: skip


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
    if f"{key}.npy" not in archive.namelist():
        raise OtherEntry(f"{source}: {key} is no .npy array; write the file with numpy.savez")
    entry = archive.getinfo(f"{key}.npy")
    return array(lambda: archive.open(entry), entry.file_size, key)


def array(opened: Callable[[], IO[bytes]], size: int, what: str) -> Array:
    """The array of an .npy file of `size` bytes, `what`, that `opened` opens at its start.

    Raises ValueError for more than LARGEST bytes, for objects, and for a header that claims another size: numpy would
    take the memory that it claims. Raises what numpy and zipfile raise for other damage.
    """
    if size > LARGEST:
        raise ValueError(f"{what} has {size} bytes, of which at most {LARGEST} are read")
    with opened() as file:
        _check_header(file, size, what)
    with opened() as file:
        found: Array = np.lib.format.read_array(file, allow_pickle=False)
        file.read(1)  # at the end of a zip's entry its checksum is checked
    return found


def _check_header(file: IO[bytes], size: int, what: str) -> None:
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(file)
    if dtype.hasobject:
        raise ValueError(f"{what} is an array of objects")
    if file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{what} has {size} bytes, and its header claims the shape {shape} of {dtype}")
