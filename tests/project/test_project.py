"""The project's own promises: fixed interfaces, one list of dependencies, a lock that installs anywhere, committed
evidence that loads, documents that are up to date, small and tidy files."""

import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from ganrepro import parameters, paths, records
from ganrepro.report import documents, notebooks

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOTEBOOKS = sorted(p for p in (ROOT / "notebooks").glob("*.ipynb") if not p.name.startswith("out"))
CONDA_NAMES = {"pytorch": "torch"}
MAX_TREE = 58 * 2**20  # bytes
MAX_README, MAX_CELL = 150, 15  # lines
DOCUMENTS = ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").glob("*.md"))]

# The functions that notebooks, users and outside checks call, with the names of their arguments in order.
FUNCTIONS = {
    "ganrepro.load_generator": "name",
    "datasets.load": "name strict",
    "parzen.log_likelihood": "samples data sigma",
    "parzen.choose_sigma": "samples valid sigmas",
    "parzen.evaluate": "samples valid test sigmas",
    "theory.kl": "p q dx",
    "theory.jsd": "p q dx",
    "theory.optimal_discriminator": "p_data p_g dx",
    "theory.value": "p_data p_g d dx",
    "theory.criterion": "p_data p_g dx",
    "recipes.for_dataset": "name shape",
    "training.train": "recipe data seeds device epochs validate_every checkpoint_dir resume",
    "records.get_or_train": "dataset profile seed device recipe train",
    "parameters.check": "namespace",
}
MEMBERS = {
    "datasets.Dataset": "name label shape train valid test labels folds unlabeled sha256 stand_in_for",
    "parzen.SigmaChoice": "sigma sigmas mean_ll at_edge",
    "parzen.ParzenResult": "sigma mean se ll at_edge",
    "training.Run": "generator discriminator curves sample",
    "records.Record": "samples curves meta ll generator discriminator path",
}
TABLE1 = "dataset,label,model,recipe,rule,epochs,n_seeds,sigma,mean,se_examples,se_folds,se_seeds,source"


def test_the_type_checker_finds_nothing():
    """Here, beside other tests, where it takes no time of its own: half a minute without a cache."""
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


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


def named(place: str) -> object:
    """The object at "module.name" of ganrepro."""
    module, name = place.rsplit(".", 1)
    return getattr(importlib.import_module(module if module == "ganrepro" else f"ganrepro.{module}"), name)


# ---------------------------------------------------------------------------------------- interfaces


@pytest.mark.parametrize("place", FUNCTIONS)
def test_fixed_interface_takes_what_the_design_says(place):
    arguments = inspect.signature(named(place)).parameters
    fixed = FUNCTIONS[place].split()
    assert [name for name in arguments if name in fixed] == fixed
    extra = [a for name, a in arguments.items() if name not in fixed]
    assert all(a.default is not a.empty for a in extra), "an argument beside the fixed ones must be optional"


@pytest.mark.parametrize("place", MEMBERS)
def test_fixed_class_has_what_the_design_says(place):
    found = named(place)
    there = {*dir(found), *getattr(found, "__dataclass_fields__", ())}
    assert set(MEMBERS[place].split()) <= there


def test_fixed_values_are_those_of_the_design():
    np.testing.assert_array_equal(named("parzen.DEFAULT_GRID"), np.logspace(-1, 0, 10))
    assert {"mnist", "tfd", "cifar10-fc", "cifar10-conv"} <= set(named("recipes.RECIPES"))
    names = "mnist fashion-mnist tfd fer2013 att cifar10 digits gaussian1d ring grid"
    assert set(names.split()) <= set(named("datasets.NAMES"))
    assert parameters.STANDARD == ("dataset", "profile", "seed", "device", "out")


# ------------------------------------------------------------------------------------------ evidence


@pytest.mark.parametrize("record", records.below(paths.results()), ids=lambda r: "/".join(r.path.parts[-3:]))
def test_committed_record_loads_and_its_scores_are_those_of_its_log_likelihoods(record):
    """tests/records recomputes the log-likelihoods themselves, where all samples are committed."""
    assert record.recipe.dim == record.samples.shape[1] == record.progress.shape[2]
    assert record.z.shape == (64, record.recipe.z_dim) and len(record.curves) == record.meta["epochs"]
    with np.load(record.path / "ll.npz") as stored:
        others = [(rule, f"{rule}_ll", f"{rule}_sigma") for rule in ("last", "best")]
        for rule, ll, sigma in ((record.kept, "ll", "sigma"), *others):
            if ll in stored:
                score, folds = record.meta["scores"][rule], stored["fold"]
                means = [stored[ll][folds == k].mean() for k in np.unique(folds)]
                assert score["mean"] == pytest.approx(np.mean(means), abs=1e-9)
                assert score["fold_means"] == pytest.approx(means, abs=1e-9)
                assert score["sigma"] == pytest.approx(stored[sigma], abs=1e-9)
                assert score["se_examples"] == pytest.approx(stored[ll].std() / len(folds) ** 0.5, abs=1e-9)


def test_table1_has_the_columns_of_the_design():
    assert (ROOT / "results/table1.csv").read_text().splitlines()[0] == TABLE1


# ----------------------------------------------------------------------------------------- documents


def test_generated_parts_of_documents_are_not_stale():
    parts = documents.parts()
    assert set(parts) == set(documents.PARTS)
    for name, file in documents.PARTS.items():
        text = (ROOT / file).read_text()
        assert documents.replaced(text, name, parts[name], file) == text, f"{name} in {file}: run `make results`"


def test_a_document_without_its_markers_is_named():
    with pytest.raises(ValueError, match="docs/x.md lacks the markers <!-- speed:begin --> and <!-- speed:end -->"):
        documents.replaced("no markers here", "speed", "", "docs/x.md")


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_README


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_lead_somewhere(name):
    text = re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(<?([^)>\s]+)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    inside = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    dead = [link for link in inside if not ((ROOT / name).parent / link).exists()]
    assert not dead


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
    of_pypi = {Requirement(line).name for line in PYPROJECT["project"]["optional-dependencies"]["sweep"]}
    assert found == {name: bounds for name, bounds in requirements().items() if name not in of_pypi}
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


def test_workflows_call_what_there_is_and_ci_checks_what_make_test_checks():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+)(?:[ a-z-]*):", makefile, re.MULTILINE))
    steps = {path.stem: [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]
             for path in (ROOT / ".github/workflows").glob("*.yml")}  # fmt: skip
    commands = {name: "\n".join(step.get("run", "") for step in of_one) for name, of_one in steps.items()}
    for name, text in commands.items():
        assert set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) <= targets, name
        assert all((ROOT / folder).exists() for folder in re.findall(r" ((?:tests|notebooks)[\w/.]*)", text)), name
    checks = re.search(r"^test test-all check:\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    for line in checks.replace("\t$(BIN)", ".venv/bin").splitlines():
        if "pytest" not in line and line.startswith(".venv"):
            assert line in commands["test"]
    assert "--nbval --nbval-current-env --nbval-cell-timeout 120" in checks and "--nbval " in commands["test"]


def test_the_gpu_workflow_starts_by_hand_alone_and_keeps_what_it_measured():
    workflow = yaml.safe_load((ROOT / ".github/workflows/gpu.yml").read_text())
    assert set(workflow[True]) == {"workflow_dispatch"}  # YAML reads `on` so
    assert workflow["jobs"]["gpu"]["runs-on"] == ["self-hosted", "gpu"]
    *_, gpu, kept = workflow["jobs"]["gpu"]["steps"]
    assert gpu["run"] == "make gpu" and kept["with"]["path"] == "results/benchmarks/*.json"


# --------------------------------------------------------------------------------------------- files


def test_tracked_tree_is_small():
    sizes = {path: path.stat().st_size for path in tracked()}
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:5]
    mib = sum(sizes.values()) / 2**20
    assert sum(sizes.values()) <= MAX_TREE, f"{mib:.1f} MiB tracked; largest: {[str(p) for p in largest]}"


def test_no_name_that_says_nothing():
    names = [p.relative_to(ROOT) for p in tracked()]
    vague = [str(p) for p in names if any(re.fullmatch(r"(utils?|helpers?|common|misc)(\.py)?", x) for x in p.parts)]
    assert not vague


def test_nothing_is_unpickled():
    forbidden = re.compile(r"torch\.load\(|pickle\.loads?\b|allow_pickle\s*=\s*True|read_pickle\(|joblib\.load\(")
    code = {n: text for n, text in tracked_text().items() if re.match(r"(ganrepro|notebooks)/.*\.(py|ipynb)$", n)}
    found = [f"{name}: {hit}" for name, text in code.items() for hit in forbidden.findall(text)]
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


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def notebook(request) -> dict:
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


# Prose outside the brackets of a parameter's comment that a reader would take for a rule; it would bound nothing.
LOOKS_LIKE_A_RULE = re.compile(
    r"\b(?:at \w+|above|below|over|under|more than|less than|up to) -?\d"
    r"|-?\d(?:\.\d+)? ?(?:to|-|–|\.\.) ?-?\d|\bone of\b"
)


@pytest.mark.parametrize("prose", ["at last 40", "at least 1", "Above 0", "0 to 4", "0-1", "one of a, b", "at most 3"])
def test_a_rule_in_prose_is_recognised(prose):
    assert LOOKS_LIKE_A_RULE.search(f"samples, {prose}".lower())


@pytest.mark.parametrize("path", notebooks.find(), ids=lambda path: path.stem)
def test_rules_of_parameters_stand_in_brackets_and_parse(path):
    for name, parameter in notebooks.parameter_list(path).items():
        rule = parameter.rule  # raises ValueError for brackets that hold no rule
        prose = parameter.comment if rule is None else parameter.comment.removesuffix(f"[{rule.text}]")
        assert not LOOKS_LIKE_A_RULE.search(prose.lower()), f"{name}: {prose!r} looks like a rule, but bounds nothing"
