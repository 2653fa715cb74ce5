"""The registry, MNIST, the idx reader, digits, toys and folds."""

import dataclasses
import gzip
import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ganrepro import datasets
from ganrepro.datasets import dataset, folder, idx, toys
from ganrepro.datasets.arrays import expect
from ganrepro.datasets.mnist import MNIST
from ganrepro.recipes import RECIPES


@pytest.fixture(scope="module")
def mnist():
    return datasets.load("mnist")


# ------------------------------------------------------------------------------------------ names


def test_names_are_the_known_data_sets():
    assert set(datasets.NAMES) == {"mnist", "fashion-mnist", "tfd", "fer2013", "att", "cifar10", "digits",
                                   "gaussian1d", "ring", "grid"}


@pytest.mark.parametrize(("name", "closest"), [("minst", "mnist"), ("MNIST", "mnist"),
                                               ("fashion_mnist", "fashion-mnist")])
def test_unknown_name_is_refused_with_the_choices(name, closest):
    with pytest.raises(ValueError, match=f"unknown data set '{name}'.*did you mean '{closest}'") as caught:
        datasets.load(name)
    assert all(allowed in str(caught.value) for allowed in datasets.NAMES)


@pytest.mark.parametrize("name", ["", "pictures.zip", "/"])
def test_unlike_any_name(name):
    with pytest.raises(ValueError, match="unknown data set .* allowed: mnist"):
        datasets.load(name)


def test_import_loads_nothing_slow():
    code = ("import sys, ganrepro.datasets; "
            "print(sorted({'sklearn', 'scipy', 'pooch', 'requests', 'h5py', 'PIL'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------------ MNIST


def test_mnist_splits(mnist):
    assert (mnist.name, mnist.label, mnist.shape, mnist.bounded) == ("mnist", "MNIST", (1, 28, 28), True)
    for split, n in {"train": 50_000, "valid": 10_000, "test": 10_000}.items():
        x, y = getattr(mnist, split), mnist.labels[split]
        assert x.shape == (n, 784) and x.dtype == torch.float32 and y.shape == (n,) and y.dtype == torch.int64
        assert x.min() == 0 and x.max() == 1 and y.min() == 0 and y.max() == 9
    assert mnist.folds is None and mnist.unlabeled is None and mnist.training is mnist.train
    assert not mnist.model_per_fold and mnist.stand_in_for is None and mnist.fold_index is None


def test_mnist_is_mnist(mnist):
    # the first labels, and the mean 0.1307 of the 60,000 images that every tutorial normalises with
    assert mnist.labels["train"][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.labels["test"][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    total = sum(part.sum(dtype=torch.float64) for part in (mnist.train, mnist.valid))
    assert total / (60_000 * 784) == pytest.approx(0.1307, abs=5e-5)
    assert mnist.sha256["train-images-idx3-ubyte.gz"].startswith("440fcabf")


def test_mnist_pixels_are_exact(mnist):
    name = "mnist/t10k-images-idx3-ubyte.gz"
    raw = folder.shipped(name, mnist.sha256[name.split("/")[1]])
    expected = np.frombuffer(gzip.decompress(raw)[16:], np.uint8).reshape(10_000, 784)
    assert np.array_equal(np.rint(mnist.test.numpy() * 255).astype(np.uint8), expected)


def test_damaged_package_file_is_refused():
    with pytest.raises(ValueError, match="train-labels.*28881 bytes.*expected 0000.*reinstall"):
        folder.shipped("mnist/train-labels-idx1-ubyte.gz", "0" * 64)


def test_mnist_files_have_the_md5_that_torchvision_publishes():
    for name, md5 in {"train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                      "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
                      "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
                      "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c"}.items():
        raw = folder.shipped(f"mnist/{name}.gz", MNIST[name])
        assert hashlib.md5(raw, usedforsecurity=False).hexdigest() == md5


@pytest.mark.parametrize(("path", "words"), [("mnist/LICENSE.txt", ["CC BY-SA 3.0", "LeCun", "Cortes", "Burges"]),
                                             ("att/CREDIT.txt", ["AT&T Laboratories Cambridge"])])
def test_shipped_files_carry_their_terms(path, words):
    text = folder.files("ganrepro.datasets").joinpath("files", *path.split("/")).read_text()
    assert all(word in text for word in words)


# -------------------------------------------------------------------------------------------- idx


def idx_bytes(array):
    header = bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


arrays = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))


@given(arrays)
def test_idx_round_trip(array):
    assert np.array_equal(idx.parse(idx_bytes(array), "f", array.ndim), array)


@given(arrays, st.data())
def test_idx_of_any_other_length_is_refused(array, data):
    payload = idx_bytes(array)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(ValueError, match="the file: found"):
        idx.parse(payload[:cut], "the file", array.ndim)
    with pytest.raises(ValueError, match=f"the file: found {len(payload) + 1} bytes, expected {len(payload)}"):
        idx.parse(payload + b"\0", "the file", array.ndim)


@pytest.mark.parametrize("magic", ["00000802", "00000d03", "1f8b0800", "01000803"])
def test_idx_magic_number_is_checked(magic):
    payload = bytes.fromhex(magic) + idx_bytes(np.zeros((2, 2, 2), np.uint8))[4:]
    with pytest.raises(ValueError, match=f"found magic number 0x{magic}, expected 0x00000803"):
        idx.parse(payload, "f", 3)


def test_idx_with_a_forged_header_is_refused():
    payload = bytes((0, 0, 8, 3)) + b"\xff" * 12  # 2**96 values: more than any integer type holds
    with pytest.raises(ValueError, match="found 16 bytes, expected 79228162"):
        idx.parse(payload, "f", 3)


GZIPPED = gzip.compress(b"x" * 1000, mtime=0)  # without the time, which would stand in the tests' names


@pytest.mark.parametrize("raw", [b"", b"no gzip", GZIPPED[:-9], GZIPPED[:-8] + bytes(8)])
def test_damaged_gzip_is_refused(raw):
    with pytest.raises(ValueError, match=f"f.gz: found {len(raw)} bytes that are not one whole gzip file"):
        idx.gunzip(raw, "f.gz")


# -------------------------------------------------------------------------------- digits and toys


def test_digits():
    digits = datasets.load("digits")
    assert digits.shape == (1, 8, 8) and digits.bounded
    assert [len(getattr(digits, s)) for s in dataset.SPLITS] == [1197, 300, 300]
    assert digits.train.dtype == torch.float32 and digits.train.min() == 0 and digits.train.max() == 1
    assert all(set(y.tolist()) == set(range(10)) for y in digits.labels.values())
    assert torch.equal(digits.train, datasets.load("digits").train)


@pytest.mark.parametrize(("name", "modes", "dim"), [("gaussian1d", 1, 1), ("ring", 8, 2), ("grid", 25, 2)])
def test_toys_are_their_mixtures(name, modes, dim):
    toy, data = toys.TOYS[name], datasets.load(name)
    assert data.shape == (1, 1, dim) and not data.bounded and toy.centres.shape == (modes, dim)
    assert [len(getattr(data, s)) for s in dataset.SPLITS] == [10_000, 2_000, 2_000]
    y = data.labels["train"]
    z = (data.train.double() - torch.from_numpy(toy.centres)[y]) / toy.sigma
    assert z.mean().abs() < 0.05 and abs(z.std() - 1) < 0.02  # standard normal around the labelled centre
    counts = torch.bincount(y, minlength=modes) / len(y)
    assert (counts - 1 / modes).abs().max() < 0.02
    assert torch.equal(data.test, datasets.load(name).test)


def test_toy_geometry():
    assert np.allclose(np.linalg.norm(toys.TOYS["ring"].centres, axis=1), 2)
    assert sorted({float(x) for x in toys.TOYS["grid"].centres.ravel()}) == [-4, -2, 0, 2, 4]


# ------------------------------------------------------------------------------------------ folds


def numbered(n_blocks=5, size=2, unlabeled=None):
    n = n_blocks * size
    rows = torch.arange(n, dtype=torch.float32)[:, None]
    folds = dataset.rotate(list(torch.arange(n).split(size)))
    return dataset.Dataset(name="x", label="X", shape=(1, 1, 1), unlabeled=unlabeled,
                           **dataset.arrange(rows, torch.arange(n), folds, 0))


def test_fold_gives_the_rows_of_the_fold_and_composes():
    data = numbered()
    for k in range(5):
        fold = data.fold(k)
        assert fold.fold_index == k
        assert fold.test.flatten().tolist() == [2 * k, 2 * k + 1]
        assert fold.valid.flatten().tolist() == [2 * ((k + 1) % 5), 2 * ((k + 1) % 5) + 1]
        assert all(torch.equal(fold.labels[s], getattr(fold, s).flatten().long()) for s in dataset.SPLITS)
        rows = torch.cat([fold.train, fold.valid, fold.test])
        for j in range(5):  # the indices are still right, from whatever fold one starts
            assert torch.equal(fold.fold(j).test, data.fold(j).test)
            assert torch.equal(rows[fold.folds[j][0]], data.fold(j).train)


@pytest.mark.parametrize("k", [-1, 5])
def test_fold_out_of_range(k):
    with pytest.raises(ValueError, match=f"fold {k} was asked for; allowed: 0 to 4"):
        numbered().fold(k)


def test_fold_where_there_are_none():
    with pytest.raises(ValueError, match="digits: fold 0 .* has no folds"):
        datasets.load("digits").fold(0)


def test_folds_must_use_every_row_once():
    part = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="fold 0: found 6 indices, 2 distinct, expected each of the 3 rows"):
        dataset.arrange(torch.zeros(3, 1), None, [(part, part, part)], 0)


def test_training_and_model_per_fold():
    extra = torch.zeros(7, 1)
    assert numbered().model_per_fold and not numbered(unlabeled=extra).model_per_fold
    assert numbered(unlabeled=extra).training is extra
    assert "unlabeled 7, fold 0 of 5" in repr(numbered(unlabeled=extra))


def test_dataset_is_frozen_and_its_repr_is_short(mnist):
    with pytest.raises(dataclasses.FrozenInstanceError):
        mnist.name = "other"
    assert repr(mnist) == "Dataset('mnist', 'MNIST', 1x28x28, train 50000, valid 10000, test 10000)"


# ----------------------------------------------------------------------------- labels and conditions


def labelled(train, **others):
    rows = torch.zeros(len(train), 1)
    return dataset.Dataset(name="x", label="X", shape=(1, 1, 1), train=rows, valid=rows, test=rows,
                           labels={"train": torch.tensor(train), "valid": None, "test": None, **others})


def test_labels_that_are_known():
    data = labelled([0, 1], test=torch.tensor([1]))
    assert {split: y.tolist() for split, y in datasets.known(data, "train", "test").items()} == {
        "train": [0, 1], "test": [1]}
    with pytest.raises(ValueError, match="dataset = 'x' has no labels in valid; choose one with labels"):
        datasets.known(data)


def test_classes_are_counted():
    assert datasets.count_classes(labelled([2, 0, 1, 1], test=torch.tensor([1]))) == 3
    assert datasets.count_classes(labelled([0, 0]), classes=1) == 1


@pytest.mark.parametrize(("train", "options", "message"), [
    ([0, 0], {}, "training labels 0; they must be 0 to K - 1, K at least 2"),
    ([-1, 0, -1, 1], {}, "training labels -1, 0, 1; they must be 0 to K - 1, .*The label -1 .2 times. is no class: "
                         "label those pictures or leave them out"),
    ([0, 1, 3], {}, "training labels 0, 1, 3; they must be"),
    (list(range(1, 14)), {}, "training labels 1 to 13; they must be"),
    ([0, 0, 1], {"least": 2}, "1 training examples of class 1; at least 2 are needed"),
])
def test_classes_that_do_not_fit_are_refused(train, options, message):
    with pytest.raises(ValueError, match=f"dataset = 'x' has .*{message}"):
        datasets.count_classes(labelled(train), **options)


def test_classes_without_a_training_example_are_refused():
    with pytest.raises(ValueError, match=r"2 classes in test \(5, 7\) without an example in train"):
        datasets.count_classes(labelled([0, 1], test=torch.tensor([7, 0, 5])))


def test_an_unlabelled_test_picture_is_named():
    with pytest.raises(ValueError, match=r"1 classes in test \(-1\) without .*The label -1 .1 times. is no class"):
        datasets.count_classes(labelled([0, 1], test=torch.tensor([1, -1])))


def test_conditions_are_the_labels_unless_the_data_have_their_own():
    recipe = next(r for r in RECIPES.values() if r.task.columns == 10)
    data = labelled(list(range(10)))
    assert torch.equal(datasets.prepare(data, recipe).conditions, torch.eye(10))
    own = dataclasses.replace(data, conditions=torch.ones(10, 10))
    assert datasets.prepare(own, recipe) is own
    for change, message in [
        ({"conditions": torch.ones(10, 3)}, r"conditions of shape \(10, 3\), recipe .* takes \(10, 10\)"),
        ({"unlabeled": data.train}, "unlabelled training examples, which recipe"),
        ({"labels": {"train": torch.arange(10) % 7}}, "has 7 classes, recipe .* takes 10 numbers as a condition"),
        ({"labels": dict.fromkeys(dataset.SPLITS)}, "has no labels in train"),
    ]:
        with pytest.raises(ValueError, match=message):
            datasets.prepare(dataclasses.replace(data, **change), recipe)


# ----------------------------------------------------------------------------------- arrays of a file


@pytest.mark.parametrize("dtype", ["i1", "u2", ">i4", "i8", "u8"])
def test_integers_of_every_size_are_integers(dtype):
    expect(np.zeros(3, dtype), "f", "integers", (3,), {0: "nothing"})


@pytest.mark.parametrize("dtype", ["f8", "?", "m8[s]", "M8[s]", "U1", "O", "c8", "V4"])
def test_what_is_no_integer_is_refused(dtype):
    with pytest.raises(ValueError, match=r"f: x has dtype .* and shape \(3,\), expected integers of shape \(3,\)"):
        expect(np.zeros(3, dtype), "f: x", "integers", (3,))
