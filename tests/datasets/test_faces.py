"""The AT&T faces and FER2013."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from ganrepro import datasets
from ganrepro.datasets import dataset, faces, fer2013, folder


@pytest.fixture(scope="module")
def att48():
    """tools/att48.py, which is not part of the package."""
    path = Path(__file__).parents[2] / "tools" / "att48.py"
    spec = importlib.util.spec_from_file_location("att48", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def subjects(fold):
    return [set(fold.labels[s].tolist()) for s in dataset.SPLITS]


# ------------------------------------------------------------------------------------------- AT&T


def test_att_folds_are_by_subject():
    att = datasets.load("att")
    assert (att.name, att.label, att.shape, att.stand_in_for) == ("att", "AT&T faces", (1, 48, 48), None)
    assert att.model_per_fold and att.fold_index == 0 and att.unlabeled is None and att.bounded
    tested = []
    for k in range(5):
        fold = att.fold(k)
        assert [len(getattr(fold, s)) for s in dataset.SPLITS] == [240, 80, 80]
        train, valid, test = subjects(fold)
        assert (len(train), len(valid), len(test)) == (24, 8, 8)
        assert not (train & valid or train & test or valid & test)
        assert test == set(range(k, 40, 5)) and valid == set(range((k + 1) % 5, 40, 5))
        tested += sorted(test)
    assert sorted(tested) == list(range(40))
    assert torch.equal(att.fold(0).train, att.train)


def test_att_images_are_uint8_grey_levels_of_400_pictures():
    att = datasets.load("att")
    rows = torch.cat([att.train, att.valid, att.test])
    assert rows.shape == (400, 2304) and rows.min() >= 0 and rows.max() <= 1
    assert torch.allclose(rows * 255, (rows * 255).round(), atol=1e-4)
    assert len(rows.unique(dim=0)) == 400
    assert 0.35 < rows.mean() < 0.55 and rows.std(1).min() > 0.05  # pictures, not blanks


def test_att_is_made_from_the_originals(att48):
    root = folder.data_dir() / "att"
    if not (root / "s40" / "10.pgm").exists():
        pytest.skip("no original AT&T faces in the data directory ($GANREPRO_DATA/att/s1/1.pgm ...)")
    images, subject = att48.from_originals(root)
    raw = folder.shipped("att/att48.npz", faces.SHA256)
    shipped = faces.npz.read(raw, "att48.npz", ("images", "subject"))
    assert np.array_equal(images, shipped["images"]) and np.array_equal(subject, shipped["subject"])


@pytest.mark.parametrize(("source", "target"), [(112, 48), (92, 48), (6, 3), (5, 5), (7, 3)])
def test_area_averaging_is_exact(att48, source, target):
    weights = att48.box_weights(source, target)
    assert weights.shape == (target, source) and np.allclose(weights.sum(1), 1) and (weights >= 0).all()
    values = np.random.default_rng(0).integers(0, 256, source).astype(float)
    finest = np.repeat(values, target).reshape(target, source).mean(1)  # a common multiple of both grids
    assert np.allclose(weights @ values, finest, rtol=0, atol=1e-12 * 256)


def pgm(picture, newline=b"\n"):
    height, width = picture.shape
    return newline.join([b"P5", b"%d %d" % (width, height), b"255", b""]) + picture.tobytes()


def test_pgm_reader_undoes_the_text_conversion(att48, tmp_path):
    # a smooth picture that holds 10 (a line feed) and, once, the pair 13 10
    picture = np.add.outer(np.arange(30), np.arange(20)).astype(np.uint8)
    picture[15, 7:9] = 13, 10
    (tmp_path / "plain.pgm").write_bytes(pgm(picture))
    # a lone 0a gets its 0d, a pair stays as it is
    body = picture.tobytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    (tmp_path / "converted.pgm").write_bytes(b"P5\r\n20 30\r\n255\r\n" + body)
    for name in ("plain.pgm", "converted.pgm"):
        assert np.array_equal(att48.read_pgm(tmp_path / name), picture)


@pytest.mark.parametrize("content", [b"", b"P2\n2 2\n255\n1 2 3 4", b"P5\n2 2\n255\n123", b"P5\n2 2\n255\n12345",
                                     b"P5\n2 2\n65535\n12345678", b"P5\r\n2 2\r\n255\r\n123"])
def test_pgm_reader_refuses_anything_else(att48, tmp_path, content):
    (tmp_path / "f.pgm").write_bytes(content)
    with pytest.raises(ValueError, match=r"f\.pgm: found .* expected"):
        att48.read_pgm(tmp_path / "f.pgm")


# ---------------------------------------------------------------------------------------- FER2013


def fer_arrays(n=(40, 12, 13), seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (sum(n), 48, 48), np.uint8)
    images[5], images[6] = images[40], images[60]  # train repeats a valid and a test image
    images[55] = images[41]                        # test repeats a valid image
    images[8] = images[7]                          # train repeats itself, which is no leak
    votes = rng.integers(0, 10, (sum(n), 10)).astype(np.uint8)
    return {"images": images, "split": np.repeat(np.arange(3, dtype=np.uint8), n), "votes": votes}


def write_csv(path, images, split, labels):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        usage = ["Training", "PublicTest", "PrivateTest"]
        writer.writerows([y, " ".join(map(str, x.ravel())), usage[s]]
                         for x, s, y in zip(images, split, labels, strict=True))


@pytest.mark.parametrize("place", ["fer2013/fer2013.npz", "fer2013.npz"])
def test_fer2013_leaks_nothing_into_the_folds(data, grey_levels, place):
    (data / place).parent.mkdir(exist_ok=True)
    np.savez(data / place, **fer_arrays())
    fer = datasets.load("fer2013")
    assert (fer.name, fer.label, fer.shape, fer.stand_in_for) == ("fer2013", "FER2013", (1, 48, 48), None)
    assert fer.unlabeled.shape == (38, 2304) and fer.training is fer.unlabeled and not fer.model_per_fold
    tested = []
    for k in range(5):
        fold = fer.fold(k)
        parts = [grey_levels(getattr(fold, s)) for s in dataset.SPLITS]
        assert sum(map(len, parts)) == len(set().union(*parts)) == 24
        assert not set(grey_levels(fer.unlabeled)) & set().union(*parts)
        assert torch.equal(fold.valid, fer.fold((k + 1) % 5).test)
        tested += parts[2]
    assert len(set(tested)) == len(tested) == 24
    assert torch.equal(fer.train, datasets.load("fer2013").train)


def test_fer2013_labels_mean_the_same_from_both_files(data):
    arrays = fer_arrays()
    ferplus = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]
    labels = np.array([fer2013.EXPRESSIONS.index(ferplus[i]) for i in arrays["votes"][:, :7].argmax(1)])
    np.savez(data / "fer2013.npz", **arrays)
    from_npz = datasets.load("fer2013")
    (data / "fer2013.npz").unlink()
    write_csv(data / "fer2013.csv", arrays["images"], arrays["split"], labels)
    from_csv = datasets.load("fer2013")
    for split in dataset.SPLITS:
        assert torch.equal(getattr(from_npz, split), getattr(from_csv, split))
        assert torch.equal(from_npz.labels[split], from_csv.labels[split])
    assert torch.equal(from_npz.unlabeled, from_csv.unlabeled)


def test_fer2013_that_is_not_there(data):
    with pytest.raises(datasets.DatasetUnavailable, match="kaggle.com") as caught:
        datasets.load("fer2013")
    assert str(data / "fer2013" / "fer2013.csv") in str(caught.value)
    assert list(data.iterdir()) == []


@pytest.mark.parametrize(("change", "message"), [
    ({"split": np.zeros(65, np.uint8)}, r"found \[65, 0, 0\] images"),
    ({"split": np.full(65, 3, np.uint8)}, r"split has the value 3, allowed: 0 \(train\), 1 \(valid\), 2 \(test\)"),
    ({"images": np.zeros((65, 48, 47), np.uint8)}, r"images has dtype uint8 and shape \(65, 48, 47\)"),
    ({"votes": np.zeros((64, 10), np.uint8)}, "votes has dtype"),
    ({"votes": np.zeros((65, 10))}, "votes has dtype float64"),
])
def test_fer2013_npz_that_is_not_as_described(data, change, message):
    np.savez(data / "fer2013.npz", **{**fer_arrays(), **change})
    with pytest.raises(ValueError, match=rf"fer2013\.npz: .*{message}"):
        datasets.load("fer2013")


@pytest.mark.parametrize(("line", "message"), [
    ("0,1 2 3,Training", "line 2: .*3 pixels from 1 to 3.* expected .* 48x48 pixels from 0 to 255"),
    ("7," + "0 " * 2304 + ",Training", "line 2: ValueError.*7"),
    ("-1," + "0 " * 2304 + ",Training", "line 2: ValueError.*-1"),
    ("0," + "256 " * 2304 + ",Training", "line 2: .*2304 pixels from 256 to 256.* 48x48 pixels from 0 to 255"),
    ("0," + "-1 " * 2304 + ",Training", "line 2: .*2304 pixels from -1 to -1.* 48x48 pixels from 0 to 255"),
    ("0," + "x " * 2304 + ",Training", "line 2: "),
    ("0," + "0 " * 2304 + ",Test", "line 2: KeyError"),
    ("0", "line 2: "),
])
def test_fer2013_csv_that_is_not_as_described(data, line, message):
    (data / "fer2013.csv").write_text(f"emotion,pixels,Usage\n{line}\n")
    with pytest.raises(ValueError, match=rf"fer2013\.csv, {message}"):
        datasets.load("fer2013")


def test_fer2013_csv_of_other_columns(data):
    (data / "fer2013.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"found the columns \['a', 'b'\], expected emotion, pixels, Usage"):
        datasets.load("fer2013")


def test_real_fer2013(grey_levels):
    if folder.find("fer2013", "fer2013.npz") is None:
        pytest.skip("no fer2013.npz in the data directory ($GANREPRO_DATA/fer2013)")
    fer = datasets.load("fer2013")
    assert len(fer.unlabeled) == 27_866
    assert [len(getattr(fer, s)) for s in dataset.SPLITS] == [4239, 1413, 1414]
    assert not set(grey_levels(fer.unlabeled)) & set(grey_levels(torch.cat([fer.train, fer.valid, fer.test])))
