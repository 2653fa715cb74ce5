"""Section 7, extension 5: better coordination of G and D, and better distributions of z. Which reaches a score first?

A race: the recipe and its variants, one thing changed at a time, all trained by `training.train` on the same examples
for as many epochs, with a validation score after each. A step is a minibatch of data, a move of D: of these all arms
have equally many. What a step costs is measured apart, the arms in turns, so that no arm has the busier machine.
"""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ganrepro import ablations, datasets, parameters, training
from ganrepro.algorithm1 import steps_in_all
from ganrepro.recipes import Layer, Recipe
from ganrepro.training import Run

RECIPE = ablations.RECIPE
COLUMNS = ["arm", "seed", "epoch", "step", "g_moves", "seconds", "d_real", "d_fake", "valid_ll"]
DIMENSIONS = (2, 10, 30, 200)
NARROW_RATE = 3.0  # the least of 1 and 3 with which the narrowed recipe learns at all, seen on its own arm


def arms(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe, and its variants by name: first how G and D take turns, then their rates, then z.

    A variant of the alternating turns differs in one thing from "alternating updates", any other from the recipe.
    Sources: section 7 and the authors' unused costs for what is varied; Adam's first rate and beta_1 from Radford et
    al. (2016), the second from Kingma and Ba (2015), two time scales from Heusel et al. (2017).
    """
    known = ablations.arms(recipe)
    turns = {name: known[name] for name in ("alternating updates", "k = 2", "k = 5")}
    plain, second = turns["alternating updates"], 1 + max(1, recipe.epochs // 3)
    third = second + max(1, recipe.epochs // 3)
    turns |= {
        "k falls: 5, 2, 1": plain.replace(k_schedule=((1, 5), (second, 2), (third, 1))),
        "k grows: 1, 2, 5": plain.replace(k_schedule=((1, 1), (second, 2), (third, 5))),
        "G moves twice": plain.replace(g_moves=2),
        "lazy D and G": plain.replace(d_margin=0.0, g_margin=0.0),
        "lazy D, margin 0.25": plain.replace(d_margin=0.25),
        "thresholded G": recipe.replace(g_margin=0.0),
    }
    rate, adam = recipe.learning_rate, recipe.replace(optimizer="adam", momentum=(0.5, 0.5))
    rates = {
        "D's rate x 4": recipe.replace(d_learning_rate=4 * rate),
        "D's rate / 4": recipe.replace(d_learning_rate=rate / 4),
        "G's rate x 4": recipe.replace(learning_rate=4 * rate, d_learning_rate=rate),
        "Adam, 0.0002": adam.replace(learning_rate=2e-4),
        "Adam, 0.001": adam.replace(learning_rate=1e-3),
        "Adam, two time scales": adam.replace(learning_rate=1e-4, d_learning_rate=4e-4),
    }
    kinds = [kind for kind in ("uniform", "gaussian", "spherical") if kind != recipe.noise]
    noise = {f"{kind} z": recipe.replace(noise=kind) for kind in kinds}
    noise["mixture z"] = recipe.replace(mixture=min(10, recipe.z_dim // 2))
    return {RECIPE: recipe} | turns | rates | noise | {f"z of {n}": recipe.replace(z_dim=n) for n in DIMENSIONS}


def narrowed(recipe: Recipe, epochs: int, g_units: int = 256, d_units: int = 48, pieces: int = 4) -> Recipe:
    """The recipe with narrower nets, whose weights start as much wider as keeps the scale of what they pass on, and
    with NARROW_RATE times its rate; where it is no wider itself, only its length changes.

    Raises ValueError where a layer is a convolution.
    """

    def narrow(layers: Sequence[object], most: int) -> tuple[Layer, ...]:
        found: list[Layer] = []
        own = [layer for layer in layers if isinstance(layer, Layer)]
        if len(own) < len(layers):
            raise ValueError(f"recipe {recipe.name} has convolutions; a race is of fully connected layers")
        for i, layer in enumerate(own):
            wider = layer.irange * math.sqrt(own[i - 1].units / found[-1].units) if i else layer.irange
            units = layer.units if i == len(own) - 1 else min(layer.units, most)
            found.append(dataclasses.replace(layer, units=units, pieces=min(pieces, layer.pieces), irange=wider))
        return tuple(found)

    generator, discriminator = narrow(recipe.generator, g_units), narrow(recipe.discriminator, d_units)
    rate = recipe.learning_rate * (NARROW_RATE if generator != recipe.generator else 1)
    return recipe.replace(generator=generator, discriminator=discriminator, epochs=epochs, learning_rate=rate)


def reduced(data: datasets.Dataset, examples: int, valid: int) -> datasets.Dataset:
    """The first so many training and validation examples, large pictures at half or a third the height and width (the
    means of squares of pixels): sides of 28 become 14, of 48 become 16."""
    c, h, w = data.shape
    side = max(1, min(h, w) // 14)
    side = side if h % side == w % side == 0 else 1

    def means(x: Tensor) -> Tensor:
        return avg_pool2d(x.view(-1, c, h, w), side).flatten(1)

    splits = {"train": data.training[:examples], "valid": data.valid[:valid], "test": data.test[:valid]}
    small = {name: means(x) for name, x in splits.items()}
    absent = {split: None for split in splits}
    shape = (c, h // side, w // side)
    return dataclasses.replace(data, shape=shape, labels=absent, folds=None, unlabeled=None, **small)


def race(
    known: Mapping[str, Recipe], data: datasets.Dataset, seeds: Sequence[int], device: str = "auto",
    folder: Path | None = None,
) -> Iterator[tuple[str, Run]]:  # fmt: skip
    """Train every arm, seed after seed, validated after every epoch. A race that was broken off goes on from the
    checkpoints in `folder`."""
    for seed in seeds:
        for name, recipe in known.items():
            place = folder and folder / re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
            options = {"validate_every": 1, "checkpoint_dir": place, "show_progress": False}
            (run,) = training.train(recipe, data, seeds=(seed,), device=device, **options)  # type: ignore[arg-type]
            yield name, run


def costs(
    known: Mapping[str, Recipe], data: datasets.Dataset, device: str = "auto", rounds: int = 5, minibatches: int = 30
) -> dict[tuple[str, int], float]:  # fmt: skip
    """Seconds a minibatch of data takes in each arm, by (arm, k): the least of some rounds in which all take turns.

    On a CPU it is the process's own time, which other work there does not lengthen: give torch one thread.
    """
    where = parameters.device(device)
    clock = time.process_time if where.type == "cpu" else time.perf_counter
    apart = {(name, r.at(e).k): r.at(e) for name, r in known.items() for e in range(1, r.epochs + 1)}
    scratch = {key: training.start(recipe, data, 0, where) for key, recipe in apart.items()}
    x = data.training[: minibatches * max(r.batch_size for r in apart.values())].to(where)
    least = dict.fromkeys(apart, math.inf)
    for _ in range(rounds):
        for key, run in scratch.items():
            began = clock()
            training.run_epoch([run], x)  # it ends with a number read back, so that a GPU has finished
            least[key] = min(least[key], (clock() - began) / math.ceil(len(x) / run.recipe.batch_size))
    return least


def rows(name: str, run: Run, cost: Mapping[tuple[str, int], float], examples: int) -> pd.DataFrame:
    """The epochs of a run as rows of COLUMNS: minibatches of data, moves of G and seconds so far, score in nats."""
    found, an_epoch = run.curves, math.ceil(examples / run.recipe.batch_size)
    seconds = [an_epoch * cost[name, run.recipe.at(epoch).k] for epoch in found.epoch]
    moves = [steps_in_all(run.recipe, examples, epoch) * (run.recipe.g_moves or 1) for epoch in found.epoch]
    found = found.assign(arm=name, seed=run.seed, seconds=np.cumsum(seconds), g_moves=moves)
    return found.assign(step=found.epoch * an_epoch)[COLUMNS]


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
