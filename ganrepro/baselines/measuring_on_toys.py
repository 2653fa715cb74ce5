"""Measuring functions compared on the toys: the same nets, data, optimizer and seeds, and equally many updates of G."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ganrepro import datasets, networks, paths, recipes
from ganrepro.datasets.toys import TOYS
from ganrepro.device import plain_torch, torch_device
from ganrepro.diagnostics import modes, paired
from ganrepro.diagnostics.transport import wasserstein
from ganrepro.parameters import LARGEST_SEED, expect_number
from ganrepro.records import StoredTable, write_table
from ganrepro.records.stored_table import read_table

from . import measuring

CONTROL = "non-saturating"
LEARNING_RATE, BATCH, CLIP = 5e-3, 100, 0.1
SAMPLES, DISTANCE_SAMPLES = 2000, 1000
MEASURES = {"modes": 1, "good": 1, "distance": -1}  # 1 where more is better
COLUMNS = ["dataset", "arm", "seed", "step", *MEASURES]


@dataclass(frozen=True)
class Arm:
    """A measuring function and how many updates of D precede one of G."""

    function: str
    d_steps: int = 1


# At k = 1 the arms differ in the function alone. Both Wasserstein papers train D five times for each update of G
ARMS = {f: Arm(f) for f in measuring.FUNCTIONS} | {
    f"{f}, k = 5": Arm(f, 5) for f in (measuring.CLIPPED, measuring.PENALISED)
}


@plain_torch
def measure(samples: torch.Tensor, data: datasets.Dataset) -> dict[str, float]:
    """Of samples (n, 2) of a model of the ring or the grid: modes covered, the share of good samples, and the
    Wasserstein-1 distance of the first thousand to as many test examples."""
    found = modes.coverage(samples, TOYS[data.name])
    n = min(DISTANCE_SAMPLES, len(samples), len(data.test))
    return {"modes": found.covered, "good": found.good, "distance": wasserstein(samples[:n], data.test[:n])}


def train(
    arm: str, dataset: str, seed: int, steps: int, device: str = "auto", times: int = 6, folder: Path | None = None
) -> pd.DataFrame:  # fmt: skip
    """Train an arm of ARMS and measure it so many times, evenly, the last after `steps` updates of G: COLUMNS, a time a
    row; NaN from where it diverged. Every arm starts from the same weights of a seed. With a folder, a training that
    was finished there is read and not made again.

    Raises ValueError, before any training, for an unknown arm, a data set without known modes in the plane, and values
    out of range.
    """
    if arm not in ARMS:
        raise ValueError(f"arm = {arm!r}; choose one of {' | '.join(ARMS)}")
    if dataset not in ("ring", "grid"):
        raise ValueError(f"dataset = {dataset!r}; choose ring or grid")
    expect_number("seed", seed, 0, LARGEST_SEED)
    expect_number("steps", steps, 1, networks.MOST)
    expect_number("times", times, 1, steps)
    kept = folder and folder / f"{paths.slug(arm.lower())}_{dataset}_{seed}_{steps}_{times}.csv"
    if kept and kept.is_file():
        return read_table(kept, COLUMNS)
    data, where, chosen = datasets.load(dataset), torch_device(device), ARMS[arm]
    recipe, rng = recipes.for_dataset(dataset, data.shape), torch.Generator().manual_seed(seed)
    g, d = networks.Generator(recipe, rng).to(where), networks.Discriminator(recipe, rng).to(where)
    at = {math.ceil(steps * (i + 1) / times): dict.fromkeys(MEASURES, math.nan) for i in range(times)}

    def watch(step: int) -> None:
        if step in at:
            at[step] = measure(networks.sample(g, recipe, SAMPLES, seed)[0], data)

    try:
        measuring.train(chosen.function, g, d, data.train.to(where), steps=steps, batch_size=BATCH, seed=seed,
                        learning_rate=LEARNING_RATE, d_steps=chosen.d_steps, clip=CLIP, watch=watch)  # fmt: skip
    except FloatingPointError:  # a result, too
        pass
    rows = [{"dataset": dataset, "arm": arm, "seed": seed, "step": step, **found} for step, found in at.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    if kept:
        write_table(table, kept)
    return table


def against_control(table: pd.DataFrame) -> pd.DataFrame:
    """Each arm's last measures less the control's on the same seeds, positive where the arm is better: dataset, arm,
    measure, differences, and the columns of `paired.decided` on all of them as one family. Arms that diverged on a
    seed have no rows, but count in the family."""
    last = table[table.step == table.groupby("dataset").step.transform("max")]
    rows: list[dict[str, Any]] = []
    family = 0
    for dataset, own in last.groupby("dataset", sort=False):
        for measured, sign in MEASURES.items():
            wide = own.pivot(index="seed", columns="arm", values=measured)
            for arm in [a for a in ARMS if a in wide and a != CONTROL]:
                family += 1
                apart = (sign * (wide[arm] - wide[CONTROL])).tolist()
                if all(map(math.isfinite, apart)):
                    rows.append({"dataset": dataset, "arm": arm, "measure": measured, "differences": apart})
    decided = paired.decided([row["differences"] for row in rows], family)
    return pd.concat([pd.DataFrame(rows), decided], axis=1)


def stored(profile: str) -> StoredTable:
    """The table of a comparison on ring and grid: made under runs/, the paper profile's committed."""
    return StoredTable("equilibrium", f"toys_{profile}")
