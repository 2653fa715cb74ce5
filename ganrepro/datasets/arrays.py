"""Checks of arrays that were read from a file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = dict[int, str]  # the values that are allowed, and their meanings
SPLIT_CODES = {0: "train", 1: "valid", 2: "test"}
INTEGERS, FLOATS = np.typecodes["AllInteger"], np.typecodes["Float"]
TYPE_CODES = {"uint8": "B", "integers": INTEGERS, "real numbers": INTEGERS + FLOATS}


def expect(
    array: NDArray[Any], what: str, kind: str, shape: tuple[int, ...], codes: Codes | None = None, wanted: str = ""
) -> None:
    """Raise ValueError, naming `what`, unless `array` has this kind (a key of TYPE_CODES), shape and values (codes).
    wanted: what the message says in place of the kind."""
    if array.dtype.char not in TYPE_CODES[kind] or array.shape != shape:
        raise ValueError(f"{what} has dtype {array.dtype} and shape {array.shape}, expected {wanted or kind} of shape "
                         f"{shape}")  # fmt: skip
    if codes is not None and len(wrong := np.setdiff1d(array, list(codes))):
        allowed = ", ".join(f"{code} ({meaning})" for code, meaning in codes.items())
        raise ValueError(f"{what} has the value {wrong[0]}, allowed: {allowed}")
