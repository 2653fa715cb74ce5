"""`ganrepro records list|check|table|train|snapshot`."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ganrepro import parameters

from .data import size_of
from .long_work import LONG, ask_before

if TYPE_CHECKING:
    from ganrepro.datasets import Dataset
    from ganrepro.records import Record


def list_records(options: Namespace) -> int:
    """A line for each record, or with --json an array of them; status 1 where one is damaged."""
    from ganrepro import records

    listed, damaged = [], 0
    for record in records.everything():
        try:
            listed.append(described(record))
            if not options.json:
                report([record])
        except ValueError as error:
            damaged += 1
            print(f"ganrepro: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps(listed, indent=1))
    return int(damaged > 0)


def described(record: Record) -> dict[str, Any]:
    """What a script would want to know of a record."""
    meta, last = record.meta, record.meta["scores"]["last"]
    return {
        "path": str(record.path), "dataset": meta["dataset"]["name"], "label": record.label,
        "recipe": meta["recipe"]["name"], "profile": meta["profile"], "seed": meta["seed"], "epochs": last["epoch"],
        "nats": last["mean"], "se_examples": last["se_examples"], "sigma": last["sigma"],
    }  # fmt: skip


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


def tabulate_records(options: Namespace) -> None:
    """Table 1 of the records here, committed and local, for people or as a file."""
    from ganrepro import datasets, paths, records
    from ganrepro.report import tables

    parameters.refuse_suffix("out", options.out, (".csv",))
    wanted = {name if name in datasets.NAMES else datasets.load(name).name for name in options.dataset}
    wanted |= {*tables.STAND_INS} if "tfd" in wanted else set()
    found = [r for r in records.longest(options.profile) if not wanted or r.meta["dataset"]["name"] in wanted]
    if not found:
        raise ValueError(f"there is no {options.profile} record of {', '.join(options.dataset) or 'any data set'}")
    table = tables.table1(found, "computed here")
    if wanted:
        table = table[table.dataset.isin(wanted | ({"tfd"} if wanted & {*tables.STAND_INS} else set()))]
    if options.out:
        print(records.write_table(table, paths.absolute(options.out)))
    else:
        print(tables.readable(table).to_string(index=False))


def train_records(options: Namespace) -> None:
    from ganrepro import device, records

    device.torch_device(options.device)
    if options.from_checkpoint and options.learning_rate is None:
        raise ValueError("--from-checkpoint needs --learning-rate, the rate to go on with")
    named = any(value is not None for value in (options.dataset, options.recipe, options.learning_rate))
    if named or options.size or options.seed or options.from_record:
        data, recipe = asked_for(options)
        more = recipe, options.learning_rate, options.from_record, options.from_checkpoint
        given = data, options.seed or [0], options.device, options.epochs, *more[:3]
        ask_before(options, f"training {data.label}", lambda: records.seconds_left(*given))
        report(records.train_paper(data, options.seed or [0], options.device, options.epochs, *more))
    else:
        each = records.seconds_left_of_wanted(options.device, options.epochs)
        ask_before(options, "the missing paper records, the first of them alone",
                   lambda: next((seconds for seconds in each if seconds > LONG), 0.0))  # fmt: skip
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
    return datasets.load(for_recipe if options.dataset is None else options.dataset, **size_of(options)), recipe


def report(made: Iterable[Record]) -> None:
    """Print a line for each record as soon as it is there."""
    for record in made:
        last = record.meta["scores"]["last"]
        score = f"{last['mean']:.1f} ± {last['se_examples']:.1f} nats"
        print(f"{record.path}: {record.label}, {last['epoch']} epochs, {score}", flush=True)
