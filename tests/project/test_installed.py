"""Installed as a wheel, without the repository: what works, from where, and that no folder of a stranger is read."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ganrepro import paths
from ganrepro.report import notebooks

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
def site(tmp_path_factory):
    """The folder where a wheel of this repository is installed."""
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    folder = tmp_path_factory.mktemp("installed")
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*wheel, "-w", str(folder), str(ROOT)], check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("ganrepro-*.whl"))) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


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
