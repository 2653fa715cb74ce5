"""`make results`: from finished paper records to committed evidence, figures and README parts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from numpy.typing import NDArray

from ganrepro import (
    ablations,
    baselines,
    datasets,
    diagnostics,
    figures,
    networks,
    paths,
    recipes,
    records,
    scores,
    tables,
)
from ganrepro.extensions import subsets
from ganrepro.record import write_npz
from ganrepro.records import Record

FULL_SEEDS, FEWER_SAMPLES = 4, 1000  # all samples of small images for the first seeds, fewer of all others
SMALL = 28 * 28  # 10,000 samples of faces take 15 MB a fold
FEWER_PROGRESS = 10  # of the 100 points that are followed through a training
WEIGHTS_OF = ("mnist", 0)
STAND_INS = ("att", "fer2013")
NEVER = ("fer2013",)  # its pictures are not ours to pass on, nor a figure that holds them; samples are the model's own
FIGURE2 = {  # the record that each part is drawn from; a part without one, or without its data, is left out
    "figure2a": ("Figure 2a: MNIST", "paper/mnist/seed0"),
    "figure2b": ("Figure 2b: TFD stand-in, AT&T faces", "paper/tfd@att/seed0/fold0"),
    "figure2c": ("Figure 2c: CIFAR-10, fully connected", "paper/cifar10-fc/seed0"),
    "figure2d": ("Figure 2d: CIFAR-10, convolutional", "paper/cifar10-conv/seed0"),
}


def publish() -> list[Path]:
    """Copy finished paper records to results/ and rebuild all that is made from them. Returns what was written."""
    changed = [commit_record(record) for record in records.below(paths.runs(), "paper")]
    committed = records.below(paths.results(), "paper")
    written = [p for p in changed if p]
    if not tables.control_file().is_file():
        written.append(write_controls())
    written.append(write_table(committed))
    written += commit_ablations() + commit_claims()
    written += write_figures()
    return [*written, *update_readme()]


def commit_record(record: Record) -> Path | None:
    """Put what is committed of a record under results/; one with more epochs is never replaced by one with fewer."""
    target = paths.results() / record.path.relative_to(paths.runs())
    earlier = records.read(target)
    if earlier and earlier.meta["epochs"] >= record.meta["epochs"]:
        return None
    dataset, seed = record.meta["dataset"]["name"], record.meta["seed"]
    if record.recipe.subsets and record.has_weights and not (record.path / subsets.FILE).is_file():
        subsets.write(record, datasets.load(dataset))  # its weights are too large to be committed
    with paths.atomic_folder(target) as unfinished:
        for name in ("record.json", "curves.csv", "ll.npz"):
            shutil.copyfile(record.path / name, unfinished / name)
        if (record.path / subsets.FILE).is_file():
            shutil.copyfile(record.path / subsets.FILE, unfinished / subsets.FILE)
        arrays = fewer(record) if seed >= FULL_SEEDS or record.recipe.dim > SMALL else last_epoch(record)
        write_npz(unfinished / "samples.npz", arrays)
        if (dataset, seed) == WEIGHTS_OF and record.recipe.name == "mnist":
            shutil.copyfile(record.path / "weights.safetensors", unfinished / "weights.safetensors")
    return target


def last_epoch(record: Record) -> dict[str, NDArray[Any]]:
    """The arrays of the last epoch: of the best one, the log-likelihoods are committed, not the samples.

    All points that were followed, of seed 0 or where they are a grid of conditions; else ten of them.
    """
    arrays = {k: v for k, v in record.arrays.items() if k != "best_samples"}
    if record.meta["seed"] == 0 or record.recipe.condition:
        return arrays
    return arrays | {"progress": arrays["progress"][:, :FEWER_PROGRESS]}


def fewer(record: Record) -> dict[str, NDArray[Any]]:
    """1,000 samples of a seed, all its folds together, and ten of the points followed."""
    own_fold = record.path.name.startswith("fold")  # one of several models: each has the people of others held out
    folds = len(datasets.load(record.meta["dataset"]["name"]).folds or [0]) if own_fold else 1
    arrays = last_epoch(record)
    cut = {k: arrays[k][: FEWER_SAMPLES // folds] for k in ("samples", "condition") if k in arrays}
    return arrays | cut | {"progress": arrays["progress"][:, :FEWER_PROGRESS]}


def commit_ablations() -> list[Path]:
    """Put the ablations' tables under results/, in place of earlier ones, and draw their curves."""
    made = [path for path in (ablations.file(), ablations.curve_file()) if path.is_file()]
    written = [_copy(path, paths.results() / path.name) for path in made]
    _, curves = ablations.committed()
    if len(curves):
        figures.use_style()
        figure = figures.ablation_curves(curves)
        written.append(figures.save(figure, paths.results() / "figures/ablations.png"))
        plt.close(figure)
    return written


def commit_claims() -> list[Path]:
    """Put the claim tables of the paper profile, and the races that their figures are drawn from, under results/."""
    made = [path for kind in ("claims", "races") for path in sorted((paths.runs() / kind).glob("*_paper.csv"))]
    return [_copy(path, paths.results() / path.parent.name / path.name) for path in made]


def _copy(source: Path, target: Path) -> Path:
    with paths.atomic_file(target) as unfinished:
        shutil.copyfile(source, unfinished)
    return target


def write_controls() -> Path:
    """Real data, k-means centroids and the mean image of MNIST under the Parzen window. Takes a minute or two."""
    data = datasets.load("mnist")
    models = {
        "real data, train[:10000]": baselines.real_data(data.train),
        "10,000 k-means centroids": baselines.kmeans_centroids(data.train),
        "mean image": baselines.mean_image(data.train),
    }
    judged = {f"control: {name}": scores.score(model, data) for name, model in models.items()}
    rows = [tables.control_row(data.name, data.label, *item, "results/controls.json") for item in judged.items()]
    with paths.atomic_file(tables.control_file()) as unfinished:
        unfinished.write_text(tables.join(*rows).to_json(orient="records", indent=1, force_ascii=False) + "\n")
    return tables.control_file()


def table1(committed: list[Record]) -> pd.DataFrame:
    """results/table1.csv: the paper's rows, ours, and the controls, for each data set that has a record."""
    parts, compared = [], set()
    for dataset in dict.fromkeys(["mnist", *(r.meta["dataset"]["name"] for r in committed)]):
        own = [r for r in committed if r.meta["dataset"]["name"] == dataset]
        papers = "tfd" if own and own[0].recipe.name == "tfd" else dataset  # once, above both of its stand-ins
        parts += [tables.paper_rows(papers)] if papers not in compared else []
        compared.add(papers)
        stand_in = f"TFD stand-in: {own[0].label}" if own and dataset in STAND_INS else None
        own.sort(key=lambda r: r.recipe.name != recipes.own(dataset))  # what the paper has comes first
        parts += [tables.gan_rows(own, "results/paper", stand_in)]
        parts += [tables.control_rows(dataset)]
    return tables.join(*parts)


def write_table(committed: list[Record]) -> Path:
    """Rewrite results/table1.csv."""
    path = paths.results() / "table1.csv"
    with paths.atomic_file(path) as unfinished:
        table1(committed).to_csv(unfinished, index=False, float_format="%.10g")
    return path


def write_figures() -> list[Path]:
    """Figure 2, what there is of it, and from MNIST seed 0 Figure 3, the sheet of progress and the learning curves."""
    figures.use_style()
    written = [path for part in FIGURE2 if (path := write_figure2(part))]
    record = records.read(paths.results() / "paper/mnist/seed0")
    if record is None:
        return written
    data, folder = datasets.load("mnist"), paths.results() / "figures"
    stages = ", ".join(map(str, record.meta["progress_epochs"]))
    ten = record.progress[:, :10].reshape(-1, record.recipe.dim)
    drawn = {
        "figure3.png": figures.figure3(walks(record), data.shape, "Figure 3: along straight lines in z"),
        "progress.png": figures.sprite(ten, data.shape, 10, f"The same ten z after {stages} epochs"),
        "curves.png": figures.learning_curves(record.curves),
    }
    written += [figures.save(figure, folder / name) for name, figure in drawn.items()]
    for figure in drawn.values():
        plt.close(figure)
    return written


def write_figure2(part: str) -> Path | None:
    """One part of Figure 2 from its committed record: its first samples, and the nearest of all training examples."""
    title, place = FIGURE2[part]
    record = records.read(paths.results() / place)
    if record is None or record.meta["dataset"]["name"] in NEVER:
        return None
    try:
        data = datasets.load(record.meta["dataset"]["name"])
    except datasets.DatasetUnavailable as error:
        print(f"skipped: {part} is not drawn anew, since its training examples are not here. {error}")
        return None
    fold = record.meta["dataset"]["fold"]
    data = datasets.prepare(data if fold is None else data.fold(fold), record.recipe)
    shown = torch.from_numpy(record.samples[:30])
    near = data.training[diagnostics.nearest(shown[5::6], data.training).index]
    pair = datasets.pictures(data, shown), datasets.pictures(data, near)
    length = f"{record.meta['epochs']} epoch" + "s" * (record.meta["epochs"] > 1)
    figure = figures.figure2(*pair, data.shape, 6, f"{title}, {length}")
    path = figures.save(figure, paths.results() / f"figures/{part}.png")
    plt.close(figure)
    return path


def walks(record: Record, rows: int = 4, steps: int = 12) -> torch.Tensor:
    """(rows, steps, d): images along straight lines between z_0 and z_1, z_2 and z_3, …, of the stored noise."""
    return networks.walk(record.generator(), torch.from_numpy(record.z[: 2 * rows]).unflatten(0, (rows, 2)), steps)


def speed_table() -> pd.DataFrame:
    """What `make bench` stored of each machine, as text: a step and the Parzen window, against their limits."""
    found = []
    for path in sorted((paths.results() / "benchmarks").glob("*.json")):
        stored = json.loads(path.read_text())
        for row in stored["rows"]:
            if "ratio_to_limit" in row and "10 dimensions" not in row["what"]:
                seconds, ratio = row["median_s"], row["ratio_to_limit"]
                shown = f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.{0 if seconds >= 10 else 1}f} s"
                found.append([path.stem, row["what"], shown, f"{ratio:.{0 if ratio >= 10 else 2}f}", row["note"]])
    return pd.DataFrame(found, columns=["machine", "what", "median", "times the limit", "note"])


def update_readme() -> list[Path]:
    """Rewrite what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->` in the README."""
    path = paths.repository() / "README.md"
    text = readme_text(path.read_text())
    if text == path.read_text():
        return []
    with paths.atomic_file(path) as unfinished:
        unfinished.write_text(text)
    return [path]


def readme_text(text: str) -> str:
    """The README with its generated parts made anew: what it should say."""
    committed = records.below(paths.results(), "paper")
    changed = ablations.readable(ablations.summary(ablations.committed()[0]))
    parts = {
        "table1": tables.markdown(table1(committed)),
        "ablations": tables.rows_markdown(changed),
        "speed": tables.rows_markdown(speed_table()),
    }
    for name, content in parts.items():
        found = re.search(rf"<!-- {name}:begin[^>]*-->\n(.*?)<!-- {name}:end -->", text, re.DOTALL)
        if not found:
            raise ValueError(f"README.md lacks the markers <!-- {name}:begin --> and <!-- {name}:end -->")
        text = text[: found.start(1)] + content + "\n" + text[found.end(1) :]
    return text
