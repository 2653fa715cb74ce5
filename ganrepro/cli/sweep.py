"""`ganrepro sweep`: notebooks over data sets and seeds, on this machine or a cluster, by Snakemake."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from argparse import Namespace
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from ganrepro import parameters, paths
from ganrepro.parameters import LARGEST_FIRST_SEED

from .long_work import ask_before
from .notebooks import literal

SCORED = "03_parzen"  # the notebook that makes the record and its row
MOST = 10_000  # jobs
LEAST = {"cores": 1, "memory": 100, "minutes": 1, "gpus": 0}


def sweep(options: Namespace) -> int:
    """Run the jobs that are missing, and write the table over seeds; status 1 where a job failed."""
    from ganrepro.locks import locked
    from ganrepro.progress import say

    (config, folder), place = plan(options), where(options)
    if config["profile"] == "paper" and options.profile is None and not options.dry_run:
        ask_before(options, "the records of the sweep, trained one after another", lambda: seconds_left(config))
    if importlib.util.find_spec("snakemake") is None:
        raise ModuleNotFoundError("snakemake is not installed", name="snakemake")
    paths.require_writable(folder)
    with locked(folder / "sweep"):
        file = folder / "sweep.json"
        with paths.atomic_file(file) as unfinished:
            unfinished.write_text(json.dumps(config, indent=1))
        jobs = len(config["notebooks"]) * len(config["datasets"]) * len(config["seeds"])
        say(f"a sweep of {jobs} notebooks in {folder}; those that are there are not run again")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(paths.repository() / "workflow/Snakefile"),
                   "--configfile", str(file), "--directory", str(folder), "--nolock", "--rerun-incomplete",
                   "--rerun-triggers", "mtime", *place, *options.more, "--quiet", "rules", "host"]  # fmt: skip
        ended = run(command)
    if ended == 0 and (table := folder / "table1.csv").is_file() and not options.dry_run:
        from ganrepro.report import tables

        print(f"{table}\n{tables.readable(tables.pd.read_csv(table)).to_string(index=False)}")
    return int(ended != 0)


def run(command: list[str]) -> int:
    """The status of Snakemake. An interrupt is passed on to it and its local jobs; it cancels those on a cluster at
    once, but may look for their end for a minute more, so it is ended before another sweep can begin."""
    process = subprocess.Popen(command, env=os.environ | paths.environment(), start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(6)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise


def seconds_left(config: dict[str, Any]) -> float:
    """Roughly how long the missing paper records of 03 would take on this machine."""
    from ganrepro import datasets, records

    given = config["given"][SCORED]
    size = {"size": given["size"]} if given.get("size") else {}
    rate, recipe = given.get("learning_rate") or None, given.get("recipe", records.store.OWN)
    return sum(records.seconds_left(datasets.load(name, **size), config["seeds"], given.get("device", "auto"),
                                    None, recipe, rate, full_length=False)
               for name in config["datasets"].values())  # fmt: skip


def where(options: Namespace) -> list[str]:
    """Snakemake's options that say where jobs run. Raises ValueError for a profile that is not there."""
    dry = ["--dry-run"] * options.dry_run
    if options.profile is None:
        return ["--cores", str(options.cores), "--keep-going", *dry]
    known = paths.repository() / "workflow" / options.profile
    profile = known if known.is_dir() else paths.absolute(options.profile)
    if not (profile / "config.yaml").is_file():
        raise ValueError(f"profile = {options.profile!r}; choose slurm, or a folder with Snakemake's config.yaml")
    return ["--workflow-profile", str(profile), *dry]


def plan(options: Namespace) -> tuple[dict[str, Any], Path]:
    """What the Snakefile is told, and the sweep's own folder. Raises ValueError for anything that no job could use."""
    from ganrepro.report import notebooks

    files = {path.stem: path for path in notebooks.find([SCORED, *options.only])}
    given = {name: literal(value) for name, value in options.parameter}
    for name in ("dataset", "seed", "out"):
        if name in given:
            raise ValueError(f"{name} is given by --dataset, --seeds and the sweep's own folder, not by -p")
    given.setdefault("profile", "paper")
    if given["profile"] not in ("quick", "paper"):
        raise ValueError(f"profile = {given['profile']!r}; a sweep makes records, so choose quick or paper")
    assigned = {path.stem: values for path, values in notebooks.assign(list(files.values()), given).items()}
    for name, least in LEAST.items():
        if (value := getattr(options, name)) < least:
            raise ValueError(f"{name} = {value}; it must be at least {least}")
    seeds, sets = numbers(options.seeds), dict[str, Any]()
    for name in options.dataset.split(","):
        for path in files.values():
            value = parameters.value_of(notebooks.parameter_list(path)["dataset"], name)
            if sets.setdefault(paths.slug(name), value) != value:
                raise ValueError(f"dataset = {options.dataset!r} has two of the name {paths.slug(name)!r}; rename one")
    if (jobs := len(files) * len(seeds) * len(sets)) > MOST:
        raise ValueError(f"a sweep of {jobs:,} jobs; at most {MOST:,} at once")
    others = {name: value for values in assigned.values() for name, value in values.items() if name != "profile"}
    mark = f"-{sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()[:8]}" if others else ""
    folder = paths.runs() / "sweep" / f"{given['profile']}{mark}"
    resources: dict[str, Any] = {"mem_mb": options.memory, "runtime": options.minutes}
    if options.gpus:
        resources["gpu"] = options.gpus
    return {
        "python": sys.executable, "notebooks": {name: str(path) for name, path in files.items()}, "datasets": sets,
        "seeds": seeds, "given": assigned, "folder": str(folder), "profile": given["profile"], "resources": resources,
    }, folder  # fmt: skip


def numbers(text: str) -> list[int]:
    """The seeds of a text such as 0-9 or 0,2,5-7, in order. Raises ValueError for any other."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part.strip(), re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not 0 <= first <= last <= LARGEST_FIRST_SEED or last - first >= MOST:
            raise ValueError(f"seeds = {text!r}; expected numbers and ranges such as 0-9 or 0,2,5-7, at most {MOST:,}")
        found |= {*range(first, last + 1)}
    return sorted(found)
