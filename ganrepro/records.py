"""Run records: folders with all the evidence of one training.

    <root>/<profile>/<recipe>[@<dataset>]/seed<k>[/fold<j>]/
        record.json  curves.csv  samples.npz  ll.npz  weights.safetensors

Committed paper records lie under results/, all others under runs/. A record appears by one rename. Its scores are those
of the stored uint8 samples, so that anyone can recompute them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ganrepro import checkpoints, datasets, networks, parameters, parzen, paths, provenance, scores, speed, training
from ganrepro.algorithm1 import steps_in_all
from ganrepro.recipes import OWN, Recipe, for_dataset, made_for
from ganrepro.record import Record, compact, decode, encode

PROFILES = ("auto", "quick", "paper")
WANTED = (
    ("mnist", OWN, range(10)), ("att", OWN, range(1)), ("fer2013", OWN, range(1)),
    ("cifar10", "cifar10-fc", range(1)), ("cifar10", "cifar10-conv", range(1)),
    ("mnist", "conditional", range(3)), ("mnist", "subsets", range(1)),
)  # fmt: skip  # what `make records` trains, most wanted first: data set, recipe, seeds
STORED_SAMPLES = 10_000
QUICK_VALIDATE, PAPER_VALIDATE = 0, 5  # epochs between validation scores


def folder(recipe: Recipe, data: datasets.Dataset, profile: str, seed: int) -> Path:
    """Where a record lies below its root. A changed recipe has a folder of its own, marked by its checksum."""
    standard = _standard(recipe.name, data)
    standard = standard.quick(len(data.training)) if profile == "quick" else standard
    same = recipe.same_but_length(standard) if profile == "paper" else recipe == standard
    name = recipe.name if same else f"{recipe.name}~{recipe.checksum()}"
    if data.name != made_for(recipe.name):
        name += f"@{data.name}"
    below = Path(profile, name, f"seed{seed}")
    return below / f"fold{data.fold_index}" if data.model_per_fold else below


def _standard(name: str, data: datasets.Dataset) -> Recipe:
    """The unchanged recipe of this name at the data's size; where there is none, the data set's own."""
    own = for_dataset(data.name, data.shape)
    try:
        return own if name == own.name else for_dataset(data.name, data.shape, name)
    except ValueError:  # a name of the user's own, or a recipe for another shape
        return own


def get_or_train(
    dataset: str | datasets.Dataset, profile: str = "auto", seed: int = 0, device: str = "auto", *,
    recipe: Recipe | str | None = None, train: bool = True,
) -> Record:  # fmt: skip
    """The record of one training, made if it is not there.

    dataset: a name or path as for `datasets.load`, or what that returned (then one of its folds, too).
    profile: "paper" is the recipe at full length, "quick" the same code at sizes that end in seconds, "auto" the
    committed paper record if there is one, else quick. recipe: in place of the data set's own, by its name in RECIPES,
    or a Recipe, which is trained as it is whatever the profile.
    An absent paper record says how long it will take here before it starts. A quick record is made anew when the code
    that trains has changed. train=False: FileNotFoundError instead of training.
    Raises ValueError for an unknown profile, a bad seed, and a paper record of another recipe than asked for.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile = {profile!r}; choose one of {', '.join(PROFILES)}")
    if type(seed) is not int or seed < 0:
        raise ValueError(f"seed = {seed!r}; it must be an int of at least 0")
    data = datasets.load(dataset) if isinstance(dataset, str) else dataset
    full = recipe if isinstance(recipe, Recipe) else _named(data, recipe or OWN)
    if profile != "quick" and (found := _find_paper(full, data, seed)):
        return found
    if profile == "paper":
        return _made(full, data, "paper", seed, device, train)
    quick = full if isinstance(recipe, Recipe) else full.quick(len(data.training))
    path = paths.runs() / folder(quick, data, "quick", seed)
    if (found := read(path)) and found.meta["code"] == provenance.code_sha256():
        return found
    return _made(quick, data, "quick", seed, device, train)


def _made(
    recipe: Recipe, data: datasets.Dataset, profile: str, seed: int, device: str, train: bool
) -> Record:  # fmt: skip
    if not train:
        path = paths.runs() / folder(recipe, data, profile, seed)
        raise FileNotFoundError(f"there is no record {path}; run with train=True to make it")
    (record,) = _train_records(recipe, data, profile, [seed], device)
    return record


def _named(data: datasets.Dataset, recipe: str) -> Recipe:
    return for_dataset(data.name, data.shape) if recipe == OWN else for_dataset(data.name, data.shape, recipe)


def train_wanted(device: str = "auto", epochs: int | None = None) -> Iterator[Record]:
    """Train every paper record that is missing or shorter than `epochs`, most wanted first.

    A data set that cannot be had is skipped, and the reason printed.
    """
    for dataset, recipe, seeds in WANTED:
        try:
            data = datasets.load(dataset)
        except datasets.DatasetUnavailable as error:
            print(f"skipped: no record of {dataset}, recipe {recipe}, since its data are not here. {error}")
            continue
        yield from train_paper(data, seeds, device, epochs, recipe)


def train_paper(
    data: datasets.Dataset, seeds: Sequence[int] = (0,), device: str = "auto", epochs: int | None = None,
    recipe_name: str = OWN,
) -> Iterator[Record]:  # fmt: skip
    """Train paper records, from their checkpoints where there are any, to `epochs` in all; longer records stay.

    One record a seed, or one for each fold where folds have models of their own. On a GPU all seeds are trained in
    lockstep. recipe_name: as for `for_dataset`.
    """
    recipe = _named(data, recipe_name)
    recipe = recipe.replace(epochs=epochs) if epochs is not None else recipe
    for part in _models(data):
        training.check_arguments(recipe, part, seeds, recipe.epochs, 0)
        missing = []
        for seed in seeds:
            found = _find_paper(recipe, part, seed)
            if found and found.meta["epochs"] >= recipe.epochs:
                yield found
            else:
                missing.append(seed)
        together = parameters.device(device).type == "cuda"
        for group in [missing] if together and missing else [[seed] for seed in missing]:
            yield from _train_records(recipe, part, "paper", group, device)


def _models(data: datasets.Dataset) -> list[datasets.Dataset]:
    """The data sets that one model each is trained on: the folds, or the whole."""
    return [data.fold(k) for k in range(len(data.folds or []))] if data.model_per_fold else [data]


def snapshot(
    data: datasets.Dataset, seed: int = 0, device: str = "auto", recipe_name: str = OWN
) -> Iterator[Record]:  # fmt: skip
    """The record of a paper training as its checkpoint stands now, labelled with the epochs it has had.

    Raises FileNotFoundError where no training has begun.
    """
    recipe = _named(data, recipe_name)
    for part in _models(data):
        file = checkpoint_folder(recipe, part) / f"seed{seed}.safetensors"
        if not file.is_file():
            raise FileNotFoundError(f"there is no checkpoint {file}; `ganrepro records train` begins one")
        run = training.start(recipe, part, seed, parameters.device(device))
        checkpoints.load(file, run, part)
        yield write(run, part, "paper", paths.runs() / folder(recipe, part, "paper", seed))


def everything() -> list[Record]:
    """All records at hand: committed ones, then those under runs/."""
    return [record for root in _roots() for record in below(root)]


def below(root: Path, profile: str = "*") -> list[Record]:
    """The records under a root, in order; not what a killed `write` left behind in a hidden folder."""
    whole, folds = (root.glob(f"{profile}/*/{name}/record.json") for name in ("seed*", "seed*/fold*"))
    return [Record(p.parent) for p in sorted([*whole, *folds])]


def _roots() -> list[Path]:
    return [paths.results(), paths.runs()] if paths.REPOSITORY else [paths.runs()]


def read(path: Path) -> Record | None:
    """The record in a folder; None where there is none."""
    return Record(path) if (path / "record.json").is_file() else None


def _find_paper(recipe: Recipe, data: datasets.Dataset, seed: int) -> Record | None:
    name = folder(recipe, data, "paper", seed)
    found = [record for root in _roots() if (record := read(root / name))]
    for record in found:
        if not record.recipe.same_but_length(recipe):
            raise ValueError(
                f"the record {record.path} was made by another recipe: {record.recipe.difference(recipe)}. "
                "Move it away, or ask for its own recipe"
            )
    return max(found, key=lambda record: record.meta["epochs"], default=None)  # of equals, the committed one


def _train_records(
    recipe: Recipe, data: datasets.Dataset, profile: str, seeds: Sequence[int], device: str
) -> Iterator[Record]:  # fmt: skip
    training.check_arguments(recipe, data, seeds, recipe.epochs, 0)
    parameters.device(device)  # refused here if it is not there, before a folder is made or a time estimated
    paths.require_writable(paths.runs())
    checkpoint_dir = None
    if profile == "paper":
        checkpoint_dir = checkpoint_folder(recipe, data)
        seconds = training.estimate_seconds(recipe, data, device)
        print(f"training {recipe.name} on {data.label}, {recipe.epochs} epochs: about {_duration(seconds)} here")
    runs = training.train(
        recipe, data, seeds=seeds, device=device, checkpoint_dir=checkpoint_dir,
        validate_every=PAPER_VALIDATE if profile == "paper" else QUICK_VALIDATE,
    )  # fmt: skip
    seconds = sum(run.curves.seconds.sum() for run in runs)
    steps = sum(int(run.curves.step.max()) for run in runs)
    print(f"trained {recipe.name} on {data.label}: {speed.report(recipe, steps, max(seconds, 1e-9), device)}")
    for run in runs:
        yield write(run, data, profile, paths.runs() / folder(recipe, data, profile, run.seed))


def checkpoint_folder(recipe: Recipe, data: datasets.Dataset) -> Path:
    """Where the checkpoints of an unfinished paper training lie: one folder for all seeds, and one for each fold."""
    below = folder(recipe, data, "paper", 0)
    return paths.runs() / "checkpoints" / (below.parent.parent / below.name if data.model_per_fold else below.parent)


def write(run: training.Run, data: datasets.Dataset, profile: str, path: Path) -> Record:
    """Judge a run and write its record, whole or not at all. Returns it.

    The stored samples and `ll` are the last epoch's, of G with its weights as they are stored. Where validation found
    an earlier epoch better, that one's stand beside them as best_samples and best_ll. Both rules are in the table, and
    the last epoch with sigma from the fine grid: none is chosen on test data.
    """
    device, better, data = run.rng.device, 0 < run.best_epoch < run.epoch, datasets.prepare(data, run.recipe)
    told = run.draw_conditions(STORED_SAMPLES, run.seed)
    weights = compact(run.weights())
    x, z = networks.sample(run.generator_of(weights, run.epoch), run.recipe, STORED_SAMPLES, run.seed, told)
    arrays = {"samples": x, "progress": torch.stack(run.progress)}
    if better:
        arrays["best_samples"] = networks.generate(run.best_generator(), z, told)
    stored = encode(arrays, data.bounded)
    conditions = {"condition": told.numpy()} if told is not None and run.recipe.condition else {}
    last = scores.score(decode(stored, "samples"), data, device)
    best = scores.score(decode(stored, "best_samples"), data, device) if better else last
    fine = scores.score(decode(stored, "samples"), data, device, parzen.FINE_GRID)
    judged = {"last": {"epoch": run.epoch} | last.summary(), "fine": {"epoch": run.epoch} | fine.summary()}
    if run.best_epoch:
        judged["best"] = {"epoch": run.best_epoch} | best.summary()
    ll = {"ll": last.ll, "sigma": last.sigma, "fold": last.fold}
    ll |= {"best_ll": best.ll, "best_sigma": best.sigma} if better else {}
    meta = {
        "dataset": {
            "name": data.name, "label": data.label, "stand_in_for": data.stand_in_for, "fold": data.fold_index,
            "training_examples": len(data.training), "sha256": data.sha256,
        },
        "profile": profile,
        "recipe": run.recipe.to_dict(),
        "seed": run.seed,
        "epochs": run.epoch,
        "steps": steps_in_all(run.recipe, len(data.training), run.epoch),
        "progress_epochs": [e for e in sorted(training.PROGRESS_EPOCHS) if e <= run.epoch],
        "stopping_rule": "last epoch; beside it the best epoch by validation Parzen score, where validation was on",
        "scores": judged,
        "training_seconds": round(float(run.curves.seconds.sum()), 3),
        "git": provenance.git(),
        "code": provenance.code_sha256(),
        "trained_by": run.codes,
        "versions": provenance.versions(),
        "hardware": provenance.hardware(device),
    }  # fmt: skip
    with paths.atomic_folder(path) as unfinished:
        (unfinished / "record.json").write_text(json.dumps(meta, indent=1) + "\n")
        run.curves.to_csv(unfinished / "curves.csv", index=False, float_format="%.6g")
        np.savez_compressed(unfinished / "samples.npz", allow_pickle=False, z=z[:64].numpy(), **stored, **conditions)
        np.savez_compressed(unfinished / "ll.npz", allow_pickle=False, **ll)
        save_file(weights, unfinished / "weights.safetensors")
    return Record(path)


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
