"""The Toronto Face Database, or the best stand-in for it that is here."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from . import faces, fer2013, folder
from .dataset import Dataset, arrange, pixels

FILE = "TFD_48x48.mat"
SIDE, FOLDS = 48, 5
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
Arrays = dict[str, NDArray[Any]]


def load(*, strict: bool = False) -> Dataset:
    """TFD from TFD_48x48.mat, else FER2013, else the AT&T faces; a stand-in warns and says so in its label.

    The real one is at fold 0 of its five; `unlabeled` are the images with code 0; labels are labs_ex - 1.
    Source: Susskind, Anderson, Hinton, UTML TR 2010-001. Raises DatasetUnavailable if `strict` and the .mat
    is not there, ValueError if it is there and not as described.
    """
    path = folder.find("tfd", FILE)
    if path is not None:
        return from_mat(path)
    where = ("The owners of the Toronto Face Database (J. Susskind, A. Anderson, G. Hinton; technical report "
             f"UTML TR 2010-001, University of Toronto) give it on request. Put the file at "
             f"{folder.data_dir() / 'tfd' / FILE} (GANREPRO_DATA names the data directory).")
    if strict:
        raise folder.DatasetUnavailable(f"tfd: found no {FILE}, and strict allows no stand-in. {where}")
    stand_in = faces.load() if fer2013.find() is None else fer2013.load()
    label = f"TFD stand-in: {stand_in.label}"
    # stacklevel: the line that called ganrepro.datasets.load
    warnings.warn(f"no {FILE}: this is the {label}, whose numbers are not TFD's. {where}", stacklevel=3)
    return replace(stand_in, label=label, stand_in_for="TFD")


def from_mat(path: Path) -> Dataset:
    """TFD from its MATLAB file: images (N, 48, 48) uint8, folds (N, 5), labs_ex and labs_id (N, 1).

    folds: 0 unlabelled, 1 train, 2 valid, 3 test; an image is unlabelled in all five or in none.
    labs_ex: 1 to 7 (anger, disgust, fear, happiness, sadness, surprise, neutral), -1 where unlabelled.
    Raises ValueError naming what is not so; ImportError for a MATLAB 7.3 file where h5py is missing.
    """
    raw = path.read_bytes()
    sha256 = {path.name: hashlib.sha256(raw).hexdigest()}
    content = _read(raw, path)
    del raw
    images, codes = content["images"], content["folds"]
    _check(content, path)
    labelled = codes[:, 0] != 0
    train, valid, test = ([torch.from_numpy(np.flatnonzero(column == code)) for column in codes[labelled].T]
                          for code in (1, 2, 3))
    labels = torch.from_numpy(content["labs_ex"].ravel()[labelled].astype(np.int64)) - 1
    return Dataset(name="tfd", label="TFD", shape=(1, SIDE, SIDE), sha256=sha256,
                   unlabeled=pixels(images[~labelled]),
                   **arrange(pixels(images[labelled]), labels, list(zip(train, valid, test, strict=True)), 0))


def _check(content: Arrays, path: Path) -> None:
    n = len(content["images"])
    shapes = {"images": (n, SIDE, SIDE), "folds": (n, FOLDS), "labs_ex": (n, 1), "labs_id": (n, 1)}
    for key, shape in shapes.items():
        if content[key].shape != shape:
            raise ValueError(f"{path}: {key} has shape {content[key].shape}, expected {shape}")
    if content["images"].dtype != np.uint8:
        raise ValueError(f"{path}: images has dtype {content['images'].dtype}, expected uint8")
    for key in ("folds", "labs_ex", "labs_id"):
        kind = content[key].dtype
        if kind.kind not in "iuf" or not np.array_equal(content[key], np.rint(content[key])):
            raise ValueError(f"{path}: {key} ({kind}) has values that are no integers, expected integers")
    for key, allowed in {"folds": range(4), "labs_ex": (-1, *range(1, 8))}.items():
        wrong = np.setdiff1d(content[key], allowed)
        if len(wrong):
            raise ValueError(f"{path}: {key} has {wrong[0]}, allowed: {', '.join(map(str, allowed))}")
    unlabelled = content["folds"] == 0
    mixed = np.flatnonzero(unlabelled.any(1) != unlabelled.all(1))
    if len(mixed):  # such an image would be trained on and tested on
        raise ValueError(f"{path}: folds has {len(mixed)} rows that are 0 (unlabelled) in some columns only, "
                         f"the first is row {mixed[0]}; expected 0 in all five or in none")
    bad = np.flatnonzero(~unlabelled[:, 0] & (content["labs_ex"][:, 0] < 1))
    if len(bad):
        raise ValueError(f"{path}: labs_ex is -1 in row {bad[0]}, labelled in folds; expected 1 to 7")
    for k in range(FOLDS):
        counts = [int(np.sum(content["folds"][:, k] == code)) for code in range(4)]
        if min(counts) == 0:
            raise ValueError(f"{path}: fold {k} has {counts} images of codes 0 to 3, expected some of each")


def _read(raw: bytes, path: Path) -> Arrays:
    # MATLAB 7.3 files are HDF5 behind a header of 512 bytes; older ones are MATLAB's own format
    is_hdf5 = HDF5_SIGNATURE in (raw[:8], raw[512:520])
    try:
        content = _read_hdf5(raw, path) if is_hdf5 else _read_matlab5(raw)
    except ImportError:
        raise
    except Exception as error:  # both readers raise many types on a damaged file
        raise ValueError(f"{path}: not readable as a MATLAB file ({error!r}); get the file again") from error
    missing = [key for key in ("images", "folds", "labs_ex", "labs_id") if key not in content]
    if missing:
        raise ValueError(f"{path}: no key {missing[0]!r}; found {', '.join(sorted(content)) or 'no keys'}, "
                         "expected images, folds, labs_ex, labs_id")
    for key in ("labs_ex", "labs_id"):
        if content[key].size == len(content["images"]):
            content[key] = content[key].reshape(-1, 1)  # also as a row, or without the second axis
    return content


def _read_matlab5(raw: bytes) -> Arrays:
    from scipy.io import loadmat

    found: Arrays = loadmat(io.BytesIO(raw))
    return {key: array for key, array in found.items() if not key.startswith("__")}


def _read_hdf5(raw: bytes, path: Path) -> Arrays:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{path}: a MATLAB 7.3 file, which h5py reads; do: pip install h5py") from error
    with h5py.File(io.BytesIO(raw), "r") as file:
        # HDF5 lists MATLAB's axes in reverse
        return {key: np.atleast_1d(item).T for key, item in file.items() if isinstance(item, h5py.Dataset)}
