"""`ganrepro data add|show|remove|status`: named sets of a user's own pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from ganrepro import cli, datasets, parameters, paths, records


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """A folder of 40 colour pictures in two classes, in a working folder with its own data and runs."""
    rng = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "faces" / ("cat" if i % 2 else "dog") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (10 + i % 3, 12, 3), np.uint8)).save(path)
    monkeypatch.setenv("GANREPRO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_gets_a_name_a_sheet_and_a_place_in_the_list(faces, capsys):
    assert cli.main(["data", "add", "faces", "--name", "pets", "--size", "8", "--grey"]) == 0
    out = capsys.readouterr().out
    assert "40 pictures, 8x8 grey" in out and "classes: cat, dog" in out and "-p dataset pets" in out
    data = datasets.load("pets")
    assert data.shape == (1, 8, 8) and data.classes == ("cat", "dog") and len(data.training) >= 24
    sheet = faces / "runs/figures" / f"contact_{data.name}.png"
    assert str(sheet) in out and Image.open(sheet).width > 300
    assert cli.main(["data", "status"]) == 0
    assert "pets: Dataset('pets-" in (out := capsys.readouterr().out) and str(faces / "data") in out
    assert cli.main(["data", "status", "--json"]) == 0
    sizes = {"shape": [1, 8, 8], "train": len(data.train), "valid": len(data.valid), "test": len(data.test)}
    assert json.loads(capsys.readouterr().out) == {"data": str(faces / "data"), "sets": {"pets": sizes}}
    assert cli.main(["data", "pets"]) == cli.main(["data", "list", "pets"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second == repr(data)
    assert cli.main(["data", "show", "pets", "--out", "sheet.png"]) == 0
    assert (faces / "sheet.png").read_bytes() == sheet.read_bytes()
    assert cli.main(["data", "remove", "pets"]) == 0
    assert cli.main(["data", "status"]) == 0
    assert "pets:" not in capsys.readouterr().out and len(list((faces / "faces").rglob("*.png"))) == 40


def test_data_of_a_folder_at_a_size(faces, capsys):
    assert cli.main(["data", "faces/", "--size", "4"]) == 0
    assert "3x4x4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "faces", "--name", "mnist", "--size", "8"], "name = 'mnist' is the name of one of the project's"),
        (["add", "faces", "--name", "a/b", "--size", "8"], "name = 'a/b'; choose"),
        (["add", "faces", "--name", "pets"], "3 sizes: smallest 12x10, median 12x11, largest 12x12"),
        (["add", "faces", "--name", "pets", "--size", "11"], "size = 11, but"),
        (["add", "nowhere/", "--name", "pets"], "there is no folder"),
        (["remove", "pets"], "no set named 'pets'; there are: none"),
        (["show", "digits", "--out", "sheet.txt"], "out = 'sheet.txt'; it must end in .png or .svg or .pdf"),
        (["digits", "--size", "4"], "size = 4 is for pictures of your own"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(faces, capsys, arguments, message):
    assert cli.main(["data", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not paths.named_sets() and not (faces / "runs").exists() and not (faces / "sheet.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [(["add", "faces", "--name", "pets", "--size", "8"], "set GANREPRO_DATA to another folder"),
     (["status"], "set GANREPRO_DATA to another folder"),
     (["show", "digits"], "set GANREPRO_RUNS to another folder"),
     (["show", "digits", "--out", "file/sheet.png"], "give a path in another folder")],
)  # fmt: skip
def test_a_file_in_the_place_of_a_folder_is_one_line_with_its_remedy(faces, capsys, monkeypatch, arguments, remedy):
    for name in ("data", "runs", "file"):
        (faces / name).write_text("in the way")
    assert cli.main(["data", *arguments]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "move the file that is in the way" in line and remedy in line
    assert all((faces / name).read_text() == "in the way" for name in ("data", "runs", "file"))


def test_a_file_of_another_kind_is_no_unknown_name(faces, capsys):
    (faces / "notes.txt").write_text("none")
    assert cli.main(["data", "notes.txt"]) == 2
    assert "data set 'notes.txt' is a file; a data set is a folder of pictures" in capsys.readouterr().err
    listed = parameters.declared('dataset: str = "mnist"  # the data set [one of mnist, or a path to an .npz]')
    with pytest.raises(parameters.ParameterError, match="dataset = 'notes.txt' is a file"):
        parameters.value_of(listed["dataset"], "notes.txt")


def test_a_name_is_not_given_to_other_pictures_in_silence(faces, capsys):
    add = ["data", "add", "faces", "--name", "pets", "--size"]
    assert [cli.main([*add, size]) for size in ("8", "8", "4")] == [0, 0, 2]
    assert "name = 'pets' is taken by other pictures" in capsys.readouterr().err


def test_broken_files_are_skipped_where_asked_and_listed_in_the_record(faces, capsys, monkeypatch):
    (faces / "faces/cat/torn.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    add = ["data", "add", "faces", "--name", "pets", "--size", "8"]
    assert cli.main(add) == 2
    assert "1 of 41 picture files cannot be read: cat/torn.png" in capsys.readouterr().err
    assert cli.main([*add, "--skip-broken"]) == 0
    monkeypatch.setattr("ganrepro.records.write.STORED_SAMPLES", 100)
    monkeypatch.setattr("ganrepro.recipes.small.QUICK_STEPS", 5)
    with pytest.warns(UserWarning, match="D stayed"):
        record = records.get_or_train("pets", "quick", device="cpu")
    kept = json.loads((record.path / "record.json").read_text())["dataset"]["pictures"]
    assert list(kept["skipped"]) == ["cat/torn.png"] and kept["classes"] == ["cat", "dog"] and kept["size"] == 8
