"""A user's own pictures: what is read from an .npz, and what is refused."""

import hashlib
import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ganrepro import datasets
from ganrepro.datasets import dataset


@pytest.fixture
def save(tmp_path):
    def save(name="my faces.npz", **content):
        np.savez(tmp_path / name, **content)
        return str(tmp_path / name)
    return save


@given(images=hnp.arrays(np.uint8, st.tuples(st.integers(10, 40), st.integers(1, 4), st.integers(1, 4)) |
                         st.tuples(st.integers(10, 40), st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3]))))
def test_npz_keeps_every_image_once(tmp_path_factory, images):
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    number = np.arange(len(images))
    np.savez(path, images=images, labels=number)
    data = datasets.load(str(path))
    c = images.shape[3] if images.ndim == 4 else 1
    assert data.shape == (c, *images.shape[1:3])
    assert len(data.valid) == len(data.test) == max(2, len(images) // 10)
    rows, y = (torch.cat(parts) for parts in ([data.train, data.valid, data.test], list(data.labels.values())))
    assert sorted(y.tolist()) == number.tolist()
    for row, i in zip(rows.numpy(), y.tolist(), strict=True):
        channels = images[i].reshape(*images.shape[1:3], c).transpose(2, 0, 1)  # (c, h, w) order
        assert np.array_equal(np.rint(row * 255).astype(np.uint8), channels.ravel())


def test_npz_split_name_and_checksum(save):
    rng = np.random.default_rng(0)
    split = np.array([0] * 7 + [1] * 2 + [2] * 3)
    path = save(images=rng.integers(0, 256, (12, 5, 4), np.uint8), split=split, note=np.array("ignored"))
    data = datasets.load(path)
    assert [len(getattr(data, s)) for s in dataset.SPLITS] == [7, 2, 3]
    digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
    assert data.name == f"my-faces-{digest[:8]}" and data.label == "my faces"
    assert data.sha256 == {"my faces.npz": digest} and list(data.labels.values()) == [None] * 3
    assert data.bounded and data.folds is None


@pytest.mark.parametrize("stem", ["../..", "лица", "a@b c/d", ".hidden", "-x"])
def test_npz_name_is_safe_in_a_path(tmp_path, stem):
    path = tmp_path / (stem.replace("/", "_") + ".npz")
    np.savez(path, images=np.zeros((10, 2, 2), np.uint8))
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-f]{8}", datasets.load(str(path)).name)


@pytest.mark.parametrize(
    ("given", "found", "said"),
    [
        ([0, 1, 2], [0, 1, 2], ""),
        ([1, 2, 3], [0, 1, 2], "x.npz: classes are numbered from 0 here; label 1 is 0\n"),
        ([7, 7, 2], [1, 1, 0], "x.npz: classes are numbered from 0 here; label 7 is 1\n"),
        ([-1, 0, 1], [-1, 0, 1], ""),
        ([-1, 1, 5], [-1, 0, 1], "x.npz: classes are numbered from 0 here; label 1 is 0\n"),
        ([-1, -1, -1], [-1, -1, -1], ""),
    ],
)
def test_classes_are_numbered_from_0(save, capsys, given, found, said):
    split = np.repeat([0, 1, 2], 4)  # in order
    data = datasets.load(save("x.npz", images=np.zeros((12, 2, 2), np.uint8), labels=np.resize(given, 12), split=split))
    assert torch.cat(list(data.labels.values())).tolist() == np.resize(found, 12).tolist()
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("n", [10, 11, 29, 30, 124])
def test_a_small_set_has_two_pictures_at_least_to_validate_and_to_test_on(save, n):
    data = datasets.load(save(images=np.zeros((n, 2, 2), np.uint8)))
    assert len(data.valid) == len(data.test) == max(2, n // 10) and len(data.train) == n - 2 * len(data.test)


IMAGES = np.zeros((10, 4, 4), np.uint8)
REFUSED = {
    "no images": ({"pictures": IMAGES, "labels": np.arange(10)}, "no key 'images'; found 'pictures', 'labels'"),
    "float": ({"images": IMAGES / 255}, "images has dtype float64, expected uint8"),
    "rank 2": ({"images": IMAGES.reshape(10, 16)}, r"images has shape \(10, 16\), expected \(N, h, w\)"),
    "rank 5": ({"images": IMAGES[..., None, None]}, r"images has shape \(10, 4, 4, 1, 1\)"),
    "no pixels": ({"images": np.zeros((10, 0, 4), np.uint8)}, r"images has shape \(10, 0, 4\)"),
    "one image": ({"images": IMAGES[:1]}, r"images has 1 image\(s\), expected at least 10"),
    "channels": ({"images": np.zeros((10, 4, 4, 2), np.uint8)},
                 r"images has shape \(10, 4, 4, 2\), expected .* c = 1 or 3"),
    "objects": ({"images": np.array([{}] * 10, object)}, "cannot be read .* expected plain numeric arrays"),
    "split codes": ({"images": IMAGES, "split": np.arange(10)}, "split has the value 3, allowed: 0"),
    "split float": ({"images": IMAGES, "split": np.zeros(10)}, "split has dtype float64"),
    "empty split": ({"images": IMAGES, "split": np.arange(10) % 2}, "no image with 2, so test is empty"),
    "labels": ({"images": IMAGES, "labels": np.arange(9)}, r"labels .* shape \(9,\), expected .* \(10,\)"),
    "label text": ({"images": IMAGES, "labels": np.array(["a"] * 10)}, "labels has dtype <U1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_npz_that_is_not_as_described_is_refused(save, case):
    content, message = REFUSED[case]
    path = save("bad.npz", **content)
    before = open(path, "rb").read()
    with pytest.raises(ValueError, match=rf"bad\.npz: .*{message}"):
        datasets.load(path)
    assert open(path, "rb").read() == before


@pytest.mark.parametrize("cut", [0, 20, -30])
def test_npz_that_is_no_zip_is_refused(save, tmp_path, cut):
    raw = open(save("whole.npz", images=IMAGES), "rb").read()
    path = tmp_path / "cut.npz"
    path.write_bytes(raw[:cut])
    with pytest.raises(ValueError, match=r"cut\.npz: found \d+ bytes that are not a whole zip file"):
        datasets.load(str(path))


def test_npz_with_a_damaged_entry_is_refused(save, tmp_path):
    raw = bytearray(open(save("whole.npz", images=IMAGES + 7), "rb").read())
    raw[raw.index(b"\7" * 20) + 5] ^= 1  # the zip's CRC no longer fits
    path = tmp_path / "flipped.npz"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"flipped\.npz: an entry cannot be read"):
        datasets.load(str(path))


@pytest.mark.parametrize("header", ["((((", "{[]: 1}", "{'descr': '|u1', 'fortran_order': False, 'shape': (10**15, 4)}",
                                    "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000, 4, 4)}",
                                    "{'descr': '|u1', 'fortran_order': False, 'shape': (True,)}",
                                    "{'descr': '|O', 'fortran_order': False, 'shape': (10,)}"])
def test_npz_with_a_forged_header_is_refused(tmp_path, header):
    path = tmp_path / "forged.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + bytes(160))
    with pytest.raises(ValueError, match=r"forged\.npz: an entry cannot be read"):
        datasets.load(str(path))


def test_npz_that_is_encrypted_is_refused(save, tmp_path):
    raw = bytearray(open(save("whole.npz", images=IMAGES), "rb").read())
    raw[raw.index(b"PK\1\2") + 8] |= 1  # the flag in the zip's directory
    (tmp_path / "closed.npz").write_bytes(raw)
    with pytest.raises(ValueError, match=r"closed\.npz: an entry cannot be read \(.*encrypted"):
        datasets.load(str(tmp_path / "closed.npz"))


def test_npz_is_never_unpickled(tmp_path):
    path = tmp_path / "pickle.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", pickle.dumps(IMAGES))
    with pytest.raises(ValueError, match=r"pickle\.npz: an entry cannot be read|pickle\.npz: images is no \.npy array"):
        datasets.load(str(path))


def test_npz_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "none.npz"))):
        datasets.load("none.npz")
