"""Which variant of a recipe reaches a given validation score first, in steps and in seconds?

All are trained by `training.train` on the same examples for as many epochs, with a validation score after each. A step
is a minibatch of data, one move of D; all arms make equally many. What a step costs is measured separately (`costs`).
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganrepro import datasets, paths, training
from ganrepro.device import torch_device
from ganrepro.diagnostics import paired
from ganrepro.recipes import Recipe
from ganrepro.records import StoredTable

from .variants import RECIPE, control

Arms = Mapping[str, Recipe]
Costs = dict[tuple[str, int], float]  # by (arm, k)
SLOW = 1e-4  # learning rate at which steps are timed
COLUMNS = ["arm", "seed", "epoch", "step", "g_moves", "seconds", "d_real", "d_fake", "valid_ll"]
BUDGETS = ("at equal seconds", "at equal steps")
COMPARED = ["arm", "control", "column", "differences", "mean", "half", "p", "holm", "better", "seeds"]


def train_arms(
    known: Arms, data: datasets.Dataset, seeds: Sequence[int], device: str = "auto", folder: Path | None = None
) -> Iterator[tuple[str, int, training.Run | None]]:
    """Train every arm, seed after seed, validated after every epoch: its name, the seed, and its run, None where it
    diverged. An interrupted comparison goes on from the checkpoints in `folder`."""
    for seed in seeds:
        for name, recipe in known.items():
            place = folder and folder / paths.slug(name.lower())
            try:
                (run,) = training.train(recipe, data, seeds=(seed,), device=device, validate_every=1,
                                        checkpoint_dir=place, show_progress=False)  # fmt: skip
                yield name, seed, run
            except FloatingPointError:  # a result, too
                yield name, seed, None


def costs(known: Arms, data: datasets.Dataset, device: str = "auto", rounds: int = 25, minibatches: int = 10) -> Costs:
    """Seconds a minibatch of data takes in each arm: the least of some rounds, in which all take turns, so that no arm
    gets the busier machine.

    On a CPU it is the process's own time, which other work there does not lengthen: give torch one thread. The learning
    rate is small, so that nothing diverges; a step takes as long at any rate.
    """
    where = torch_device(device)
    clock = time.process_time if where.type == "cpu" else time.perf_counter
    apart: dict[tuple[str, int], Recipe] = {}
    for name, recipe in known.items():
        own = SLOW if recipe.coordination.d_learning_rate else None
        slow = recipe.replace(learning_rate=SLOW).coordinate(d_learning_rate=own)
        apart |= {(name, slow.at(e).k): slow.at(e) for e in range(1, slow.epochs + 1)}
    scratch = {key: training.start(recipe, data, 0, where) for key, recipe in apart.items()}
    x = data.training[: minibatches * max(r.batch_size for r in apart.values())].to(where)
    least = dict.fromkeys(apart, math.inf)
    for _ in range(rounds):
        for key, run in scratch.items():
            began = clock()
            training.run_epoch([run], x)  # it ends with a number read back, so that a GPU has finished
            least[key] = min(least[key], (clock() - began) / math.ceil(len(x) / run.recipe.batch_size))
    return least


def rows(name: str, seed: int, recipe: Recipe, run: training.Run | None, cost: Costs, examples: int) -> pd.DataFrame:
    """The epochs of an arm as rows of COLUMNS: steps, moves of G, seconds so far; score in nats, NaN if it diverged."""
    epochs, an_epoch = np.arange(1, recipe.epochs + 1), math.ceil(examples / recipe.batch_size)
    found = pd.DataFrame({
        "arm": name, "seed": seed, "epoch": epochs, "step": an_epoch * epochs,
        "g_moves": [recipe.coordination.g_moves * training.steps_in_all(recipe, examples, e) for e in epochs.tolist()],
        "seconds": np.cumsum([an_epoch * cost[name, recipe.at(e).k] for e in epochs.tolist()]),
    })  # fmt: skip
    for column in ("d_real", "d_fake", "valid_ll"):
        found[column] = math.nan if run is None else run.curves[column]
    return found


def target(table: pd.DataFrame) -> float:
    """The score in nats that the recipe has at the end on every seed: the least of its last ones."""
    own = table[table.arm == RECIPE]
    return float(own[own.epoch == own.epoch.max()].valid_ll.min())


def first_reach(x: NDArray[np.float64], score: NDArray[np.float64], goal: float) -> float:
    """The x at which a curve of scores at rising x first reaches the goal, interpolated: the first x if its score has
    reached it already, inf if none has."""
    if not len(above := np.flatnonzero(score >= goal)):
        return math.inf
    around = slice(max(0, above[0] - 1), above[0] + 1)
    return float(np.interp(goal, score[around], x[around]))


def results(table: pd.DataFrame, goal: float) -> pd.DataFrame:
    """A training a row: steps and seconds to the goal (inf: never), and the score in nats at equal steps (the last) and
    at equal seconds (all that the cheapest training took)."""
    equal, found = table.groupby(["arm", "seed"]).seconds.max().min(), []
    for (name, seed), own in table.groupby(["arm", "seed"], sort=False):
        step, seconds, score = own[["step", "seconds", "valid_ll"]].to_numpy(dtype=float).T
        found.append({
            "arm": name, "seed": seed, "steps to goal": first_reach(step, score, goal),
            "seconds to goal": first_reach(seconds, score, goal), "at equal steps": score[-1],
            "at equal seconds": float(np.interp(equal, seconds, score)),
            "g_moves": own.g_moves.iloc[-1], "seconds": seconds[-1],
        })  # fmt: skip
    return pd.DataFrame(found)


def compare(found: pd.DataFrame, columns: Sequence[str] = BUDGETS) -> pd.DataFrame:
    """Each arm's columns of `results` less its control's on the same seeds, an arm and a column a row: arm, control,
    column, differences, and `diagnostics.paired.decided` on all of them as one family; seeds: how many the comparison
    would take for that effect. An arm that diverged on any seed has no row, but counts in the family."""
    rows: list[dict[str, Any]] = []
    others = [arm for arm in found.arm.unique() if arm != RECIPE]
    for column in columns:
        wide = found.pivot(index="seed", columns="arm", values=column)
        for arm in others:
            apart = (wide[arm] - wide[control(arm)]).tolist()
            if np.isfinite(apart).all():
                rows.append({"arm": arm, "control": control(arm), "column": column, "differences": apart})
    if not rows:
        return pd.DataFrame(columns=COMPARED)
    family = len(columns) * len(others)
    seeds = [paired.needed(row["differences"], paired.LEVEL / family) for row in rows]
    decided = paired.decided([row["differences"] for row in rows], family)
    return pd.concat([pd.DataFrame(rows), decided], axis=1).assign(seeds=seeds)[COMPARED]


def stored(data: str, profile: str) -> StoredTable:
    """The table of a comparison: made under runs/, the paper profile's committed."""
    return StoredTable("coordination", f"{data}_{profile}")
