"""What decides the score? The MNIST recipe with one thing changed at a time, at equal epochs. (Of Algorithm 1 as it is
printed: alternating.py.)"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from ganrepro import parzen, paths, training
from ganrepro.datasets import Dataset
from ganrepro.locks import locked
from ganrepro.recipes import Layer, Recipe
from ganrepro.records import StoredTable, read_table

Tables = tuple[pd.DataFrame, pd.DataFrame]
COLUMNS = ["arm", "seed", "epochs", "products", "sigma", "valid", "mean", "se_examples", "best", "best_epoch", "d_real"]
KEY = ["arm", "seed", "products"]  # one training
SCORES, CURVES = StoredTable("ablations", "scores"), StoredTable("ablations", "curves")
VALIDATE = 2  # epochs between validation scores
RECIPE = "the authors' recipe"
SEPARATES = 0.99  # D's mean output on data above which it separates them from all samples, and G learns no more


@dataclass(frozen=True)
class Study:
    """Trainings that are compared: their name, the arms of a recipe by name, the two tables, and the epochs between
    validation scores."""

    name: str
    arms: Callable[[Recipe], dict[str, Recipe]]
    scores: StoredTable = SCORES
    curves: StoredTable = CURVES
    validate_every: int = VALIDATE


def arms(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe, and its variants by name, the most informative first."""
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


STUDY = Study("ablations", arms)


def run(
    recipe: Recipe, data: Dataset, epochs: int, seeds: Sequence[int], device: str = "auto", only: Sequence[str] = (),
    study: Study = STUDY,
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """Train the arms that are missing, seed after seed, from their checkpoints on; after each, yield the table so far.

    The table is `study.scores`, a row a training: `valid` and `mean` are the log-likelihoods of validation and test
    data after the last epoch, in nats, sigma chosen on the first; `best` is the highest of the validation scores, one
    every `validate_every` epochs, that are in `study.curves`; `d_real` is D's mean output on data in the last epoch,
    near 1 if D separates data from samples and G learns no more. Of a training that diverged, these are missing.
    Raises ValueError for an arm in `only` that is not one of the study's.
    """
    known = _chosen(recipe, only, study)
    for seed in seeds:
        for name in known:
            if not _is_done(table(study), name, seed, recipe, epochs):
                row, curve = train_arm(name, known[name], data, epochs, seed, device, study)
                _store(study.scores, row)
                _store(study.curves, curve)
            yield table(study)


def seconds_left(
    recipe: Recipe, data: Dataset, epochs: int, seeds: Sequence[int], device: str = "auto", only: Sequence[str] = (),
    study: Study = STUDY,
) -> float:  # fmt: skip
    """Roughly how many seconds `run`, given the same, would take here, less its scores and what its checkpoints save.
    An arm that diverges at once takes none."""
    seconds, done = 0.0, table(study)
    for name, arm in _chosen(recipe, only, study).items():
        missing = sum(not _is_done(done, name, seed, recipe, epochs) for seed in seeds)
        with suppress(FloatingPointError):
            seconds += missing and missing * training.estimate_seconds(arm, data, device, epochs)
    return seconds


def _chosen(recipe: Recipe, only: Sequence[str], study: Study) -> dict[str, Recipe]:
    known = study.arms(recipe)
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"there is no arm {unknown[0]!r}; choose one of {', '.join(known)}")
    return {name: known[name] for name in only or known}


def _is_done(done: pd.DataFrame, name: str, seed: int, recipe: Recipe, epochs: int) -> bool:
    same = (done.arm == name) & (done.seed == seed) & (done.products == (recipe.products or "float32"))
    return bool((same & (done.epochs >= epochs)).any())


def _store(stored: StoredTable, rows: pd.DataFrame) -> None:
    """Put rows into a table, in place of those of the same training."""
    with locked(stored.file):
        if stored.file.is_file():
            earlier = read_table(stored.file, KEY)
            rows = pd.concat([earlier[~earlier.set_index(KEY).index.isin(rows.set_index(KEY).index)], rows])
        stored.write(rows, digits=8)


def train_arm(
    name: str, recipe: Recipe, data: Dataset, epochs: int, seed: int, device: str, study: Study = STUDY
) -> Tables:
    """One training: its row of scores, and its validation scores by epoch. One that diverges has no scores."""
    products = recipe.products or "float32"
    key = {"arm": name, "seed": seed, "products": products}
    folder = paths.runs() / "checkpoints" / study.name / paths.slug(name.lower()) / products / data.name
    try:
        (run,) = training.train(recipe, data, seeds=(seed,), device=device, epochs=epochs, checkpoint_dir=folder,
                                validate_every=study.validate_every)  # fmt: skip
    except FloatingPointError:  # a result, too
        row = pd.DataFrame([key | {"epochs": epochs}], columns=COLUMNS)
        return row, pd.DataFrame(columns=["epoch", "valid_ll", "d_loss", "d_real", *key])
    found = parzen.score(run.sample(training.VALIDATION_SAMPLES, seed), data, run.rng.device)
    test, validated = found.summary(), run.curves.dropna(subset="valid_ll")
    row = key | {
        "epochs": run.epoch, "sigma": found.sigma[0], "valid": found.valid[0], "mean": test["mean"],
        "se_examples": test["se_examples"], "best": validated.valid_ll.max(), "best_epoch": run.best_epoch,
        "d_real": run.curves.d_real.iloc[-1],
    }  # fmt: skip
    curve = validated[["epoch", "valid_ll", "d_loss", "d_real"]].assign(**key)
    return pd.DataFrame([row], columns=COLUMNS), curve


def table(study: Study = STUDY) -> pd.DataFrame:
    """All trainings at hand, a row each; without rows if none was made."""
    return read_table(study.scores.file, KEY) if study.scores.file.is_file() else pd.DataFrame(columns=COLUMNS)


def validated(study: Study = STUDY) -> pd.DataFrame:
    """The validation scores at hand, by epoch."""
    return read_table(study.curves.file, KEY)


def committed(study: Study = STUDY) -> Tables:
    """The committed trainings, a row each, and their validation scores by epoch; empty if there are none."""
    scores, curves, empty = study.scores.committed(), study.curves.committed(), pd.DataFrame(columns=COLUMNS)
    return empty if scores is None else scores, empty if curves is None else curves


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """`summary` as text for people."""
    def text(column: str, form: str = "{:.1f}") -> pd.Series:
        return found[column].map(form.format, na_action="ignore").astype(object).fillna("")

    return pd.DataFrame({
        "arm": found.arm, "validation": text("valid"),
        "less the recipe's": text("valid, less the recipe's", "{:+.1f}"), "best epoch's": text("best"),
        "test": text("test") + text("se_seeds", " ± {:.1f} (seeds)"),
        "D(x) > .99": text("D separates", "{}") + text("seeds", " of {}"),
        "epochs": text("epochs", "{}"), "products": found["products"],
    })  # fmt: skip


def summary(trained: pd.DataFrame) -> pd.DataFrame:
    """An arm a row: means over seeds, the error over seeds, and the difference from the recipe on the same seeds, of
    trainings of equal length and products. "D separates" counts the seeds whose D ended above SEPARATES on data."""
    equal = ["products", "epochs"]
    measures = {
        "seeds": ("seed", "size"), "valid": ("valid", "mean"), "best": ("best", "mean"), "test": ("mean", "mean"),
        "se_seeds": ("mean", "sem"), "valid, less the recipe's": ("less", "mean"), "D separates": ("separates", "sum"),
    }  # fmt: skip
    if trained.empty:  # as without a repository: columns without rows are no numbers, and pandas 2 averages none
        return pd.DataFrame(columns=["arm", *equal, *measures])
    base = trained[trained.arm == RECIPE].set_index([*equal, "seed"])["valid"].rename("base")
    less = trained.valid - trained.join(base, on=[*equal, "seed"]).base
    arm = trained.assign(less=less, separates=trained.d_real > SEPARATES).groupby(["arm", *equal], sort=False)
    found = arm.agg(**measures)
    return found.reset_index().sort_values([*equal, "valid"], ascending=[True, False, False], ignore_index=True)
