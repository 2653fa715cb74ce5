"""TFD from its MATLAB file, and what stands in for it."""

import builtins
import warnings

import numpy as np
import pytest
import torch
from scipy.io import savemat
from scipy.sparse import csc_array

from ganrepro import datasets
from ganrepro.datasets import dataset, tfd

FER2013 = {"images": np.random.default_rng(0).integers(0, 256, (30, 48, 48), np.uint8),
           "split": np.arange(30, dtype=np.uint8) % 3, "votes": np.ones((30, 10), np.uint8)}


def tfd_arrays(n=30, labelled=20, seed=0):
    rng = np.random.default_rng(seed)
    folds = np.zeros((n, 5))  # doubles, as MATLAB saves numbers
    where = rng.permutation(n)[:labelled]
    for k in range(5):
        folds[rng.permutation(where), k] = np.repeat([1, 2, 3], [12, 3, 5])
    labs_ex = np.where(folds[:, :1] > 0, rng.integers(1, 8, (n, 1)), -1.0)
    return {"images": rng.integers(0, 256, (n, 48, 48), np.uint8), "folds": folds, "labs_ex": labs_ex,
            "labs_id": rng.integers(1, 9, (n, 1)).astype(float)}


def write_matlab5(path, arrays):
    savemat(path, arrays)


def write_matlab73(path, arrays):
    h5py = pytest.importorskip("h5py", reason="h5py reads and writes MATLAB 7.3 files; it is not installed")
    with h5py.File(path, "w", userblock_size=512) as file:
        for key, array in arrays.items():
            file[key] = array.T  # MATLAB's axes in reverse
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.mark.parametrize("write", [write_matlab5, write_matlab73])
@pytest.mark.parametrize("place", ["tfd/TFD_48x48.mat", "TFD_48x48.mat"])
def test_tfd_mat(data, grey_levels, write, place):
    arrays = tfd_arrays()
    (data / place).parent.mkdir(exist_ok=True)
    write(data / place, arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        face = datasets.load("tfd", strict=True)
    assert (face.name, face.label, face.shape, face.stand_in_for) == ("tfd", "TFD", (1, 48, 48), None)
    images, folds = arrays["images"].reshape(30, -1), arrays["folds"]
    assert grey_levels(face.unlabeled) == [row.tobytes() for row in images[folds[:, 0] == 0]]
    assert face.training is face.unlabeled and not face.model_per_fold and len(face.folds) == 5
    rows = torch.cat([face.train, face.valid, face.test])
    for k in range(5):
        fold = face.fold(k)
        for code, split in enumerate(dataset.SPLITS, 1):
            chosen = folds[:, k] == code
            assert grey_levels(getattr(fold, split)) == [row.tobytes() for row in images[chosen]]
            assert fold.labels[split].tolist() == (arrays["labs_ex"][chosen, 0] - 1).tolist()
            assert torch.equal(rows[face.folds[k][code - 1]], getattr(fold, split))


def test_tfd_labels_may_be_a_row(data):
    arrays = tfd_arrays()
    savemat(data / tfd.FILE, {**arrays, "labs_ex": arrays["labs_ex"].T, "labs_id": arrays["labs_id"].T})
    assert len(datasets.load("tfd").train) == 12


def changed(key, index, value):
    def change(arrays):
        arrays[key] = arrays[key].copy()
        arrays[key][index] = value
    return change


BAD_TFD = {
    "missing key": (lambda a: a.pop("folds"), "no array 'folds'; found images, labs_ex, labs_id"),
    "images dtype": (lambda a: a.update(images=a["images"] / 255),
                     r"images has dtype float64 and shape \(30, 48, 48\), expected uint8"),
    "images shape": (lambda a: a.update(images=np.zeros((30, 96, 96), np.uint8)),
                     r"images has dtype uint8 and shape \(30, 96, 96\)"),
    "folds shape": (lambda a: a.update(folds=a["folds"][:, :4]), r"folds has .*shape \(30, 4\), expected .* \(30, 5\)"),
    "labels shape": (lambda a: a.update(labs_ex=a["labs_ex"][:9]),
                     r"labs_ex has .*shape \(9, 1\), expected .* \(30, 1\)"),
    "fold code": (changed("folds", (0, 0), 4),
                  r"folds has the value 4.0, allowed: 0 \(unlabelled\), 1 \(train\), 2 \(valid\), 3 \(test\)"),
    "label code": (changed("labs_ex", 0, 8),
                   r"labs_ex has the value 8.0, allowed: -1 \(unlabelled\), 1 \(anger\), .*7 \(neutral\)"),
    "fractions": (changed("labs_id", 0, 0.5), r"labs_id \(float64\) has values that are not integers"),
    "nan": (changed("folds", 0, np.nan), r"folds has the value nan, allowed: 0 \(unlabelled\), 1"),
    "fraction of a code": (changed("labs_ex", 0, 0.5), "labs_ex has the value 0.5, allowed"),
    "infinite": (changed("folds", (0, 0), np.inf), "folds has the value inf, allowed"),
    "complex": (lambda a: a.update(folds=a["folds"] + 0j), r"folds has dtype complex128 .* expected real numbers"),
    "text": (lambda a: a.update(labs_id=np.array([["a"]] * 30, object)),
             r"labs_id has dtype object and shape \(30, 1\), expected real numbers"),
    "mixed": (lambda a: changed("folds", (np.flatnonzero(a["folds"][:, 0])[0], 3), 0)(a),
              "1 rows that are 0 .unlabelled. in some columns only"),
    "unlabelled": (lambda a: changed("labs_ex", np.flatnonzero(a["folds"][:, 0])[0], -1)(a), "labs_ex is -1 in row"),
    "empty fold": (lambda a: a.update(folds=np.where(a["folds"] == 3, 1, a["folds"])), r"fold 0 has \[10, 17, 3, 0\]"),
}


@pytest.mark.parametrize("write", [write_matlab5, write_matlab73])
@pytest.mark.parametrize("case", BAD_TFD)
def test_tfd_mat_that_is_not_as_described(data, case, write):
    change, message = BAD_TFD[case]
    arrays = tfd_arrays()
    change(arrays)
    if case == "text" and write is write_matlab73:
        pytest.skip("HDF5 has no objects, so a 7.3 file cannot hold this")
    write(data / tfd.FILE, arrays)
    before = (data / tfd.FILE).read_bytes()
    with pytest.raises(ValueError, match=rf"TFD_48x48\.mat: .*{message}"):
        datasets.load("tfd")
    assert (data / tfd.FILE).read_bytes() == before


@pytest.mark.parametrize("key", ["images", "folds", "labs_id"])
def test_tfd_mat_with_a_sparse_matrix(data, key):
    arrays = tfd_arrays()
    savemat(data / tfd.FILE, {**arrays, key: csc_array(arrays[key].reshape(30, -1).astype(float))})
    with pytest.raises(ValueError, match=rf"TFD_48x48\.mat: no array '{key}'; found "):
        datasets.load("tfd")


@pytest.mark.parametrize("write", [write_matlab5, write_matlab73])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_tfd_mat_that_was_cut_short(data, write, share):
    write(data / tfd.FILE, tfd_arrays())
    raw = (data / tfd.FILE).read_bytes()
    (data / tfd.FILE).write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(ValueError, match="TFD_48x48.mat: not readable as a MATLAB file|TFD_48x48.mat: no array"):
        datasets.load("tfd")


@pytest.mark.parametrize("content", [b"", b"nonsense " * 100, b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_tfd_file_that_is_no_mat(data, content):
    if content.startswith(tfd.HDF5_SIGNATURE):
        pytest.importorskip("h5py", reason="h5py reads MATLAB 7.3 files; it is not installed")
    (data / tfd.FILE).write_bytes(content)
    with pytest.raises(ValueError, match="not readable as a MATLAB file"):
        datasets.load("tfd")


def test_tfd_in_matlab73_without_h5py(data, monkeypatch):
    (data / tfd.FILE).write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + tfd.HDF5_SIGNATURE + bytes(100))
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "h5py":
            raise ImportError("No module named 'h5py'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="a MATLAB 7.3 file, which h5py reads; do: pip install h5py"):
        datasets.load("tfd")


def test_att_stands_in_for_tfd_and_says_so(data):
    with pytest.warns(UserWarning, match="no TFD_48x48.mat: this is the TFD stand-in: AT&T faces") as caught:
        face = datasets.load("tfd")
    assert caught[0].filename == __file__  # the warning points at the caller
    assert (face.name, face.label, face.stand_in_for) == ("att", "TFD stand-in: AT&T faces", "TFD")
    assert face.fold(2).label == face.label and face.fold(2).stand_in_for == "TFD"
    assert torch.equal(face.train, datasets.load("att").train) and datasets.load("att").stand_in_for is None


def test_fer2013_is_the_better_stand_in(data):
    np.savez(data / "fer2013.npz", **FER2013)
    with pytest.warns(UserWarning, match="TFD stand-in: FER2013"):
        face = datasets.load("tfd")
    assert (face.name, face.label, face.stand_in_for) == ("fer2013", "TFD stand-in: FER2013", "TFD")
    assert datasets.load("fer2013").label == "FER2013"


@pytest.mark.parametrize("with_fer", [False, True])
def test_strict_allows_no_stand_in(data, with_fer):
    if with_fer:
        np.savez(data / "fer2013.npz", **FER2013)
    with pytest.raises(datasets.DatasetUnavailable, match="Susskind.*UTML TR 2010-001") as caught:
        datasets.load("tfd", strict=True)
    assert str(data / "tfd" / "TFD_48x48.mat") in str(caught.value)
