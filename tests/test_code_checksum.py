"""The checksum that decides whether a quick record is made again."""

import shutil

import pytest

from ganrepro import code_checksum, paths

FILES = [file.relative_to(paths.PACKAGE) for file in code_checksum.files()]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package's source files."""
    copy = tmp_path_factory.mktemp("copy") / "ganrepro"
    shutil.copytree(paths.PACKAGE, copy, ignore=lambda _, names: [n for n in names if n in ("files", "__pycache__")])
    return copy


@pytest.mark.parametrize("name", FILES, ids=str)
def test_each_file_that_trains_samples_or_scores_matters(package, name):
    before, source = code_checksum.code_sha256(package), (package / name).read_bytes()
    (package / name).write_bytes(source + b"\n")
    changed = code_checksum.code_sha256(package)
    (package / name).write_bytes(source)
    assert changed != before == code_checksum.code_sha256(package) == code_checksum.code_sha256()


def test_folders_that_decide_numbers_are_taken_whole():
    """A new file in one of them matters from its first line on."""
    for folder in ("recipes", "datasets", "training", "parzen", "records"):
        own = {file.relative_to(paths.PACKAGE) for file in (paths.PACKAGE / folder).rglob("*.py")}
        assert len(own) > 3 and own <= set(FILES)
    assert {"game.py", "networks.py", "device.py"} <= {str(name) for name in FILES}


def test_a_new_file_and_a_renamed_one_matter(package):
    before = code_checksum.code_sha256(package)
    (package / "training/new.py").write_text("")
    with_new = code_checksum.code_sha256(package)
    (package / "training/new.py").rename(package / "training/newer.py")
    renamed = code_checksum.code_sha256(package)
    (package / "training/newer.py").unlink()
    assert len({before, with_new, renamed}) == 3


def test_files_that_only_show_results_do_not_matter(package):
    before = code_checksum.code_sha256(package)
    (package / "report/figures.py").write_text("")
    assert code_checksum.code_sha256(package) == before
