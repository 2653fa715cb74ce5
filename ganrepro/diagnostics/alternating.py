"""What rescues Algorithm 1 as it is printed? Alternating updates on narrow nets, one thing changed at a time, at equal
steps of D; the authors' simultaneous step is the control.

The narrow nets keep the scale of the recipe's activations (`recipes.narrowed`). D's first weights are as wide as those
of the quick profile, because at the recipe's width D stays at 1/2 for most of a comparison this short.
"""

import dataclasses

import pandas as pd

from ganrepro import recipes
from ganrepro.datasets import Dataset
from ganrepro.recipes import Recipe
from ganrepro.records import StoredTable

from .ablations import Study

PRINTED, CONTROL = "Algorithm 1 as printed", "simultaneous step"
RESCUED, RESCUED_CONTROL = "both rates x 3", "both rates x 3, simultaneous step"
EPOCHS = 2
G_UNITS, D_UNITS, PIECES, D_IRANGE = 256, 48, 4, 0.02
SCORED = 1000  # test examples that are scored


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
    the recipe's numbers, the two controls in the update alone from the arm above each."""
    printed, rate = narrow(recipe), recipe.learning_rate
    faster = printed.replace(learning_rate=3 * rate)
    adam = printed.replace(learning_rate=1e-3, momentum=(0.5, 0.5)).coordinate(optimizer="adam")
    return {
        PRINTED: printed,
        CONTROL: printed.replace(update="simultaneous"),
        RESCUED: faster,
        RESCUED_CONTROL: faster.replace(update="simultaneous"),
        "G's rate x 3": faster.coordinate(d_learning_rate=rate),
        "D's rate x 3": printed.coordinate(d_learning_rate=3 * rate),
        "D's rate / 3": printed.coordinate(d_learning_rate=rate / 3),
        "G moves 3 times": printed.coordinate(g_moves=3),
        "momentum 0": printed.replace(momentum=(0.0, 0.0)),
        "no dropout in D": printed.replace(keep_input=1.0, keep_hidden=1.0),
        "D's first weights x 2.5": narrow(recipe, 2.5 * D_IRANGE),
        "D's first weights / 4": narrow(recipe, D_IRANGE / 4),
        "Adam, 0.001": adam,
    }


STUDY = Study("alternating", arms, StoredTable("ablations", "alternating"),
              StoredTable("ablations", "alternating_curves"), 1)  # fmt: skip


def scored(data: Dataset) -> Dataset:
    """The data with the first SCORED test examples: the arms are chosen by validation score, and the test score need
    not be sharp."""
    return dataclasses.replace(data, test=data.test[:SCORED], labels=dict.fromkeys(data.labels))


def summary(trained: pd.DataFrame) -> pd.DataFrame:
    """An arm a row, the best first: validation scores in nats of each seed, their mean, and the mean difference from
    the printed algorithm on the same seeds; D's mean output on data; mean test score. NaN where a training diverged."""
    wide = trained.pivot(index="arm", columns="seed", values="valid")
    found = wide.add_prefix("seed ").assign(**{
        "validation": wide.mean(axis=1, skipna=False),
        "less the printed": wide.sub(wide.reindex([PRINTED]).iloc[0], axis=1).mean(axis=1, skipna=False),
        "D(x)": trained.groupby("arm").d_real.mean(), "test": trained.groupby("arm")["mean"].mean(),
    })  # fmt: skip
    return found.sort_values("validation", ascending=False).rename_axis(columns=None).reset_index()


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """`summary` as text for people; an arm that diverged on any seed has no mean."""
    form = dict.fromkeys(found.columns[1:], "{:.1f}") | {"less the printed": "{:+.1f}", "D(x)": "{:.2f}"}
    return found.assign(**{
        name: found[name].map(f.format, na_action="ignore").astype(object).fillna("diverged")
        for name, f in form.items()
    })  # fmt: skip
