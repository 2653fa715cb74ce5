"""Files as people have them: under the names, in the folders and in the forms in which they are passed on."""

import gzip
import hashlib
import shutil

import numpy as np
import pytest
import torch
from scipy.io import savemat

from ganrepro import datasets
from ganrepro.datasets import folder, mnist, tfd

# ------------------------------------------------------------------------------------ Fashion-MNIST


@pytest.fixture
def fashion(monkeypatch):
    """Short contents in the place of Fashion-MNIST's four files; loading gives them back as they are read."""
    contents = {f: b"\0\0\x08" + f.encode() for f in mnist.FASHION_MNIST}
    monkeypatch.setattr(mnist, "FASHION_MNIST", {f: hashlib.sha256(x).hexdigest() for f, x in contents.items()})
    monkeypatch.setattr(mnist, "_assemble", lambda name, label, payloads, sha256: payloads)
    return contents


@pytest.mark.parametrize("place", ["", "fashion-mnist/", "FashionMNIST/raw/", "raw/", "Fashion-MNIST/"])
@pytest.mark.parametrize(
    ("change", "end", "packed"),
    [(str, ".gz", True), (str, "", False), (str, ".gz", False), (str.upper, ".GZ", True),
     (lambda f: f.replace("-idx", ".idx"), "", False), (lambda f: f.replace("-idx", ".idx"), ".gz", True)],
    ids=["gz", "gunzipped", "gunzipped but named gz", "upper case", "idx3-ubyte", "idx3-ubyte gz"],
)  # fmt: skip
def test_fashion_mnist_is_found(data, fashion, place, change, end, packed):
    (data / place).mkdir(parents=True, exist_ok=True)
    for f, content in fashion.items():
        (data / place / (change(f) + end)).write_bytes(gzip.compress(content) if packed else content)
    assert datasets.load("fashion-mnist") == fashion


def test_mnist_of_the_same_names_is_passed_over(data, fashion):
    """Some unpack both into one folder: the content decides."""
    (data / "FashionMNIST/raw").mkdir(parents=True)
    for f, content in fashion.items():
        shutil.copy(folder.files("ganrepro.datasets").joinpath(f"files/mnist/{f}.gz"), data)
        (data / "FashionMNIST/raw" / f).write_bytes(content)
    assert datasets.load("fashion-mnist") == fashion
    shutil.rmtree(data / "FashionMNIST")
    with pytest.raises(datasets.DatasetUnavailable) as caught:
        datasets.load("fashion-mnist")
    assert f"{data / 'train-images-idx3-ubyte.gz'} (decompressed): found" in str(caught.value)


# ------------------------------------------------------------------------------------------ FER2013


def table(end="\n", columns="emotion,pixels,Usage", mark="", usage=str):
    """The contest's file, small: 12 pictures of training, 10 and 10 of the tests."""
    rng, order = np.random.default_rng(0), [name.strip().lower() for name in columns.split(",")]
    rows = []
    for name, n in {"Training": 12, "PublicTest": 10, "PrivateTest": 10}.items():
        for _ in range(n):
            pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48)))
            cells = {"emotion": str(rng.integers(7)), "pixels": pixels, "usage": usage(name)}
            rows.append(",".join(cells[key] for key in order))
    return (mark + end.join([columns, *rows]) + end).encode()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What the contest's own form gives."""
    path = tmp_path_factory.mktemp("fer2013") / "fer2013.csv"
    path.write_bytes(table())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANREPRO_DATA", str(path.parent))
        return datasets.load("fer2013")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("fer2013.csv", {}),
        ("icml_face_data.csv", {"columns": "emotion, Usage, pixels"}),
        ("fer2013/icml_face_data.csv", {"columns": "emotion, Usage, pixels", "end": "\r\n", "mark": "\ufeff"}),
        ("FER2013/FER2013.CSV", {"columns": "EMOTION,PIXELS,USAGE", "usage": str.upper}),
        ("Fer2013/ICML_Face_Data.csv", {"columns": "Emotion,Pixels,usage", "usage": lambda u: f" {u} "}),
        ("fer2013.csv", {"mark": "\ufeff"}),
        ("fer2013.csv", {"end": "\r\n"}),
    ],
)
def test_fer2013_is_read_in_each_of_its_forms(data, plain, name, form):
    (data / name).parent.mkdir(exist_ok=True)
    (data / name).write_bytes(table(**form))
    found = datasets.load("fer2013")
    assert torch.equal(found.unlabeled, plain.unlabeled) and torch.equal(found.train, plain.train)
    assert torch.equal(found.labels["train"], plain.labels["train"])


def test_tfd_in_either_case(data):
    rng, folds = np.random.default_rng(0), np.zeros((40, 5))
    folds[:30] = np.repeat([1, 2, 3], 10)[:, None]
    arrays = {"images": rng.integers(0, 256, (40, 48, 48), np.uint8), "folds": folds}
    arrays |= {"labs_ex": np.where(folds[:, :1] > 0, 1.0, -1.0), "labs_id": np.ones((40, 1))}
    savemat(data / "x.mat", arrays)
    (data / "TFD").mkdir()
    (data / "x.mat").rename(data / "TFD/tfd_48X48.MAT")
    assert datasets.load("tfd", strict=True).label == "TFD"


# --------------------------------------------------------------------------------- what lies there


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("fer2013", {}, "fer2013.npz, fer2013.csv, icml_face_data.csv"),
        ("fashion-mnist", {}, "train-images-idx3-ubyte.gz"),
        ("cifar10", {}, "cifar-10-binary.tar.gz"),
        ("tfd", {"strict": True}, tfd.FILE),
    ],
)
def test_what_lies_there_and_was_not_taken_is_named(data, name, options, wanted):
    (data / name).mkdir()
    (data / name / "archive.zip").touch()
    (data / "cifar-10-batches-py").mkdir()
    (data / ".hidden").touch()
    with pytest.raises(datasets.DatasetUnavailable) as caught:
        datasets.load(name, **options)
    assert wanted in str(caught.value)
    assert f"In {data} lie, and were not taken: {name}/archive.zip, cifar-10-batches-py/, {name}/." in str(caught.value)


def test_many_files_are_counted(data):
    for i in range(20):
        (data / f"{i:02}.csv").touch()
    assert folder.not_taken().endswith("10.csv, 11.csv and 8 more.")
