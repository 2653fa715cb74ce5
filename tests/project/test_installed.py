"""Installed as a wheel, without the repository: what works, from where, and that no folder of a stranger is read."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest

from ganrepro import paths
from ganrepro.report import notebooks

MAX_WHEEL = 30 * 2**20  # bytes
ROOT = Path(__file__).resolve().parents[2]
SAYS = """
import json
from ganrepro import datasets, load_generator, networks, parameters, paths, records
from ganrepro.diagnostics import ablations
from ganrepro.report import claims
generator = load_generator("mnist")
print(json.dumps({
    "package": str(paths.PACKAGE), "repository": paths.REPOSITORY, "runs": str(paths.runs()),
    "records": len(records.everything()), "digits": len(datasets.load("digits").train),
    "samples": networks.sample(generator, generator.recipe, 3, 0)[0].shape,
    "arms": len(ablations.readable(ablations.summary(ablations.committed()[0]))),
    "claims": claims.stored("05_conditional", "mnist", "paper").committed(),
    "commit": records.provenance.git()["commit"],
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of this repository."""
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "-w", str(folder), str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("ganrepro-*.whl"))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """The folder where the wheel is installed."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    return folder


@pytest.fixture
def run(site, tmp_path):
    """run(command…): Python in a stranger's project, whose folders have the names of ours, under a home of its own."""
    stranger = tmp_path / "project"
    record = {"dataset": {"name": "mnist", "label": "not ours"}, "scores": {}}
    for name in ("results/paper/mnist/seed0", "runs/paper/mnist/seed0", "ganrepro", "notebooks", "datasets"):
        (stranger / name).mkdir(parents=True)
        (stranger / name / "record.json").write_text(json.dumps(record))
    (stranger / "my.py").write_text("raise RuntimeError('a stranger\\'s file was read')")
    (stranger / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    subprocess.run(["git", "init", "-q", str(stranger)], check=True)
    without = {k: v for k, v in os.environ.items() if not k.startswith("GANREPRO_")}
    env = without | {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(site), "GANREPRO_PROGRESS": "0"}

    def run(*command, cwd=stranger):
        return subprocess.run([sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, timeout=280)

    return run


def test_the_package_works_and_reads_nothing_of_the_folder_it_is_called_in(run, site, tmp_path):
    done = run("-c", SAYS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "package": str(site / "ganrepro"), "repository": None, "runs": str(tmp_path / "home/ganrepro-runs"),
        "records": 0, "digits": 1197, "samples": [3, 784], "arms": 0, "claims": None, "commit": None,
    }  # fmt: skip


def test_the_wheel_carries_the_notebooks_and_no_record(wheel):
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        for notebook in notebooks.find():
            assert packed.read(f"ganrepro/notebooks/{notebook.name}") == notebook.read_bytes()
    assert sum(name.endswith(".ipynb") for name in names) == len(notebooks.find())
    assert not [name for name in names if name.endswith(("record.json", "samples.npz", "ll.npz")) or "results/" in name]
    assert wheel.stat().st_size < MAX_WHEEL


@pytest.mark.slow
def test_a_source_archive_makes_the_same_wheel(wheel, tmp_path):
    script = f"from hatchling.build import build_sdist; build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "-w", str(tmp_path), str(next(tmp_path.glob("*.tar.gz")))], check=True, capture_output=True)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as other:
        found = [{i.filename: i.CRC for i in w.infolist() if "/RECORD" not in i.filename} for w in (one, other)]
    assert found[0] == found[1]  # but for the order of its list of files


def test_what_needs_the_repository_says_so(run):
    done = run("-c", "import sys; from ganrepro.cli import main; sys.exit(main(['reproduce']))")
    assert done.returncode == 2 and "without its repository" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("notebook", [p.name for p in notebooks.find()])
def test_every_notebook_runs_at_its_defaults(run, tmp_path, notebook):
    pytest.importorskip("papermill", reason="the notebooks extra is not installed")
    shutil.copy(paths.repository() / "notebooks" / notebook, tmp_path / "project")
    before = sorted((tmp_path / "project").rglob("*"))
    done = run("-m", "papermill", notebook, "../out.ipynb", "--no-progress-bar")
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted((tmp_path / "project").rglob("*")) == before
    assert any((tmp_path / "home/ganrepro-runs").rglob("*.*"))


TRAINED_AND_SCORED = """
import torch
from ganrepro import datasets, load_generator, networks, parzen, recipes, records, training
generator = load_generator()
pictures, _ = networks.sample(generator, generator.recipe, 2000, 0)
mnist = datasets.load("mnist")
print(f"{parzen.evaluate(pictures, mnist.valid[:200], mnist.test[:200]).mean:.1f} nats")
ring = datasets.load("ring")
for profile in ("auto", "quick", "auto"):
    records.get_or_train("digits", profile, device="cpu")
(run,) = training.train(recipes.for_dataset("ring", ring.shape), ring, epochs=1, device="cpu")
print(tuple(run.sample(5, 0).shape))
"""


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A fresh virtual environment with the wheel in it, which finds its dependencies where this one has them."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=False)
    (python,) = (p for p in (folder / "bin/python", folder / "Scripts/python.exe") if p.exists())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    (site,) = folder.rglob("site-packages")
    # a path in a .pth file comes last, and no .pth file there is read: this repository's own is not found
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_reader_with_the_wheel_alone(environment, tmp_path):
    """From an empty folder: every command that needs no repository, and a notebook that was copied out of the wheel."""
    pytest.importorskip("papermill", reason="the notebooks extra is not installed")
    empty, bin = tmp_path / "empty", environment.parent
    empty.mkdir()
    without = {k: v for k, v in os.environ.items() if not k.startswith("GANREPRO_") and k != "PYTHONPATH"}
    env = without | {"HOME": str(tmp_path / "home"), "GANREPRO_PROGRESS": "0"}

    def run(*command, status=0):
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=empty, env=env, capture_output=True, text=True, timeout=400)
        assert done.returncode == status, done.stderr[-3000:]
        return done.stdout + done.stderr

    found = run(environment, "-c", "import ganrepro; print(ganrepro.__file__)").strip()
    assert Path(found).is_relative_to(environment.parents[1])
    assert run(bin / "ganrepro", "--version") == f"ganrepro {version('ganrepro')}\n"
    assert "none: installed without it" in run(bin / "ganrepro", "doctor")
    assert str(tmp_path / "home") in run(bin / "ganrepro", "data", "status")
    assert "MNIST" in run(bin / "ganrepro", "data", "mnist")
    said = run(environment, "-c", TRAINED_AND_SCORED)
    assert float(re.search(r"^([\d.]+) nats$", said, re.MULTILINE)[1]) > 100 and "(5, 2)" in said
    assert said.count("no committed record is here") == said.count("trained mnist on scikit-learn digits") == 1
    assert "there is no results/" in run(bin / "ganrepro", "results", status=2)
    assert not list(empty.iterdir())

    run(bin / "ganrepro", "notebooks", "--copy", "mine")
    assert sorted(p.name for p in (empty / "mine").glob("*.ipynb")) == [p.name for p in notebooks.find()]
    assert [p.stem for p in sorted((empty / "mine/solutions").iterdir())] == [p.stem for p in notebooks.find()]
    assert "is there already" in run(bin / "ganrepro", "notebooks", "--copy", "mine", status=2)
    papermill = [environment, "-m", "papermill", "mine/03_parzen.ipynb", "out.ipynb", "--no-progress-bar"]
    run(*papermill, "-p", "profile", "quick")
    cells = nbformat.read(empty / "out.ipynb", 4).cells
    assert "error" not in {output.output_type for cell in cells for output in cell.get("outputs", [])}
    assert sorted(p.name for p in empty.iterdir()) == ["mine", "out.ipynb"]
    assert list((tmp_path / "home/ganrepro-runs").rglob("table1_*.csv"))
