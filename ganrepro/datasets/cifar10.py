"""CIFAR-10 from its binary archive, which is read in place: nothing is extracted, nothing is unpickled."""

import io
import tarfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from . import folder
from .dataset import Dataset, pixels, splits
from .fetch import fetch

ARCHIVE, FOLDER = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"
URLS = (f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",)
SHAPE, CLASSES = (3, 32, 32), 10
PICTURES, ROW = 10_000, 1 + 3 * 32 * 32  # pictures in a batch; bytes of a picture: its label and its pixels
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
BATCHES = {  # SHA-256; the test batch is the last
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}


def load() -> Dataset:
    """CIFAR-10, 32x32 colour: train is its first four batches, valid the fifth, 40,000 and 10,000; test 10,000.

    Read from cifar-10-batches-bin/ or the archive, in the data directory or its folder cifar10; else downloaded.
    Pixels in [0, 1]. Labels 0 to 9: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.
    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", University of Toronto, 2009.
    Raises ValueError for wrong files in cifar-10-batches-bin/, DatasetUnavailable without a good archive.
    """
    if present := folder.find("cifar10", *(f"{FOLDER}/{name}" for name in BATCHES)):
        batches = [_read(folder.locate(present.parent, name) or present.with_name(name), name) for name in BATCHES]
    else:
        batches = fetch(folder.find("cifar10", ARCHIVE) or folder.data_dir() / "cifar10" / ARCHIVE, URLS, unpack)
    rows = np.concatenate(batches)
    parts = [slice(4 * PICTURES), slice(4 * PICTURES, 5 * PICTURES), slice(5 * PICTURES, None)]
    return Dataset(name="cifar10", label="CIFAR-10", shape=SHAPE, sha256=dict(BATCHES),
                   **splits(pixels(rows[:, 1:]), torch.from_numpy(rows[:, 0].astype(np.int64)), parts))  # fmt: skip


def unpack(raw: bytes, source: str) -> list[NDArray[np.uint8]]:
    """The six batches in the archive with content `raw` (see parse). Raises ValueError, naming `source`."""
    folder.verify(raw, source, ARCHIVE_SHA256, "get the archive again")
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as archive:
            files = [archive.extractfile(f"{FOLDER}/{name}") for name in BATCHES]  # None for a folder
            contents = [b"" if file is None else file.read() for file in files]
    except (KeyError, OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ValueError(f"{source}: not the archive of CIFAR-10's binary version ({error}); get it again") from error
    return [parse(content, f"{source}: {name}", name) for name, content in zip(BATCHES, contents, strict=True)]


def parse(content: bytes, source: str, name: str) -> NDArray[np.uint8]:
    """The batch `name` as (10,000, 3073) uint8: a label, then 1,024 red, 1,024 green and 1,024 blue pixels.

    Raises ValueError, naming `source`, for another checksum or length or a label above 9.
    """
    folder.verify(content, source, BATCHES[name], f"get {ARCHIVE} again from {URLS[0]}")
    if len(content) != PICTURES * ROW:
        raise ValueError(f"{source}: found {len(content)} bytes, expected {PICTURES} rows of {ROW}")
    rows = np.frombuffer(content, np.uint8).reshape(PICTURES, ROW)
    if (highest := rows[:, 0].max()) >= CLASSES:
        raise ValueError(f"{source}: found the label {highest}, allowed: 0 to {CLASSES - 1}")
    return rows


def _read(path: Path, name: str) -> NDArray[np.uint8]:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file beside the other batches; get {ARCHIVE} from {URLS[0]}")
    return parse(path.read_bytes(), str(path), name)
