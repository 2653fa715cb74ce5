"""A user's own pictures from an .npz file, and the strict reader of such files."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .dataset import SPLITS, Dataset, pixels, splits

FEWEST = 10
Array = NDArray[Any]


def load(name: str) -> Dataset:
    """A user's pictures: the path of an .npz with `images` (N, h, w[, c]) uint8, c 1 or 3, N at least 10.

    Optional: `labels` (N,) integers; `split` (N,) with 0, 1, 2 for train, valid, test. Without `split`, the
    permutation numpy.random.RandomState(0).permutation(N) is cut 80/10/10. Other keys are left alone.
    Dataset.name is the file's stem and the first 8 hex digits of its SHA-256.
    Raises FileNotFoundError, and ValueError naming what in the file is not so.
    """
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise FileNotFoundError(f"data set {name!r}: there is no file {path}; give the path of an .npz")
    raw = path.read_bytes()
    content = read(raw, str(path), ("images",), optional=("labels", "split"))
    images = _images(content["images"], path)
    labels = _labels(content["labels"], len(images), path) if "labels" in content else None
    parts = _parts(content.get("split"), len(images), path)
    digest = hashlib.sha256(raw).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", path.stem)[:60].strip("._-") or "images"
    n_channels = images.shape[3] if images.ndim == 4 else 1
    return Dataset(name=f"{stem}-{digest[:8]}", label=path.stem, shape=(n_channels, *images.shape[1:3]),
                   sha256={path.name: digest}, **splits(pixels(images), labels, parts))


def read(raw: bytes, source: str, keys: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Array]:
    """The arrays `keys`, and those of `optional` that are there, of the .npz file with content `raw`.

    Nothing is unpickled. Raises ValueError naming `source` for what is no .npz, a missing key, object arrays
    and damaged entries.
    """
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        raise ValueError(f"{source}: found {len(raw)} bytes that are not a whole zip file, expected an .npz "
                         "as numpy.savez writes it")
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            found = list(archive.files)
            content = {key: archive[key] for key in (*keys, *optional) if key in found}
    except (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{source}: an entry cannot be read ({error}); expected plain numeric arrays, "
                         "no objects, as numpy.savez writes them") from error
    missing = [key for key in keys if key not in content]
    if missing:
        raise ValueError(f"{source}: no key {missing[0]!r}; found {', '.join(map(repr, found)) or 'none'}, "
                         f"expected {', '.join(map(repr, keys))}")
    for key, array in content.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{source}: {key} is no .npy array; write the file with numpy.savez")
    return content


def _images(images: Array, path: Path) -> NDArray[np.uint8]:
    if images.dtype != np.uint8:
        raise ValueError(f"{path}: images has dtype {images.dtype}, expected uint8 with values 0 to 255; "
                         "convert it, e.g. np.rint(255 * images).astype(np.uint8) for values in [0, 1]")
    if images.ndim not in (3, 4) or 0 in images.shape[1:]:
        raise ValueError(f"{path}: images has shape {images.shape}, expected (N, h, w) or (N, h, w, c)")
    if images.ndim == 4 and images.shape[3] not in (1, 3):
        raise ValueError(f"{path}: images has shape {images.shape} with {images.shape[3]} channels, "
                         "allowed: 1 or 3 in the last axis, (N, h, w, c)")
    if len(images) < FEWEST:
        raise ValueError(f"{path}: images has {len(images)} image(s), expected at least {FEWEST}, to split "
                         "into train, valid and test")
    return images


def _integers(array: Array, key: str, n: int, path: Path) -> NDArray[np.int64]:
    if array.dtype.kind not in "iu" or array.shape != (n,):
        raise ValueError(f"{path}: {key} has dtype {array.dtype} and shape {array.shape}, expected integers "
                         f"of shape ({n},), one for each image")
    return array.astype(np.int64)


def _labels(array: Array, n: int, path: Path) -> Tensor:
    return torch.from_numpy(_integers(array, "labels", n, path))


def _parts(split: Array | None, n: int, path: Path) -> list[Tensor]:
    if split is None:
        order = torch.from_numpy(np.random.RandomState(0).permutation(n))
        return list(order.split([n - 2 * (n // 10), n // 10, n // 10]))
    codes = _integers(split, "split", n, path)
    wrong = sorted(set(codes.tolist()) - {0, 1, 2})
    if wrong:
        raise ValueError(f"{path}: split has the value {wrong[0]}, allowed: 0 (train), 1 (valid), 2 (test)")
    parts = [torch.from_numpy(np.flatnonzero(codes == code)) for code in range(3)]
    for code, part in enumerate(parts):
        if len(part) == 0:
            raise ValueError(f"{path}: split has no image with {code}, so {SPLITS[code]} is empty; "
                             "each of 0, 1, 2 must occur")
    return parts
