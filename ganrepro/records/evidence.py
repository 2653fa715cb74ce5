"""Does a record's evidence hold? All that can be is recomputed from what it stores."""

import warnings
from typing import Any

import numpy as np
import torch

from ganrepro import datasets, networks, parzen, training
from ganrepro.device import plain_torch

from .record import Record, decode

TOLERANCE = 1e-3, 1e-5  # nats, and of the value: the window's own error
LEVELS = 1.0  # grey levels, in the mean, between stored samples and those of the stored weights on their noise


def check_whole(record: Record) -> None:
    """Raise ValueError, naming the file, unless every file is there, undamaged, and the curves have a row an epoch."""
    path, meta = record.path, record.meta
    for name in meta.get("files", {}):
        record.read_file(name)
    curves, arrays, epochs = record.curves, record.arrays, meta["epochs"]
    if list(curves.columns) != list(training.CURVES) or curves.epoch.tolist() != list(range(1, epochs + 1)):
        raise ValueError(f"{path}/curves.csv has {len(curves)} rows, and record.json says {epochs} epochs; its columns "
                         f"must be {', '.join(training.CURVES)}, a row for each epoch")  # fmt: skip
    if not np.isfinite(curves.drop(columns="valid_ll").to_numpy(float)).all():
        raise ValueError(f"{path}/curves.csv holds numbers that are not finite")
    expected = {"samples": (record.recipe.dim,), "z": (record.recipe.z_dim,), "progress": (record.recipe.dim,)}
    for name, tail in expected.items():
        if arrays[name].shape[-1:] != tail:
            raise ValueError(f"{path}/samples.npz: {name} has shape {arrays[name].shape}, expected (..., {tail[0]})")
    if len(arrays["progress"]) != len(stages := meta.get("progress_epochs", arrays["progress"])):
        raise ValueError(f"{path}/samples.npz has {len(arrays['progress'])} sheets of progress, and record.json names "
                         f"{len(stages)} epochs")  # fmt: skip
    if not np.isfinite(record.ll).all():
        raise ValueError(f"{path}/ll.npz holds numbers that are not finite")
    if record.has_weights:
        record.generator()
    if record.has_both_players:
        record.discriminator()


@plain_torch
def check(record: Record) -> None:
    """The same for a record that holds all of its samples; and raise ValueError where its scores or log-likelihoods
    are not those of the samples, or these not those of the weights. Raises DatasetUnavailable without its data."""
    check_whole(record)
    try:
        _check_samples(record)
        _check_scores(record, _data(record))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"the record {record.path} lacks a part of its evidence ({error!r})") from error


def _data(record: Record) -> datasets.Dataset:
    """The data that it was scored on."""
    stated = record.meta["dataset"]
    data = datasets.load(stated["name"])
    if data.sha256 != stated.get("sha256", data.sha256):
        raise ValueError(f"the record {record.path} was made on other files of {data.name} than are here")
    data = data.fold(stated["fold"]) if data.model_per_fold else data
    return datasets.normalised(data, record.recipe)


def _check_samples(record: Record) -> None:
    if not record.has_weights or record.recipe.task.kind == "subsets":  # whose condition is not stored
        return
    condition = None if record.condition is None else torch.from_numpy(record.condition[: len(record.z)])
    made = networks.generate(record.generator(), torch.from_numpy(record.z), condition).numpy()
    stored, one = record.samples[: len(made)], decode(record.arrays | {"one": np.array([0, 1], np.uint8)}, "one")
    if not (apart := float(np.abs(made - stored).mean() / (one[1] - one[0]))) <= LEVELS:
        raise ValueError(f"{record.path}: its weights on its noise z do not make its samples: {apart:.3g} grey levels "
                         "apart in the mean")  # fmt: skip


def _check_scores(record: Record, data: datasets.Dataset) -> None:
    for rule, stated in record.meta["scores"].items():
        key = "" if stated["epoch"] == record.kept_epoch else f"{rule}_"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a sigma at its grid's edge, which is stated
            grid = parzen.FINE_GRID if rule == "fine" else parzen.DEFAULT_GRID
            found = parzen.score(decode(record.arrays, f"{key}samples"), data, sigmas=grid)
        for name, value in found.summary().items():
            if not _agree(stated[name], value):
                raise ValueError(f"{record.path}: {name} of scores.{rule} is {stated[name]} in record.json, and "
                                 f"{value} when it is computed from the stored samples")  # fmt: skip
        if rule != "fine" and not _agree(record.scored[f"{key}ll"], found.ll):
            raise ValueError(f"{record.path}/ll.npz: {key}ll is not the log-likelihood under the stored samples")


def _agree(stated: Any, found: Any) -> bool:
    if stated is None or found is None:
        return stated is found
    one, other = np.asarray(stated, float), np.asarray(found, float)
    return one.shape == other.shape and np.allclose(one, other, atol=TOLERANCE[0], rtol=TOLERANCE[1])
