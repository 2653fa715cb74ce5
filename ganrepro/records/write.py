"""Write a record: score a run and store everything in one folder, whole or not at all."""

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from ganrepro import datasets, networks, parzen, paths, training
from ganrepro.code_checksum import code_sha256
from ganrepro.device import plain_torch
from ganrepro.progress import say
from ganrepro.training import checkpoints

from . import provenance
from .record import STORED_SAMPLES, Record, compact, decode, encode, seal, write_npz

STOPPING_RULES = {
    "last": "last epoch; beside it the best epoch by validation Parzen score, where validation was on",
    "best": "best epoch by validation Parzen score; beside it the last epoch",
}


@plain_torch
def write_record(run: training.Run, data: datasets.Dataset, profile: str, path: Path) -> Record:
    """Score a run and write its record. Returns it.

    The weights, the stored samples and `ll` are those of the epoch that the recipe's stopping rule keeps: the last, or
    the best on validation data. If the other is another epoch, last_samples and last_ll, or best_samples and best_ll,
    are that one's. Scores are those of the stored uint8 samples, so that anyone can recompute them: of both epochs, and
    of the kept one with sigma from the fine grid. None is chosen on test data. A paper record of the same training that
    has more epochs stays: it is returned, and a line says so.
    """
    if profile == "paper" and (longer := _longer(path, run)):
        say(f"{path} is kept: it has {longer.meta['epochs']} epochs, this training {run.epoch}. To replace it, move it "
            "away first")  # fmt: skip
        return longer
    device, data = run.rng.device, datasets.prepare(data, run.recipe)
    epochs = {"last": run.epoch} | ({"best": run.best_epoch} if run.best_epoch else {})
    kept = run.recipe.stopping if run.recipe.stopping in epochs else "last"
    others = {rule: epoch for rule, epoch in epochs.items() if epoch != epochs[kept]}
    nets = {"last": run.weights(), "best": run.best}
    weights, condition = compact(nets[kept]), run.draw_conditions(STORED_SAMPLES, run.seed)
    x, z = networks.sample(run.generator_of(weights, epochs[kept]), run.recipe, STORED_SAMPLES, run.seed, condition)
    arrays = {"samples": x, "progress": torch.stack(run.progress)}
    for rule, epoch in others.items():
        arrays[f"{rule}_samples"] = networks.generate(run.generator_of(nets[rule], epoch), z, condition)
    stored = encode(arrays, data.bounded)
    conditions = {"condition": condition.numpy()} if condition is not None and run.recipe.task.columns else {}
    of_kept = parzen.score(decode(stored, "samples"), data, device)
    scores = {rule: parzen.score(decode(stored, f"{rule}_samples"), data, device) for rule in others}
    fine = parzen.score(decode(stored, "samples"), data, device, parzen.FINE_GRID)
    scored = {rule: {"epoch": epoch} | scores.get(rule, of_kept).summary() for rule, epoch in epochs.items()}
    scored["fine"] = {"epoch": epochs[kept]} | fine.summary()
    ll: dict[str, NDArray[Any]] = {f"{rule}_ll": score.ll for rule, score in scores.items()}
    ll |= {f"{rule}_sigma": score.sigma for rule, score in scores.items()}
    meta = {
        "dataset": {
            "name": data.name, "label": data.label, "stand_in_for": data.stand_in_for, "fold": data.fold_index,
            "training_examples": len(data.training), "sha256": data.sha256,
            **({"pictures": data.details} if data.details else {}),
        },
        "profile": profile, "recipe": run.recipe.to_dict(), "seed": run.seed, "epochs": run.epoch,
        "steps": training.steps_in_all(run.recipe, len(data.training), run.epoch),
        "progress_epochs": [e for e in sorted(training.PROGRESS_EPOCHS) if e <= run.epoch],
        "stopping_rule": STOPPING_RULES[kept], "kept": kept, "scores": scored,
        "training_seconds": round(float(run.curves.seconds.sum()), 3),
        "git": provenance.git(), "code": code_sha256(), "trained_by": run.codes,
        "versions": provenance.versions(), "hardware": provenance.hardware(device),
    }  # fmt: skip
    if run.restarts:
        meta["restarts"] = run.restarts
    with paths.atomic_folder(path) as unfinished:
        run.curves.to_csv(unfinished / "curves.csv", index=False, float_format="%.6g")
        write_npz(unfinished / "samples.npz", {"z": z[:64].numpy()} | stored | conditions)
        write_npz(unfinished / "ll.npz", {"ll": of_kept.ll, "sigma": of_kept.sigma, "fold": of_kept.fold} | ll)
        checkpoints.save_tensors(weights, unfinished / "weights.safetensors")
        seal(unfinished, meta)
    return Record(path)


def _longer(path: Path, run: training.Run) -> Record | None:
    """The record at a path if it is of the same training, whole, and has had more epochs than a run."""
    try:
        there = Record(path)
        same = there.meta["seed"] == run.seed and there.recipe.same_but_length(run.recipe)
        return there if same and there.meta["epochs"] > run.epoch else None
    except ValueError:  # none, or a damaged one
        return None
