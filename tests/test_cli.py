"""The command line: what it prints, and that bad input is one clear line, status 2, and no file changed."""

import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

nbformat = pytest.importorskip("nbformat", reason="the notebooks extra is not installed")

from ganrepro import cli, datasets, parameters, paths, records, training  # noqa: E402
from ganrepro.cli import doctor  # noqa: E402
from ganrepro.cli.notebooks import literal  # noqa: E402
from ganrepro.cli.records import asked_for  # noqa: E402
from ganrepro.recipes import Layer, for_dataset  # noqa: E402
from ganrepro.records import provenance  # noqa: E402
from ganrepro.report import notebooks  # noqa: E402

LIST = """\
dataset: str = "mnist"  # [one of mnist, digits, or a path to an .npz]
profile: str = "auto"  # [one of auto, quick, paper]
seed: int = 0  # [at least 0]
device: str = "auto"  # auto, cpu, cuda or cuda:1
out: str = ""  # file for the row
"""
WORK = """\
from ganrepro import paths
if seed == 13:
    raise RuntimeError("an unlucky seed")
folder = paths.runs() / "tables"
folder.mkdir(parents=True, exist_ok=True)
(folder / "table1_x.csv").write_text(
    "dataset,label,model,recipe,rule,epochs,n_seeds,sigma,mean,se_examples,se_folds,se_seeds,source\\n"
    f"x,X,a model,mnist,last epoch,64,{seed},0.2,{100 + seed},1.5,,,here\\n", encoding="utf-8"
)
"""


def write_notebook(path, parameter_list, work):
    code = nbformat.v4.new_code_cell
    cells = [code(parameter_list), code("from ganrepro import parameters\nparameters.check(globals())"), code(work)]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": notebooks.KERNEL}), path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A repository of two notebooks and their solutions, with a runs folder that is not there yet."""
    (tmp_path / "repo/notebooks/solutions").mkdir(parents=True)
    for name in ("01_first", "02_second"):
        (tmp_path / f"repo/notebooks/solutions/{name}.py").write_text(f"# {name}")
    write_notebook(tmp_path / "repo/notebooks/01_first.ipynb", LIST, WORK)
    write_notebook(tmp_path / "repo/notebooks/02_second.ipynb", LIST + "strict: bool = False  # refuse\n", WORK)
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "repo")
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small(monkeypatch):
    """The MNIST recipe, narrow, on 8 x 8 pictures, as everyone's standard; and few samples to judge."""
    recipe = for_dataset("digits", (1, 8, 8)).replace(
        generator=(Layer(16, "relu"), Layer(64, "sigmoid", bias="marginal")),
        discriminator=(Layer(8, "maxout", 0.05, pieces=5), Layer(1, "linear", 0.05)),
        epochs=2,
    )
    monkeypatch.setattr("ganrepro.records.store.for_dataset", lambda name, shape, wanted="own": recipe)
    monkeypatch.setattr("ganrepro.records.write.STORED_SAMPLES", 300)
    return recipe


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def run(*arguments):
    """Exit status, also where argparse ends the process."""
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return end.code


def command_line(value):
    return " ".join(value) if isinstance(value, list) else ""


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["data", "minst"], "unknown data set 'minst'; allowed: mnist, fashion-mnist, .*did you mean 'mnist'"),
        (["data", "absent.npz"], "data set 'absent.npz': there is no file .*absent.npz"),
        (["data", "float.npz"], "float.npz: images has dtype float64 with values from 0 to 1279, expected uint8"),
        (["data", "flat.npz"], r"flat.npz: images has shape \(20, 64\), expected \(N, h, w\)"),
        (["data", "one.npz"], r"one.npz: images has 1 image\(s\), expected at least 10"),
        (["reproduce", "--only", "99"], "no notebook starts with '99'; there are 01_first, 02_second"),
        (["reproduce", "--only", "01", "--only", "x"], "no notebook starts with 'x'"),
        (["reproduce", "-p", "sed", "3"], r"no parameter 'sed' \(did you mean seed\?\); this notebook takes dataset, "),
        (["reproduce", "--only", "01", "-p", "strict", "True"], "no parameter 'strict'"),
        (["reproduce", "-p", "strict", "true"], "strict = 'true' is of type str; expected bool.*True or False"),
        (["reproduce", "-p", "seed", "1.5"], "seed = 1.5 is of type float; expected int"),
        (["reproduce", "-p", "seed", "one"], "seed = 'one' is of type str; expected int"),
        (["reproduce", "-p", "seed", "-1"], "seed = -1; it must be at least 0"),
        (["reproduce", "-p", "dataset", "minst"], "dataset = 'minst'; choose one of mnist, digits, or a path"),
        (["reproduce", "-p", "dataset", "absent.npz"], "dataset = 'absent.npz'; there is no such file"),
        (["reproduce", "-p", "profile", "fast"], "profile = 'fast'; choose one of auto, quick, paper"),
        (["reproduce", "-p", "device", "cuda:99"], "device = 'cuda:99' is not there; choose one of auto, cpu"),
        (["reproduce", "-p", "out", "float.npz/row.csv"], "out = 'float.npz/row.csv' cannot be written"),
        (["notebooks", "--only", "99"], "no notebook starts with '99'"),
        (["notebooks", "--only", ""], "no notebook starts with ''.*two digits at least"),  # as of an unset variable
        (["reproduce", "--only", "0"], "no notebook starts with '0'"),
        (["records", "train", "--dataset", "", "--epochs", "1"], "unknown data set ''"),
        (["records", "train", "--recipe", "", "--epochs", "1"], "recipe = ''; choose one of own"),
        (["records", "train", "--size", "32", "--epochs", "1"], "size = 32"),
        (["records", "train", "--dataset", "minst"], "unknown data set 'minst'"),
        (["records", "train", "--dataset", "digits", "--device", "tpu"], "device = 'tpu' is not there; choose one of"),
        (["records", "train", "--dataset", "digits", "--seed", "-1"], r"seeds = \[-1\]"),
        (["records", "train", "--dataset", "digits", "--seed", "9" * 20], r"seeds = \[9{20}\]; .* to 4294967295"),
        (["reproduce", "-p", "seed", "9" * 20], r"seed = 9{20}; it must be from -2\*\*63 to 2\*\*63 - 1"),
        (["reproduce", "-p", "seed", "2147483648"], "seed = 2147483648; it must be from 0 to 2147483647"),
        (["reproduce", "-p", "seed", "nan"], "seed = 'nan' is of type str; expected int"),
        (["reproduce", "-p", "sede", "nan"], r"no parameter 'sede' \(did you mean seed\?\)"),
        (["records", "train", "--dataset", "digits", "--seed", "1", "--seed", "1"], r"seeds = \[1, 1\]; expected diff"),
        (["records", "train", "--dataset", "digits", "--epochs", "0"], "epochs = 0: .* greater than or equal to 1"),
        (["records", "train", "--dataset", "digits", "--epochs", "-3"], "epochs = -3"),
        (["records", "train", "--recipe", "conv"], "recipe = 'conv'; choose one of own, mnist, tfd, cifar10-fc, "),
        (["records", "snapshot", "--recipe", "conv"], "recipe = 'conv'; choose one of own"),
        (["records", "train", "--dataset", "digits", "--learning-rate", "0"], "learning_rate = 0.0: .* greater than 0"),
        (["records", "train", "--dataset", "digits", "--learning-rate", "nan"], "learning_rate = nan"),
        (["records", "train", "--dataset", "digits", "--from-record"], "there is no record of mnist on scikit-"),
        (["records", "train", "--dataset", "digits", "--recipe", "cifar10-conv"], r"shape = \(1, 8, 8\); the recipe"),
        (["records", "snapshot", "--dataset", "digits"], "there is no checkpoint .*seed0.safetensors"),
    ],
    ids=command_line,
)
def test_bad_input_is_one_line_before_any_work_and_changes_nothing(here, monkeypatch, capsys, command, said):
    np.savez(here / "float.npz", images=np.arange(1280.0).reshape(20, 8, 8))
    np.savez(here / "flat.npz", images=np.zeros((20, 64), np.uint8))
    np.savez(here / "one.npz", images=np.zeros((1, 8, 8), np.uint8))
    before = content(here)
    for busy in ("ganrepro.report.notebooks._execute", "ganrepro.training.loop.run_epoch"):
        monkeypatch.setattr(busy, lambda *_: pytest.fail("work was begun"))
    assert run(*command) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("ganrepro: ")
    assert re.search(said, line), line
    assert content(here) == before


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["train"], "invalid choice: 'train'"),
        (["reproduce", "--profile", "fast"], "invalid choice: 'fast' (choose from"),
        (["reproduce", "-p", "seed"], "expected 2 arguments"),
        (["reproduce", "--seed", "3"], "unrecognized arguments: --seed 3"),
        (["records"], "the following arguments are required: WHAT"),
        (["records", "train", "--seed", "1.5"], "invalid int value: '1.5'"),
        (["records", "train", "--epochs", "many"], "invalid int value: 'many'"),
    ],
    ids=command_line,
)
def test_a_command_line_that_is_none_is_refused_with_its_usage(here, capsys, command, said):
    before = content(here)
    assert run(*command) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("usage: ganrepro")
    assert said in shown.err.splitlines()[-1]
    assert content(here) == before


@pytest.mark.parametrize(
    "command",
    [["reproduce"], ["records", "train", "--dataset", "digits", "--device", "cpu"], ["doctor"]],
    ids=command_line,
)
def test_a_runs_folder_that_cannot_be_written_to_is_named(here, capsys, small, command):
    (here / "runs").write_text("a file in the way")
    before = content(here)
    assert run(*command) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"the folder {here / 'runs'}" in last and "GANREPRO_RUNS" in last
    assert content(here) == before


@pytest.mark.parametrize("command", [["reproduce"], ["notebooks"], ["results"]], ids=command_line)
def test_without_the_repository_it_says_what_is_missing(here, monkeypatch, capsys, command):
    monkeypatch.setattr(paths, "REPOSITORY", None)
    assert run(*command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "without its repository" in line and "pip install -e ." in line


def test_a_divergence_is_one_line(here, capsys, monkeypatch, small):
    diverging = small.replace(learning_rate=1e30)
    monkeypatch.setattr("ganrepro.records.store.for_dataset", lambda name, shape, wanted="own": diverging)
    monkeypatch.setattr(training, "estimate_seconds", lambda *_: 1.0)
    assert run("records", "train", "--dataset", "digits", "--device", "cpu") == 2
    assert "diverged in epoch" in capsys.readouterr().err.splitlines()[-1]
    assert records.everything() == []


def test_an_interruption_says_that_nothing_is_lost(here, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(records, "train_wanted", interrupted)
    assert run("records", "train") == 130
    assert "the same command resumes from the last checkpoint" in capsys.readouterr().err


def test_help_imports_neither_torch_nor_pandas():
    code = "import sys; from ganrepro.cli import main\ntry: main(['-h'])\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "reproduce" in done.stdout
    assert not {"torch", "pandas", "matplotlib", "sklearn"} & set(done.stderr.split())


def test_the_process_ends_with_the_status(here):
    """As the console script calls it."""
    code = "import sys; from ganrepro.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "data", "minst"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("ganrepro: unknown data set 'minst'") and done.stderr.count("\n") == 1


# ------------------------------------------------------------------------- any stdout, and none

MAIN = "import sys; from ganrepro.cli import main; sys.exit(main())"
ENCODINGS = ("cp1252", "gbk", "ascii", "ascii:strict", "utf-8:strict")


def printed(encoding, *command):
    """What a command that ends well writes to a strict stdout of this encoding."""
    raw = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(raw, encoding.partition(":")[0], errors="strict")) as stdout:
        assert run(*command) == 0
        stdout.flush()
        return raw.getvalue().decode(stdout.encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_records_are_trained_and_listed_whatever_stdout_can_encode(here, monkeypatch, small, encoding):
    labelled = dataclasses.replace(datasets.load("digits"), label="цифры 0.5² ≤ 9 \udcff")
    monkeypatch.setattr(datasets, "load", lambda name: labelled)
    monkeypatch.setattr("ganrepro.training.estimate_seconds", lambda *_: 1.0)
    options = ["--dataset", "digits", "--seed", "0", "--seed", "1", "--device", "cpu", "--epochs", "1"]
    for command in (["records", "train", *options], ["records", "list"]):
        assert printed(encoding, *command).count("1 epochs, ") == 2
    assert len(records.everything()) == 2


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("command", "stubbed", "gives"),
    [
        (["data", "gaussian1d"], None, ()),
        (["doctor"], None, ()),
        (["results"], "ganrepro.report.publish.publish", ("results/σ.csv", "results/\udcff.csv")),
        (["notebooks"], "ganrepro.report.notebooks.refresh", (notebooks.Executed("01_τ", None, 1.0),)),
        (["ablate"], "ganrepro.diagnostics.ablations.run", (pd.DataFrame(),)),
    ],
    ids=command_line,
)
def test_every_command_prints_whatever_stdout_can_encode(here, monkeypatch, encoding, command, stubbed, gives):
    if stubbed:
        monkeypatch.setattr(stubbed, lambda *_: gives)
    monkeypatch.setattr("ganrepro.diagnostics.ablations.summary", lambda _: pd.DataFrame({"arm": ["k ≥ 2, ±1"]}))
    monkeypatch.setenv("GANREPRO_DATA", str(here / "данные"))
    assert printed(encoding, *command)


@pytest.mark.parametrize("encoding", [pytest.param("cp1252", marks=pytest.mark.slow), "ascii:strict"])
def test_reproduce_and_its_notebook_print_whatever_the_locale(here, encoding):
    pytest.importorskip("papermill", reason="the notebooks extra is not installed")
    work = WORK.replace(",X,", ",0.5²,") + 'print("σ ± 1 \\N{GRINNING FACE}")\nassert 1 + 1 == 2, "±"'
    write_notebook(here / "repo/notebooks/01_first.ipynb", LIST, work)
    code = f"import pathlib, ganrepro.paths as p; p.REPOSITORY = pathlib.Path({str(here / 'repo')!r}); {MAIN}"
    env = os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code, "reproduce", "--only", "01"]
    done = subprocess.run(command, env=env, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert b"100.0" in done.stdout and b"01_first" in done.stdout
    executed = nbformat.read(here / "runs/notebooks/01_first.ipynb", as_version=4)
    assert "σ ± 1 \N{GRINNING FACE}" in executed.cells[-1].outputs[0].text


@pytest.mark.parametrize("encoding", [pytest.param("cp1252", marks=pytest.mark.slow), "ascii:strict"])
@pytest.mark.parametrize(("name", "status"), [("лица.npz", 0), ("нет.npz", 2)])
def test_a_file_name_beyond_the_locale_is_read_or_named(here, encoding, name, status):
    np.savez(here / "лица.npz", images=np.arange(40, dtype=np.uint8).reshape(10, 2, 2))
    env = os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", MAIN, "data", name], env=env, capture_output=True)
    assert done.returncode == status, done.stderr
    assert b"codec" not in done.stderr and b"Traceback" not in done.stderr
    assert b"1x2x2, train 6" in done.stdout if status == 0 else b"there is no file" in done.stderr


def test_an_encoding_error_is_not_bad_input(here, monkeypatch):
    monkeypatch.setattr(records, "everything", lambda: "\udcff".encode())
    with pytest.raises(UnicodeEncodeError):
        run("records", "list")


@pytest.mark.slow
@pytest.mark.parametrize("command", [["data", "digits"], ["records", "list"]], ids=command_line)
def test_a_closed_pipe_ends_quietly(here, command):
    """As `ganrepro data | head -1`, with the reader gone before the first line."""
    (here / "runs/quick/x/seed0").mkdir(parents=True)
    (here / "runs/quick/x/seed0/record.json").write_text(
        json.dumps({"dataset": {"label": "X"}, "scores": {"last": {"mean": 1, "se_examples": 1, "epoch": 1}}})
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", MAIN, *command], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_closed_pipe_loses_no_training(here, small):
    """What is printed before the record is written goes nowhere."""
    data = datasets.load("digits")
    before, sys.stdout = sys.stdout, open(os.devnull)  # as a pipe: write raises an OSError
    try:
        record = records.get_or_train(data, "quick", device="cpu", recipe=small)
    finally:
        sys.stdout = before
    assert record.meta["epochs"] == 2


# ------------------------------------------------------------------------------------ what it loads

SLOW = "torch pandas numpy scipy sklearn matplotlib PIL pydantic nbformat papermill tqdm".split()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["--wrong"], ["no-such-command"], [], ["data", "--help"], ["data", "add"],
     ["records", "train", "--help"], ["records", "train", "--seed", "x"], ["ablate", "--of", "x"]],
)
def test_the_command_line_answers_without_loading_what_it_does_not_need(arguments):
    code = (f"import sys\nfrom ganrepro import cli\ntry:\n    status = cli.main({arguments!r})\n"
            "except SystemExit as end:\n    status = end.code\n"
            f"print('\\n', status, sorted(set({SLOW!r}) & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wrong = not {"--help", "--version"} & set(arguments)
    assert done.stdout.splitlines()[-1].strip() == f"{2 if wrong else 0} []"
    assert bool(done.stderr) == wrong


# ---------------------------------------------------------------------------------- data, doctor


def test_data_says_what_a_data_set_holds(here, capsys):
    assert run("data", "mnist", "digits") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["Dataset('mnist', 'MNIST', 1x28x28, train 50000, valid 10000, test 10000)",
                     "Dataset('digits', 'scikit-learn digits', 1x8x8, train 1197, valid 300, test 300)"]  # fmt: skip


def test_data_that_cannot_be_had_are_an_error_only_where_they_were_asked_for(here, capsys, monkeypatch):
    def load(name):
        if name != "digits":
            raise datasets.DatasetUnavailable("put it there")
        return "digits are here"

    monkeypatch.setattr(datasets, "load", load)
    assert run("data", "fer2013") == 1
    assert capsys.readouterr().out == "fer2013: not available. put it there\n"
    assert run("data") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(datasets.NAMES) and "digits are here" in lines


@pytest.mark.parametrize("missing", [None, "papermill"])
def test_doctor_says_what_is_there_and_what_is_not(here, capsys, monkeypatch, missing):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None if name == missing else object())
    monkeypatch.setenv("GANREPRO_DATA", str(here / "data"))
    assert run("doctor") == (1 if missing else 0)
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {k: shown[k] for k in provenance.versions()} == provenance.versions()
    assert re.fullmatch(f"{here / 'runs'}, [0-9.]+ GB free", shown["runs"])
    assert re.fullmatch(f"{here / 'data'}, [0-9.]+ GB free", shown["data"])  # the folder is not there yet
    assert shown["repository"] == str(here / "repo")
    assert shown["notebooks"] == (f"missing: {missing}" if missing else "can be run")
    assert shown["mnist"] == "here" and shown["tfd"] == "here: TFD stand-in: AT&T faces"
    assert shown["cifar10"] == "not here yet; `ganrepro data cifar10` downloads it"
    assert shown["fer2013"].startswith("not here; ") and "kaggle" in shown["fer2013"]
    assert shown["self-test"].startswith("passed in ")
    assert not (here / "data").exists()


def test_doctor_says_where_the_machine_computes_wrongly(here, capsys, monkeypatch):
    from ganrepro import parzen

    monkeypatch.setattr(parzen, "log_likelihood", lambda samples, x, sigma: np.zeros(len(x)))
    monkeypatch.setattr(doctor, "data_sets", lambda: [])
    assert run("doctor", "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["self-test"].startswith("failed: the Parzen window is off by")


def test_offline_is_over_afterwards(monkeypatch):
    from ganrepro.datasets import fetch

    for before in (None, "0"):
        monkeypatch.delenv(fetch.OFFLINE, raising=False)
        if before is not None:
            monkeypatch.setenv(fetch.OFFLINE, before)
        with fetch.offline():
            assert os.environ[fetch.OFFLINE] == "1"
        assert os.environ.get(fetch.OFFLINE) == before


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_every_command(capsys, shell):
    pytest.importorskip("shtab", reason="the completion extra is not installed")
    assert run("completion", shell) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("reproduce", "records", "snapshot", "doctor", "ganrepro"))


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes(tmp_path, capsys):
    pytest.importorskip("shtab", reason="the completion extra is not installed")
    assert run("completion", "bash") == 0
    (tmp_path / "complete.sh").write_text(capsys.readouterr().out)
    code = (f"source {tmp_path / 'complete.sh'}; COMP_WORDS=(ganrepro records tr) COMP_CWORD=2; "
            "_shtab_ganrepro; echo ${COMPREPLY[@]}")
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["train"], done.stderr


# --------------------------------------------------------------------------------------- records


def test_records_are_trained_listed_and_snapshot(here, capsys, small):
    assert run("records", "list") == 0
    assert capsys.readouterr().out == ""
    twice = ["--seed", "0", "--seed", "2", "--epochs", "1"]
    assert run("records", "train", "--dataset", "digits", *twice, "--device", "cpu") == 0
    made = [here / f"runs/paper/mnist@digits/seed{seed}" for seed in (0, 2)]
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith(str(here))]
    assert [line.split(": ")[0] for line in printed] == [str(p) for p in made]
    assert run("records", "list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed == printed
    assert run("records", "list", "--json") == 0
    of_scripts = json.loads(capsys.readouterr().out)
    assert [(r["path"], r["seed"], r["epochs"], r["dataset"]) for r in of_scripts] == [
        (str(path), seed, 1, "digits") for path, seed in zip(made, (0, 2), strict=True)
    ]  # fmt: skip
    score = records.Record(made[0]).meta["scores"]["last"]
    assert f"scikit-learn digits, 1 epochs, {score['mean']:.1f} ± {score['se_examples']:.1f} nats" in listed[0]
    assert run("records", "snapshot", "--dataset", "digits", "--seed", "2", "--device", "cpu") == 0
    assert capsys.readouterr().out.splitlines() == printed[1:]


def test_a_learning_rate_of_ones_own_and_a_record_that_grows(here, capsys, small):
    digits = ["--dataset", "digits", "--device", "cpu"]
    assert run("records", "train", *digits, "--epochs", "1", "--learning-rate", "0.05") == 0
    (slow,) = (here / "runs/paper").glob("mnist~*@digits/seed0")  # a folder of its own
    assert records.Record(slow).recipe.learning_rate == 0.05
    assert run("records", "train", *digits, "--epochs", "1") == 0
    (here / "runs/checkpoints/paper/mnist@digits/seed0.safetensors").unlink()
    assert run("records", "train", *digits, "--epochs", "2", "--from-record") == 0
    assert records.Record(here / "runs/paper/mnist@digits/seed0").restarts == [1]


def test_a_damaged_record_is_named(here, capsys):
    folder = here / "runs/paper/mnist/seed0"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{")
    assert run("records", "list") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{folder / 'record.json'} is missing or damaged" in line


# ------------------------------------------------------------------------------------- reproduce


@pytest.mark.parametrize(
    ("text", "value"),
    [("True", True), ("3", 3), ("-1", -1), ("1e3", 1e3), ("0.5", 0.5), ("[1, 2]", [1, 2]), ("true", "true"), ("", ""),
     ("mnist", "mnist"), ("None", "None"), ("(1, 2)", "(1, 2)"), ("{}", "{}"), ("a.npz", "a.npz"), ("'3'", "'3'"),
     ("fashion-mnist", "fashion-mnist")],
)  # fmt: skip
def test_a_value_on_the_command_line_is_read_as_papermill_reads_it(text, value):
    assert literal(text) == value and type(literal(text)) is type(value)


def test_notebooks_are_found_in_order(here):
    assert [p.name for p in notebooks.find()] == ["01_first.ipynb", "02_second.ipynb"]
    assert [p.name for p in notebooks.find(["02"])] == ["02_second.ipynb"]
    assert [p.name for p in notebooks.find(["02", "01_f"])] == ["01_first.ipynb", "02_second.ipynb"]


def test_each_notebook_gets_the_parameters_that_it_takes(here):
    first, second = notebooks.find()
    assert notebooks.assign([first, second], {"strict": True, "seed": 1e3}) == {
        first: {"seed": 1000}, second: {"seed": 1000, "strict": True},
    }  # fmt: skip
    with pytest.raises(parameters.ParameterError, match="no parameter 'strict'"):
        notebooks.assign([first], {"strict": True})


def test_a_notebook_without_a_parameter_list_is_named(here):
    broken = here / "repo/notebooks/03_third.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")]), broken)
    with pytest.raises(ValueError, match="03_third.ipynb has 0 cells tagged 'parameters'"):
        notebooks.parameter_list(broken)


def test_reproduce_runs_a_notebook_and_ends_with_its_table(here, capfd):
    pytest.importorskip("papermill", reason="the notebooks extra is not installed")
    before = content(here / "repo")
    assert run("reproduce", "--only", "01", "-p", "seed", "7", "--profile", "quick") == 0
    out = capfd.readouterr().out
    assert "107.0 ± 1.5 (examples)" in out and str(here / "runs/tables/table1_x.csv") in out
    assert str(here / "runs/notebooks/01_first.ipynb") in out
    assert content(here / "repo") == before  # notebooks write only under runs/
    executed = nbformat.read(here / "runs/notebooks/01_first.ipynb", as_version=4)
    assert any("seed = 7" in c.source and 'profile = "quick"' in c.source for c in executed.cells)


READS = """\
import json, os
from pathlib import Path
import numpy as np
from ganrepro import datasets, paths
found = {"size": len(np.load(dataset)["images"]), "runs": str(paths.runs()), "data": str(datasets.data_dir())}
Path(out).parent.mkdir(parents=True, exist_ok=True)
Path(out).write_text(json.dumps(found | {"kernel": os.getcwd()}))
"""


@pytest.mark.parametrize("start", ["", pytest.param("~/", marks=pytest.mark.slow)])
def test_a_relative_path_means_the_callers_folder_in_the_kernel_too(here, monkeypatch, start):
    """notebooks/ has files of the same names: a kernel stands there."""
    pytest.importorskip("papermill", reason="the notebooks extra is not installed")
    folder = here / "repo/notebooks"
    write_notebook(folder / "03_third.ipynb", LIST, READS)
    np.savez(folder / "my.npz", images=np.zeros((99, 2, 2), np.uint8))
    np.savez(here / "my.NPZ.npz", images=np.zeros((12, 2, 2), np.uint8))
    (here / "my.NPZ.npz").rename(here / "my.NPZ")
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("GANREPRO_RUNS", f"{start}my_runs")
    monkeypatch.setenv("GANREPRO_DATA", f"{start}my_data")
    given = {"dataset": f"{start}my.NPZ", "out": f"{start}new/found.json"}
    assert run("reproduce", "--only", "03", *(x for item in given.items() for x in ("-p", *item))) == 0
    assert json.loads((here / "new/found.json").read_text()) == {
        "size": 12, "runs": str(here / "my_runs"), "data": str(here / "my_data"), "kernel": str(folder),
    }  # fmt: skip
    assert (here / "my_runs/notebooks/03_third.ipynb").is_file() and not (folder / "my_runs").exists()
    assert os.environ["GANREPRO_RUNS"] == f"{start}my_runs"  # the caller's is as it was


def test_a_notebook_that_fails_is_status_1_with_its_error(here, capfd):
    pytest.importorskip("papermill", reason="the notebooks extra is not installed")
    assert run("reproduce", "-p", "seed", "13") == 1
    err = capfd.readouterr().err
    assert "ganrepro: 01_first failed; its output is" in err and "an unlucky seed" in err
    assert not (here / "runs/notebooks/02_second.ipynb").exists()  # what follows is not run


def test_records_list_knows_committed_and_local_ones(here, capsys, small):
    data = datasets.load("digits")
    (trained,) = training.train(small.replace(epochs=1), data, device="cpu", show_progress=False)
    for root, seed in ((here / "repo/results", 0), (here / "runs", 1)):
        run_ = dataclasses.replace(trained, seed=seed)
        records.write_record(run_, data, "paper", root / f"paper/mnist@digits/seed{seed}")
    assert run("records", "list") == 0
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(here / "repo/results/paper/mnist@digits/seed0"), str(here / "runs/paper/mnist@digits/seed1"),
    ]  # fmt: skip


def test_records_list_goes_on_after_a_damaged_one(here, capsys, small):
    (run_,) = training.train(small.replace(epochs=1), datasets.load("digits"), device="cpu", show_progress=False)
    for seed in range(3):
        path = here / f"runs/paper/mnist@digits/seed{seed}"
        records.write_record(dataclasses.replace(run_, seed=seed), datasets.load("digits"), "paper", path)
    (here / "runs/paper/mnist@digits/seed1/record.json").write_text("{")
    assert run("records", "list") == 1
    said = capsys.readouterr()
    assert [line.split(": ")[0][-5:] for line in said.out.splitlines()] == ["seed0", "seed2"]
    assert "seed1/record.json is missing or damaged" in said.err and said.err.count("\n") == 1


def test_a_recipe_alone_means_the_data_set_that_it_is_for(monkeypatch):
    asked = []
    monkeypatch.setattr("ganrepro.datasets.load", lambda name: asked.append(name) or name)
    for options, expected in (
        (["--recipe", "cifar10-conv"], ("cifar10", "cifar10-conv")),
        (["--recipe", "tfd"], ("tfd", "tfd")),
        (["--seed", "1"], ("mnist", "own")),
        (["--dataset", "digits", "--recipe", "tfd"], ("digits", "tfd")),
    ):
        assert asked_for(cli.parser().parse_args(["records", "train", *options])) == expected
    assert asked == ["cifar10", "tfd", "mnist", "digits"]


# ----------------------------------------------------------------------------------- notebooks --copy


def test_notebooks_are_copied_into_a_new_folder_and_into_one_with_other_files(here, capsys):
    (here / "theirs").mkdir()
    (here / "theirs/note.txt").write_text("mine")
    for folder in ("new/folder", "theirs"):
        assert run("notebooks", "--copy", folder) == 0
        printed = capsys.readouterr().out
        for name in ("01_first.ipynb", "02_second.ipynb"):
            assert (here / folder / name).read_bytes() == (here / "repo/notebooks" / name).read_bytes()
            assert str(here / folder / name) in printed
    solutions = ["solutions", "solutions/01_first.py", "solutions/02_second.py"]
    assert sorted(content(here / "theirs")) == ["01_first.ipynb", "02_second.ipynb", "note.txt", *solutions]
    assert content(here / "new/folder/solutions") == content(here / "repo/notebooks/solutions")
    assert (here / "theirs/note.txt").read_text() == "mine"


def test_a_notebook_that_is_there_stays_and_no_other_is_written(here, capsys):
    (here / "work").mkdir()
    (here / "work/02_second.ipynb").write_text("my own")
    before = content(here / "work")
    assert run("notebooks", "--copy", "work") == 2
    assert "02_second.ipynb is there already" in capsys.readouterr().err
    assert content(here / "work") == before
    assert run("notebooks", "--copy", "work", "--only", "01") == 0
    assert sorted(content(here / "work")) == ["01_first.ipynb", "02_second.ipynb", "solutions", "solutions/01_first.py"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_copy_that_fails_leaves_no_notebook(here, capsys, monkeypatch, exists):
    copies = []

    def copyfile(source, target):
        copies.append(target)
        if len(copies) == 2:
            raise OSError(28, "No space left on device", str(target))
        target.write_bytes(source.read_bytes())

    if exists:
        (here / "work").mkdir()
    monkeypatch.setattr(notebooks.shutil, "copyfile", copyfile)
    assert run("notebooks", "--copy", "work") == 2
    assert "No space left" in capsys.readouterr().err
    assert not content(here / "work") and len(copies) == 2 and (here / "work").exists() == exists
    assert not list(here.glob(".*"))


def test_help_lists_every_exit_status(capsys):
    assert run("--help") == 0
    listed = capsys.readouterr().out.partition("exit status:")[2]
    assert set(map(int, re.findall(r"\b\d{1,3}\b", listed))) == {0, 1, 2, 130, 141, 143}
