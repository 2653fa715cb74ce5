"""Find records, or train them: one folder for each training, <root>/<profile>/<recipe>[@<dataset>]/seed<k>[/fold<j>].

Committed paper records are under results/, all others under runs/. A record appears by one rename.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ganrepro import datasets, paths, training
from ganrepro.code_checksum import code_sha256
from ganrepro.datasets import Dataset
from ganrepro.device import torch_device
from ganrepro.locks import locked
from ganrepro.parameters import LARGEST_SEED, expect, is_seed
from ganrepro.progress import duration, say
from ganrepro.recipes import OWN, Recipe, for_dataset, made_for, quick
from ganrepro.training import checkpoints

from . import provenance
from .record import Record
from .write import write_record

PROFILES = ("auto", "quick", "paper")
WANTED = (
    ("mnist", OWN, range(10)), ("att", OWN, range(1)), ("cifar10", OWN, range(1)),
    ("cifar10", "cifar10-conv-small", range(1)), ("fer2013", OWN, range(1)), ("fashion-mnist", OWN, range(1)),
    ("mnist", "mnist-small", range(4)), ("mnist", "conditional-small", range(3)),
    ("mnist", "subsets-small", range(3)), ("mnist", "conditional", range(3)), ("mnist", "subsets", range(1)),
    ("att", "tfd", range(1)), ("cifar10", "cifar10-fc", range(1)), ("cifar10", "cifar10-conv", range(1)),
)  # fmt: skip  # what `make records` trains, most wanted first: data set, recipe, seeds
VALIDATE_EVERY = 5  # epochs between validation scores of a paper training; 1 where the best epoch is kept
Seeds = Sequence[int]


def folder(recipe: Recipe, data: Dataset, profile: str, seed: int) -> Path:
    """A record's folder below its root. A changed recipe has one of its own, marked by its checksum."""
    expect(Recipe, recipe=recipe)
    expect(Dataset, data=data)
    expect(str, profile=profile)
    try:
        standard = for_dataset(data.name, data.shape, recipe.name)
    except ValueError:  # a name of the user's own, or a recipe for another shape
        standard = for_dataset(data.name, data.shape)
    paper = profile == "paper"
    unchanged = recipe.same_but_length(standard) if paper else recipe == quick(standard, len(data.training))
    name = recipe.name if unchanged else f"{recipe.name}~{recipe.checksum()}"
    name += f"@{data.name}" if data.name != made_for(recipe.name) else ""
    below = Path(profile, name, f"seed{seed}")
    return below / f"fold{data.fold_index}" if data.model_per_fold else below


def checkpoint_folder(recipe: Recipe, data: Dataset) -> Path:
    """The checkpoints of an unfinished paper training: one folder for all seeds, and one for each fold."""
    below = folder(recipe, data, "paper", 0)
    return paths.runs() / "checkpoints" / (below.parent.parent / below.name if data.model_per_fold else below.parent)


def read(path: Path) -> Record | None:
    """The record in a folder; None if there is none."""
    return Record(path) if (path / "record.json").is_file() else None


def _whole(path: Path) -> Record | None:
    """The same; None, and a line that says so, where record.json is damaged."""
    if record := read(path):
        try:
            _ = record.meta
        except ValueError as error:
            say(f"not used: {error}")
            return None
    return record


def below(root: Path, profile: str = "*") -> list[Record]:
    """The records under a root, in order; hidden folders, which a killed `write` may leave, are ignored."""
    whole, folds = (root.glob(f"{profile}/*/{name}/record.json") for name in ("seed*", "seed*/fold*"))
    return [Record(p.parent) for p in sorted([*whole, *folds])]


def everything() -> list[Record]:
    """All records at hand: committed ones, then those under runs/."""
    return [record for root in _roots() for record in below(root)]


def longest(profile: str) -> list[Record]:
    """The records at hand of a profile; of a committed and a local one of the same training the longer."""
    found: dict[Path, Record] = {}
    for root in _roots():
        for record in below(root, profile):
            place = record.path.relative_to(root)
            found[place] = max(found.get(place, record), record, key=lambda r: r.meta["epochs"])
    return list(found.values())


def _roots() -> list[Path]:
    return [paths.results(), paths.runs()] if paths.REPOSITORY else [paths.runs()]


def _find_paper(recipe: Recipe, data: Dataset, seed: int) -> Record | None:
    name = folder(recipe, data, "paper", seed)
    found = [record for root in _roots() if (record := _whole(root / name))]
    for record in found:
        if not record.recipe.same_but_length(recipe):
            raise ValueError(f"the record {record.path} was made by another recipe: {record.recipe.difference(recipe)}"
                             ". Move it away, or ask for its own recipe")  # fmt: skip
    return max(found, key=lambda record: record.meta["epochs"], default=None)  # of equals, the committed one


def get_or_train(
    dataset: str | Dataset, profile: str = "auto", seed: int = 0, device: str = "auto", *,
    recipe: Recipe | str | None = None, train: bool = True, learning_rate: float | None = None,
) -> Record:  # fmt: skip
    """The record of one training, made if it is not there.

    - dataset: a name or path as for `datasets.load`, or what that returned (then one of its folds, too).
    - profile: "paper" is the recipe at full length, "quick" the same code at sizes that end in seconds, "auto" the
      paper record if there is one, else quick. A quick record is made again when the code has changed.
    - recipe: a name in RECIPES in place of the data set's own, or a Recipe, trained as it is whatever the profile.
    - train: False raises FileNotFoundError instead of training.
    - learning_rate: in place of the recipe's, as for pictures on which that diverges. Such a record has its own folder.

    An absent paper record first prints how long it will take here. Warns where D never left 1/2 in a quick record or a
    new one. Raises ValueError for an unknown profile, a bad seed, and a paper record of another recipe than asked for.
    """
    expect(str, profile=profile)
    if profile not in PROFILES:
        raise ValueError(f"profile = {profile!r}; choose one of {', '.join(PROFILES)}")
    if not is_seed(seed):
        raise ValueError(f"seed = {seed!r}; it must be an int from 0 to {LARGEST_SEED}")
    if type(train) is not bool or not isinstance(dataset, str | Dataset) or not isinstance(recipe, str | Recipe | None):
        raise TypeError(f"dataset = {dataset!r}, recipe = {recipe!r} and train = {train!r}; they must be a name or a "
                        "Dataset, a name or a Recipe or None, and True or False")  # fmt: skip
    data = datasets.load(dataset) if isinstance(dataset, str) else dataset
    wanted = recipe if isinstance(recipe, Recipe) else for_dataset(data.name, data.shape, recipe or OWN)
    wanted = _at_rate(wanted, learning_rate)
    if profile != "quick" and (found := _find_paper(wanted, data, seed)):
        return found
    if profile != "paper":
        if profile == "auto":
            _say_if_none_are_committed()
        profile = "quick"
        wanted = wanted if isinstance(recipe, Recipe) else quick(wanted, len(data.training))
        if found := _finished(wanted, data, "quick", seed):
            training.warn_unless_d_has_moved(found.curves, found.title)
            return found
    if not train:
        path = paths.runs() / folder(wanted, data, profile, seed)
        raise FileNotFoundError(f"there is no record {path}; run with train=True to make it")
    (made,) = _train_records(wanted, data, profile, [seed], device)
    training.warn_unless_d_has_moved(made.curves, made.title)
    return made


@cache
def _say_if_none_are_committed() -> None:
    """Say once where "auto" means quick because there is no repository."""
    if paths.REPOSITORY is None:
        say("installed without its repository, so no committed record is here: trainings and numbers are quick ones")


def get_with_weights(
    data: Dataset, profile: str = "auto", seed: int = 0, device: str = "auto", *, recipe: Recipe | str | None = None,
    learning_rate: float | None = None,
) -> Record:  # fmt: skip
    """As `get_or_train`; but where the paper record has no weights here, the quick one, and a line that says so."""
    more: dict[str, Any] = {"recipe": recipe, "learning_rate": learning_rate}
    if (record := get_or_train(data, profile, seed, device, **more)).has_weights:
        return record
    say(f"the {record.meta['profile']} record of seed {seed} has no weights here: a quick one is used instead")
    return get_or_train(data, "quick", seed, device, **more)


def train_wanted(device: str = "auto", epochs: int | None = None) -> Iterator[Record]:
    """Train every paper record that is missing or shorter than `epochs`; unavailable data are skipped, with a line.
    Raises Diverged, once all others are trained, where one diverged."""
    stopped = []
    for dataset, recipe, seeds in WANTED:
        try:
            data = datasets.load(dataset)
        except datasets.DatasetUnavailable as error:
            say(f"skipped: no record of {dataset}, recipe {recipe}, since its data are not here. {error}")
            continue
        try:
            yield from train_paper(data, seeds, device, epochs, recipe)
        except training.Diverged as error:
            stopped.append(str(error))
    if stopped:
        raise training.Diverged("; ".join(stopped))


def train_paper(
    data: Dataset, seeds: Seeds = (0,), device: str = "auto", epochs: int | None = None, recipe: str = OWN,
    learning_rate: float | None = None, from_record: bool = False, from_checkpoint: bool = False,
) -> Iterator[Record]:  # fmt: skip
    """Train records of a recipe (see `for_dataset`) to `epochs` in all, from checkpoints if there; longer ones stay.
    A learning_rate stands in place of the recipe's. With from_record, a training without a checkpoint goes on from the
    weights of the record at hand (`Run.restart`); raises FileNotFoundError where there is none, or none with weights.

    With from_checkpoint, a training without a checkpoint goes on from that of the recipe's own learning_rate, as after
    a divergence; raises FileNotFoundError where there is none.

    One record a seed, or one for each fold where each fold has its own model. On a GPU all seeds are trained together.
    Raises Diverged, once the others are trained, where one diverged.
    """
    own = for_dataset(data.name, data.shape, recipe)
    own = own if epochs is None else own.replace(epochs=epochs)
    full, stopped = _at_rate(own, learning_rate), []
    for part in _models(data):
        training.check_arguments(full, part, seeds, full.epochs, 0)
        found = {seed: _find_paper(full, part, seed) for seed in seeds}
        done = {seed: r for seed, r in found.items() if r is not None and r.meta["epochs"] >= full.epochs}
        yield from done.values()
        missing = [seed for seed in seeds if seed not in done]
        if from_record:
            _restart(full, part, {seed: found[seed] for seed in missing}, device)
        if from_checkpoint:
            _continue_at(full, own, part, missing, device)
        for group in [missing] if torch_device(device).type == "cuda" and missing else [[seed] for seed in missing]:
            try:
                yield from _train_records(full, part, "paper", group, device)
            except training.Diverged as error:
                stopped.append(error)
                yield from error.records
    if stopped:
        raise training.Diverged("; ".join(map(str, stopped)))


def seconds_left(
    data: Dataset, seeds: Seeds = (0,), device: str = "auto", epochs: int | None = None, recipe: str = OWN,
    learning_rate: float | None = None, from_record: bool = False, *, full_length: bool = True,
) -> float:  # fmt: skip
    """Roughly how many seconds `train_paper`, given the same, would take here: the missing epochs of all seeds and
    folds, from the checkpoints on. On a GPU, which trains seeds together, those of the seed that lacks most. Without
    full_length a record of any length will do, as in `get_or_train`. NaN where a fresh start diverges at once."""
    full = for_dataset(data.name, data.shape, recipe)
    full = _at_rate(full if epochs is None else full.replace(epochs=epochs), learning_rate)
    left, together = 0, torch_device(device).type == "cuda"
    for part in _models(data):
        training.check_arguments(full, part, seeds, full.epochs, 0)
        missing = []
        for seed in seeds:
            record = _find_paper(full, part, seed)
            if record and (record.meta["epochs"] >= full.epochs or not full_length):
                continue
            done = _checkpointed(full, part, seed)
            if done is None:
                done = record.meta["epochs"] if record and from_record else 0
            missing.append(max(0, full.epochs - done))
        left += max(missing, default=0) if together else sum(missing)
    if not left:
        return 0.0
    try:
        return training.estimate_seconds(full, _models(data)[0], device) * left / full.epochs
    except training.Diverged:
        return float("nan")


def seconds_left_of_wanted(device: str = "auto", epochs: int | None = None) -> Iterator[float]:
    """The same of each training that `train_wanted` would begin, in its order."""
    for dataset, recipe, seeds in WANTED:
        with suppress(datasets.DatasetUnavailable):
            yield seconds_left(datasets.load(dataset), seeds, device, epochs, recipe)


def _continue_at(recipe: Recipe, own: Recipe, data: Dataset, seeds: Seeds, device: str) -> None:
    """Write the checkpoints of trainings that go on from those of another recipe `own`, where there are none yet."""
    for seed in seeds:
        file, source = (checkpoint_folder(r, data) / f"seed{seed}.safetensors" for r in (recipe, own))
        if file.is_file():
            say(f"seed {seed} goes on from its checkpoint {file}")
            continue
        if not source.is_file():
            raise FileNotFoundError(f"there is no checkpoint {source} to go on from; train without --from-checkpoint "
                                    "to begin a training")  # fmt: skip
        run = training.start(own, data, seed, torch_device(device))
        with locked(source):
            checkpoints.load(source, run, datasets.prepare(data, own))
        run.recipe = recipe
        how = f"the checkpoint of {run.epoch} epochs at a learning rate of {own.learning_rate:g}"
        run.restarts.append({"epoch": run.epoch, "from": how, "weights": "float32, with momenta and random stream"})
        checkpoints.save(file, run, datasets.prepare(data, recipe))


def _restart(recipe: Recipe, data: Dataset, found: dict[int, Record | None], device: str) -> None:
    """Write the checkpoints of trainings that go on from records' weights, where there are no checkpoints yet."""
    begun = {}
    for seed, record in found.items():
        file = checkpoint_folder(recipe, data) / f"seed{seed}.safetensors"
        if file.is_file():
            say(f"seed {seed} goes on from its checkpoint {file}, not from the record")
            continue
        if record is None:
            raise FileNotFoundError(f"there is no record of {recipe.name} on {data.label}, seed {seed}, to go on from; "
                                    "train without --from-record to begin one")  # fmt: skip
        run = begun[file] = training.start(recipe, data, seed, torch_device(device))
        until = record.kept_epoch
        rows: Any = record.curves.query("epoch <= @until").to_dict("records")
        progress = torch.from_numpy(record.progress)[: sum(e <= until for e in record.meta["progress_epochs"])]
        commit = record.meta["git"]["commit"] or "unknown"
        source = f"the record of {until} epochs, made at commit {commit}"
        run.restart(record.both_players(), rows, list(progress), len(data.training), source)
        run.restarts = record.meta.get("restarts", []) + run.restarts
        run.codes = list(record.meta.get("trained_by", []))
    for file, run in begun.items():  # once it is sure that none is refused
        checkpoints.save(file, run, data)


def snapshot(
    data: Dataset, seed: int = 0, device: str = "auto", recipe: str = OWN, learning_rate: float | None = None
) -> Iterator[Record]:
    """The record of a paper training as its checkpoint stands now, labelled with the epochs it has had.

    Raises FileNotFoundError if no training has begun. A record of more epochs stays.
    """
    if not is_seed(seed):
        raise ValueError(f"seed = {seed!r}; it must be an int from 0 to {LARGEST_SEED}")
    full = _at_rate(for_dataset(data.name, data.shape, recipe), learning_rate)
    for part in _models(data):
        file = checkpoint_folder(full, part) / f"seed{seed}.safetensors"
        if not file.is_file():
            raise FileNotFoundError(f"there is no checkpoint {file}; `ganrepro records train` begins one")
        run = training.start(full, part, seed, torch_device(device))
        checkpoints.load(file, run, part)
        where = paths.runs() / folder(full, part, "paper", seed)
        with locked(where):
            made = write_record(run, part, "paper", where)
        yield made


def _at_rate(recipe: Recipe, learning_rate: float | None) -> Recipe:
    return recipe if learning_rate is None else recipe.replace(learning_rate=learning_rate)


def _models(data: Dataset) -> list[Dataset]:
    """The data sets that one model each is trained on: the folds, or the whole."""
    return [data.fold(k) for k in range(len(data.folds or []))] if data.model_per_fold else [data]


def _finished(recipe: Recipe, data: Dataset, profile: str, seed: int) -> Record | None:
    """The record under runs/ that this training would end in, if it is there: a quick one by today's code."""
    record = _whole(paths.runs() / folder(recipe, data, profile, seed))
    if record and profile == "paper":
        return record if record.meta["epochs"] >= recipe.epochs and record.recipe.same_but_length(recipe) else None
    return record if record and record.meta.get("code") == code_sha256() else None


def _train_records(recipe: Recipe, data: Dataset, profile: str, seeds: Seeds, device: str) -> list[Record]:
    """Train and write the records of these seeds: one command at a time, and none that another has made meanwhile."""
    training.check_arguments(recipe, data, seeds, recipe.epochs, 0)
    torch_device(device)  # refused here if it is not there, before a folder is made or a time estimated
    paths.require_writable(paths.runs())
    where = {seed: paths.runs() / folder(recipe, data, profile, seed) for seed in seeds}
    with locked(*where.values()):
        made = {seed: found for seed in seeds if (found := _finished(recipe, data, profile, seed))}
        if missing := [seed for seed in seeds if seed not in made]:
            runs, stopped = _train(recipe, data, profile, missing, device)
            made |= {run.seed: write_record(run, data, profile, where[run.seed]) for run in runs}
            if stopped:
                stopped.records = [made[seed] for seed in seeds if seed in made]
                raise stopped
    return [made[seed] for seed in seeds if seed in made]


def _checkpointed(recipe: Recipe, data: Dataset, seed: int) -> int | None:
    """The epochs that a training's checkpoint has; None where it has no checkpoint, or one that `load` will refuse."""
    checkpoint = checkpoint_folder(recipe, data) / f"seed{seed}.safetensors"
    if not checkpoint.is_file():
        return None
    state = checkpoints.read_metadata(checkpoint).get("state")
    rows = state.get("rows") if isinstance(state, dict) else None
    return len(rows) if isinstance(rows, list) else None


def _train(
    recipe: Recipe, data: Dataset, profile: str, seeds: Seeds, device: str
) -> tuple[list[training.Run], training.Diverged | None]:
    provenance.say_if_unknown()
    if profile == "paper":
        done = min(recipe.epochs, *(_checkpointed(recipe, data, seed) or 0 for seed in seeds))
        try:
            seconds = training.estimate_seconds(recipe, data, device) * (recipe.epochs - done) / recipe.epochs
            length = f"about {duration(seconds)} here"
        except training.Diverged:  # of a fresh start, which a training that goes on is not
            length = "nobody knows how long, since a fresh start diverges at once"
        known = f"{recipe.epochs} epochs" + f", {done} of them made" * bool(done)
        say(f"training {recipe.name} on {data.label}, {known}: {length}")
    every = 0 if profile == "quick" else 1 if recipe.stopping == "best" else VALIDATE_EVERY
    stopped, checkpoint_dir = None, checkpoint_folder(recipe, data) if profile == "paper" else None
    try:
        runs = training.train(recipe, data, seeds=seeds, device=device, validate_every=every,
                              checkpoint_dir=checkpoint_dir)  # fmt: skip
    except training.Diverged as error:
        runs, stopped = error.others, error
    if runs:
        rate = sum(run.curves.step.max() for run in runs) / max(1e-9, sum(run.curves.seconds.sum() for run in runs))
        say(f"trained {recipe.name} on {data.label}: {rate:.3g} steps/s")
    return runs, stopped
