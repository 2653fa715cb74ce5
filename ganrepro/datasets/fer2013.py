"""FER2013: 48x48 grey faces with TFD's seven expressions, prepared by two of the paper's authors."""

import csv
import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from . import folder, npz
from .arrays import SPLIT_CODES, expect
from .dataset import Dataset, arrange, pixels, rotate

CONTEST = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
# the contest's label codes 0 to 6, in the order of TFD's 1 to 7
EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
# FER+ has votes for neutral, happiness, surprise, sadness, anger, disgust, fear; then for three other kinds
FROM_FERPLUS = np.array([6, 3, 5, 4, 0, 1, 2])
USAGE = {"training": 0, "publictest": 1, "privatetest": 2}
FILES = ("fer2013.npz", "fer2013.csv", "icml_face_data.csv")  # ours; the contest's, in its first and its later form
SIDE, FOLDS = 48, 5
Table = tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.int64]]  # images (n, 48, 48), split, labels


def find() -> Path | None:
    """A file of FILES in the data directory (or its folder fer2013), or None."""
    return folder.find("fer2013", *FILES)


def load() -> Dataset:
    """FER2013 at fold 0: `unlabeled` from the contest's training images, five folds from its two test sets.

    unlabeled: the training images whose pixels equal no image of the other two sets.
    folds: the other two sets without repeated pixels (the first of each is kept), shuffled by
    numpy.random.RandomState(0).permutation and cut into five near-equal parts, which `rotate` makes into folds.
    labels: index into EXPRESSIONS: the contest's from the .csv; from the .npz the expression with most FER+ votes
    (Barsoum et al. 2016; the first in FER+'s order on a tie or without a vote).
    Source: Goodfellow et al., arXiv 1307.0414. Raises DatasetUnavailable without the file, ValueError for a wrong one.
    """
    if (path := find()) is None:
        raise folder.DatasetUnavailable(
            f"fer2013: found none of {', '.join(FILES)} in {folder.data_dir()}. It has no open "
            f"licence, so it is not downloaded: get fer2013.csv from the contest, {CONTEST}, and put it at "
            f"{folder.data_dir() / 'fer2013' / 'fer2013.csv'} (GANREPRO_DATA names the data directory). "
            f"{folder.not_taken('fer2013')}".rstrip())  # fmt: skip
    raw = path.read_bytes()
    images, split, labels = (_from_npz if path.suffix.lower() == ".npz" else _from_csv)(raw, path)
    counts = np.bincount(split, minlength=3).tolist()
    if min(counts) == 0:
        raise ValueError(f"{path}: found {counts} images in train, valid and test, expected some in each")
    keys = [image.tobytes() for image in images]
    first = {keys[row]: row for row in np.flatnonzero(split)[::-1]}  # of images that repeat, the first one stays
    held_out = np.sort(list(first.values()))
    unlabeled = [row for row in np.flatnonzero(split == 0) if keys[row] not in first]
    order = torch.from_numpy(np.random.RandomState(0).permutation(len(held_out)))
    folds = rotate(list(torch.tensor_split(order, FOLDS)))
    return Dataset(name="fer2013", label="FER2013", shape=(1, SIDE, SIDE),
                   unlabeled=pixels(images[unlabeled]), sha256={path.name: hashlib.sha256(raw).hexdigest()},
                   **arrange(pixels(images[held_out]), torch.from_numpy(labels[held_out]), folds, 0))  # fmt: skip


def _from_npz(raw: bytes, path: Path) -> Table:
    content = npz.read(raw, str(path), ("images", "split", "votes"))
    images, split, votes = content["images"], content["split"], content["votes"]
    expect(images, f"{path}: images", "uint8", (len(images), SIDE, SIDE))
    expect(split, f"{path}: split", "uint8", (len(images),), SPLIT_CODES)
    expect(votes, f"{path}: votes", "uint8", (len(images), 10))
    return images, split, FROM_FERPLUS[votes[:, :len(FROM_FERPLUS)].argmax(1)].astype(np.int64)


def _numbers(text: str) -> NDArray[np.int64]:
    """The numbers in a text. What is none raises ValueError, in older versions of numpy DeprecationWarning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        return np.fromstring(text, np.int64, sep=" ")  # four times as fast as Python's int()


def _from_csv(raw: bytes, path: Path) -> Table:
    reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig", errors="replace"), newline=""))  # -sig: a mark of UTF-8
    found = list(reader.fieldnames or ())
    reader.fieldnames = [name.strip().lower() for name in found]  # icml_face_data.csv has " Usage" and " pixels"
    if not {"emotion", "pixels", "usage"} <= set(reader.fieldnames):
        raise ValueError(f"{path}: found the columns {found}, expected emotion, pixels, Usage")
    images, split, labels = [], [], []
    for row in reader:
        try:
            image = _numbers(row["pixels"])
            if len(image) != SIDE * SIDE or image.min() < 0 or image.max() > 255:
                raise ValueError(f"{len(image)} pixels from {image.min()} to {image.max()}")
            images.append(image.astype(np.uint8))
            split.append(USAGE[row["usage"].strip().lower()])
            labels.append(range(len(EXPRESSIONS)).index(int(row["emotion"])))
        except (ValueError, KeyError, AttributeError, TypeError, DeprecationWarning) as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error!r}; expected emotion 0 to 6, {SIDE}x{SIDE} "
                             "pixels from 0 to 255 and the Usage Training, PublicTest or PrivateTest") from error
    pictures = np.array(images, np.uint8).reshape(-1, SIDE, SIDE)
    return pictures, np.array(split, np.uint8), np.array(labels, np.int64)
