"""MNIST, which is part of this package, and Fashion-MNIST, which has its layout and is downloaded."""

from functools import partial

import numpy as np
import torch

from . import folder, idx
from .dataset import Dataset, pixels, splits
from .fetch import fetch

# SHA-256 of the original .gz files, as TensorFlow Datasets publishes it
MNIST = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
# SHA-256 of the decompressed content: distributors recompress these files
FASHION_MNIST = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
FOLDERS = ("fashion-mnist", "FashionMNIST/raw", "FashionMNIST", "raw")  # ours, and torchvision's
MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)


def mnist() -> Dataset:
    """MNIST, 28x28 grey: train[:50000], valid train[50000:60000], test 10,000.

    Source: LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86(11), 1998. CC BY-SA 3.0, LeCun and Cortes.
    Raises ValueError if a shipped file is damaged.
    """
    payloads = {f: idx.gunzip(folder.shipped(f"mnist/{f}.gz", sha256), f"mnist/{f}.gz") for f, sha256 in MNIST.items()}
    return _assemble("mnist", "MNIST", payloads, {f"{f}.gz": sha256 for f, sha256 in MNIST.items()})


def fashion_mnist() -> Dataset:
    """Fashion-MNIST, 28x28 grey, split as MNIST is, from a folder of FOLDERS in the data directory or the mirrors.

    Files may be compressed or not, under the names that the home page, torchvision and Kaggle give them. Those of MNIST
    have the same names, so that the content decides.
    Source: Xiao, Rasul, Vollgraf, arXiv 1708.07747. MIT licence, Zalando SE.
    Raises DatasetUnavailable if a file is not there and no mirror gives it.
    """
    target = folder.data_dir() / "fashion-mnist"
    payloads = {
        f: fetch(target / f"{f}.gz", [f"{url}{f}.gz" for url in MIRRORS], partial(_unpack, sha256=sha256),
                 folder.candidates(FOLDERS, _names(f)))
        for f, sha256 in FASHION_MNIST.items()
    }  # fmt: skip
    return _assemble("fashion-mnist", "Fashion-MNIST", payloads, dict(FASHION_MNIST))


def _names(f: str) -> list[str]:
    """The names under which a file is passed on: train-images-idx3-ubyte.gz, train-images.idx3-ubyte, …"""
    return [stem + end for stem in (f, f.replace("-idx", ".idx")) for end in (".gz", "")]


def _unpack(raw: bytes, source: str, *, sha256: str) -> bytes:
    payload = raw if raw[:2] == b"\0\0" else idx.gunzip(raw, source)  # every idx file begins with two zeros
    folder.verify(payload, f"{source} (decompressed)", sha256, "get the file again")
    return payload


def _assemble(name: str, label: str, payloads: dict[str, bytes], sha256: dict[str, str]) -> Dataset:
    x, y, x_test, y_test = (idx.parse(payloads[f], f"{name}/{f}.gz", 3 if "idx3" in f else 1) for f in MNIST)
    rows, labels = pixels(np.concatenate([x, x_test])), torch.from_numpy(np.concatenate([y, y_test]).astype(np.int64))
    parts = [slice(50_000), slice(50_000, 60_000), slice(60_000, None)]
    return Dataset(name=name, label=label, shape=(1, 28, 28), sha256=sha256, **splits(rows, labels, parts))
