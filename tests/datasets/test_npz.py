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


def pictures(*shape):
    """uint8 images that differ, without 0 and 1."""
    return (np.arange(np.prod(shape)).reshape(shape) % 250 + 2).astype(np.uint8)


@pytest.fixture
def save(tmp_path):
    def save(name="my faces.npz", **content):
        np.savez(tmp_path / name, **content)
        return str(tmp_path / name)
    return save


@given(images=hnp.arrays(np.uint8, st.tuples(st.integers(10, 40), st.integers(1, 4), st.integers(1, 4)) |
                         st.tuples(st.integers(10, 40), st.sampled_from([2, 4, 5]), st.integers(1, 4),
                                   st.sampled_from([1, 3]))))
def test_npz_keeps_every_image_once(tmp_path_factory, images):
    images[0], images[1] = 7, 9  # pictures that are all the same, or hold 0 and 1 alone, are refused
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
    np.savez(path, images=pictures(10, 2, 2))
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
    data = datasets.load(save("x.npz", images=pictures(12, 2, 2), labels=np.resize(given, 12), split=split))
    assert torch.cat(list(data.labels.values())).tolist() == np.resize(found, 12).tolist()
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("n", [10, 11, 29, 30, 124])
def test_a_small_set_has_two_pictures_at_least_to_validate_and_to_test_on(save, n):
    data = datasets.load(save(images=pictures(n, 2, 2)))
    assert len(data.valid) == len(data.test) == max(2, n // 10) and len(data.train) == n - 2 * len(data.test)


IMAGES = pictures(10, 4, 4)
REFUSED = {
    "no images": ({"pictures": IMAGES, "labels": np.arange(10)}, "no key 'images'; found 'pictures', 'labels'"),
    "float beyond 1": ({"images": IMAGES / 1.0},
                       "images has dtype float64 with values from 2 to 161, expected uint8 .* or images / 161 if that"),
    "float below 0": ({"images": IMAGES / 100 - 1}, r"values from -0\.98 .* \(images \+ 1\) / 2"),
    "not a number": ({"images": np.where(IMAGES > 9, IMAGES / 255, np.nan)}, "not finite"),
    "integers": ({"images": IMAGES.astype(int)}, "images has dtype int64, .* 255 is white, .* its maximum"),
    "0 and 1 of uint8": ({"images": IMAGES % 2}, r"two readings: .*images\.astype\(bool\).*images / 255"),
    "channels first or last": ({"images": pictures(10, 3, 5, 3)}, "two readings: .*h, w, c.* c = 3, or .*c, h, w"),
    "all the same": ({"images": IMAGES * 0}, "all 10 pictures are the same"),
    "all the same floats": ({"images": IMAGES * 0.0}, "all 10 pictures are the same"),
    "images and x_train": ({"images": IMAGES, "x_train": IMAGES}, "'images' and 'x_train', and so two readings"),
    "no x_test": ({"x_train": IMAGES}, "'x_train' and no 'x_test'"),
    "labels in one part": ({"x_train": IMAGES, "x_test": IMAGES, "y_test": np.arange(10)}, "labels in test alone"),
    "sizes of parts": ({"x_train": IMAGES, "x_test": pictures(10, 5, 4)}, "differ in shape"),
    "split names": ({"images": IMAGES, "split": np.array(["train", "dev"] * 5)}, "split has the value 'dev', allowed"),
    "half a label": ({"images": IMAGES, "labels": np.arange(10) + 0.5}, "labels has dtype float64"),
    "two hot": ({"images": IMAGES, "labels": np.ones((10, 2))}, r"labels has .* shape \(10, 2\), .* one-hot rows"),
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
    raw = bytearray(open(save("whole.npz", images=IMAGES), "rb").read())
    raw[raw.index(IMAGES.tobytes()) + 5] ^= 1  # the zip's CRC no longer fits
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


# ------------------------------------------------------------------------- what has one reading

ORDER = np.repeat([0, 1, 2], [6, 2, 4])
SAME = pictures(12, 4, 5, 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"images": SAME.transpose(0, 3, 1, 2)}, SAME),
        ({"images": SAME[..., 0] > 100}, (SAME[..., :1] > 100) * np.uint8(255)),
        ({"images": SAME[..., :1].transpose(0, 3, 1, 2) / 255}, SAME[..., :1]),
        ({"images": (SAME / 255).astype(np.float16)}, SAME),
        ({"arr_0": SAME}, SAME),
    ],
    ids=["channels first", "bool", "floats, channels first", "float16", "arr_0"],
)
def test_images_that_have_one_reading(save, content, expected):
    data = datasets.load(save("x.npz", split=ORDER, **content))
    rows = torch.cat([data.train, data.valid, data.test]).numpy()
    found = rows.reshape(12, *data.shape).transpose(0, 2, 3, 1)
    assert data.shape == (expected.shape[3], 4, 5)
    assert np.array_equal(np.rint(found * 255), expected)


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        (np.array(["dog", "cat"] * 6), [1, 0] * 6, ("cat", "dog")),
        (np.array([b"dog", b"cat"] * 6), [1, 0] * 6, ("cat", "dog")),
        (np.array([1.0, 0.0] * 6), [1, 0] * 6, None),
        (np.eye(3)[[2, 0, 1] * 4], [2, 0, 1] * 4, None),
        (np.array([[1], [0]] * 6), [1, 0] * 6, None),
        (np.array([True, False] * 6), [1, 0] * 6, None),
    ],
    ids=["strings", "bytes", "whole floats", "one-hot", "a column", "bool"],
)
def test_labels_that_have_one_reading(save, labels, numbers, names):
    data = datasets.load(save("x.npz", images=SAME, labels=labels, split=ORDER))
    assert torch.cat(list(data.labels.values())).tolist() == numbers
    assert data.classes == names and ("classes: cat, dog" in repr(data)) == (names is not None)


def test_a_split_by_name(save):
    names = np.array(["train", "val", "Test"])[ORDER]
    for split in (names, np.char.replace(names, "val", "valid")):
        data = datasets.load(save("x.npz", images=SAME, split=split))
        assert [len(getattr(data, s)) for s in dataset.SPLITS] == [6, 2, 4]


@pytest.mark.parametrize("valid", [None, "x_val", "x_valid"])
def test_parts_by_key(save, valid):
    content = {"x_train": pictures(40, 4, 4), "y_train": np.arange(40) % 2, "x_test": pictures(11, 4, 4)[1:],
               "y_test": np.arange(10) % 2}  # fmt: skip
    if valid:
        content |= {valid: pictures(9, 4, 4), valid.replace("x", "y"): np.zeros(9, int)}
    data = datasets.load(save("x.npz", **content))
    assert len(data.test) == 10 and len(data.train) + len(data.valid) == (49 if valid else 40)
    assert len(data.valid) == 9 if valid else 2 <= len(data.valid) <= 10
    assert data.labels["test"].tolist() == content["y_test"].tolist()
    assert np.array_equal(data.test.mul(255).round().numpy(), content["x_test"].reshape(10, -1))


def test_an_npy_holds_images_alone(tmp_path):
    np.save(tmp_path / "faces.npy", SAME)
    data = datasets.load(tmp_path / "faces.npy")
    assert data.shape == (3, 4, 5) and data.label == "faces"
    (tmp_path / "cut.npy").write_bytes((tmp_path / "faces.npy").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cut\.npy: it cannot be read"):
        datasets.load(tmp_path / "cut.npy")


def test_a_file_at_another_size_is_another_data_set(save):
    path = save("x.npz", images=pictures(12, 6, 8))
    whole, small, grey = datasets.load(path), datasets.load(path, size=3), datasets.load(path, size=3, channels=3)
    assert small.shape == (1, 3, 3) and grey.shape == (3, 3, 3) and len({whole.name, small.name, grey.name}) == 3
    middle = whole.train.reshape(-1, 6, 8)[:, :, 1:7].reshape(-1, 3, 2, 3, 2).mean((2, 4)).flatten(1)
    assert (small.train - middle).abs().max() <= 1 / 255 + 1e-6  # Pillow rounds twice: rows, then columns
    for size, message in ((7, "at most 6"), (-1, "at least 0"), (2.0, "must be an int")):
        with pytest.raises(ValueError, match=message):
            datasets.load(path, size=size)
    with pytest.raises(ValueError, match="size = 14 is for pictures of your own"):
        datasets.load("digits", size=14)


def test_npz_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "none.npz"))):
        datasets.load("none.npz")
