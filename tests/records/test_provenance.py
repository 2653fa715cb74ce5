"""Which code made a record: a commit, or its checksum where git does not tell."""

import shutil
import subprocess

import pytest

from ganrepro.code_checksum import code_sha256
from ganrepro.paths import PACKAGE
from ganrepro.records import provenance


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A git repository with two commits of this package."""
    folder = tmp_path / "clone"
    folder.mkdir()
    monkeypatch.setattr(provenance, "REPOSITORY", folder)
    provenance.say_if_unknown.cache_clear()
    yield folder
    provenance.say_if_unknown.cache_clear()


def commit(folder):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for arguments in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "x")):
        subprocess.run(["git", "-C", folder, *arguments], check=True)


def test_a_clone_that_belongs_to_somebody_else_is_said_once_with_the_remedy(clone, monkeypatch, capsys):
    commit_of(clone)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert provenance.git() == {"commit": None, "dirty": None}
    for _ in range(2):
        provenance.say_if_unknown()
    (line,) = capsys.readouterr().out.splitlines()
    assert "name no commit" in line and f"git config --global --add safe.directory {clone}" in line


def commit_of(clone):
    shutil.copytree(PACKAGE, clone / "ganrepro", ignore=shutil.ignore_patterns("__pycache__", "files"))
    commit(clone)
    return code_sha256(clone / "ganrepro")


def test_no_git_and_no_checkout_are_said(clone, monkeypatch, capsys):
    provenance.say_if_unknown()
    assert "is no git checkout; clone the repository" in capsys.readouterr().out
    provenance.say_if_unknown.cache_clear()
    monkeypatch.setenv("PATH", "")
    provenance.say_if_unknown()
    assert "no command git; install it" in capsys.readouterr().out


def test_a_known_commit_and_an_installed_package_say_nothing(clone, monkeypatch, capsys):
    commit_of(clone)
    provenance.say_if_unknown()
    provenance.say_if_unknown.cache_clear()
    monkeypatch.setattr(provenance, "REPOSITORY", None)
    provenance.say_if_unknown()
    assert capsys.readouterr().out == ""


def test_code_is_known_by_its_checksum_at_any_commit(clone):
    first = commit_of(clone)
    with (clone / "ganrepro/game.py").open("a") as file:
        file.write("# changed\n")
    changed = code_sha256(clone / "ganrepro")
    assert provenance.is_known_code(first) and not provenance.is_known_code(changed)
    commit(clone)
    assert provenance.is_known_code(first) and provenance.is_known_code(changed)
    assert not provenance.is_known_code("0" * 64)
