"""A folder of picture files: classes, splits, sizes, duplicates, broken files, the cache; and arrays of a script."""

import os
import random
import re
import time

import numpy as np
import pytest
import torch
from PIL import Image

from ganrepro import datasets
from ganrepro.datasets import dataset, kept, picture_file, picture_folder, split


def grey(seed, h=6, w=6):
    return np.random.default_rng(seed).integers(0, 256, (h, w), np.uint8)


def write(folder, pictures):
    """Write {name: array} below a folder. Returns the folder."""
    for name, picture in pictures.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return folder


def rows(data):
    return torch.cat([data.train, data.valid, data.test])


def numbered(n, **options):
    return {f"{i:04}.png": grey(i, **options) for i in range(n)}


@pytest.fixture
def pictures(data):
    """pictures({name: array}) -> the path of a folder "faces" that holds them, beside the data directory's files."""
    return lambda content: write(data / "faces", content)


# --------------------------------------------------------------------------------- classes and split


def test_att_as_400_files_in_40_folders_is_att(pictures, capsys):
    att = datasets.load("att")
    x, y = rows(att), torch.cat(list(att.labels.values()))
    images = x.reshape(-1, 48, 48).mul(255).round().byte().numpy()
    found = datasets.load(pictures({f"s{label + 1:02}/{i}.png": image
                                    for i, (image, label) in enumerate(zip(images, y.tolist(), strict=True))}))
    assert found.shape == att.shape and found.classes == tuple(f"s{i:02}" for i in range(1, 41))
    assert "400 pictures, 48x48 grey" in (said := capsys.readouterr().out) and "40 classes: s01, s02" in said
    ours, theirs = ((torch.cat([labels[:, None], x], 1) for x, labels in ((rows(found),
                    torch.cat(list(found.labels.values()))), (x, y))))
    assert torch.equal(*(torch.stack(sorted(t, key=lambda row: row.tolist())) for t in (ours, theirs)))


def test_att_with_its_folds_parts_as_folders_is_that_fold(pictures):
    att = datasets.load("att")
    content = {}
    for part in dataset.SPLITS:
        images = getattr(att, part).reshape(-1, 48, 48).mul(255).round().byte().numpy()
        content |= {f"{part}/{label:02}/{i}.png": image
                    for i, (image, label) in enumerate(zip(images, att.labels[part].tolist(), strict=True))}
    found = datasets.load(pictures(content))
    for part in dataset.SPLITS:
        joined = (torch.cat([d.labels[part][:, None], getattr(d, part)], 1).tolist() for d in (found, att))
        ours, theirs = map(sorted, joined)
        assert ours == theirs


def test_a_part_that_has_no_folder_is_drawn_from_train(pictures, capsys):
    content = {f"train/{name}": picture for name, picture in numbered(60).items()}
    data = datasets.load(pictures(content | {f"test/{i}.png": grey(100 + i) for i in range(5)}))
    assert len(data.test) == 5 and 2 <= len(data.valid) <= 15 and len(data.train) == 60 - len(data.valid)
    assert "there is no folder valid; a tenth of train stands in for it" in capsys.readouterr().out


def test_names_of_parts_in_either_case_and_spelling(pictures):
    content = {f"{part}/{name}": picture for part, picture_set in (("Train", range(12)), ("VAL", range(20, 25)),
               ("test", range(30, 34))) for name, picture in ((f"{i}.png", grey(i)) for i in picture_set)}
    data = datasets.load(pictures(content))
    assert [len(getattr(data, part)) for part in dataset.SPLITS] == [12, 5, 4] and data.classes is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train/a", "test/a", "cats/a"], "test, train are a split, but cats/.* lies beside them"),
        (["train/a", "test/a", ""], "are a split, but 0.*png lies beside them"),
        (["train/a", ""], "lies beside them"),
        (["train", "val", "valid", "test"], "'val' and 'valid', which mean the same"),
        (["val", "test"], "none named 'train'"),
    ],
)
def test_folders_with_two_readings_are_refused(pictures, names, message):
    content = {f"{name}/{file}".strip("/"): grey(i + 99 * j)
               for j, name in enumerate(names) for i, file in enumerate(numbered(6))}
    with pytest.raises(ValueError, match=f"faces: .*{message}"):
        datasets.load(pictures(content))


def test_a_class_may_be_called_train(pictures):
    content = {f"{name}/{i}.png": grey(i + 10 * j) for j, name in enumerate(["bus", "train"]) for i in range(10)}
    assert datasets.load(pictures(content)).classes == ("bus", "train")


def test_pictures_beside_the_classes_have_no_label(pictures, capsys):
    places = ["cat/", "dog/deep/", ""]
    content = {f"{name}{i}.png": grey(i + 10 * j) for j, name in enumerate(places) for i in range(10)}
    data = datasets.load(pictures(content))
    assert sorted(torch.cat(list(data.labels.values())).tolist()) == [-1] * 10 + [0] * 10 + [1] * 10
    assert data.classes == ("cat", "dog")
    assert "10 beside the folders of classes have no label" in capsys.readouterr().out


def test_one_folder_around_all_is_no_class(pictures):
    data = datasets.load(pictures({f"all/{name}": picture for name, picture in numbered(20).items()}))
    assert data.classes is None and data.labels["train"] is None


# ------------------------------------------------------------------------- the split by content


def part_of(data):
    """{pixels: part} of every picture."""
    return {tuple(row.tolist()): part for part in dataset.SPLITS for row in getattr(data, part)}


def test_a_new_picture_moves_no_other_and_names_decide_nothing(pictures, data):
    before = datasets.load(pictures(numbered(300)))
    assert 15 <= len(before.valid) <= 45 and 15 <= len(before.test) <= 45
    renamed = datasets.load(write(data / "renamed" / "faces", {f"x{i}.bmp": grey(i) for i in range(299, -1, -1)}))
    assert torch.equal(rows(renamed), rows(before)) and renamed.name == before.name
    after = datasets.load(pictures({"0new.png": grey(1000)}))
    assert len(rows(after)) == 301 and part_of(before).items() <= part_of(after).items()


def test_identical_pictures_lie_on_one_side_and_are_counted(pictures, capsys):
    content = numbered(40) | {f"again{i}.bmp": grey(i) for i in range(40)}
    data = datasets.load(pictures(content))
    found = [set(map(tuple, getattr(data, part).tolist())) for part in dataset.SPLITS]
    assert not found[0] & found[1] and not found[0] & found[2] and not found[1] & found[2]
    assert "40 exact duplicates" in capsys.readouterr().out and data.details["duplicates"] == 40


def test_a_held_out_picture_that_stands_in_train_is_said(pictures, capsys):
    content = {f"{part}/{i}.png": grey(i) for part in ("train", "valid", "test") for i in range(10)}
    data = datasets.load(pictures(content))
    assert data.details["in_train_too"] == 20 and "20 held-out pictures stand in train, too" in capsys.readouterr().out


@pytest.mark.parametrize("n", [10, 12, 30])
def test_a_small_folder_has_two_pictures_at_least_in_each_part(pictures, n):
    data = datasets.load(pictures(numbered(n)))
    assert min(len(data.valid), len(data.test)) >= 2 and len(data.train) >= n // 2


def test_shares_of_the_split_and_its_borders():
    digests = [f"{i:08x}" + "0" * 56 for i in range(0, 16**8, 16**8 // 1000)]
    found = split.by_content(digests)
    assert np.bincount(found).tolist() == pytest.approx([800, 100, 100], abs=2)
    assert np.array_equal(found, np.sort(found))  # the highest are the last part
    with pytest.raises(ValueError, match="only 4 of them differ"):
        split.by_content(["0a" * 32, "1a" * 32, "2a" * 32, "3a" * 32] * 5)


# ------------------------------------------------------------------------------------ sizes, colour


def test_mixed_sizes_name_three_sizes_and_one_that_fits(pictures):
    folder = pictures({f"{i}.png": grey(i, 60 + i, 80 + 2 * i) for i in range(11)})
    with pytest.raises(ValueError, match=r"11 sizes: smallest 80x60, median 90x65, largest 100x70.*as 48: `--size 48`"):
        datasets.load(folder)
    data = datasets.load(folder, size=48)
    assert data.shape == (1, 48, 48) and data.details["from"].startswith("smallest 80x60")
    with pytest.raises(ValueError, match="size = 61, but 0.png is 80x60, and no picture is enlarged.*at most 60"):
        datasets.load(folder, size=61)


def test_pictures_of_one_size_keep_it_and_large_ones_need_a_size(pictures, data):
    assert datasets.load(pictures(numbered(10, h=5, w=7))).shape == (1, 5, 7)
    with pytest.raises(ValueError, match="the pictures are 300x20, more than 256 a side.*such as 20: `--size 20`"):
        datasets.load(write(data / "wide", numbered(10, h=20, w=300)))


def test_more_pictures_than_one_array_is_read_of_are_refused_before_they_are_decoded(pictures, monkeypatch):
    folder = pictures(numbered(10))
    monkeypatch.setattr(picture_file, "read", lambda path: pytest.fail("a picture was decoded"))
    monkeypatch.setattr(picture_folder.npz, "LARGEST", 10 * 6 * 6 - 1)
    for options, total in (({}, 1080), ({"channels": 1}, 360), ({"size": 4}, 480)):
        with pytest.raises(ValueError, match=f"10 pictures of .* take up to {total} bytes, .* 359 are read; choose a"):
            datasets.load(folder, **options)


def test_grey_only_if_all_are_grey(pictures, data):
    folder = pictures(numbered(10) | {"colour.png": np.stack([grey(90), grey(91), grey(92)], -1)})
    assert datasets.load(folder).shape == (3, 6, 6) and datasets.load(folder, channels=1).shape == (1, 6, 6)
    as_grey = np.array(Image.open(folder / "colour.png").convert("L")).ravel() / np.float32(255)
    assert any(np.array_equal(row, as_grey) for row in rows(datasets.load(folder, channels=1)).numpy())
    assert datasets.load(write(data / "greys", numbered(10)), channels=3).shape == (3, 6, 6)
    with pytest.raises(ValueError, match="channels = 2; choose 1"):
        datasets.load(folder, channels=2)


# ------------------------------------------------------------------------------- what is no picture


def test_broken_files_are_named_and_nothing_is_loaded_unless_they_are_skipped(pictures, capsys):
    folder = pictures(numbered(20))
    (folder / "0003.png").write_bytes((folder / "0003.png").read_bytes()[:60])
    (folder / "empty.jpg").touch()
    for _ in range(2):  # and nothing is kept
        with pytest.raises(ValueError, match=r"2 of 21 .* read: 0003.png \(.*\), empty.jpg \(it is empty\)"):
            datasets.load(folder)
    (folder / "empty.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 20 picture files cannot be read: 0003.png \(.*skip_broken=True"):
        datasets.load(folder)
    data = datasets.load(folder, skip_broken=True)
    assert len(rows(data)) == 19 and list(data.details["skipped"]) == ["0003.png"]
    assert "1 broken files left out: 0003.png" in capsys.readouterr().out


def test_other_files_are_counted_and_hidden_ones_are_not_looked_at(pictures, capsys):
    folder = pictures(numbered(12) | {".hidden/a.png": grey(50), "._x.png": grey(51)})
    for name in ("a.txt", "b.txt", "c.heic", ".DS_Store"):
        (folder / name).write_text("no picture")
    data = datasets.load(folder)
    assert len(rows(data)) == 12 and data.details["other_files"] == {".txt": 2, ".heic": 1}
    assert "3 other file(s) were not read (2 .txt, 1 .heic); save .heic" in capsys.readouterr().out


def test_links_that_leave_the_folder_are_not_followed(pictures, data):
    folder = pictures(numbered(12))
    write(data / "outside", numbered(3, h=9))
    (folder / "link.png").symlink_to(data / "outside" / "0000.png")
    (folder / "within.png").symlink_to(folder / "0001.png")
    (folder / "far").symlink_to(data / "outside", target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    found = datasets.load(folder)
    assert len(rows(found)) == 13 and found.details["other_files"] == {"link": 1} and found.details["duplicates"] == 1
    assert len(rows(datasets.load(_linked(data / "alias", folder)))) == 13  # the folder itself may be a link


def _linked(link, target):
    link.symlink_to(target, target_is_directory=True)
    return link


def test_too_few_none_and_pictures_that_are_all_the_same(pictures, data):
    (data / "notes").mkdir()
    (data / "notes" / "x.txt").touch()
    with pytest.raises(ValueError, match=r"notes: found 0 picture\(s\).*1 other file\(s\) were not read \(1 .txt\)"):
        datasets.load(data / "notes")
    with pytest.raises(ValueError, match=r"faces: found 9 picture\(s\)"):
        datasets.load(pictures(numbered(9)))
    with pytest.raises(ValueError, match="same: all 12 pictures are the same"):
        datasets.load(write(data / "same", {f"{i}.png": grey(0) for i in range(12)}))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        datasets.load(f"{data}/nowhere/")


# ------------------------------------------------------------------------------------------ cache


def test_the_second_load_decodes_nothing_and_a_changed_file_all(pictures, monkeypatch):
    folder = pictures(numbered(30))
    first = datasets.load(folder)
    monkeypatch.setattr(picture_file, "read", lambda path: pytest.fail("decoded"))
    again = datasets.load(folder)
    assert torch.equal(rows(again), rows(first)) and (again.name, again.details) == (first.name, first.details)
    monkeypatch.undo()


def test_a_damaged_or_forbidden_cache_is_no_matter(pictures, data, monkeypatch, capsys):
    folder = pictures(numbered(12))
    first = datasets.load(folder)
    (cached,) = (data / "decoded").iterdir()
    cached.write_bytes(cached.read_bytes()[:99])
    assert torch.equal(rows(datasets.load(folder)), rows(first)) and cached.stat().st_size > 99
    monkeypatch.setenv("GANREPRO_DATA", "/dev/null/data")
    assert torch.equal(rows(datasets.load(folder)), rows(first))
    assert "the decoded pictures are not kept" in capsys.readouterr().out


@pytest.mark.slow
def test_10_000_pictures_of_48_x_48_load_in_under_a_second(pictures):
    folder = pictures(numbered(10_000, h=48, w=48))
    first = datasets.load(folder)
    began = time.perf_counter()
    again = datasets.load(folder)
    seconds = time.perf_counter() - began
    print(f"second load of 10,000: {seconds:.2f} s")
    assert torch.equal(rows(again), rows(first))


# ------------------------------------------------------------------------------------ named sets


def test_a_named_set_outlives_its_folder(pictures, data):
    folder = pictures(numbered(12, h=8, w=8))
    found, _, _ = datasets.own_pictures(folder, size=4)
    kept.add("cats", found)
    for path in folder.iterdir():
        path.unlink()
    named = datasets.load("cats")
    assert named.name == f"cats-{found.digest[:8]}" and torch.equal(rows(named), rows(found.dataset("x")))
    assert datasets.load("cats", size=2).shape == (1, 2, 2)
    with pytest.raises(ValueError, match="size = 5, but the pictures are 4x4"):
        datasets.load("cats", size=5)
    with pytest.raises(ValueError, match="unknown data set 'dogs'; allowed: .*the names that you added \\(cats\\)"):
        datasets.load("dogs")
    kept.remove("cats")
    with pytest.raises(ValueError, match="no set named 'cats'; there are: none"):
        kept.remove("cats")


@pytest.mark.parametrize("name", ["mnist", "MNIST", "", "a/b", "../up", "-x", "x.npz", "a b", "x" * 61])
def test_names_that_a_set_cannot_have(name):
    with pytest.raises(ValueError, match="name = "):
        kept.check_name(name, datasets.NAMES)


# ---------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("kind", ["numpy", "torch", "channels first", "bool", "float", "bfloat16"])
def test_arrays_of_a_script(kind):
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 5, 3), np.uint8)
    given = {
        "numpy": images, "torch": torch.from_numpy(images), "channels first": images.transpose(0, 3, 1, 2),
        "bool": images > 99, "float": images / 255, "bfloat16": torch.from_numpy(images > 99).bfloat16(),
    }[kind]  # fmt: skip
    data = datasets.from_arrays(given, ["ab"[i % 2] for i in range(30)], name="my set")
    white = (images > 99) * 255 if kind in ("bool", "bfloat16") else images
    expected = torch.from_numpy(white.transpose(0, 3, 1, 2).reshape(30, -1).astype(np.float32) / 255)
    order = np.random.RandomState(0).permutation(30)
    assert torch.allclose(rows(data), expected[order], atol=1e-7)
    assert data.classes == ("a", "b") and re.fullmatch("my-set-[0-9a-f]{8}", data.name) and data.label == "my set"
    assert torch.cat(list(data.labels.values())).tolist() == (order % 2).tolist()


def test_arrays_of_another_content_have_another_name():
    images = grey(0, 12, 16).reshape(12, 4, 4)
    names = {datasets.from_arrays(images, labels, split).name
             for labels in (None, [0, 1] * 6) for split in (None, ["train", "val", "test"] * 4)}
    assert len(names | {datasets.from_arrays(255 - images).name}) == 5
    assert datasets.from_arrays(images).name == datasets.from_arrays(images.copy()).name


def test_a_name_of_ours_never_stands_for_arrays():
    assert datasets.from_arrays(grey(0, 12, 16).reshape(12, 4, 4), name="mnist").name not in datasets.NAMES


def test_the_readers_process_is_left_alone(pictures):
    folder = pictures(numbered(12))

    def state():
        return os.environ.copy(), random.getstate(), str(np.random.get_state()), torch.random.get_rng_state().tolist()  # noqa: NPY002

    before = state()
    datasets.load(folder)
    assert state() == before


def test_the_reader_s_version_is_part_of_the_key(pictures, monkeypatch):
    folder = pictures(numbered(12))
    datasets.load(folder)
    monkeypatch.setattr(picture_folder, "READER", picture_folder.READER + 1)
    decoded = []
    read = picture_file.read
    monkeypatch.setattr(picture_file, "read", lambda path: decoded.append(path) or read(path))
    datasets.load(folder)
    assert len(decoded) == 12
