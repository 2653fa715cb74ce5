"""Write a record: score a run and store everything in one folder, whole or not at all."""

import json
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from ganrepro import datasets, networks, parzen, paths, training
from ganrepro.code_checksum import code_sha256
from ganrepro.training import checkpoints

from . import provenance
from .record import Record, compact, decode, encode, write_npz

STORED_SAMPLES = 10_000


def write_record(run: training.Run, data: datasets.Dataset, profile: str, path: Path) -> Record:
    """Score a run and write its record. Returns it.

    The stored samples and `ll` are the last epoch's, of G with its weights as they are stored. If an earlier epoch was
    better on validation data, best_samples and best_ll hold that one's. Scores are those of the stored uint8 samples,
    so that anyone can recompute them: of both epochs, and of the last with sigma from the fine grid. None is chosen on
    test data.
    """
    device, better, data = run.rng.device, 0 < run.best_epoch < run.epoch, datasets.prepare(data, run.recipe)
    condition = run.draw_conditions(STORED_SAMPLES, run.seed)
    weights = compact(run.weights())
    x, z = networks.sample(run.generator_of(weights, run.epoch), run.recipe, STORED_SAMPLES, run.seed, condition)
    arrays = {"samples": x, "progress": torch.stack(run.progress)}
    if better:
        arrays["best_samples"] = networks.generate(run.best_generator(), z, condition)
    stored = encode(arrays, data.bounded)
    conditions = {"condition": condition.numpy()} if condition is not None and run.recipe.task.columns else {}
    last = parzen.score(decode(stored, "samples"), data, device)
    best = parzen.score(decode(stored, "best_samples"), data, device) if better else last
    fine = parzen.score(decode(stored, "samples"), data, device, parzen.FINE_GRID)
    scored = {"last": {"epoch": run.epoch} | last.summary(), "fine": {"epoch": run.epoch} | fine.summary()}
    if run.best_epoch:
        scored["best"] = {"epoch": run.best_epoch} | best.summary()
    ll: dict[str, NDArray[Any]] = {"best_ll": best.ll, "best_sigma": best.sigma} if better else {}
    meta = {
        "dataset": {
            "name": data.name, "label": data.label, "stand_in_for": data.stand_in_for, "fold": data.fold_index,
            "training_examples": len(data.training), "sha256": data.sha256,
        },
        "profile": profile, "recipe": run.recipe.to_dict(), "seed": run.seed, "epochs": run.epoch,
        "steps": training.steps_in_all(run.recipe, len(data.training), run.epoch),
        "progress_epochs": [e for e in sorted(training.PROGRESS_EPOCHS) if e <= run.epoch],
        "stopping_rule": "last epoch; beside it the best epoch by validation Parzen score, where validation was on",
        "scores": scored,
        "training_seconds": round(float(run.curves.seconds.sum()), 3),
        "git": provenance.git(), "code": code_sha256(), "trained_by": run.codes,
        "versions": provenance.versions(), "hardware": provenance.hardware(device),
    }  # fmt: skip
    if run.restarts:
        meta["restarts"] = run.restarts
    with paths.atomic_folder(path) as unfinished:
        (unfinished / "record.json").write_text(json.dumps(meta, indent=1) + "\n")
        run.curves.to_csv(unfinished / "curves.csv", index=False, float_format="%.6g")
        write_npz(unfinished / "samples.npz", {"z": z[:64].numpy()} | stored | conditions)
        write_npz(unfinished / "ll.npz", {"ll": last.ll, "sigma": last.sigma, "fold": last.fold} | ll)
        checkpoints.save_tensors(weights, unfinished / "weights.safetensors")
    return Record(path)
