"""CIFAR-10: its archive and its folder, each kind of damage, and contrast normalisation."""

import dataclasses
import hashlib
import io
import tarfile

import numpy as np
import pytest
import torch

from ganrepro import datasets
from ganrepro.datasets import cifar10, contrast
from ganrepro.recipes import RECIPES

PICTURES = 20
ROW = 1 + 3 * 32 * 32


def digest(raw):
    return hashlib.sha256(raw).hexdigest()


def make_batches(seed=0):
    """Six batches in the real layout, of a few pictures: a label byte, then the red, green and blue plane."""
    rng = np.random.default_rng(seed)
    tables = [rng.integers(0, 256, (PICTURES, ROW), np.uint8) for _ in range(6)]
    for table in tables:
        table[:, 0] = rng.integers(0, 10, PICTURES)
    return {name: table.tobytes() for name, table in zip(cifar10.BATCHES, tables, strict=True)}


def make_archive(batches, folder=cifar10.FOLDER):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, raw in {"batches.meta.txt": b"airplane\n", **batches}.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return target.getvalue()


@pytest.fixture
def register(monkeypatch):
    """The function that makes these small batches, and their archive, the right ones."""
    def register(batches, archive=b""):
        monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", digest(archive))
        monkeypatch.setattr(cifar10, "BATCHES", {name: digest(raw) for name, raw in batches.items()})
        monkeypatch.setattr(cifar10, "PICTURES", PICTURES)

    return register


def files(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def put(folder, batches):
    folder.mkdir(parents=True)
    for name, raw in batches.items():
        (folder / name).write_bytes(raw)


@pytest.mark.parametrize("place", ["cifar10/archive", "archive", "cifar10/folder", "folder"])
def test_pictures_are_the_files_pixels_in_their_splits(data, register, place):
    batches = make_batches()
    archive = make_archive(batches)
    above = data / place.rpartition("/")[0]
    if place.endswith("archive"):
        above.mkdir(exist_ok=True)
        (above / cifar10.ARCHIVE).write_bytes(archive)
    else:
        put(above / cifar10.FOLDER, batches)
    before = files(data)
    register(batches, archive)
    found = cifar10.load()
    assert files(data) == before  # nothing is extracted
    assert (found.name, found.label, found.shape, found.bounded) == ("cifar10", "CIFAR-10", (3, 32, 32), True)
    tables = [np.frombuffer(raw, np.uint8).reshape(PICTURES, ROW) for raw in batches.values()]
    for split, part in {"train": tables[:4], "valid": tables[4:5], "test": tables[5:]}.items():
        whole = np.concatenate(part)
        x = getattr(found, split)
        assert x.dtype == torch.float32 and 0 <= x.min() and x.max() <= 1
        assert np.array_equal(np.rint(x.numpy() * 255).astype(np.uint8), whole[:, 1:])
        assert found.labels[split].tolist() == whole[:, 0].tolist()
    assert found.sha256 == {name: digest(raw) for name, raw in batches.items()}  # the same from archive and folder


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "no archive"])
def test_a_damaged_archive_is_a_clear_error_and_stays_the_users(data, register, damage):
    batches = make_batches()
    archive = make_archive(batches)
    spoilt = {"cut": archive[:-100], "flipped": archive[:500] + bytes([archive[500] ^ 1]) + archive[501:], "empty": b"",
              "no archive": b"<html>not found</html>"}[damage]  # fmt: skip
    target = data / "cifar10" / cifar10.ARCHIVE
    target.parent.mkdir()
    target.write_bytes(spoilt)
    register(batches, archive)
    with pytest.raises(datasets.DatasetUnavailable, match="cifar-10-binary.tar.gz is not available") as caught:
        cifar10.load()
    assert f"{target}: found {len(spoilt)} bytes with SHA-256" in str(caught.value)
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" in str(caught.value)
    assert files(data) == {f"cifar10/{cifar10.ARCHIVE}": spoilt}


def test_a_damaged_download_is_never_left_behind(data, register, monkeypatch):
    monkeypatch.delenv("GANREPRO_OFFLINE")
    batches = make_batches()
    archive = make_archive(batches)

    class Mirror:
        def __init__(self, **options):
            pass

        def __call__(self, url, target, _):
            with open(target, "wb") as file:
                file.write(archive[:-1])

    import pooch

    monkeypatch.setattr(pooch, "HTTPDownloader", Mirror)
    register(batches, archive)
    with pytest.raises(datasets.DatasetUnavailable, match=f"found {len(archive) - 1} bytes with SHA-256"):
        cifar10.load()
    assert files(data) == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw[:-1], "test_batch.bin: found 61459 bytes, expected 20 rows of 3073"),
        (lambda raw: b"\x0a" + raw[1:], "test_batch.bin: found the label 10, allowed: 0 to 9"),
    ],
)
def test_batches_that_are_not_as_described(data, register, change, said):
    """Even where every checksum agrees."""
    batches = make_batches()
    batches["test_batch.bin"] = change(batches["test_batch.bin"])
    put(data / cifar10.FOLDER, batches)
    register(batches)
    with pytest.raises(ValueError, match=said):
        cifar10.load()


def test_an_archive_with_another_content_is_refused(data, register):
    batches = make_batches()
    for archive, said in (
        (make_archive(batches, folder="elsewhere"), "not the archive of CIFAR-10's binary version"),
        (make_archive(make_batches(1)), "data_batch_1.bin: found 61460 bytes with SHA-256"),
        (b"no gzip", "not the archive of CIFAR-10's binary version"),
    ):
        register(batches, archive)
        with pytest.raises(ValueError, match=f"a.tar.gz: .*{said}"):
            cifar10.unpack(archive, "a.tar.gz")


def test_a_folder_that_lacks_a_batch_or_holds_a_wrong_one_is_named(data, register):
    batches = make_batches()
    put(data / cifar10.FOLDER, batches)
    wrong = data / cifar10.FOLDER / "data_batch_3.bin"
    wrong.write_bytes(batches["data_batch_2.bin"])
    register(batches)
    with pytest.raises(ValueError, match=f"{wrong}: found 61460 bytes with SHA-256 .*; get cifar-10-binary.tar"):
        cifar10.load()
    wrong.unlink()
    register(batches)
    with pytest.raises(ValueError, match=f"{wrong}: there is no such file beside the other batches"):
        cifar10.load()


def test_where_there_is_nothing_it_says_where_to_put_it(data):
    with pytest.raises(datasets.DatasetUnavailable, match=f"Put it at {data / 'cifar10' / cifar10.ARCHIVE}"):
        datasets.load("cifar10")


# ---------------------------------------------------------------------------- contrast normalisation


def small(seed=0, n=30):
    rows = torch.rand(3 * n, 3072, generator=torch.Generator().manual_seed(seed))
    train, valid, test = rows.split(n)
    return datasets.Dataset(name="cifar10", label="CIFAR-10", shape=(3, 32, 32), train=train, valid=valid, test=test)


def test_contrast_normalisation_is_its_definition():
    x = small().train
    found = contrast.normalise(x, 55.0).double().numpy()
    rows = x.double().numpy()
    rows = rows - rows.mean(1, keepdims=True)
    np.testing.assert_allclose(found, 55 * rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=1e-5)
    torch.testing.assert_close(contrast.normalise(0.3 * x + 0.1, 55.0), contrast.normalise(x, 55.0), atol=1e-4, rtol=0)


def test_a_picture_of_one_grey_becomes_nothing_and_not_rounding_noise():
    x = torch.full((3, 3072), 0.3)
    x[2, 7] += 1 / 255  # the faintest picture that bytes can hold
    found = contrast.normalise(x, 55.0)
    assert (found[:2] == 0).all() and found[2].norm() == pytest.approx(55, rel=1e-4)


def test_data_are_prepared_once_for_the_recipes_that_ask_for_it():
    data = small()
    assert datasets.prepare(data, RECIPES["mnist"]) is data
    found = datasets.prepare(data, RECIPES["cifar10-fc"])
    assert (found.contrast, found.bounded, found.name, found.label) == (55, False, "cifar10", "CIFAR-10")
    assert data.contrast is None and data.train.min() >= 0  # as it was
    for split in ("train", "valid", "test"):
        assert torch.equal(getattr(found, split), contrast.normalise(getattr(data, split), 55.0))
    assert datasets.prepare(found, RECIPES["cifar10-conv"]) is found
    with pytest.raises(ValueError, match="normalised to a norm of 55, recipe mnist takes pixels; load"):
        datasets.prepare(found, RECIPES["mnist"])
    unlabeled = dataclasses.replace(data, unlabeled=data.valid)
    assert torch.equal(datasets.prepare(unlabeled, RECIPES["cifar10-fc"]).training, found.valid)


def test_pictures_have_an_average_pictures_brightness_and_contrast():
    data = small()
    assert datasets.pictures(data, data.train) is data.train
    found = datasets.prepare(data, RECIPES["cifar10-fc"])
    for shown in (datasets.pictures(found, found.train), datasets.pictures(found, found.train.numpy())):
        assert type(shown) in (torch.Tensor, np.ndarray) and shown.dtype in (torch.float32, np.float32)
        np.testing.assert_allclose(shown.mean(1), contrast.BRIGHTNESS, atol=1e-4)
        np.testing.assert_allclose(np.asarray(shown).std(1), contrast.CONTRAST, atol=1e-4)


# ------------------------------------------------------------------------------------ the real thing


@pytest.fixture(scope="module")
def real():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANREPRO_OFFLINE", "1")
        try:
            return datasets.load("cifar10")
        except datasets.DatasetUnavailable:
            pytest.skip("the files of CIFAR-10 are not in the data directory")


def test_real_cifar10(real):
    assert [len(x) for x in (real.train, real.valid, real.test)] == [40_000, 10_000, 10_000]
    assert torch.bincount(real.labels["test"]).tolist() == [1000] * 10
    assert real.labels["train"][:5].tolist() == [6, 9, 9, 4, 1]  # frog, truck, truck, deer, automobile
    assert float(real.train.mean(dtype=torch.float64)) == pytest.approx(contrast.BRIGHTNESS, abs=5e-5)
    assert float(real.train.std(1, correction=0).mean()) == pytest.approx(contrast.CONTRAST, abs=5e-5)
    some = contrast.normalise(real.train[:2000], 55.0)
    assert some.std() == pytest.approx(0.99, abs=0.005)  # near 1, as a norm of 55 for 3,072 numbers was meant
