"""A race of recipes: which reaches a given validation score first, in steps and in seconds?

All are trained by `training.train` on the same examples for as many epochs, with a validation score after each. A step
is a minibatch of data, a move of D: of these all arms have equally many. What a step costs is measured apart, the arms
in turns, so that no arm has the busier machine.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ganrepro import datasets, parameters, paths, training
from ganrepro.ablations import RECIPE
from ganrepro.algorithm1 import steps_in_all
from ganrepro.recipes import Recipe
from ganrepro.training import Run

SLOW = 1e-4  # learning rate at which steps are timed
COLUMNS = ["arm", "seed", "epoch", "step", "g_moves", "seconds", "d_real", "d_fake", "valid_ll"]


def race(
    known: Mapping[str, Recipe], data: datasets.Dataset, seeds: Sequence[int], device: str = "auto",
    folder: Path | None = None,
) -> Iterator[tuple[str, int, Run | None]]:  # fmt: skip
    """Train every arm, seed after seed, validated after every epoch: its name, the seed, and its run, None where it
    diverged. A race that was broken off goes on from the checkpoints in `folder`."""
    for seed in seeds:
        for name, recipe in known.items():
            place = folder and folder / re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
            options = {"validate_every": 1, "checkpoint_dir": place, "show_progress": False}
            try:
                (run,) = training.train(recipe, data, seeds=(seed,), device=device, **options)  # type: ignore[arg-type]
            except FloatingPointError:  # a result, too
                yield name, seed, None
            else:
                yield name, seed, run


def costs(
    known: Mapping[str, Recipe], data: datasets.Dataset, device: str = "auto", rounds: int = 25, minibatches: int = 10
) -> dict[tuple[str, int], float]:  # fmt: skip
    """Seconds a minibatch of data takes in each arm, by (arm, k): the least of some rounds in which all take turns.

    On a CPU it is the process's own time, which other work there does not lengthen: give torch one thread. A step takes
    as long at any rate: these are at a small one, at which nothing diverges.
    """
    where = parameters.device(device)
    clock = time.process_time if where.type == "cpu" else time.perf_counter
    apart = {(name, r.at(e).k): _slow(r.at(e)) for name, r in known.items() for e in range(1, r.epochs + 1)}
    scratch = {key: training.start(recipe, data, 0, where) for key, recipe in apart.items()}
    x = data.training[: minibatches * max(r.batch_size for r in apart.values())].to(where)
    least = dict.fromkeys(apart, math.inf)
    for _ in range(rounds):
        for key, run in scratch.items():
            began = clock()
            training.run_epoch([run], x)  # it ends with a number read back, so that a GPU has finished
            least[key] = min(least[key], (clock() - began) / math.ceil(len(x) / run.recipe.batch_size))
    return least


def _slow(recipe: Recipe) -> Recipe:
    own = recipe.d_learning_rate and SLOW
    return recipe.replace(learning_rate=SLOW, d_learning_rate=own)


def rows(
    name: str, seed: int, recipe: Recipe, run: Run | None, cost: Mapping[tuple[str, int], float], examples: int
) -> pd.DataFrame:  # fmt: skip
    """The epochs of an arm as rows of COLUMNS: minibatches of data, moves of G and seconds so far, score in nats, which
    is missing throughout where it diverged."""
    epochs, an_epoch = range(1, recipe.epochs + 1), math.ceil(examples / recipe.batch_size)
    found = pd.DataFrame({"epoch": epochs, "arm": name, "seed": seed, "step": [an_epoch * e for e in epochs]})
    found["g_moves"] = [steps_in_all(recipe, examples, e) * (recipe.g_moves or 1) for e in epochs]
    found["seconds"] = np.cumsum([an_epoch * cost[name, recipe.at(e).k] for e in epochs])
    for column in ("d_real", "d_fake", "valid_ll"):
        found[column] = math.nan if run is None else run.curves[column]
    return found[COLUMNS]


def target(table: pd.DataFrame) -> float:
    """The score in nats that the recipe has at the end on every seed: the least of its last ones."""
    own = table[table.arm == RECIPE]
    return float(own[own.epoch == own.epoch.max()].valid_ll.min())


def first_reach(x: NDArray[np.float64], score: NDArray[np.float64], goal: float) -> float:
    """Where a curve of scores at rising x first reaches the goal, on the line between the two scores around it; at the
    first x, where the first score has it already; inf where none has."""
    above = np.flatnonzero(score >= goal)
    if not len(above):
        return math.inf
    if (i := int(above[0])) == 0:
        return float(x[0])
    share = (goal - score[i - 1]) / (score[i] - score[i - 1])
    return float(x[i - 1] + share * (x[i] - x[i - 1]))


def results(table: pd.DataFrame, goal: float) -> pd.DataFrame:
    """A training a row: steps and seconds to the goal (inf: never), and the score in nats at equal steps (the last) and
    at equal seconds (all that the cheapest training took)."""
    equal, found = table.groupby(["arm", "seed"]).seconds.max().min(), []
    for (name, seed), own in table.groupby(["arm", "seed"], sort=False):
        score = own.valid_ll.to_numpy()
        reach = {key: first_reach(own[key].to_numpy(dtype=float), score, goal) for key in ("step", "seconds")}
        found.append({
            "arm": name, "seed": seed, "steps to goal": reach["step"], "seconds to goal": reach["seconds"],
            "at equal steps": score[-1], "at equal seconds": float(np.interp(equal, own.seconds, score)),
            "g_moves": own.g_moves.iloc[-1], "seconds": own.seconds.iloc[-1],
        })  # fmt: skip
    return pd.DataFrame(found)


def compare(found: pd.DataFrame, column: str) -> pd.DataFrame:
    """Each arm's column of `results` less the recipe's on the same seeds, an arm a row: differences, a list; mean; the
    half width of its 95% interval over seeds by Student's t (inf for one seed); better: whether it lies above 0 (True),
    below (False) or on both sides (None). An arm that diverged on any seed has no place in it."""
    wide = found.pivot(index="seed", columns="arm", values=column)
    rows = []
    for name in found.arm.drop_duplicates()[lambda names: wide[names].notna().all().to_numpy()]:
        own = (wide[name] - wide[RECIPE]).to_numpy()
        n = len(own)
        half = float(stats.t.ppf(0.975, n - 1) * own.std(ddof=1) / math.sqrt(n)) if n > 1 else math.inf
        decided = abs(own.mean()) > half
        rows.append([name, own.tolist(), own.mean(), half, bool(own.mean() > 0) if decided else None])
    return pd.DataFrame(rows, columns=["arm", "differences", "mean", "half", "better"]).iloc[1:]


def file(data: str, profile: str) -> Path:
    """Where the table of a race is made: under runs/."""
    return paths.runs() / "races" / f"{data}_{profile}.csv"


def committed(data: str) -> pd.DataFrame | None:
    """The committed table of the paper profile's race; None where there is none, or no repository."""
    if paths.REPOSITORY is None:
        return None
    path = paths.results() / "races" / f"{data}_paper.csv"
    return pd.read_csv(path) if path.is_file() else None
