"""Table 1 as tidy rows: the paper's, ours from records, and the controls."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ganrepro import paths, recipes, scores
from ganrepro.records import Record

COLUMNS = ["dataset", "label", "model", "recipe", "rule", "epochs", "n_seeds", "sigma", "mean",
           "se_examples", "se_folds", "se_seeds", "source"]  # fmt: skip
OURS = "Adversarial nets (here)"
RULES = {"last": "last epoch", "fine": "last epoch, σ on a fine grid", "best": "best epoch on validation"}
_PAPER = {
    "DBN": ((138, 2), (1909, 66)),
    "Stacked CAE": ((121, 1.6), (2110, 50)),
    "Deep GSN": ((214, 1.1), (1890, 29)),
    "Adversarial nets": ((225, 2), (2057, 26)),
}


def paper_rows(dataset: str) -> pd.DataFrame:
    """The paper's Table 1 for "mnist" (errors over test examples) or "tfd" (over folds); no rows for others."""
    column = {"mnist": 0, "tfd": 1}.get(dataset := dataset.lower())
    if column is None:
        return pd.DataFrame(columns=COLUMNS)
    error = ("se_examples", "se_folds")[column]
    label = ("MNIST", "TFD")[column]
    rows = [
        {"dataset": dataset, "label": label, "model": model, "mean": pair[column][0], error: pair[column][1],
         "source": "paper, Table 1"}
        for model, pair in _PAPER.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def control_row(
    dataset: str, label: str, model: str, score: scores.Score, source: str = "computed here"
) -> pd.DataFrame:  # fmt: skip
    """One row for a model that is not trained, such as real data themselves."""
    row = {"dataset": dataset, "label": label, "model": model, "source": source} | _errors(score.summary())
    return pd.DataFrame([row], columns=COLUMNS)


def gan_rows(
    records: Sequence[Record], source: str = "computed here", label: str | None = None
) -> pd.DataFrame:
    """Our rows: for each data set, recipe, length and stopping rule the mean over seeds, with all errors that exist.

    Only trainings of equal length are averaged; the longest come first.

    label: what to call the data in place of the records' own label, which is that of their first use.
    Records that are folds of one seed are first put together. se_examples is one seed's, averaged over seeds.
    """
    groups: dict[tuple[str, str, str, str], dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        meta = record.meta
        above = record.path.parent.parent if record.path.name.startswith("fold") else record.path.parent
        key = (meta["profile"], above.name, meta["dataset"]["name"], label or record.label)
        groups[key][meta["seed"]].append(record)
    rows = []
    alike = [(key, seeds) for key, every in groups.items() for seeds in _of_equal_length(every)]
    for ((profile, _, dataset, label), seeds), (rule, named) in itertools.product(alike, RULES.items()):
        judged = [parts for parts in seeds if all(rule in p.meta["scores"] for p in parts)]
        per_seed = [_one_seed(parts, rule) for parts in judged]
        if not per_seed:
            continue
        first = seeds[0][0]
        name = first.meta["recipe"]["name"]
        model = OURS if name == recipes.own(dataset) else f"{OURS}, {name}"
        rows.append({
            "dataset": dataset, "label": label, "model": model, "source": source,
            "recipe": name + ("" if profile == "paper" else f" ({profile} profile)"),
            "rule": named, "n_seeds": len(per_seed),
            "epochs": _span([e for s in per_seed for e in s["epochs"]]),
            "sigma": float(np.mean([s["sigma"] for s in per_seed])),
            "mean": float(np.mean([s["mean"] for s in per_seed])),
            "se_examples": float(np.mean([s["se_examples"] for s in per_seed])),
            "se_folds": _mean_or_none([s["se_folds"] for s in per_seed]),
            "se_seeds": scores.standard_error([s["mean"] for s in per_seed]),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_equal_length(seeds: dict[int, list[Record]]) -> list[list[list[Record]]]:
    """The seeds' records, or folds, in groups that had as many epochs, the longest first."""
    lengths = {seed: max(part.meta["epochs"] for part in parts) for seed, parts in seeds.items()}
    return [[seeds[s] for s in seeds if lengths[s] == n] for n in sorted(set(lengths.values()), reverse=True)]


def _one_seed(parts: Sequence[Record], rule: str) -> dict[str, Any]:
    """One seed's summary: its record's, or that of its folds together."""
    own = [part.meta["scores"][rule] for part in parts]
    means = [m for s in own for m in s["fold_means"]]
    return {
        "epochs": [s["epoch"] for s in own],
        "sigma": float(np.mean([s for o in own for s in o["sigma"]])),
        "mean": float(np.mean(means)),
        "se_examples": float(np.sqrt(np.sum([s["se_examples"] ** 2 for s in own])) / len(own)),
        "se_folds": scores.standard_error(means),
    }


def _errors(summary: dict[str, Any]) -> dict[str, Any]:
    kept = {k: summary[k] for k in ("mean", "se_examples", "se_folds")}
    return kept | {"sigma": float(np.mean(summary["sigma"]))}


def _span(epochs: Sequence[int]) -> str:
    low, high = min(epochs), max(epochs)
    return str(low) if low == high else f"{low} to {high}"


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def control_file() -> Path:
    """Where the controls lie that were made once, because they take a minute: k-means centroids."""
    return paths.results() / "controls.json"


def control_rows(dataset: str) -> pd.DataFrame:
    """The committed controls of a data set; no rows where there are none, or no repository."""
    there = paths.REPOSITORY is not None and control_file().is_file()
    rows = pd.DataFrame(json.loads(control_file().read_text()) if there else [], columns=COLUMNS)
    return rows[rows.dataset == dataset]


def join(*tables: pd.DataFrame) -> pd.DataFrame:
    """Tables one below the other, empty ones left out."""
    filled = [t for t in tables if len(t)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=COLUMNS)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """For people: one column with the score and its error, named for what the error is over."""

    def score(row: pd.Series) -> str:
        errors = [(row.se_examples, "examples"), (row.se_folds, "folds"), (row.se_seeds, "seeds")]
        known = [f"± {e:.1f} ({over})" for e, over in errors if e is not None and not pd.isna(e)]
        return " ".join([f"{row['mean']:.1f}", *known])

    def text(value: Any, form: str = "{}") -> str:
        return "" if value is None or pd.isna(value) else form.format(value)

    shown = pd.DataFrame({
        "data": table.label,
        "model": table.model,
        "log-likelihood (nats)": [score(row) for _, row in table.iterrows()],
        "σ": [text(s, "{:.4f}") for s in table.sigma],
        "epochs": [text(e, "{}" if isinstance(e, str) else "{:.0f}") for e in table.epochs],
        "rule": [text(r) for r in table.rule],
        "seeds": [text(s, "{:.0f}") for s in table.n_seeds],
        "source": table.source,
    })  # fmt: skip
    return shown.reset_index(drop=True)


def markdown(table: pd.DataFrame) -> str:
    """A readable table as GitHub shows it."""
    return rows_markdown(readable(table))


def rows_markdown(shown: pd.DataFrame) -> str:
    """The rows of any table of text as GitHub shows them."""
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + " --- |" * shown.shape[1]]
    lines += ["| " + " | ".join(str(v) for v in row) + " |" for row in shown.itertuples(index=False)]
    return "\n".join(lines)
