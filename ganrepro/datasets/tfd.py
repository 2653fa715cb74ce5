"""The Toronto Face Database, or the best stand-in for it that is here."""

import hashlib
import io
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from . import faces, fer2013, folder
from .arrays import SPLIT_CODES, Codes, expect
from .dataset import Dataset, arrange, pixels

FILE = "TFD_48x48.mat"
SIDE, FOLDS = 48, 5
LARGEST = 2**30
FOLD_CODES = {0: "unlabelled"} | {code + 1: split for code, split in SPLIT_CODES.items()}
EXPRESSION_CODES = {-1: "unlabelled"} | dict(enumerate(fer2013.EXPRESSIONS, 1))
# each array's kind, its shape behind N, and its values
EXPECTED: dict[str, tuple[str, tuple[int, ...], Codes | None]] = {
    "images": ("uint8", (SIDE, SIDE), None),
    "folds": ("real numbers", (FOLDS,), FOLD_CODES),  # MATLAB saves integers as doubles
    "labs_ex": ("real numbers", (1,), EXPRESSION_CODES),
    "labs_id": ("real numbers", (1,), None),
}
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
Arrays = dict[str, NDArray[Any]]


def load(*, strict: bool = False) -> Dataset:
    """TFD from TFD_48x48.mat, else FER2013, else the AT&T faces; a stand-in warns and says so in its label.

    TFD itself comes at fold 0 of its five; `unlabeled` are the images with code 0; labels are labs_ex - 1.
    Source: Susskind, Anderson, Hinton, UTML TR 2010-001.
    Raises DatasetUnavailable if `strict` and there is no .mat, ValueError if it is not as described.
    """
    if path := folder.find("tfd", FILE):
        return from_mat(path)
    where = ("The owners of the Toronto Face Database (J. Susskind, A. Anderson, G. Hinton; technical report "
             "UTML TR 2010-001, University of Toronto) give it on request. Put the file at "
             f"{folder.data_dir() / 'tfd' / FILE} (GANREPRO_DATA names the data directory).")  # fmt: skip
    if strict:
        where = f"{where} {folder.not_taken('tfd')}".rstrip()
        raise folder.DatasetUnavailable(f"tfd: found no {FILE}, and strict allows no stand-in. {where}")
    stand_in = faces.load() if fer2013.find() is None else fer2013.load()
    label = f"TFD stand-in: {stand_in.label}"
    # stacklevel: the line that called ganrepro.datasets.load
    warnings.warn(f"no {FILE}: this is the {label}, whose numbers are not TFD's. {where}", stacklevel=6)
    return replace(stand_in, label=label, stand_in_for="TFD")


def from_mat(path: Path) -> Dataset:
    """TFD from its MATLAB file: images (N, 48, 48) uint8, folds (N, 5), labs_ex and labs_id (N, 1).

    folds: 0 unlabelled (in all five or in none), 1 train, 2 valid, 3 test. labs_ex: 1 to 7 as fer2013.EXPRESSIONS, -1
    where unlabelled. Raises ValueError naming the wrong part, ImportError for a MATLAB 7.3 file without h5py.
    """
    raw = path.read_bytes()
    sha256 = {path.name: hashlib.sha256(raw).hexdigest()}
    content = _read(raw, path)
    del raw  # TFD's 100,000 images would be in memory twice
    _check(content, path)
    images, codes = content["images"], content["folds"]
    labelled = codes[:, 0] != 0
    train, valid, test = ([torch.from_numpy(np.flatnonzero(column == code)) for column in codes[labelled].T]
                          for code in (1, 2, 3))  # fmt: skip
    labels = torch.from_numpy(content["labs_ex"][labelled, 0].astype(np.int64)) - 1
    return Dataset(name="tfd", label="TFD", shape=(1, SIDE, SIDE), sha256=sha256, unlabeled=pixels(images[~labelled]),
                   **arrange(pixels(images[labelled]), labels, list(zip(train, valid, test, strict=True)), 0))


def _check(content: Arrays, path: Path) -> None:
    for key, (kind, shape, codes) in EXPECTED.items():
        expect(content[key], f"{path}: {key}", kind, (len(content["images"]), *shape), codes)
    folds, people = content["folds"], content["labs_id"]
    if not np.array_equal(people, np.rint(people)):
        raise ValueError(f"{path}: labs_id ({people.dtype}) has values that are not integers")
    unlabelled = folds == 0
    if len(mixed := np.flatnonzero(unlabelled.any(1) != unlabelled.all(1))):  # it would be trained on and tested on
        raise ValueError(f"{path}: folds has {len(mixed)} rows that are 0 (unlabelled) in some columns only, "
                         f"the first is row {mixed[0]}; expected 0 in all five or in none")  # fmt: skip
    if len(bad := np.flatnonzero(~unlabelled[:, 0] & (content["labs_ex"][:, 0] < 1))):
        raise ValueError(f"{path}: labs_ex is -1 in row {bad[0]}, labelled in folds; expected 1 to 7")
    for k, column in enumerate(folds.T):
        if min(counts := [int(np.sum(column == code)) for code in FOLD_CODES]) == 0:
            raise ValueError(f"{path}: fold {k} has {counts} images of codes 0 to 3, expected some of each")


def _refuse_large(sizes: dict[str, int]) -> None:
    """Raise ValueError for an array that claims more than LARGEST, before its memory is taken."""
    if large := [key for key, size in sizes.items() if size > LARGEST]:
        raise ValueError(f"{large[0]} claims {sizes[large[0]]} numbers or bytes; TFD's images have some 236 million")


def _read(raw: bytes, path: Path) -> Arrays:
    try:
        if HDF5_SIGNATURE in (raw[:8], raw[512:520]):  # MATLAB 7.3: HDF5, usually behind a header of 512 bytes
            import h5py

            with h5py.File(io.BytesIO(raw), "r") as file:  # which lists MATLAB's axes in reverse
                there = {key: item for key in EXPECTED if isinstance(item := file.get(key), h5py.Dataset)}
                _refuse_large({key: item.nbytes for key, item in there.items()})
                content = {key: np.atleast_1d(item).T for key, item in there.items()}
        else:
            from scipy.io import loadmat, whosmat

            _refuse_large({key: math.prod(shape) for key, shape, _ in whosmat(io.BytesIO(raw)) if key in EXPECTED})
            content = loadmat(io.BytesIO(raw), variable_names=list(EXPECTED))
    except ImportError as error:
        raise ImportError(f"{path}: a MATLAB 7.3 file, which h5py reads; do: pip install h5py") from error
    except Exception as error:  # both readers raise many types on a damaged file
        raise ValueError(f"{path}: not readable as a MATLAB file ({error!r}); get the file again") from error
    for key in EXPECTED:
        if not isinstance(content.get(key), np.ndarray):  # loadmat gives MATLAB's sparse matrices as scipy's
            found = sorted(name for name, value in content.items() if isinstance(value, np.ndarray))
            raise ValueError(f"{path}: no array {key!r}; found {', '.join(found) or 'none'}, "
                             f"expected {', '.join(EXPECTED)}")  # fmt: skip
    for key in ("labs_ex", "labs_id"):
        if content[key].size == len(content["images"]):
            content[key] = content[key].reshape(-1, 1)  # also as a row, or without the second axis
    return content
