"""The AT&T (ORL) faces, reduced to 48x48 (tools/att48.py), which are part of this package."""

import torch

from . import folder, npz
from .dataset import Dataset, arrange, pixels, rotate

SHA256 = "64402fcf55cac0643a08805cee3b1bc1b27384c92a778b4d6b92a7acc47097b1"
SIDE, FOLDS = 48, 5


def load() -> Dataset:
    """The AT&T faces: 400 pictures of 40 subjects, 48x48 grey, in five folds by subject, at fold 0.

    Block b holds the eight subjects s (from 0) with s mod 5 = b. Fold k tests on block k, validates on block k+1 mod 5
    and trains on the other 24 subjects: 240, 80 and 80 pictures. Labels are the subjects.
    Source: Samaria and Harter, WACV 1994; AT&T Laboratories Cambridge. Raises ValueError if the file is damaged.
    """
    content = npz.read(folder.shipped("att/att48.npz", SHA256), "att48.npz", ("images", "subject"))
    subject = torch.tensor(content["subject"], dtype=torch.int64)
    blocks = [torch.nonzero(subject % FOLDS == b).flatten() for b in range(FOLDS)]
    return Dataset(name="att", label="AT&T faces", shape=(1, SIDE, SIDE), sha256={"att48.npz": SHA256},
                   **arrange(pixels(content["images"]), subject, rotate(blocks), 0))
