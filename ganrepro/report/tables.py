"""Table 1 as tidy rows: the paper's, ours from records, and the controls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ganrepro import parzen, recipes
from ganrepro.records import Record, StoredTable

COLUMNS = ["dataset", "label", "model", "recipe", "rule", "epochs", "n_seeds", "sigma", "mean",
           "se_examples", "se_folds", "se_seeds", "source"]  # fmt: skip
CONTROLS = StoredTable("controls", "mnist")  # made once, because k-means takes minutes
OURS = "Adversarial nets (here)"
RULES = {"last": "last epoch", "fine": "last epoch, σ on a fine grid", "best": "best epoch on validation"}
FINE_OF_BEST = "best epoch on validation, σ on a fine grid"  # in place of "fine" where a record keeps that epoch
RESTARTED = "restarted at epoch"  # from stored weights; see `restarts` in the record
HEADLINE = "best"  # no rule chooses on test data
STAND_INS = ("att", "fer2013")
# Label, column of the errors, and each model's score and error.
PAPER: dict[str, tuple[str, str, dict[str, tuple[float, float]]]] = {
    "mnist": ("MNIST", "se_examples", {
        "DBN": (138, 2), "Stacked CAE": (121, 1.6), "Deep GSN": (214, 1.1), "Adversarial nets": (225, 2)}),
    "tfd": ("TFD", "se_folds", {
        "DBN": (1909, 66), "Stacked CAE": (2110, 50), "Deep GSN": (1890, 29), "Adversarial nets": (2057, 26)}),
}  # fmt: skip


def paper_rows(dataset: str) -> pd.DataFrame:
    """The paper's Table 1 for "mnist" (errors over test examples) or "tfd" (over folds); no rows for others."""
    label, error, scores = PAPER.get(dataset.lower(), ("", "", {}))
    common = {"dataset": dataset.lower(), "label": label, "source": "paper, Table 1"}
    rows = [common | {"model": model, "mean": mean, error: se} for model, (mean, se) in scores.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def control_row(
    dataset: str, label: str, model: str, score: parzen.Score, source: str = "computed here"
) -> pd.DataFrame:  # fmt: skip
    """One row for a model that is not trained, such as real data themselves."""
    row = {"dataset": dataset, "label": label, "model": model, "source": source} | _combined([score.summary()])
    return pd.DataFrame([row], columns=COLUMNS)


def control_rows(dataset: str) -> pd.DataFrame:
    """The committed controls of a data set; no rows if there are none, or no repository."""
    rows = CONTROLS.committed()
    return pd.DataFrame(columns=COLUMNS) if rows is None else rows[rows.dataset == dataset]


def gan_rows(records: Sequence[Record], source: str = "computed here", label: str | None = None) -> pd.DataFrame:
    """Our rows: for each data set, recipe, length and stopping rule the mean over seeds, with all errors that exist.

    Only trainings of equal length are averaged; the longest come first. Folds of one seed are combined before seeds
    are. se_examples is one seed's, averaged over seeds. label: what to call the data in place of the records' own
    label, which is that of their first use.
    """
    groups: dict[tuple[str, str, str, str], dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        meta = record.meta
        above = record.path.parent.parent if record.path.name.startswith("fold") else record.path.parent
        key = (meta["profile"], above.name, meta["dataset"]["name"], label or record.label)
        groups[key][meta["seed"]].append(record)
    rows = []
    for (profile, _, dataset, shown_as), models in groups.items():
        lengths = {seed: max(part.meta["epochs"] for part in parts) for seed, parts in models.items()}
        for length in sorted(set(lengths.values()), reverse=True):
            alike = [models[seed] for seed in models if lengths[seed] == length]
            name = alike[0][0].meta["recipe"]["name"]
            common = {
                "dataset": dataset, "label": shown_as, "source": _restarted(alike, source),
                "model": OURS if name == recipes.own(dataset) and name not in recipes.SMALL else f"{OURS}, {name}",
                "recipe": name if profile == "paper" else f"{name} ({profile} profile)",
            }  # fmt: skip
            rules = RULES | ({"fine": FINE_OF_BEST} if alike[0][0].kept == "best" else {})
            for rule, named in rules.items():
                scored = [[part.meta["scores"].get(rule) for part in parts] for parts in alike]
                if seeds := [parts for parts in scored if all(parts)]:
                    rows.append(common | {"rule": named} | _over_seeds(seeds))
    return pd.DataFrame(rows, columns=COLUMNS)


def _restarted(seeds: Sequence[Sequence[Record]], source: str) -> str:
    """The source, with the epochs after which any of the trainings was started again from stored weights."""
    epochs = sorted({epoch for parts in seeds for part in parts for epoch in part.restarts})
    if not epochs:
        return source
    *others, last = map(str, epochs)
    return f"{source}; {RESTARTED}s {', '.join(others)} and {last}" if others else f"{source}; {RESTARTED} {last}"


def _over_seeds(seeds: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """The means over seeds of the values of `_combined`, their number and epochs, and the error over seeds."""
    each = [_combined(parts) for parts in seeds]
    known = {key: [one[key] for one in each if one[key] is not None] for key in each[0]}
    epochs = [part["epoch"] for parts in seeds for part in parts]
    return {key: float(np.mean(values)) if values else None for key, values in known.items()} | {
        "n_seeds": len(seeds),
        "epochs": " to ".join(str(e) for e in sorted({min(epochs), max(epochs)})),
        "se_seeds": parzen.standard_error(known["mean"]),
    }


def _combined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """sigma, mean and errors of the scores of one model, or of the models of several folds."""
    means = [m for score in parts for m in score["fold_means"]]
    return {
        "sigma": float(np.mean([sigma for score in parts for sigma in score["sigma"]])),
        "mean": float(np.mean(means)),
        "se_examples": float(np.linalg.norm([score["se_examples"] for score in parts])) / len(parts),
        "se_folds": parzen.standard_error(means),
    }


def table1(committed: Sequence[Record], source: str = "results/paper") -> pd.DataFrame:
    """The paper's rows, ours, and the controls, for each data set that has a record; of the committed ones it is
    results/table1.csv."""
    parts: dict[str, pd.DataFrame] = {}
    for dataset in dict.fromkeys(["mnist", *(r.meta["dataset"]["name"] for r in committed)]):
        own = [r for r in committed if r.meta["dataset"]["name"] == dataset]
        own.sort(key=lambda r: r.recipe.name != recipes.own(dataset))  # what the paper has comes first
        papers = "tfd" if dataset in STAND_INS else dataset
        parts.setdefault(f"paper {papers}", paper_rows(papers))  # once, above both stand-ins of TFD
        stand_in = f"TFD stand-in: {own[0].label}" if own and dataset in STAND_INS else None
        parts[dataset] = join(gan_rows(own, source, stand_in), control_rows(dataset))
    return join(*parts.values())


def join(*tables: pd.DataFrame) -> pd.DataFrame:
    """Tables one below the other, empty ones left out."""
    filled = [t for t in tables if len(t)]
    if not filled:
        return pd.DataFrame(columns=COLUMNS)
    known = [t.dropna(axis=1, how="all") for t in filled]  # pandas 2.2 warns of columns without any value
    return pd.concat(known, ignore_index=True).reindex(columns=filled[0].columns)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """For people: one column with the score and its error, named for what the error is over. A * after the epochs
    marks a training that was started again from stored weights."""

    def score(row: pd.Series) -> str:
        known = [over for over in ("examples", "folds", "seeds") if pd.notna(row[f"se_{over}"])]
        return f"{row['mean']:.1f}" + "".join(f" ± {row[f'se_{over}']:.1f} ({over})" for over in known)

    def text(value: Any, form: str = "{}") -> str:
        return "" if pd.isna(value) else form.format(value)

    restarted = table.source.str.contains(RESTARTED, na=False)
    return pd.DataFrame({
        "data": table.label, "model": table.model,
        "log-likelihood (nats)": [score(row) for _, row in table.iterrows()],
        "σ": [text(s, "{:.4f}") for s in table.sigma],
        "epochs": [text(e, "{}" if isinstance(e, str) else "{:.0f}") + "*" * again
                   for e, again in zip(table.epochs, restarted, strict=True)],
        "rule": table.rule.map(text), "seeds": [text(s, "{:.0f}") for s in table.n_seeds], "source": table.source,
    }).reset_index(drop=True)  # fmt: skip


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the README, readable: the paper's on MNIST, our longest training by the headline rule, the controls,
    and the first stand-in of TFD."""
    mnist, headline = table.dataset == "mnist", table.rule == RULES[HEADLINE]
    ours = table[mnist & headline & (table.model == OURS)]
    longest = ours.assign(length=ours.epochs.astype(int)).nlargest(1, "length").index
    stand_in = table[table.dataset.isin(STAND_INS) & headline].index[:1]
    shown = table[mnist & table.rule.isna() | table.index.isin([*longest, *stand_in])]
    of_paper = shown.source.str.startswith("paper")
    shown = shown.assign(model=shown.model.where(~of_paper, shown.model + " (paper)"))
    return readable(shown)[["data", "model", "log-likelihood (nats)", "epochs"]]


def rows_markdown(shown: pd.DataFrame) -> str:
    """The rows of any table of text as GitHub shows them."""
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + " --- |" * shown.shape[1]]
    lines += ["| " + " | ".join(str(v) for v in row) + " |" for row in shown.itertuples(index=False)]
    return "\n".join(lines)
