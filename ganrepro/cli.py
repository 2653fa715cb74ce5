"""`ganrepro data|reproduce|notebooks|records|ablate|results|doctor`: a thin wrapper over the modules. A command imports
torch and pandas when it runs, so that `ganrepro --help` is quick."""

from __future__ import annotations

import argparse
import ast
import errno
import importlib.util
import io
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganrepro import parameters, paths
from ganrepro.parameters import FIGURES
from ganrepro.report import NotebookFailed

if TYPE_CHECKING:
    from ganrepro.datasets import Dataset
    from ganrepro.records import Record

DATA_ACTIONS = ("list", "add", "show", "remove", "status")
_SPACE, _IN_THE_WAY = "free some space or {}another folder", "move the file that is in the way, or {}another folder"
REMEDIES = {errno.ENOSPC: _SPACE, errno.EDQUOT: _SPACE, errno.EACCES: "make it writable or {}another folder",
            errno.EROFS: "{}a folder that can be written to",
            errno.ENOTDIR: _IN_THE_WAY, errno.EEXIST: _IN_THE_WAY}  # fmt: skip
STOPPED = "stopped; the same command resumes from the last checkpoint, where there is one"
NOTEBOOK_PACKAGES = ("papermill", "nbformat", "ipykernel", "jupyterlab", "sympy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. Bad input is one line on stderr and status 2, before any work. A
    notebook that fails is status 1, Ctrl-C is 130, SIGTERM 143, and 141 a pipe that is closed, as in
    `ganrepro data | head -1`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # ± on a terminal that has none is escaped
            stream.reconfigure(errors="backslashreplace")
    with _signals(restore=arguments is not None) as received:
        try:
            try:
                options = parser().parse_args(_with_data_action(sys.argv[1:] if arguments is None else arguments))
                status = _run(options, received)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
            return 141
        except BaseException:  # what an interrupted import makes of the exception may be any other
            if not received:
                raise
        return 128 + received[0] if received else status


@contextmanager
def _signals(restore: bool) -> Iterator[list[int]]:
    """SIGINT and SIGTERM say one line, at once, and raise KeyboardInterrupt; the list holds the first one's number.
    What has not ended ten seconds later, or by a second signal, is ended. Once the work is done they are ignored."""
    received: list[int] = []

    def stop(number: int, _: object) -> None:
        if received:
            os._exit(128 + received[0])
        received.append(number)
        with suppress(OSError):
            os.write(2, f"ganrepro: {STOPPED}\n".encode())
        forced.start()
        raise KeyboardInterrupt

    forced = threading.Timer(10, lambda: os._exit(128 + received[0]))  # where the exception is lost on its way
    forced.daemon = True
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        forced.cancel()
        for number, handler in before.items():
            signal.signal(number, handler if restore else signal.SIG_IGN)


def _with_data_action(arguments: Sequence[str]) -> list[str]:
    """`ganrepro data mnist` in full: `ganrepro data list mnist`."""
    first, *rest = arguments or [""]
    if first == "data" and (not rest or rest[0] not in (*DATA_ACTIONS, "-h", "--help")):
        return [first, "list", *rest]
    return list(arguments)


def _run(options: Namespace, received: Sequence[int] = ()) -> int:
    status = 2
    try:
        return options.command(options) or 0
    except (UnicodeEncodeError, BrokenPipeError):  # subclasses of ValueError and OSError that no input causes
        raise
    except NotebookFailed as error:
        reason, status = str(error), 1
    except KeyboardInterrupt:
        reason, status = STOPPED, 130
    except ModuleNotFoundError as error:
        if error.name not in NOTEBOOK_PACKAGES:
            raise
        reason = f"{error.name} is not installed: pip install 'ganrepro[notebooks]'"
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        reason = _one_line(error)
    if not received:  # a signal has said its own line
        print(f"ganrepro: {reason}", file=sys.stderr)
    return status


def _one_line(error: Exception) -> str:
    """The error's message; pydantic's several lines in one; and what to do where the system refused to write."""
    from pydantic import ValidationError

    if isinstance(error, OSError) and error.errno in REMEDIES:
        variable = paths.variable_of(error.filename) if error.filename else paths.FOLDERS[0]
        place = f"set {variable} to " if variable else "give a path in "
        return f"{error}; {REMEDIES[error.errno].format(place)}, then give the same command again"
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()
    )


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="ganrepro", description="Generative Adversarial Nets (2014), reproduced.")
    top.add_argument("--version", action="version", version=f"ganrepro {_version()}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    several: dict[str, Any] = {"action": "append", "default": []}

    def command(name: str, run: Callable[[Namespace], int | None], about: str, among: Any = commands) -> Any:
        added = among.add_parser(name, help=about)
        added.set_defaults(command=run)
        return added

    own = "a folder of pictures, an .npz or an .npy"
    data = commands.add_parser("data", help="load data sets, download missing files; name your own pictures")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    listed = command("list", show_data, "print what data sets hold, as `ganrepro data NAME` does", actions)
    listed.add_argument("names", nargs="*", metavar="NAME", help=f"data sets, {own}; all data sets by default")
    add = command("add", add_data, f"give {own} a name, for `-p dataset NAME`; copies the pictures, reduced", actions)
    add.add_argument("path", metavar="FOLDER", help=own)
    add.add_argument("--name", required=True, help="letters, digits, '.', '_' and '-'")
    add.add_argument("--grey", action="store_true", help="also where pictures are in colour")
    add.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read")
    show = command("show", show_sheet, "write a contact sheet (PNG)", actions)
    show.add_argument("name", metavar="NAME", help=f"a data set, {own}")
    show.add_argument("--out", default="", help="its file; default: contact_NAME.png in runs/figures")
    remove = command("remove", remove_data, "forget a name; the pictures' own folder is left alone", actions)
    remove.add_argument("name", metavar="NAME")
    command("status", data_status, "the sets that were added, and the data directory", actions)

    reproduce = command("reproduce", run_notebooks, "run the notebooks in order and print paper vs. here")
    reproduce.add_argument("--profile", choices=["auto", "quick", "paper"])
    reproduce.add_argument("-p", "--parameter", nargs=2, metavar=("NAME", "VALUE"), **several)
    notebooks = command("notebooks", refresh_notebooks, "execute the notebooks at their defaults, in place")
    for it in (reproduce, notebooks):
        it.add_argument("--only", metavar="NN", help="such as 03; may be repeated", **several)

    records = commands.add_parser("records", help="train, list or snapshot run records")
    kinds = records.add_subparsers(required=True, metavar="WHAT")
    command("list", list_records, "all records that are here", kinds)
    command("check", check_records, "whether their files are whole", kinds)
    train = command("train", train_records, "train missing paper records, most wanted first; resumes", kinds)
    train.add_argument("--epochs", type=int, help="in all; default: the recipe's")
    going_on = train.add_mutually_exclusive_group()
    going_on.add_argument("--from-record", action="store_true", help="without a checkpoint: go on from the record")
    going_on.add_argument("--from-checkpoint", action="store_true",
                       help="with --learning-rate: go on from the checkpoint at the recipe's own")  # fmt: skip
    snapshot = command("snapshot", snapshot_records, "write the record of an unfinished training", kinds)
    for it in (train, snapshot):
        it.add_argument("--dataset", help="by default all that are wanted, mnist first")
        it.add_argument("--recipe", help="in place of the data set's own, such as cifar10-conv")
        it.add_argument("--seed", type=int, help="may be repeated; default 0", **several)
        it.add_argument("--learning-rate", type=float, help="default: the recipe's; a smaller one where that diverges")

    ablate = command("ablate", run_ablations, "train the MNIST recipe with one thing changed at a time")
    ablate.add_argument("--of", choices=["recipe", "alternating"], default="recipe",
                        help="alternating: what rescues Algorithm 1 as printed, on narrow nets")  # fmt: skip
    ablate.add_argument("--epochs", type=int, help="of each arm; default 30, of alternating 8")
    ablate.add_argument("--seeds", type=int, default=2, help="how many, from 0; default 2")
    ablate.add_argument("--arm", help="may be repeated; by default all", **several)
    ablate.add_argument("--products", choices=["float32", "tf32", "bfloat16"], default="float32")
    for it in (train, snapshot, ablate):
        it.add_argument("--device", default="auto")
    for it in (train, snapshot, listed, add, show):
        it.add_argument("--size", type=int, default=0, help="of your own pictures: cropped and reduced to a square")

    command("results", publish_results, "finished paper records -> results/, tables, figures, README, docs")
    command("doctor", doctor, "what is installed and what is not")
    return top


def _version() -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("ganrepro")
    return "not installed as a package"


def show_data(options: Namespace) -> int:
    from ganrepro import datasets

    missing = False
    for name in options.names or datasets.NAMES:
        try:
            print(datasets.load(name, **_size(options)))
        except datasets.DatasetUnavailable as error:
            print(f"{name}: not available. {error}")
            missing = True
    return int(missing and bool(options.names))


def add_data(options: Namespace) -> None:
    from ganrepro import datasets

    datasets.kept.check_name(options.name, datasets.NAMES)
    channels = 1 if options.grey else None
    pictures, _, _ = datasets.own_pictures(options.path, options.size, channels, options.skip_broken)
    datasets.kept.add(options.name, pictures)
    print(pictures.dataset(options.name))
    print(f"It can be used as `-p dataset {options.name}`. Contact sheet: {_sheet(pictures.dataset(options.name))}")


def show_sheet(options: Namespace) -> None:
    from ganrepro import datasets

    print(_sheet(datasets.load(options.name, **_size(options)), options.out))


def _sheet(data: Dataset, out: str = "") -> Path:
    """Write a data set's contact sheet, under runs/figures unless `out` says where. Returns its path."""
    from ganrepro.report import figures

    parameters.refuse_suffix("out", out, FIGURES)
    path = paths.absolute(out) if out else paths.runs() / "figures" / f"contact_{data.name}.png"
    with figures.style():
        return figures.save(figures.sprite(data.training[:100], data.shape, 10, data.label), path)


def remove_data(options: Namespace) -> None:
    from ganrepro import datasets

    datasets.kept.remove(options.name)
    print(f"{options.name} is removed; the pictures that it was made from are where they were")


def data_status(options: Namespace) -> None:
    from ganrepro import datasets

    if (folder := datasets.data_dir()).exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    print(f"data directory: {folder}")
    for name in paths.named_sets():
        print(f"{name}: {datasets.load(name)}")
    if not paths.named_sets():
        print("no sets of your own; `ganrepro data add FOLDER --name NAME` adds one")


def _size(options: Namespace) -> dict[str, Any]:
    return {"size": options.size} if options.size else {}


def run_notebooks(options: Namespace) -> None:
    from ganrepro.report import notebooks, tables

    given = {name: literal(value) for name, value in options.parameter}
    if options.profile:
        given["profile"] = options.profile
    began = time.time()
    done = list(notebooks.run(options.only, given))
    written = [p for p in sorted(paths.runs().glob("*/*.*")) if p.stat().st_mtime >= began]
    for path in (p for p in written if p.name.startswith("table1_")):
        print(f"\n{path}\n{tables.readable(tables.pd.read_csv(path)).to_string(index=False)}")
    print("\nFigures", *(p for p in written if p.suffix.lower() in (".png", ".gif", ".svg", ".pdf")), sep="\n  ")
    print("\nNotebooks", *(f"{n.name:<16} {n.seconds:6.1f} s   {n.output}" for n in done), sep="\n  ")


def literal(text: str) -> Any:
    """A command line value as papermill reads it: True, False, numbers and lists are parsed, all else is text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, bool | int | float | list) else text


def refresh_notebooks(options: Namespace) -> None:
    from ganrepro.report import notebooks

    for notebook in notebooks.refresh(options.only):
        print(f"{notebook.name:<16} {notebook.seconds:6.1f} s")


def list_records(options: Namespace) -> int:
    """A line for each record; status 1 where one is damaged."""
    from ganrepro import records

    damaged = 0
    for record in records.everything():
        try:
            report([record])
        except ValueError as error:
            damaged += 1
            print(f"ganrepro: {error}", file=sys.stderr)
    return int(damaged > 0)


def check_records(options: Namespace) -> int:
    """A line for each record; status 1 where one is damaged."""
    from ganrepro import records

    damaged = 0
    for record in records.everything():
        try:
            records.evidence.check_whole(record)
            found = "whole" if record.is_sealed else "readable; without checksums, since an earlier version wrote it"
        except ValueError as error:
            found, damaged = str(error), damaged + 1
        print(f"{record.path}: {found}", flush=True)
    return int(damaged > 0)


def train_records(options: Namespace) -> None:
    from ganrepro import device, records

    device.torch_device(options.device)
    if options.from_checkpoint and options.learning_rate is None:
        raise ValueError("--from-checkpoint needs --learning-rate, the rate to go on with")
    named = any(value is not None for value in (options.dataset, options.recipe, options.learning_rate))
    if named or options.size or options.seed or options.from_record:
        data, recipe = asked_for(options)
        more = recipe, options.learning_rate, options.from_record, options.from_checkpoint
        report(records.train_paper(data, options.seed or [0], options.device, options.epochs, *more))
    else:
        report(records.train_wanted(options.device, options.epochs))


def snapshot_records(options: Namespace) -> None:
    from ganrepro import records

    data, recipe = asked_for(options)
    for seed in options.seed or [0]:
        report(records.snapshot(data, seed, options.device, recipe, options.learning_rate))


def asked_for(options: Namespace) -> tuple[Dataset, str]:
    """The data set and the recipe that the options name; a recipe alone means the data set that it is for."""
    from ganrepro import datasets, recipes

    recipe = recipes.OWN if options.recipe is None else options.recipe
    if recipe not in (recipes.OWN, *recipes.RECIPES):
        raise ValueError(f"recipe = {recipe!r}; choose one of {recipes.OWN}, {', '.join(recipes.RECIPES)}")
    for_recipe = "mnist" if recipe == recipes.OWN else recipes.made_for(recipe)
    return datasets.load(for_recipe if options.dataset is None else options.dataset, **_size(options)), recipe


def report(made: Iterable[Record]) -> None:
    """Print a line for each record as soon as it is there."""
    for record in made:
        last = record.meta["scores"]["last"]
        score = f"{last['mean']:.1f} ± {last['se_examples']:.1f} nats"
        print(f"{record.path}: {record.label}, {last['epoch']} epochs, {score}", flush=True)


def run_ablations(options: Namespace) -> None:
    from ganrepro import datasets, device, recipes
    from ganrepro.diagnostics import ablations
    from ganrepro.extensions.coordination import alternating

    printed = options.of == "alternating"
    options.epochs = options.epochs if options.epochs is not None else alternating.EPOCHS if printed else 30
    for name in ("epochs", "seeds"):
        if getattr(options, name) < 1:
            raise ValueError(f"{name} = {getattr(options, name)}; it must be at least 1")
    device.torch_device(options.device)
    products = None if options.products == "float32" else options.products
    study, data = alternating.STUDY if printed else ablations.STUDY, datasets.load("mnist")
    data = alternating.pictures(data) if printed else data
    recipe = recipes.for_dataset("mnist", data.shape).replace(products=products)
    for table in ablations.run(recipe, data, options.epochs, range(options.seeds), options.device, options.arm, study):
        found = alternating.summary(table, ablations.validated(study)) if printed else ablations.summary(table)
        print(found.round(1).to_string(index=False), "\n", flush=True)


def publish_results(options: Namespace) -> None:
    from ganrepro.report import publish

    print(*publish.publish(), sep="\n")


def doctor(options: Namespace) -> int:
    """Print versions, device and folders; status 1 if a package that the notebooks need is missing."""
    import torch

    from ganrepro import datasets, device, records

    missing = [name for name in NOTEBOOK_PACKAGES if importlib.util.find_spec(name) is None]
    found = records.provenance.versions() | {
        "device": f"{device.torch_device('auto')} ({torch.get_num_threads()} threads)",
        "repository": paths.REPOSITORY or "none: installed without it",
        "runs": paths.runs(),
        "data": datasets.data_dir(),
        "notebooks": "missing: " + ", ".join(missing) if missing else "can be run",
    }
    print(*(f"{name:<12} {value}" for name, value in found.items()), sep="\n")
    paths.require_writable(paths.runs())
    return int(bool(missing))
