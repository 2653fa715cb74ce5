"""Checkpoints of unfinished trainings: safetensors files that appear by one rename, never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from ganrepro import paths, recipes
from ganrepro.datasets import Dataset
from ganrepro.device import plain_torch

if TYPE_CHECKING:
    from .run import Run


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
    """One safetensors file under its final name, complete or not at all; metadata as JSON."""
    with paths.atomic_file(path) as unfinished:
        contiguous = {k: t.contiguous() for k, t in tensors.items()}
        save_tensors(contiguous, unfinished, {"ganrepro": json.dumps(metadata)})


def save_tensors(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """safetensors' `save_file`. Raises OSError, naming the folder, where it cannot be written, as on a full disk."""
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        raise OSError(f"weights cannot be written to {path.parent} ({error}); free some space, then run it again, or "
                      "set GANREPRO_RUNS to another folder") from error  # fmt: skip


def read_metadata(path: Path) -> dict[str, Any]:
    """What `write` was given as metadata. Raises ValueError for a file that is damaged or of another make."""
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {})["ganrepro"])
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged or no checkpoint ({error}); delete it to start afresh") from error


def fingerprint(run: Run, data: Dataset) -> dict[str, Any]:
    """What must agree for a training to go on from a checkpoint: all of the recipe but its length, and the data."""
    described = {"name": data.name, "fold": data.fold_index, "examples": len(data.training), "sha256": data.sha256}
    return {"recipe": run.recipe.to_dict(), "data": described, "seed": run.seed, "device": run.rng.device.type}


@plain_torch
def save(path: Path, run: Run, data: Dataset) -> None:
    """Everything `load` needs to go on to the same bits."""
    tensors = {"rng": run.rng.get_state()}
    for who, player in (("generator", run.g), ("discriminator", run.d)):
        tensors |= {f"{who}.{k}": t for k, t in player.state().items()}
    if run.progress:
        tensors["progress"] = torch.stack(run.progress)
    tensors |= {f"best.{k}": p for k, p in run.best.items()}
    state = {"epoch": run.epoch, "batch": run.batch, "rows": run.rows, "best_epoch": run.best_epoch, "codes": run.codes,
             "restarts": run.restarts}  # fmt: skip
    write(path, tensors, fingerprint(run, data) | {"state": state})


@plain_torch
def load(path: Path, run: Run, data: Dataset) -> None:
    """Put a checkpoint's state into a run that was just started. Raises ValueError where it belongs to another recipe,
    data set, seed or kind of device, or is damaged."""
    there = read_metadata(path)
    if isinstance(there.get("recipe"), dict):  # in today's form, at this run's length
        there["recipe"] = recipes.Recipe.from_dict(there["recipe"] | {"epochs": run.recipe.epochs}).to_dict()
    for key, expected in json.loads(json.dumps(fingerprint(run, data))).items():
        if there.get(key) != expected:
            raise ValueError(f"{path} was made with another {key}: {_difference(there.get(key), expected)}. Delete it, "
                             "or train without resume, to start afresh")  # fmt: skip
    state = there["state"]
    if (stage := run.recipe.second_stage) is not None and state["epoch"] > stage.after:
        run.begin_stage(stage.after + 1)
    tensors = load_file(path)
    with torch.no_grad():
        for who, player in (("generator", run.g), ("discriminator", run.d)):
            for k, t in player.state().items():
                t.copy_(tensors[f"{who}.{k}"])
    run.rng.set_state(tensors["rng"])
    run.epoch, run.batch, run.rows = state["epoch"], state["batch"], state["rows"]
    run.progress = list(tensors["progress"]) if "progress" in tensors else []
    run.best_epoch, run.codes = state["best_epoch"], state.get("codes", ["earlier code, not kept"])
    run.restarts = state.get("restarts", [])
    run.best = {k.removeprefix("best."): p for k, p in tensors.items() if k.startswith("best.")}


def _difference(found: Any, expected: Any) -> str:
    """The entries in which two fingerprints differ, for the message."""
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [k for k in expected | found if found.get(k) != expected.get(k)]
        return "; ".join(f"{k} is {found.get(k)!r} there and {expected.get(k)!r} here" for k in keys)
    return f"{found!r} there and {expected!r} here"
