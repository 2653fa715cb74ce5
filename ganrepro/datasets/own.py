"""A user's own pictures as arrays: what has one reading is taken, what has two is refused with both."""

import hashlib
import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ganrepro.device import plain_torch
from ganrepro.paths import slug
from ganrepro.progress import say

from . import picture_file
from .arrays import SPLIT_CODES, expect
from .dataset import Dataset, pixels, splits
from .labels import from_zero

FEWEST = 10
SPLIT_NAMES = {"train": 0, "val": 1, "valid": 1, "test": 2}
LUMA = np.array([19595, 38470, 7471]) / 2**16  # of red, green and blue, ITU-R 601, as Pillow rounds them
Array = NDArray[Any]


@dataclass(frozen=True)
class Pictures:
    """Pictures that passed all checks.

    images   (N, h, w, c) with c 1 or 3: uint8, or float32 in [0, 1]
    labels   (N,) int64, numbered from 0, -1 for none; or None
    split    (N,) with 0, 1, 2 for train, valid, test
    classes  the names of the classes in order, where they have names
    digest   hex SHA-256 of what they were read from
    details  how they were read, for the record: plain values
    """

    images: Array
    labels: NDArray[np.int64] | None
    split: Array
    classes: tuple[str, ...] | None
    digest: str
    details: dict[str, Any] = field(default_factory=dict)

    def dataset(self, label: str, source: str | None = None) -> Dataset:
        """The data set, named by the label and the first 8 digits of the digest; source: the file that was read."""
        label = os.fsencode(label).decode(errors="replace")  # a name that is no UTF-8 cannot be written to a table
        stem = slug(label[:60], keep="._-") or "images"
        parts = [torch.from_numpy(np.flatnonzero(self.split == code)) for code in SPLIT_CODES]
        _, h, w, c = self.images.shape
        labels = None if self.labels is None else torch.from_numpy(self.labels)
        return Dataset(name=f"{stem}-{self.digest[:8]}", label=label, shape=(c, h, w),
                       sha256={source or label: self.digest}, classes=self.classes, details=self.details,
                       **splits(pixels(self.images), labels, parts))  # fmt: skip

    def at(self, size: int, channels: int | None, source: str) -> "Pictures":
        """The same pictures at size x size (0: as they are), grey or in colour (None: as they are). Raises ValueError,
        naming `source`, for a size or channels that are not allowed and a size above the pictures' own."""
        check_size(size, channels)
        h, w, c = self.images.shape[1:]
        if size > min(h, w):
            raise ValueError(f"{source}: size = {size}, but the pictures are {w}x{h}, and none is enlarged; choose a "
                             f"size of at most {min(h, w)}")  # fmt: skip
        images = self.images
        if size and (h, w) != (size, size):
            images = np.stack([picture_file.reduced(image, size) for image in images])
        images = with_channels(images, channels or c)
        if images is self.images:
            return self
        digest = hashlib.sha256(f"{self.digest} size={size} channels={channels}".encode()).hexdigest()
        return replace(self, images=images, digest=digest, details=self.details | {"size": size or [h, w]})


@plain_torch
def from_arrays(
    images: ArrayLike | Tensor, labels: ArrayLike | Tensor | None = None, split: ArrayLike | Tensor | None = None, *,
    name: str = "arrays", size: int = 0, channels: int | None = None,
) -> Dataset:  # fmt: skip
    """A data set from arrays, numpy's or torch's, as torchvision, Hugging Face, scikit-learn or a script give them.

    - images: (N, h, w), (N, h, w, c) or (N, c, h, w), c 1 or 3, N at least 10; uint8, bool, or floats in [0, 1].
    - labels: (N,) integers, whole floats or strings, or one-hot (N, K). Classes are numbered from 0 in order; a
      negative number means unlabelled.
    - split: (N,) with 0, 1, 2, or with the names train, valid (or val), test. Without it,
      numpy.random.RandomState(0).permutation(N) is cut 80/10/10, with two pictures at least in each part.
    - name: for titles and tables; `Dataset.name` is it and the first 8 hex digits of a SHA-256 of the arrays.
    - size, channels: as in `datasets.load`.

    Raises ValueError, naming what is wrong, also for what has two readings and for pictures that are all the same.
    """
    found = checked(images, labels, split, str(name))
    digest = hashlib.sha256(repr([a.shape for a in (found.images, found.split)]).encode() + found.images.tobytes())
    for array in (found.labels, found.split):
        digest.update(b"" if array is None else array.tobytes())
    return replace(found, digest=digest.hexdigest()).at(size, channels, str(name)).dataset(str(name))


def checked(images: Any, labels: Any, split: Any, source: str) -> Pictures:
    """Arrays as `from_arrays` takes them, as Pictures without a digest. Raises ValueError, naming `source`."""
    pictures = as_images(images, source)
    n = len(pictures)
    refuse_alike(pictures, source)
    numbers, classes = (None, None) if labels is None else as_labels(labels, n, source)
    if split is None:
        order, tenth = np.random.RandomState(0).permutation(n), max(2, n // 10)  # one example would have no error
        pictures, numbers = pictures[order], None if numbers is None else numbers[order]
        codes = np.repeat(np.arange(3, dtype=np.uint8), [n - 2 * tenth, tenth, tenth])
    else:
        codes = as_split(split, n, source)
    return Pictures(pictures, numbers, codes, classes, "", {"classes": list(classes)} if classes else {})


def check_size(size: int, channels: int | None) -> None:
    """Raise ValueError for a size or channels that no picture can have."""
    if type(size) is not int or size < 0:
        raise ValueError(f"size = {size!r}; it must be an int of at least 0, which keeps the pictures' own size")
    if channels not in (None, 1, 3):
        raise ValueError(f"channels = {channels!r}; choose 1 (grey), 3 (colour) or None")


def as_images(images: Any, source: str) -> Array:
    """(N, h, w, c): uint8, or float32 in [0, 1]."""
    array = numpy_array(images)
    _expect_rank(array, source)
    if array.ndim == 3:
        array = array[..., None]
    elif array.shape[1] in (1, 3) and array.shape[3] in (1, 3):
        raise ValueError(f"{source}: images has shape {array.shape}, which has two readings: (N, h, w, c) with c = "
                         f"{array.shape[3]}, or (N, c, h, w) with c = {array.shape[1]}; pictures of this size must be "
                         "padded or given as (N, h, w)")  # fmt: skip
    elif array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        if array.max() == 1:
            raise ValueError(f"{source}: images has only the values 0 and 1 of uint8, which has two readings: black "
                             "and white, then give images.astype(bool), or two nearly black levels of 255, then give "
                             "images / 255")  # fmt: skip
        return np.ascontiguousarray(array)
    return _unit_interval(array, source)


def _expect_rank(array: Array, source: str) -> None:
    shape = array.shape
    if array.ndim not in (3, 4) or 0 in shape[1:] or (array.ndim == 4 and not {shape[1], shape[3]} & {1, 3}):
        raise ValueError(f"{source}: images has shape {shape}, expected (N, h, w), (N, h, w, c) or (N, c, h, w) "
                         "with c = 1 or 3")  # fmt: skip
    if len(array) < FEWEST:
        raise ValueError(f"{source}: images has {len(array)} image(s), expected at least {FEWEST}, to split "
                         "into train, valid and test")  # fmt: skip


def _unit_interval(array: Array, source: str) -> Array:
    """Floats in [0, 1] as float32; a hair beyond, as rounding leaves it, is cut off."""
    expected = "expected uint8 with values 0 to 255, bool, or floats in [0, 1]"
    if array.dtype.kind != "f":
        raise ValueError(f"{source}: images has dtype {array.dtype}, {expected}; convert it: images.astype(np.uint8) "
                         "if 255 is white, images / images.max() if its maximum is")  # fmt: skip
    if not np.isfinite(array).all():
        raise ValueError(f"{source}: images holds values that are not finite, {expected}")
    low, high = float(array.min()), float(array.max())
    if low < -1e-6 or high > 1 + 1e-6:
        reading = "(images + 1) / 2 if they run from -1 to 1" if low < 0 else "images / 255 if 255 is white"
        raise ValueError(f"{source}: images has dtype {array.dtype} with values from {low:g} to {high:g}, {expected}; "
                         f"convert it, e.g. {reading}, or images / {high:g} if that is white")  # fmt: skip
    return np.ascontiguousarray(array, np.float32).clip(0, 1)


def refuse_alike(images: Array, source: str) -> None:
    """Raise ValueError where all pictures are the same: there is nothing to learn."""
    if (images == images[:1]).all():
        raise ValueError(f"{source}: all {len(images)} pictures are the same; a model needs pictures that differ")


def as_labels(labels: Any, n: int, source: str) -> tuple[NDArray[np.int64], tuple[str, ...] | None]:
    """Labels (n,) numbered from 0, and the classes' names where labels are strings."""
    array = numpy_array(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype == object and all(isinstance(label, str) for label in array.flat):
        array = array.astype(str)
    if array.dtype.kind in "US" and array.shape == (n,):
        text = np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array
        names, numbers = np.unique(text, return_inverse=True)
        return numbers.astype(np.int64), tuple(names.tolist())
    if array.ndim == 2 and len(array) == n and array.dtype.kind in "biuf" and _one_hot(array):
        array = array.argmax(1)
    if array.dtype.kind == "f" and array.size and np.isfinite(array).all() and (array == array.round()).all():
        array = array.astype(np.int64)
    expect(array.astype(np.uint8) if array.dtype == np.bool_ else array, f"{source}: labels",
           "integers", (n,), wanted="integers, whole floats, strings or one-hot rows")  # fmt: skip
    given = torch.from_numpy(array.astype(np.int64))
    if len(moved := given[given != (numbered := from_zero(given))]):
        say(f"{source.replace(os.sep, '/').rsplit('/', 1)[-1]}: classes are numbered from 0 here; label {moved[0]} is "
            f"{numbered[given == moved[0]][0]}")  # fmt: skip
    return numbered.numpy(), None


def _one_hot(array: Array) -> bool:
    return bool(((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all())


def as_split(split: Any, n: int, source: str) -> NDArray[np.uint8]:
    """Split codes (n,), each of 0, 1, 2 at least once."""
    array = numpy_array(split)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind in "UO" and array.shape == (n,) and all(isinstance(part, str) for part in array.tolist()):
        lowered = [part.lower() for part in array.tolist()]
        if unknown := sorted(set(lowered) - set(SPLIT_NAMES)):
            raise ValueError(f"{source}: split has the value {unknown[0]!r}, allowed: {', '.join(SPLIT_NAMES)}")
        array = np.array([SPLIT_NAMES[part] for part in lowered])
    expect(array, f"{source}: split", "integers", (n,), SPLIT_CODES)
    for code, name in SPLIT_CODES.items():
        if code not in array:
            raise ValueError(f"{source}: split has no image with {code}, so {name} is empty; each of 0, 1, 2 must "
                             "occur")  # fmt: skip
    return array.astype(np.uint8)


def with_channels(images: Array, channels: int) -> Array:
    """Pictures (N, h, w, c) with so many channels, 1 or 3: grey ones repeated, colours weighted by LUMA."""
    if images.shape[3] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=3)
    grey = images @ LUMA
    return (grey + 0.5 if images.dtype == np.uint8 else grey).astype(images.dtype)[..., None]


def numpy_array(values: Any) -> Array:
    """A numpy array of anything that numpy or torch takes as one; a picture a row."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype == torch.bfloat16 else values
        return values.numpy()
    return np.asarray(values)
