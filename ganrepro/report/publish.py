"""`make results`: from finished paper records to committed evidence, tables, figures and documents."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ganrepro import datasets, networks, parzen, paths, records
from ganrepro.diagnostics import ablations, growth, neighbours
from ganrepro.extensions import subsets
from ganrepro.extensions.coordination import alternating
from ganrepro.parzen import controls
from ganrepro.progress import say
from ganrepro.records import Record, StoredTable, provenance, read_table, write_npz, write_table
from ganrepro.training import checkpoints

from . import coordination, documents, figures, tables

FULL_SEEDS, FEWER_SAMPLES, FEWER_IN_COLOUR = 3, 1000, 300  # all samples of MNIST's first seeds, fewer of all others
BESIDE = (".safetensors", ".npz")  # models and samples that are stored beside a table
FEWER_PROGRESS = 10  # of the 100 points that are followed through a training
TABLES = ("claims", "coordination", "equilibrium", "generalization", "baselines")  # folders below results/
NEVER = ("fer2013",)  # its pictures, and figures that hold them, are not ours to pass on; samples are the model's own
WITH_GENERATOR = {  # small nets that notebooks draw from, below results/paper
    "tfd-small@att/seed0/fold0", "subsets-small/seed0",
    *(f"{recipe}/seed{k}" for recipe in ("conditional-small", "attributes-small") for k in range(3)),
}  # fmt: skip
OWN_PICTURES = re.compile(r"-[0-9a-f]{8}_paper")  # in the name of a table: a user's own set ends in its checksum
FIGURE2 = {  # the record that each part is drawn from; a part without one, or without its data, is left out
    "figure2a": ("Figure 2a: MNIST", "paper/mnist/seed0"),
    "figure2b": ("Figure 2b: TFD stand-in (AT&T), small nets", "paper/tfd-small@att/seed0/fold0"),
    "figure2c": ("Figure 2c: CIFAR-10, small nets", "paper/cifar10-fc-small/seed0"),
    "figure2d": ("Figure 2d: CIFAR-10, small convolutional nets", "paper/cifar10-conv-small/seed0"),
    "fashion-mnist": ("As Figure 2: Fashion-MNIST", "paper/mnist@fashion-mnist/seed0"),  # not in the paper
}


def publish() -> list[Path]:
    """Copy finished paper records to results/ and rebuild all that is made from them. Returns the written paths."""
    changed = [commit_record(record) for record in [*new_records()]]  # all are checked before one is written
    written = [p for p in changed if p] + seal_earlier() + commit_tables() + coordination.rebuild()
    if tables.CONTROLS.committed() is None:
        written.append(write_controls())
    committed = records.below(paths.results(), "paper")
    written.append(write_table(tables.table1(committed), paths.results() / "table1.csv"))
    return [*written, *write_figures(), *documents.update()]


def new_records() -> Iterator[Record]:
    """The paper records under runs/ that have more epochs than the committed ones, each with its evidence checked; one
    whose data are not here is left out, with a line. Raises ValueError for evidence that does not hold."""
    for record in records.below(paths.runs(), "paper"):
        earlier = records.read(_target(record))
        if earlier and earlier.meta["epochs"] >= record.meta["epochs"]:
            continue
        if not may_be_committed(record):
            continue
        if not record.is_sealed:
            say(f"{record.path} has no checksums, since an earlier version wrote it; its scores are checked as all are")
        try:
            records.evidence.check(record)
        except datasets.DatasetUnavailable as error:
            say(f"skipped: the scores of {record.path} cannot be checked, since its data are not here. {error}")
            continue
        yield record


def may_be_committed(record: Record) -> bool:
    """Whether a record is of one of the project's data sets (a user's own pictures stay where they are), and made by a
    commit that it names or whose code it has; otherwise a line says so."""
    if record.meta["dataset"].get("name") not in datasets.NAMES:
        return False
    if record.meta.get("git", {}).get("commit") is not None or provenance.is_known_code(record.meta.get("code", "")):
        return True
    say(f"skipped: {record.path} names no commit, and its code is that of none that is known here")
    return False


def seal_earlier() -> list[Path]:
    """Put the checksums of their files into the committed records that have none. Returns what is written."""
    found = [record for record in records.below(paths.results(), "paper") if not record.is_sealed]
    for record in found:
        records.evidence.check_whole(record)
        records.seal(record.path, record.meta)
    return [record.path / "record.json" for record in found]


def _target(record: Record) -> Path:
    return paths.results() / record.path.relative_to(paths.runs())


def commit_record(record: Record) -> Path | None:
    """Put the committed part of a record under results/, unless the one there has as many epochs. Returns its folder.
    Weights are those of MNIST seed 0, and G's alone of the small nets in WITH_GENERATOR. A subsets record has
    completions of test pictures beside or in place of weights."""
    target = _target(record)
    earlier = records.read(target)
    if earlier and earlier.meta["epochs"] >= record.meta["epochs"]:
        return None
    dataset, seed = record.meta["dataset"]["name"], record.meta["seed"]
    kept = ["curves.csv", "ll.npz"]
    if record.recipe.task.kind == "subsets" and record.has_weights and not (record.path / subsets.FILE).is_file():
        subsets.write(record, datasets.load(dataset))
    if (record.path / subsets.FILE).is_file():
        kept.append(subsets.FILE)
    if (record.recipe.name, dataset, seed) == ("mnist", "mnist", 0):
        kept.append("weights.safetensors")
    of_g = record.has_weights and target.relative_to(paths.results() / "paper").as_posix() in WITH_GENERATOR
    with paths.atomic_folder(target) as unfinished:
        for name in kept:
            (unfinished / name).write_bytes(record.read_file(name))
        write_npz(unfinished / "samples.npz", _committed_arrays(record), zipfile.ZIP_LZMA)
        if of_g:
            weights = {name: p for name, p in record.weights().items() if name.startswith("generator.")}
            checkpoints.save_tensors(weights, unfinished / "weights.safetensors")
        records.seal(unfinished, record.meta)
    return target


def _committed_arrays(record: Record) -> dict[str, NDArray[Any]]:
    """The kept epoch's arrays: of the other one, the log-likelihoods are committed, not the samples. Committed are all
    samples of the first seeds of MNIST, else 1,000, or 300 in colour, all folds together; all conditions; and all 100
    points that were followed through MNIST seed 0 or are a grid of conditions, else ten."""
    arrays = {k: v for k, v in record.arrays.items() if k not in ("best_samples", "last_samples")}
    dataset, seed = record.meta["dataset"]["name"], record.meta["seed"]
    plain = (record.recipe.name, dataset) == ("mnist", "mnist")
    if not (plain and seed < FULL_SEEDS):
        own_fold = record.path.name.startswith("fold")  # one of several models, each with other people held out
        folds = len(datasets.load(dataset).folds or [0]) if own_fold else 1
        fewer = FEWER_SAMPLES if record.recipe.shape[0] == 1 else FEWER_IN_COLOUR
        arrays["samples"] = arrays["samples"][: fewer // folds]
    if not (plain and seed == 0) and record.condition is None:
        arrays["progress"] = arrays["progress"][:, :FEWER_PROGRESS]
    return arrays


def commit_tables() -> list[Path]:
    """Put the tables of ablations, claims and comparisons that were made at full length under results/, and models and
    samples that were stored beside them under the same names."""
    made = [stored for study in (ablations.STUDY, alternating.STUDY) for stored in (study.scores, study.curves)]
    for kind in TABLES:
        stems = [path.stem for path in sorted((paths.runs() / kind).glob("*_paper*.csv"))]
        made += [StoredTable(kind, stem) for stem in stems if not OWN_PICTURES.search(stem)]
    made = [stored for stored in made if stored.file.is_file() and not _superseded(stored)]
    pairs = [(stored.file, stored.committed_file) for stored in made]
    pairs += [(own, end.with_suffix(suffix)) for file, end in pairs for suffix in BESIDE
              if (own := file.with_suffix(suffix)).is_file()]  # fmt: skip
    for file, committed in pairs:
        with paths.atomic_file(committed) as unfinished:
            shutil.copyfile(file, unfinished)
    return [committed for _, committed in pairs]


def _superseded(stored: StoredTable) -> bool:
    """Whether the committed table names a later commit than this one; a line says so. Not all tables name one."""
    files = [file for file in (stored.file, stored.committed_file) if file.is_file()]
    commits = [str(table.commit[0]) for file in files if "commit" in (table := read_table(file)) and len(table)]
    if older := len(commits) == 2 and provenance.is_before(*commits):
        made, there = (commit[:7] for commit in commits)
        say(f"skipped: {stored.file} was made at commit {made}, before the committed table ({there})")
    return older


def write_controls() -> Path:
    """Score real data, k-means centroids and the mean image of MNIST, for a minute or two. Returns the table's path."""
    data, path = datasets.load("mnist"), tables.CONTROLS.committed_file
    models = {
        "real data, train[:10000]": controls.real_data(data.train),
        "10,000 k-means centroids": controls.kmeans_centroids(data.train),
        "mean image": controls.mean_image(data.train),
    }
    scored = {f"control: {name}": parzen.score(model, data) for name, model in models.items()}
    source = path.relative_to(paths.repository()).as_posix()
    rows = [tables.control_row(data.name, data.label, *item, source) for item in scored.items()]
    return write_table(tables.join(*rows), path)


def write_figures() -> list[Path]:
    """Draw Figure 2's parts that have a record, the ablations, and from MNIST seed 0 Figure 3, the sheet of progress,
    the learning curves and the growth of the score. Returns their paths."""
    figures.use_style()
    written, drawn = [path for part in FIGURE2 if (path := write_figure2(part))], {}
    if len(curves := ablations.committed()[1]):
        drawn["ablations.png"] = figures.ablation_curves(curves)
    if record := records.read(paths.results() / "paper/mnist/seed0"):
        shape = datasets.load("mnist").shape
        stages = [f"epoch {epoch}" for epoch in record.meta["progress_epochs"]]
        drawn["figure3.png"] = figures.figure3(walks(record), shape, "Figure 3: along straight lines in z")
        drawn["progress.png"] = figures.rows(record.progress[:, :10], shape, stages, "The same ten z as training goes")
        drawn["curves.png"] = figures.learning_curves(record.curves, restarts=record.restarts)
        if record.meta["epochs"] >= 2 * growth.SINCE:
            first, _ = growth.halves(record.curves)
            drawn["growth.png"] = figures.growth(record.curves, first, record.meta["epochs"])
    return written + [_save(figure, name) for name, figure in drawn.items()]


def _save(figure: Figure, name: str) -> Path:
    path = figures.save(figure, paths.results() / "figures" / name)
    plt.close(figure)
    return path


def write_figure2(part: str) -> Path | None:
    """Draw one part of Figure 2 from its committed record: its first samples, and the nearest of all training examples.
    Returns its path; None if the record, the data or the right to show them is missing. Missing data print a line."""
    title, place = FIGURE2[part]
    if (record := records.read(paths.results() / place)) is None or record.meta["dataset"]["name"] in NEVER:
        return None
    try:
        data = datasets.load(record.meta["dataset"]["name"])
    except datasets.DatasetUnavailable as error:
        say(f"skipped: {part} is not drawn anew, since its training examples are not here. {error}")
        return None
    fold = record.meta["dataset"]["fold"]
    data = datasets.prepare(data if fold is None else data.fold(fold), record.recipe)
    shown = torch.from_numpy(record.samples[:30])
    near = data.training[neighbours.nearest(shown[5::6], data.training).index]
    pair = datasets.pictures(data, shown), datasets.pictures(data, near)
    length = f"epoch {record.kept_epoch}" if record.kept == "best" else record.length
    return _save(figures.figure2(*pair, data.shape, 6, f"{title}, {length}"), f"{part}.png")


def walks(record: Record, rows: int = 4, steps: int = 12) -> torch.Tensor:
    """(rows, steps, d): images along straight lines between z_0 and z_1, z_2 and z_3, …, of the stored noise."""
    return networks.walk(record.generator(), torch.from_numpy(record.z[: 2 * rows]).unflatten(0, (rows, 2)), steps)
