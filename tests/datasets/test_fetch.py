"""Downloads: mirrors in turn, nothing unverified under a final name, offline use."""

import gzip
import hashlib
import os

import pytest

from ganrepro import datasets
from ganrepro.datasets import folder, mnist
from ganrepro.datasets.fetch import fetch

GOOD = b"the right content " * 500


@pytest.fixture
def server(server, monkeypatch):
    """The server of conftest.py as a mirror: server.serve(path, body) has it answer with a body."""
    monkeypatch.setattr("ganrepro.datasets.fetch.SCHEMES", ("http",))

    def serve(path, body, length=None):
        server.answers[path] = (200, {"Content-Length": str(len(body) if length is None else length)}, body)

    server.serve = serve
    return server


def unpack(raw: bytes, source: str) -> str:
    if raw != GOOD:
        raise ValueError(f"{source}: {len(raw)} bytes are not the right ones")
    return raw.decode()


def test_mirrors_are_tried_in_turn(server, tmp_path):
    server.serve("/corrupt/f", GOOD[:-1] + b"!")
    server.serve("/good/f", GOOD)
    target = tmp_path / "set" / "f"
    urls = [f"{server.url}/{mirror}/f" for mirror in ("absent", "corrupt", "good", "spare")]
    assert fetch(target, urls, unpack) == GOOD.decode()
    assert server.asked == ["/absent/f", "/corrupt/f", "/good/f"]
    assert target.read_bytes() == GOOD and os.listdir(target.parent) == ["f"]
    assert fetch(target, urls, unpack) == GOOD.decode() and len(server.asked) == 3  # the second time from the disk


def test_nothing_is_left_behind_when_every_mirror_fails(server, tmp_path):
    server.serve("/corrupt/f", b"something else")
    server.serve("/short/f", GOOD[:100])
    server.serve("/broken/f", GOOD[:100], length=len(GOOD))  # the connection ends in the middle
    target = tmp_path / "set" / "f"
    urls = [f"{server.url}/{mirror}/f" for mirror in ("absent", "corrupt", "short", "broken")]
    urls.append("http://127.0.0.1:9/f")  # nobody answers
    with pytest.raises(datasets.DatasetUnavailable) as caught:
        fetch(target, urls, unpack)
    assert all(part in str(caught.value) for part in [*urls, "404", "14 bytes", "100 bytes", f"Put it at {target}"])
    assert os.listdir(target.parent) == []


@pytest.mark.parametrize("found", [b"", GOOD[:-1], b"x" * len(GOOD)])
def test_a_damaged_file_is_replaced_by_a_good_one(server, tmp_path, found):
    server.serve("/f", GOOD)
    target = tmp_path / "f"
    target.write_bytes(found)
    with pytest.warns(UserWarning, match=f"{len(found)} bytes are not the right ones; downloading it anew"):
        assert fetch(target, [f"{server.url}/f"], unpack) == GOOD.decode()
    assert target.read_bytes() == GOOD and os.listdir(tmp_path) == ["f"]


def test_a_damaged_file_is_never_used_and_stays_the_users(server, tmp_path):
    target = tmp_path / "f"
    target.write_bytes(GOOD[:-1])
    with (pytest.warns(UserWarning, match="downloading it anew"),
          pytest.raises(datasets.DatasetUnavailable, match=f"{len(GOOD) - 1} bytes are not the right ones")):
        fetch(target, [f"{server.url}/absent"], unpack)
    assert target.read_bytes() == GOOD[:-1] and os.listdir(tmp_path) == ["f"]


def test_offline_asks_no_mirror(server, tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_OFFLINE", "1")
    server.serve("/f", GOOD)
    target = tmp_path / "set" / "f"
    with pytest.raises(datasets.DatasetUnavailable, match="GANREPRO_OFFLINE is set") as caught:
        fetch(target, [f"{server.url}/f"], unpack)
    assert f"{server.url}/f" in str(caught.value) and f"Put it at {target}" in str(caught.value)
    assert server.asked == [] and not target.parent.exists()
    target.parent.mkdir()
    target.write_bytes(GOOD)
    assert fetch(target, [f"{server.url}/f"], unpack) == GOOD.decode()


def test_a_folder_that_cannot_be_made_is_reported(server, tmp_path):
    server.serve("/f", GOOD)
    (tmp_path / "set").write_text("a file where the folder should be")
    with pytest.raises(datasets.DatasetUnavailable, match="File exists"):
        fetch(tmp_path / "set" / "f", [f"{server.url}/f"], unpack)


def test_data_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("GANREPRO_DATA", str(tmp_path))
    assert folder.data_dir() == tmp_path
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANREPRO_DATA", "here")
    assert folder.data_dir() == tmp_path / "here"
    monkeypatch.delenv("GANREPRO_DATA")
    assert folder.data_dir().name == "ganrepro" and folder.data_dir().is_absolute()


# ---------------------------------------------------------------------------------- Fashion-MNIST


@pytest.fixture
def disguised(server, tmp_path, monkeypatch):
    """MNIST's own files, recompressed, served and registered as if they were Fashion-MNIST's."""
    payloads = {f: gzip.decompress(folder.shipped(f"mnist/{f}.gz", sha256))
                for f, sha256 in mnist.MNIST.items()}
    for f, payload in payloads.items():
        server.serve(f"/fashion/{f}.gz", gzip.compress(payload, 1))
    monkeypatch.setattr(mnist, "FASHION_MNIST", {f: hashlib.sha256(p).hexdigest() for f, p in payloads.items()})
    monkeypatch.setattr(mnist, "MIRRORS", (f"{server.url}/absent/", f"{server.url}/fashion/"))
    monkeypatch.setenv("GANREPRO_DATA", str(tmp_path))
    return server


def test_fashion_mnist_is_downloaded_once(disguised, tmp_path):
    first = datasets.load("fashion-mnist")
    assert (first.name, first.label, len(first.train), len(first.valid), len(first.test)) == (
        "fashion-mnist", "Fashion-MNIST", 50_000, 10_000, 10_000)
    assert sorted(os.listdir(tmp_path / "fashion-mnist")) == sorted(f"{f}.gz" for f in mnist.MNIST)
    asked = len(disguised.asked)
    assert datasets.load("fashion-mnist").sha256 == first.sha256 == mnist.FASHION_MNIST
    assert len(disguised.asked) == asked == 8


def test_truncated_fashion_mnist_offline(disguised, tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_OFFLINE", "1")
    path = tmp_path / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    path.parent.mkdir()
    path.write_bytes(disguised.answers[f"/fashion/{path.name}"][2][:-100])
    with pytest.raises(datasets.DatasetUnavailable, match="train-images.*not one whole gzip file"):
        datasets.load("fashion-mnist")


def test_real_fashion_mnist(monkeypatch):
    if not all((folder.data_dir() / "fashion-mnist" / f"{f}.gz").exists() for f in mnist.FASHION_MNIST):
        pytest.skip("no Fashion-MNIST in the data directory ($GANREPRO_DATA/fashion-mnist)")
    monkeypatch.setenv("GANREPRO_OFFLINE", "1")
    data = datasets.load("fashion-mnist")
    assert data.labels["train"][:5].tolist() == [9, 0, 0, 3, 0] and len(data.train) == 50_000
    everything = data.labels["train"].bincount() + data.labels["valid"].bincount()
    assert everything.tolist() == [6000] * 10 and data.labels["test"].bincount().tolist() == [1000] * 10
