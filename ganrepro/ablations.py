"""What decides the score? The MNIST recipe with one thing changed at a time, at equal epochs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from ganrepro import datasets, paths, scores, training
from ganrepro.recipes import Layer, Recipe

COLUMNS = ["arm", "seed", "epochs", "products", "sigma", "valid", "mean", "se_examples"]
RECIPE = "the authors' recipe"


def arms(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe, and its variants by name: those that a CPU has the time for come first."""
    last, hidden = recipe.generator[-1], recipe.discriminator[:-1]
    assert isinstance(last, Layer)
    units = 800 * hidden[0].units // 240  # as many parameters as the maxout layers have
    relu = tuple(Layer(units, "relu", layer.irange) for layer in hidden if isinstance(layer, Layer))
    plain = (*recipe.generator[:-1], dataclasses.replace(last, bias=0.0))
    return {
        RECIPE: recipe,
        "alternating updates": recipe.replace(update="alternating"),
        "gaussian z": recipe.replace(noise="gaussian"),
        "no dropout in D": recipe.replace(keep_input=1.0, keep_hidden=1.0),
        "no marginal bias in G": recipe.replace(generator=plain),
        "minimax objective": recipe.replace(objective="minimax"),
        "D's loss without its half": recipe.replace(d_loss_scale=1.0),
        "ReLU in place of maxout": recipe.replace(discriminator=(*relu, recipe.discriminator[-1])),
        "blended objective": recipe.replace(objective="blend"),
        "k = 2": recipe.replace(update="alternating", k=2),
        "k = 5": recipe.replace(update="alternating", k=5),
    }


def run(
    recipe: Recipe, data: datasets.Dataset, epochs: int, seeds: Sequence[int], device: str = "auto",
    only: Sequence[str] = (),
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """Train what is missing, seed after seed and arm after arm; after each, the table of all that there is.

    Trainings go on from their checkpoints. The table is `file()`, a row a training; `valid` and `mean` are the
    log-likelihoods of validation and test data in nats, sigma chosen on the first.
    Raises ValueError for an arm that is none of `arms`.
    """
    known = arms(recipe)
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"arm {unknown[0]!r} is not there; choose one of {', '.join(known)}")
    for seed in seeds:
        for name in only or known:
            done = table()
            same = (done.arm == name) & (done.seed == seed) & (done.products == (recipe.products or "float32"))
            if not (same & (done.epochs >= epochs)).any():
                row = judge(name, known[name], data, epochs, seed, device)
                with paths.atomic_file(file()) as unfinished:
                    pd.concat([done[~same], row] if len(done) else [row]).to_csv(unfinished, index=False)
            yield table()


def judge(
    name: str, recipe: Recipe, data: datasets.Dataset, epochs: int, seed: int, device: str
) -> pd.DataFrame:  # fmt: skip
    """One training and its score, as a row."""
    folder = paths.runs() / "checkpoints" / "ablations" / re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    folder = folder / (recipe.products or "float32") / data.name
    (run,) = training.train(recipe, data, seeds=(seed,), device=device, epochs=epochs, checkpoint_dir=folder)
    found = scores.score(run.sample(training.VALIDATION_SAMPLES, seed), data, run.rng.device)
    said = found.summary()
    products = recipe.products or "float32"
    values = [name, seed, run.epoch, products, found.sigma[0], found.valid[0], said["mean"], said["se_examples"]]
    return pd.DataFrame([values], columns=COLUMNS)


def file() -> Path:
    """Where the table is made: under runs/."""
    return paths.runs() / "tables" / "ablations.csv"


def table() -> pd.DataFrame:
    """All trainings at hand, a row each; without rows where none was made."""
    return pd.read_csv(file()) if file().is_file() else pd.DataFrame(columns=COLUMNS)


def summary(trained: pd.DataFrame) -> pd.DataFrame:
    """An arm a row: means over seeds, the error over seeds, and the difference from the recipe on the same seeds.

    Only trainings of equal length and equal products are averaged or compared.
    """
    equal = ["products", "epochs"]
    base = trained[trained.arm == RECIPE].set_index([*equal, "seed"])["valid"].rename("base")
    rows = []
    for (products, epochs, name), own in trained.join(base, on=[*equal, "seed"]).groupby([*equal, "arm"], sort=False):
        rows.append({
            "arm": name, "seeds": len(own), "epochs": epochs, "products": products, "valid": own.valid.mean(),
            "test": own["mean"].mean(), "se_seeds": scores.standard_error(own["mean"].tolist()),
            "valid, less the recipe's": (own.valid - own.base).mean(),
        })  # fmt: skip
    return pd.DataFrame(rows).sort_values([*equal, "valid"], ascending=[True, False, False], ignore_index=True)
