"""CIFAR-10 from its binary archive, which is read where it lies: nothing is extracted, nothing unpickled."""

from __future__ import annotations

import io
import tarfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from . import folder
from .dataset import Dataset, pixels
from .fetch import fetch

ARCHIVE, FOLDER = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"
URLS = (f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",)
SHAPE, CLASSES = (3, 32, 32), 10


@dataclass(frozen=True)
class Layout:
    """What the files must be: the archive's SHA-256, each batch's, the test batch's last, and pictures in a batch."""

    archive: str
    batches: dict[str, str]
    pictures: int


CIFAR10 = Layout(
    archive="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    batches={
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
    pictures=10_000,
)


def load(layout: Layout = CIFAR10) -> Dataset:
    """CIFAR-10, 32x32 colour: train is its first four batches, valid the fifth, 40,000 and 10,000; test 10,000.

    Read from cifar-10-batches-bin/ or the archive in the data directory or its folder cifar10; else downloaded.
    Pixels are in [0, 1]; contrast normalisation is the recipe's (see contrast.py). Labels 0 to 9: airplane,
    automobile, bird, cat, deer, dog, frog, horse, ship, truck.
    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", University of Toronto, 2009.
    Raises ValueError for files that are there and not the right ones, DatasetUnavailable if they cannot be had.
    """
    there = folder.find("cifar10", *(f"{FOLDER}/{name}" for name in layout.batches))
    if there is not None:
        batches = {name: _read(there.with_name(name), layout) for name in layout.batches}
    else:
        target = folder.find("cifar10", ARCHIVE) or folder.data_dir() / "cifar10" / ARCHIVE
        batches = fetch(target, URLS, partial(unpack, layout=layout))
    table = np.stack([np.frombuffer(raw, np.uint8).reshape(layout.pictures, -1) for raw in batches.values()])
    labels, planes = torch.from_numpy(table[:, :, 0].astype(np.int64)), table[:, :, 1:]
    parts = {"train": slice(0, -2), "valid": slice(-2, -1), "test": slice(-1, None)}
    rows = {split: pixels(planes[part].reshape(-1, 1, planes.shape[2])) for split, part in parts.items()}
    return Dataset(name="cifar10", label="CIFAR-10", shape=SHAPE, sha256=dict(layout.batches),
                   train=rows["train"], valid=rows["valid"], test=rows["test"],
                   labels={split: labels[part].flatten() for split, part in parts.items()})


def unpack(raw: bytes, source: str, *, layout: Layout) -> dict[str, bytes]:
    """The batches in the archive with content `raw`, verified. Raises ValueError, naming `source`."""
    folder.verify(raw, source, layout.archive, "get the archive again")
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as archive:
            files = {name: archive.extractfile(f"{FOLDER}/{name}") for name in layout.batches}
            batches = {name: b"" if file is None else file.read() for name, file in files.items()}
    except (KeyError, OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ValueError(f"{source}: not the archive of CIFAR-10's binary version ({error}); get it again") from error
    for name, content in batches.items():
        check(content, f"{source}: {name}", name, layout)
    return batches


def check(content: bytes, source: str, name: str, layout: Layout) -> None:
    """Raise ValueError, naming `source`, unless `content` is the batch `name`: rows of a label and 3,072 pixels."""
    folder.verify(content, source, layout.batches[name], f"get {ARCHIVE} again from {URLS[0]}")
    row = 1 + SHAPE[0] * SHAPE[1] * SHAPE[2]
    if len(content) != layout.pictures * row:
        raise ValueError(f"{source}: found {len(content)} bytes, expected {layout.pictures} rows of {row}")
    if max(content[::row], default=0) >= CLASSES:
        raise ValueError(f"{source}: found the label {max(content[::row])}, allowed: 0 to {CLASSES - 1}")


def _read(path: Path, layout: Layout) -> bytes:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file beside the other batches; get {ARCHIVE} from {URLS[0]}")
    content = path.read_bytes()
    check(content, str(path), path.name, layout)
    return content
