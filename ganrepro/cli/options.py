"""The commands of `ganrepro` and their options."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any

from .data import add_data, data_status, remove_data, show_data, show_sheet
from .doctor import doctor
from .notebooks import refresh_notebooks, run_notebooks
from .records import check_records, list_records, snapshot_records, tabulate_records, train_records
from .results import publish_results, run_ablations
from .sweep import sweep

STATUS = """\
exit status:
  0    done
  1    something was found or failed: a notebook or a job, a damaged record, data or packages that are not there;
       or you answered no
  2    bad input, or a folder or package that the command needs; one line on stderr, before any work
  130  Ctrl-C; 143 SIGTERM: the same command resumes
  141  the pipe behind it was closed"""
DATA_ACTIONS = ("list", "add", "show", "remove", "status")


def with_data_action(arguments: Sequence[str]) -> list[str]:
    """`ganrepro data mnist` in full: `ganrepro data list mnist`."""
    first, *rest = arguments or [""]
    if first == "data" and (not rest or rest[0] not in (*DATA_ACTIONS, "-h", "--help")):
        return [first, "list", *rest]
    return list(arguments)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="ganrepro", description="Generative Adversarial Nets (2014), reproduced.",
                                  epilog=STATUS, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
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
    status = command("status", data_status, "the sets that were added, and the data directory", actions)

    reproduce = command("reproduce", run_notebooks, "run the notebooks in order and print paper vs. here")
    reproduce.add_argument("--profile", choices=["auto", "quick", "paper"])
    reproduce.add_argument("-p", "--parameter", nargs=2, metavar=("NAME", "VALUE"), **several)
    notebooks = command("notebooks", refresh_notebooks, "execute the notebooks in place, or copy them")
    notebooks.add_argument("--copy", metavar="DIR", help="write them into a folder instead, from a wheel or a clone")
    for it in (reproduce, notebooks):
        it.add_argument("--only", metavar="NN", help="such as 03; may be repeated", **several)

    swept = command("sweep", sweep, "notebooks over data sets and seeds, here or on a cluster (by Snakemake)")
    swept.add_argument("--seeds", default="0-2", help="such as 0-9 or 0,2,5-7; default 0-2")
    swept.add_argument("--dataset", default="mnist", help="several with commas between; default mnist")
    swept.add_argument("--only", metavar="NN", help="a notebook to run beside 03; may be repeated", **several)
    swept.add_argument("-p", "--parameter", nargs=2, metavar=("NAME", "VALUE"), help="as of papermill", **several)
    swept.add_argument("--cores", type=int, default=2, help="jobs at once on this machine; default 2")
    swept.add_argument("--profile", help="slurm, or a folder with a Snakemake profile: where else to run")
    swept.add_argument("--memory", type=int, default=4000, help="of a job, in MB; default 4000")
    swept.add_argument("--minutes", type=int, default=240, help="of a job; default 240; a retry resumes its training")
    swept.add_argument("--gpus", type=int, default=0, help="of a job; with -p device cuda")
    swept.add_argument("-n", "--dry-run", action="store_true", help="list the jobs alone")
    swept.add_argument("more", nargs="*", metavar="-- OPTION", help="options of Snakemake")

    records = commands.add_parser("records", help="train, list, check or tabulate run records")
    kinds = records.add_subparsers(required=True, metavar="WHAT")
    every = command("list", list_records, "all records that are here", kinds)
    command("check", check_records, "whether their files are whole", kinds)
    table = command("table", tabulate_records, "Table 1 of the records here, with errors over seeds", kinds)
    table.add_argument("--dataset", help="may be repeated; default: all", **several)
    table.add_argument("--profile", choices=["quick", "paper"], default="paper")
    table.add_argument("--out", default="", help="a CSV file; default: print it")
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
    for it in (reproduce, swept, train, ablate):
        it.add_argument("-y", "--yes", action="store_true",
                        help="do not ask before work of more than ten minutes (only a terminal is asked)")  # fmt: skip
    for it in (train, snapshot, ablate):
        it.add_argument("--device", default="auto")
    for it in (train, snapshot, listed, add, show):
        it.add_argument("--size", type=int, default=0, help="of your own pictures: cropped and reduced to a square")

    command("results", publish_results, "finished paper records -> results/, tables, figures, README, docs")
    checked = command("doctor", doctor, "what is installed, which data are here, and a self-test of some seconds")
    for it in (every, checked, status):
        it.add_argument("--json", action="store_true", help="for scripts")
    completion = command("completion", print_completion, "print a script that completes commands in your shell")
    completion.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    return top


def print_completion(options: Namespace) -> None:
    import shtab

    print(shtab.complete(parser(), options.shell))


def _version() -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("ganrepro")
    return "not installed as a package"
