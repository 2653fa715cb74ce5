"""The project's own promises: one list of dependencies, a lock that installs anywhere, small and tidy files."""

import json
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOTEBOOKS = sorted(p for p in (ROOT / "notebooks").glob("*.ipynb") if not p.name.startswith("out"))
CONDA_NAMES = {"pytorch": "torch"}
MAX_TREE = 48 * 2**20  # bytes
MAX_ROOM, MAX_CELL = 300, 15  # lines


@cache
def tracked() -> list[Path]:
    """The files that git tracks; skips where there is no git or no checkout (a source archive)."""
    if not shutil.which("git"):
        pytest.skip("git is not installed: cannot tell which files are tracked")
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode:
        pytest.skip(f"not a git checkout: {git.stderr.strip()}")
    paths = [ROOT / name for name in git.stdout.split("\0") if name]
    if not paths:
        pytest.skip("git tracks no file yet")
    return [path for path in paths if path.is_file()]


def tracked_text() -> dict[str, str]:
    """{relative path: content} of the tracked text files (no NUL byte, as git decides)."""
    contents = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in tracked()}
    return {name: raw.decode(errors="replace") for name, raw in contents.items() if b"\0" not in raw[:8000]}


def requirements() -> dict[str, SpecifierSet]:
    """{name: bounds} of the core dependencies and all extras."""
    project = PYPROJECT["project"]
    lines = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r.specifier for r in parsed if r.name != project["name"]}


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


# ------------------------------------------------------------------------------------- dependencies


def test_a_dependency_is_named_once():
    project = PYPROJECT["project"]
    lines = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    names = [canonicalize_name(Requirement(line).name) for line in lines]
    assert sorted(names) == sorted(set(names))


def test_conda_environment_has_the_same_packages_and_bounds():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "ganrepro"
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    conda = [Requirement(line.replace("python=", "python==")) for line in lines]
    found = {CONDA_NAMES.get(r.name, canonicalize_name(r.name)): r.specifier for r in conda}
    (python,) = found.pop("python")
    assert Version(python.version) in SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert found.pop("pip") == SpecifierSet()
    assert found == requirements()
    assert [line["pip"] for line in environment["dependencies"] if isinstance(line, dict)] == [["-e ."]]


def test_lock_has_exact_versions_only():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    wrong = [line for line in pinned if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)]
    assert not wrong, f"not of the form name==version: {wrong}"
    assert len(pins()) == len(pinned)


def test_lock_has_no_cuda_packages_and_torch_by_its_public_version():
    assert pins()["torch"] == "2.13.0"
    cuda = [name for name in pins() if re.match(r"nvidia|cuda|triton", name)]
    assert not cuda, f"pip adds these where the build of torch needs them: {cuda}"


def test_lock_satisfies_every_requirement():
    versions = {canonicalize_name(name): version for name, version in pins().items()}
    missing = sorted(set(requirements()) - set(versions))
    assert not missing, f"requirements.lock lacks {missing}; make lock"
    outside = [f"{n}=={versions[n]} is not {s}" for n, s in requirements().items() if versions[n] not in s]
    assert not outside, f"{outside}; make lock"
    for line in PYPROJECT["build-system"]["requires"]:  # make installs the package without build isolation
        requirement = Requirement(line)
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier


def test_python_versions_are_named_alike():
    classifiers = {c.rsplit(" ", 1)[1] for c in PYPROJECT["project"]["classifiers"] if ":: Python :: 3." in c}
    bounds = SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert classifiers == {f"3.{minor}" for minor in range(30) if f"3.{minor}" in bounds}
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    assert set(workflow["jobs"]["test"]["strategy"]["matrix"]["python"]) == {min(classifiers), max(classifiers)}


# --------------------------------------------------------------------------------------------- files


def test_tracked_tree_is_small():
    sizes = {path: path.stat().st_size for path in tracked()}
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:5]
    mib = sum(sizes.values()) / 2**20
    assert sum(sizes.values()) <= MAX_TREE, f"{mib:.1f} MiB tracked; largest: {[str(p) for p in largest]}"


def test_no_room_is_too_long():
    rooms = [p for p in tracked() if p.suffix == ".py" and p.is_relative_to(ROOT / "ganrepro")]
    lengths = {p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines()) for p in rooms}
    too_long = {name: n for name, n in lengths.items() if n > MAX_ROOM}
    assert not too_long


def test_no_name_that_says_nothing():
    names = [p.relative_to(ROOT) for p in tracked()]
    vague = [str(p) for p in names if any(re.fullmatch(r"(utils?|helpers?|common|misc)(\.py)?", x) for x in p.parts)]
    assert not vague


def test_nothing_is_unpickled():
    forbidden = re.compile(r"torch\.load\(|pickle\.loads?\b|allow_pickle\s*=\s*True|read_pickle\(|joblib\.load\(")
    rooms = {n: text for n, text in tracked_text().items() if re.match(r"(ganrepro|notebooks)/.*\.(py|ipynb)$", n)}
    found = [f"{name}: {hit}" for name, text in rooms.items() for hit in forbidden.findall(text)]
    assert not found


def test_no_path_of_one_machine():
    machine = re.compile(r"(?<![\w.+-])/(?:work|opt|root|tmp|home|Users)/[^\s\"']*")
    texts = {name: text for name, text in tracked_text().items() if name != ".ci/run"}
    found = [f"{name}: {hit}" for name, text in texts.items() for hit in machine.findall(text)]
    assert not found


def test_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PYPROJECT["project"]["version"]
    (paper,) = citation["references"]
    assert paper["title"] == "Generative Adversarial Nets"
    assert "1406.2661" in paper["identifiers"][0]["value"]
    assert [author["family-names"] for author in paper["authors"]] == [
        "Goodfellow", "Pouget-Abadie", "Mirza", "Xu", "Warde-Farley", "Ozair", "Courville", "Bengio",
    ]


# ------------------------------------------------------------------------------------------ notebooks


@pytest.fixture(params=NOTEBOOKS or [None], ids=lambda path: path.name if path else "none")
def notebook(request) -> dict:
    if request.param is None:
        pytest.skip("notebooks/ has no notebook")
    return json.loads(request.param.read_text())


def code_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def outputs(notebook: dict) -> list[dict]:
    return [output for cell in code_cells(notebook) for output in cell["outputs"]]


def test_notebook_has_one_parameters_cell(notebook):
    tags = [cell["metadata"].get("tags", []) for cell in code_cells(notebook)]
    assert sum("parameters" in t for t in tags) == 1
    assert "parameters" in tags[0], "the parameters come before all other code"


def test_notebook_has_short_cells(notebook):
    lengths = {i: len("".join(cell["source"]).splitlines()) for i, cell in enumerate(code_cells(notebook), 1)}
    too_long = {f"code cell {i}": n for i, n in lengths.items() if n > MAX_CELL}
    assert not too_long


def test_notebook_runs_on_any_python_kernel(notebook):
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_notebook_is_committed_with_its_outputs(notebook):
    assert outputs(notebook), "no outputs; make notebooks"
    assert not [o for o in outputs(notebook) if o["output_type"] == "error"]
    assert any("image/png" in o.get("data", {}) for o in outputs(notebook)), "no figure"


def test_notebook_has_no_metadata_of_one_run(notebook):
    assert "papermill" not in notebook["metadata"]
    stale = {key for cell in notebook["cells"] for key in cell["metadata"]} & {"papermill", "execution", "ExecuteTime"}
    assert not stale, f"{stale} changes with every run; make notebooks"


def test_no_cell_holds_a_control_character():
    """What a broken escape leaves behind: "\\frac" read as a form feed and "rac"."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            assert not re.search(r"[\x00-\x08\x0b-\x1f]", "".join(cell["source"])), path.name
