"""A split drawn from what the pictures are, so that a new picture moves no other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .arrays import SPLIT_CODES

SHARE, FEWEST = 0.1, 2  # of validation and of test; one example would have no error
DIGITS = 8  # of a digest that decide


def by_content(digests: Sequence[str], drawn: Sequence[str] = ("valid", "test")) -> NDArray[np.uint8]:
    """The split code (N,) of each picture: a tenth for each name in `drawn`, the rest train.

    digests: hex digits of a hash, evenly spread, one for each picture. The highest tenth of all possible digests is the
    last part. Equal digests share a part. A part that would have fewer than 2 pictures takes the next ones below its
    border. Raises ValueError where nothing would be left to train on.
    """
    code, rest = {name: number for number, name in SPLIT_CODES.items()}, sorted(set(digests))
    found: dict[str, int] = {}
    for k, part in enumerate(reversed(drawn), 1):
        border = round((1 - k * SHARE) * 16**DIGITS)
        n = max(FEWEST, sum(int(digest[:DIGITS], 16) >= border for digest in rest))
        found |= dict.fromkeys(rest[-n:], code[part])
        rest = rest[:-n]
    if not rest:
        raise ValueError(f"only {len(found)} of them differ; a split into train, valid and test needs more")
    return np.array([found.get(digest, 0) for digest in digests], np.uint8)
