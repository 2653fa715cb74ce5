"""scikit-learn's own 8x8 digits: real images that need no download, for fast tests."""

import hashlib

import numpy as np
import torch

from .dataset import Dataset, splits


def load() -> Dataset:
    """1,797 grey 8x8 digits, grey levels / 16, in numpy.random.RandomState(0).permutation: 1197/300/300.

    Source: sklearn.datasets.load_digits (the test part of UCI's optical recognition of handwritten digits).
    The checksum is of the float64 pixels as scikit-learn gives them.
    """
    from sklearn.datasets import load_digits

    data, target = load_digits(return_X_y=True)
    parts = torch.from_numpy(np.random.RandomState(0).permutation(len(data))).split([1197, 300, 300])
    rows = torch.from_numpy((data / 16).astype(np.float32))
    return Dataset(name="digits", label="scikit-learn digits", shape=(1, 8, 8),
                   sha256={"sklearn.datasets.load_digits": hashlib.sha256(data.tobytes()).hexdigest()},
                   **splits(rows, torch.from_numpy(target.astype(np.int64)), parts))
