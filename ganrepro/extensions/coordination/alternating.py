"""What rescues Algorithm 1 as it is printed? Alternating updates on narrow nets and small pictures, one thing changed
at a time, at equal steps of D; the authors' simultaneous step is the control.

The narrow nets keep the scale of the recipe's activations (`recipes.narrowed`). D's first weights are as wide as those
of the quick profile, because at the recipe's width D stays at 1/2 for much of a comparison this short.
"""

import pandas as pd

from ganrepro import recipes
from ganrepro.datasets import Dataset
from ganrepro.device import plain_torch
from ganrepro.diagnostics.ablations import Study
from ganrepro.recipes import Recipe
from ganrepro.records import StoredTable

from .variants import reduced

PRINTED, CONTROL = "Algorithm 1 as printed", "simultaneous step"
FASTER, FASTER_CONTROL = "both rates x 3", "both rates x 3, simultaneous step"
RESCUED = "both rates x 3, k = 2"  # the highest validation score of all, means over two seeds
EXAMPLES, SCORED, EPOCHS = 20_000, 1000, 8  # of training; of validation, and of test; 200 steps an epoch
FALLING = 1.001  # divides the rate after every minibatch: by 5 over the comparison
G_UNITS, D_UNITS, PIECES, D_IRANGE = 256, 48, 4, 0.02


@plain_torch
def pictures(data: Dataset) -> Dataset:
    """The data of the comparison: fewer examples, in smaller pictures."""
    return reduced(data, EXAMPLES, SCORED)


def narrow(recipe: Recipe, d_irange: float = D_IRANGE) -> Recipe:
    """The recipe with alternating updates on narrow nets; its rates, momentum and dropout stay."""
    return recipe.replace(
        update="alternating", second_stage=None, max_col_norm=None,
        generator=recipes.narrowed(recipe.generator, G_UNITS, keep_scale=True),
        discriminator=recipes.narrowed(
            recipe.discriminator, D_UNITS, channels=4, pieces=PIECES, irange=d_irange, keep_scale=True
        ),
    )  # fmt: skip


def arms(recipe: Recipe) -> dict[str, Recipe]:
    """Algorithm 1 as printed, and what may rescue it. An arm differs in what it says from the printed algorithm with
    the recipe's numbers, or, where its name begins with it, from the arm with both rates tripled."""
    printed, rate = narrow(recipe), recipe.learning_rate
    faster = printed.replace(learning_rate=3 * rate)
    adam = printed.replace(learning_rate=1e-3, momentum=(0.5, 0.5)).coordinate(optimizer="adam")
    return {
        PRINTED: printed,
        CONTROL: printed.replace(update="simultaneous"),
        FASTER: faster,
        FASTER_CONTROL: faster.replace(update="simultaneous"),
        "G's rate x 3": faster.coordinate(d_learning_rate=rate),
        "D's rate x 3": printed.coordinate(d_learning_rate=3 * rate),
        "D's rate / 3": printed.coordinate(d_learning_rate=rate / 3),
        "G moves 3 times": printed.coordinate(g_moves=3),
        "momentum 0": printed.replace(momentum=(0.0, 0.0)),
        "no dropout in D": printed.replace(keep_input=1.0, keep_hidden=1.0),
        "D's first weights x 2.5": narrow(recipe, 2.5 * D_IRANGE),
        "D's first weights / 4": narrow(recipe, D_IRANGE / 4),
        "Adam, 0.001": adam,
        "k = 3": printed.replace(k=3),
        RESCUED: faster.replace(k=2),
        f"{FASTER}, k = 5": faster.replace(k=5),
        f"{FASTER}, falling": faster.replace(learning_rate_decay=FALLING),
    }


STUDY = Study("alternating", arms, StoredTable("ablations", "alternating"),
              StoredTable("ablations", "alternating_curves"))  # fmt: skip


def summary(scores: pd.DataFrame, curves: pd.DataFrame, epochs: int = EPOCHS) -> pd.DataFrame:
    """An arm a row, the best first, after so many epochs: validation scores in nats of each seed, their mean, and the
    mean difference from the printed algorithm on the same seeds; D's mean output on data. NaN where one diverged.
    Of arms that were trained for longer also the epochs in all, and the mean score after them."""
    at = curves[curves.epoch == epochs]
    names, seeds = scores.arm.unique(), sorted(scores.seed.unique())
    wide = at.pivot(index="arm", columns="seed", values="valid_ll").reindex(index=names, columns=seeds)
    longer = scores[scores.epochs > epochs].groupby("arm")[["epochs", "valid"]].mean()
    found = wide.add_prefix("seed ").assign(**{
        "validation": wide.mean(axis=1, skipna=False),
        "less the printed": wide.sub(wide.reindex([PRINTED]).iloc[0], axis=1).mean(axis=1, skipna=False),
        "D(x)": at.groupby("arm").d_real.mean(), "epochs in all": longer.epochs, "after them": longer.valid,
    })  # fmt: skip
    return found.sort_values("validation", ascending=False).rename_axis(columns=None).reset_index()


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """`summary` as text for people; a dash where a training diverged or is missing."""
    later = {"epochs in all": "{:.0f}", "after them": "{:.1f}"}
    form = dict.fromkeys(found.columns[1:], "{:.1f}") | {"less the printed": "{:+.1f}", "D(x)": "{:.2f}"} | later
    return found.assign(**{
        name: found[name].map(f.format, na_action="ignore").astype(object).fillna("" if name in later else "–")
        for name, f in form.items()
    })  # fmt: skip
