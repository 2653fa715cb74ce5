"""The IDX format of MNIST and Fashion-MNIST (described at http://yann.lecun.com/exdb/mnist/)."""

import gzip
import io
import math
import zlib

import numpy as np
from numpy.typing import NDArray

UNSIGNED_BYTE = 0x08
LARGEST = 2**26  # bytes; MNIST's largest file has 47 million


def gunzip(raw: bytes, source: str, most: int = LARGEST) -> bytes:
    """`raw` decompressed. Raises ValueError naming `source` if it is not gzip, damaged, cut short, or longer than
    `most` bytes, of which no more are unpacked."""
    try:
        if not raw:
            raise EOFError("the file is empty")  # gzip.decompress would return b""
        with gzip.open(io.BytesIO(raw)) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise OSError(f"it unpacks to more than {most} bytes")
        return content
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{source}: found {len(raw)} bytes that are not one whole gzip file ({error}); "
                         "get the file again") from error  # fmt: skip


def parse(payload: bytes, source: str, axes: int) -> NDArray[np.uint8]:
    """The read-only uint8 array, of `axes` dimensions, in the decompressed idx file `payload`.

    Layout: 0, 0, type code, number of axes; each axis as a big-endian uint32; the values, last axis fastest.
    Raises ValueError naming `source` for another magic number, or more or fewer bytes than the header says.
    """
    start = 4 + 4 * axes
    if payload[:4] != (magic := bytes((0, 0, UNSIGNED_BYTE, axes))):
        raise ValueError(f"{source}: found magic number 0x{payload[:4].hex() or '(no bytes)'}, "
                         f"expected 0x{magic.hex()} (idx, unsigned bytes, {axes} axes)")  # fmt: skip
    if len(payload) < start:
        raise ValueError(f"{source}: found {len(payload)} bytes, a header has {start}; get the file again")
    shape = tuple(np.frombuffer(payload, ">u4", axes, offset=4).tolist())
    if len(payload) != (expected := start + math.prod(shape)):
        raise ValueError(f"{source}: found {len(payload)} bytes, expected {expected} for the shape {shape} "
                         "in its header; get the file again")  # fmt: skip
    return np.frombuffer(payload, np.uint8, offset=start).reshape(shape)
