"""`ganrepro data|reproduce|notebooks|records|results|doctor`: a thin wrapper over the rooms."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import itertools
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ganrepro import parameters, paths

if TYPE_CHECKING:
    from ganrepro.datasets import Dataset
    from ganrepro.record import Record

NOTEBOOK_PACKAGES = ("papermill", "nbformat", "ipykernel", "jupyterlab", "sympy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Bad input is one line on stderr and exit status 2, before any work."""
    options = parser().parse_args(arguments)
    try:
        return options.command(options) or 0
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        print(f"ganrepro: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in NOTEBOOK_PACKAGES:
            raise
        print(f"ganrepro: {error.name} is not installed: pip install 'ganrepro[notebooks]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ganrepro: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    except Exception as error:
        if type(error).__name__ != "PapermillExecutionError":  # papermill is imported only where it is needed
            raise
        print(f"ganrepro: a notebook failed:\n{error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="ganrepro", description="Generative Adversarial Nets (2014), reproduced.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="load data sets, fetching what is missing, and say what they hold")
    data.add_argument("names", nargs="*", metavar="NAME", help="data sets or .npz files; all by default")
    data.set_defaults(command=show_data)

    reproduce = commands.add_parser("reproduce", help="run the notebooks in order and print paper vs. here")
    reproduce.add_argument("--profile", choices=["auto", "quick", "paper"], default=None)
    reproduce.add_argument("--only", action="append", default=[], metavar="NN", help="such as 03; may be repeated")
    reproduce.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    reproduce.set_defaults(command=run_notebooks)

    notebooks = commands.add_parser("notebooks", help="execute the notebooks at their defaults, in place")
    notebooks.add_argument("--only", action="append", default=[], metavar="NN")
    notebooks.set_defaults(command=refresh_notebooks)

    records = commands.add_parser("records", help="train, list or snapshot run records")
    kinds = records.add_subparsers(required=True, metavar="WHAT")
    kinds.add_parser("list", help="all records at hand").set_defaults(command=list_records)
    train = kinds.add_parser("train", help="train missing paper records, most wanted first; resumes")
    snapshot = kinds.add_parser("snapshot", help="write the record of a training that is still on its way")
    for command in (train, snapshot):
        command.add_argument("--dataset", default=None, help="by default all that are wanted, mnist first")
        command.add_argument("--recipe", default=None, help="in place of the data set's own, such as cifar10-conv")
        command.add_argument("--seed", type=int, action="append", default=None, help="may be repeated; default 0")
        command.add_argument("--device", default="auto")
    train.add_argument("--epochs", type=int, default=None, help="in all; default: the recipe's")
    train.set_defaults(command=train_records)
    snapshot.set_defaults(command=snapshot_records)

    ablate = commands.add_parser("ablate", help="train the MNIST recipe with one thing changed at a time")
    ablate.add_argument("--epochs", type=int, default=30, help="of each arm; default 30")
    ablate.add_argument("--seeds", type=int, default=2, help="how many, from 0; default 2")
    ablate.add_argument("--arm", action="append", default=[], help="by default all; may be repeated")
    ablate.add_argument("--products", choices=["float32", "tf32", "bfloat16"], default="float32")
    ablate.add_argument("--device", default="auto")
    ablate.set_defaults(command=run_ablations)

    results = commands.add_parser("results", help="finished paper records -> results/, tables, figures, README")
    results.set_defaults(command=publish_results)
    commands.add_parser("doctor", help="what is installed and what is not").set_defaults(command=doctor)
    return top


def show_data(options: argparse.Namespace) -> int:
    from ganrepro import datasets

    missing = 0
    for name in options.names or datasets.NAMES:
        try:
            print(datasets.load(name))
        except datasets.DatasetUnavailable as error:
            print(f"{name}: not available. {error}")
            missing += 1
    return 1 if missing and options.names else 0


def run_notebooks(options: argparse.Namespace) -> int:
    from ganrepro import notebooks, tables

    given: dict[str, Any] = {name: literal(value) for name, value in options.parameter}
    if options.profile:
        given["profile"] = options.profile
    began = time.time()
    done = list(notebooks.run(options.only, given))
    written = [p for p in sorted(paths.runs().glob("*/*.*")) if p.stat().st_mtime >= began]
    for path in (p for p in written if p.name.startswith("table1_")):
        print(f"\n{path}\n{tables.readable(tables.pd.read_csv(path)).to_string(index=False)}")
    print("\nFigures")
    for path in (p for p in written if p.suffix in (".png", ".gif", ".svg", ".pdf")):
        print(f"  {path}")
    print("\nNotebooks")
    for notebook in done:
        print(f"  {notebook.name:<16} {notebook.seconds:6.1f} s   {notebook.output}")
    return 0


def refresh_notebooks(options: argparse.Namespace) -> int:
    from ganrepro import notebooks

    for notebook in notebooks.refresh(options.only):
        print(f"{notebook.name:<16} {notebook.seconds:6.1f} s")
    return 0


def list_records(options: argparse.Namespace) -> int:
    from ganrepro import records

    return announce(records.everything())


def train_records(options: argparse.Namespace) -> int:
    from ganrepro import records

    parameters.device(options.device)
    if options.dataset is None and options.recipe is None and options.seed is None:
        return announce(records.train_wanted(options.device, options.epochs))
    data, recipe = asked_for(options)
    return announce(records.train_paper(data, options.seed or [0], options.device, options.epochs, recipe))


def snapshot_records(options: argparse.Namespace) -> int:
    from ganrepro import records

    data, recipe = asked_for(options)
    seeds = options.seed or [0]
    return announce(itertools.chain.from_iterable(records.snapshot(data, s, options.device, recipe) for s in seeds))


def asked_for(options: argparse.Namespace) -> tuple[Dataset, str]:
    """The data set and the recipe that the options name; a recipe alone means the data set that it is for."""
    from ganrepro import datasets, recipes

    recipe = options.recipe or recipes.OWN
    if recipe not in (recipes.OWN, *recipes.RECIPES):
        raise ValueError(f"recipe = {recipe!r}; choose one of {recipes.OWN}, {', '.join(recipes.RECIPES)}")
    name = options.dataset or ("mnist" if recipe == recipes.OWN else recipes.made_for(recipe))
    return datasets.load(name), recipe


def run_ablations(options: argparse.Namespace) -> int:
    from ganrepro import ablations, datasets, recipes

    for name in ("epochs", "seeds"):
        if getattr(options, name) < 1:
            raise ValueError(f"{name} = {getattr(options, name)}; it must be at least 1")
    parameters.device(options.device)
    products = None if options.products == "float32" else options.products
    recipe, data = recipes.RECIPES["mnist"].replace(products=products), datasets.load("mnist")
    made = ablations.run(recipe, data, options.epochs, range(options.seeds), options.device, options.arm)
    for table in made:
        print(ablations.summary(table).round(1).to_string(index=False), "\n", flush=True)
    return 0


def announce(made: Iterable[Record]) -> int:
    for record in made:
        last = record.meta["scores"]["last"]
        score = f"{last['mean']:.1f} ± {last['se_examples']:.1f} nats"
        print(f"{record.path}: {record.label}, {last['epoch']} epochs, {score}", flush=True)
    return 0


def publish_results(options: argparse.Namespace) -> int:
    from ganrepro import publish

    for path in publish.publish():
        print(path)
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Versions, device and folders; exit status 1 when something that the notebooks need is missing."""
    import torch

    from ganrepro import provenance

    for name, version in provenance.versions().items():
        print(f"{name:<12} {version}")
    print(f"{'device':<12} {parameters.device('auto')} ({torch.get_num_threads()} threads)")
    print(f"{'repository':<12} {paths.REPOSITORY or 'none: installed without it'}")
    print(f"{'runs':<12} {paths.runs()}")
    print(f"{'data':<12} {os.environ.get('GANREPRO_DATA', 'the default cache folder')}")
    missing = [name for name in NOTEBOOK_PACKAGES if importlib.util.find_spec(name) is None]
    print(f"{'notebooks':<12} {'missing: ' + ', '.join(missing) if missing else 'can be run'}")
    paths.require_writable(paths.runs())
    return 1 if missing else 0


def literal(text: str) -> Any:
    """A command line value as papermill reads it: True, False, numbers and lists are themselves, all else text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, bool | int | float | list) else text
