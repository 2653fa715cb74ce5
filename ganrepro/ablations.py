"""What decides the score? The MNIST recipe with one thing changed at a time, at equal epochs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from ganrepro import datasets, paths, scores, training
from ganrepro.recipes import Layer, Recipe

COLUMNS = ["arm", "seed", "epochs", "products", "sigma", "valid", "mean", "se_examples",
           "best", "best_epoch", "d_real"]  # fmt: skip
VALIDATE = 2  # epochs between validation scores
WON = 0.99  # D's mean output on data above which it tells them from all samples, and G has nothing to learn from
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
    log-likelihoods of validation and test data in nats after the last epoch, sigma chosen on the first; `best` is the
    highest of the validation scores taken every VALIDATE epochs; `d_real` D's mean output on data in the last epoch: at
    1, D has won and G learns no more. Beside it, `curve_file()` has all validation scores.
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
                row, curve = judge(name, known[name], data, epochs, seed, device)
                _append(file(), row)
                _append(curve_file(), curve)
            yield table()


def _append(path: Path, rows: pd.DataFrame) -> None:
    """Put rows into a table, in place of those of the same training."""
    key = ["arm", "seed", "products"]
    if path.is_file():
        earlier = pd.read_csv(path)
        replaced = earlier[key].apply(tuple, axis=1).isin(set(rows[key].apply(tuple, axis=1)))
        rows = pd.concat([earlier[~replaced], rows])
    with paths.atomic_file(path) as unfinished:
        rows.to_csv(unfinished, index=False, float_format="%.8g")


def judge(
    name: str, recipe: Recipe, data: datasets.Dataset, epochs: int, seed: int, device: str
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """One training: its row, and its validation scores by epoch."""
    folder = paths.runs() / "checkpoints" / "ablations" / re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    folder = folder / (recipe.products or "float32") / data.name
    (run,) = training.train(recipe, data, seeds=(seed,), device=device, epochs=epochs, checkpoint_dir=folder,
                             validate_every=VALIDATE)  # fmt: skip
    found = scores.score(run.sample(training.VALIDATION_SAMPLES, seed), data, run.rng.device)
    said = found.summary()
    products = recipe.products or "float32"
    taken = run.curves.dropna(subset="valid_ll")
    values = [name, seed, run.epoch, products, found.sigma[0], found.valid[0], said["mean"], said["se_examples"],
              taken.valid_ll.max(), run.best_epoch, run.curves.d_real.iloc[-1]]  # fmt: skip
    curve = taken[["epoch", "valid_ll", "d_loss", "d_real"]].assign(arm=name, seed=seed, products=products)
    return pd.DataFrame([values], columns=COLUMNS), curve


def file() -> Path:
    """Where the table is made: under runs/."""
    return paths.runs() / "tables" / "ablations.csv"


def curve_file() -> Path:
    """Where the validation scores of all trainings are, an epoch a row."""
    return paths.runs() / "tables" / "ablation_curves.csv"


def table() -> pd.DataFrame:
    """All trainings at hand, a row each; without rows where none was made."""
    return _read(file())


def committed() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The committed trainings, a row each, and their validation scores by epoch; empty where there are none."""
    folder = paths.results() if paths.REPOSITORY else Path()
    return _read(folder / file().name), _read(folder / curve_file().name)


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=COLUMNS)


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """`summary` as text for people."""

    def number(value: float, form: str = "{:.1f}") -> str:
        return "" if pd.isna(value) else form.format(value)

    return pd.DataFrame({
        "arm": found.arm,
        "validation": found.valid.map(number),
        "less the recipe's": [number(v, "{:+.1f}") for v in found["valid, less the recipe's"]],
        "best epoch's": found.best.map(number),
        "test": [number(t) + (f" ± {s:.1f} (seeds)" if s == s and s is not None else "")
                 for t, s in zip(found.test, found.se_seeds, strict=True)],
        "D won": [f"{w} of {n}" for w, n in zip(found["D won"], found.seeds, strict=True)],
        "epochs": found.epochs.astype(str),
        "products": found["products"],
    })  # fmt: skip


def summary(trained: pd.DataFrame) -> pd.DataFrame:
    """An arm a row: means over seeds, the error over seeds, and the difference from the recipe on the same seeds.

    "D won" counts the seeds whose D ended above WON on data. Only trainings of equal length and equal products are
    averaged or compared.
    """
    equal = ["products", "epochs"]
    base = trained[trained.arm == RECIPE].set_index([*equal, "seed"])["valid"].rename("base")
    rows = []
    for (products, epochs, name), own in trained.join(base, on=[*equal, "seed"]).groupby([*equal, "arm"], sort=False):
        rows.append({
            "arm": name, "seeds": len(own), "epochs": epochs, "products": products, "valid": own.valid.mean(),
            "best": own.best.mean(), "test": own["mean"].mean(),
            "se_seeds": scores.standard_error(own["mean"].tolist()),
            "valid, less the recipe's": (own.valid - own.base).mean(), "D won": int((own.d_real > WON).sum()),
        })  # fmt: skip
    return pd.DataFrame(rows).sort_values([*equal, "valid"], ascending=[True, False, False], ignore_index=True)
