"""Checkpoints of unfinished trainings: safetensors files that appear by one rename, never a pickle, with a checksum."""

import hashlib
import json
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize

from ganrepro import paths, recipes
from ganrepro.datasets import Dataset
from ganrepro.device import plain_torch
from ganrepro.progress import say

from .run import PROGRESS, Run

Number = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config={"strict": True})
class State:
    """What a checkpoint holds of a run beside its tensors."""

    epoch: Number
    batch: Number
    rows: list[dict[str, int | float]]
    best_epoch: Number
    codes: list[str] = field(default_factory=lambda: ["earlier code, not kept"])
    restarts: list[dict[str, Any]] = field(default_factory=list)


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
    """One safetensors file under its final name, complete or not at all; metadata as JSON, and the SHA-256 of both."""
    with paths.atomic_file(path) as unfinished:
        contiguous, text = {k: t.cpu().contiguous() for k, t in tensors.items()}, json.dumps(metadata)
        save_tensors(contiguous, unfinished, {"ganrepro": text, "sha256": _sha256(text, contiguous)})


def _sha256(text: str, tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_tensors(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """One safetensors file. Raises OSError, naming the folder, where it cannot be written, as on a full disk."""
    try:
        path.write_bytes(serialize(tensors, metadata))  # `save_file`, when killed, leaves a file of its own
    except OSError as error:
        reason = f"weights cannot be written to {path.parent}: {error.strerror or error}"
        raise (OSError(error.errno, reason) if error.errno else OSError(reason)) from error


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What `write` was given. Raises ValueError for a file that is damaged or of another make. One of an earlier
    version has no SHA-256, which a line says: of its damage only the grossest is noticed."""
    try:
        with safe_open(path, framework="pt") as file:
            stored = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = json.loads(text := stored.pop("ganrepro"))
    except (SafetensorError, KeyError, ValueError, RecursionError, OSError) as error:
        raise damaged(path, error) from error
    if not stored:
        say(f"{path} has no checksum, since an earlier version wrote it: not all damage to it would be noticed")
    elif stored != {"sha256": _sha256(text, tensors)}:
        raise damaged(path, "its SHA-256 is not the one that it holds")
    if type(metadata) is not dict:
        raise damaged(path, "its metadata are no JSON object")
    return tensors, metadata


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata alone; raises as `read`."""
    return read(path)[1]


def damaged(path: Path, why: Exception | str) -> ValueError:
    return ValueError(f"{path} is damaged or no checkpoint ({why}); delete it to start afresh")


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
    tensors, there = read(path)
    if isinstance(there.get("recipe"), dict):  # in today's form, at this run's length
        try:
            there["recipe"] = recipes.Recipe.from_dict(there["recipe"] | {"epochs": run.recipe.epochs}).to_dict()
        except ValueError as error:
            raise damaged(path, "its recipe is none") from error
    for key, expected in json.loads(json.dumps(fingerprint(run, data))).items():
        if there.get(key) != expected:
            raise ValueError(f"{path} was made with another {key}: {_difference(there.get(key), expected)}. Delete it, "
                             "or train without resume, to start afresh")  # fmt: skip
    try:
        state = State(**there["state"])
    except ValidationError as error:
        raise damaged(path, "its state: {loc}: {msg}".format(**error.errors()[0])) from error
    except (KeyError, TypeError) as error:
        raise damaged(path, "it holds no state") from error
    if [row.get("epoch") for row in state.rows] != list(range(1, state.epoch + 1)) or state.best_epoch > state.epoch:
        raise damaged(path, f"it has {len(state.rows)} rows of curves for {state.epoch} epochs")
    if (stage := run.recipe.second_stage) is not None and state.epoch > stage.after:
        run.begin_stage(stage.after + 1)
    own = {f"{who}.{k}": t for who, player in (("generator", run.g), ("discriminator", run.d))
           for k, t in player.state().items()}  # fmt: skip
    best = {f"best.{k}": t for k, t in run.weights().items()} if state.best_epoch else {}
    if "progress" in tensors and tensors["progress"].shape[1:] != (PROGRESS, run.recipe.dim):
        raise damaged(path, f"its samples of progress have the shape {tuple(tensors['progress'].shape)}")
    for k, t in (own | best).items():
        if k not in tensors or tensors[k].shape != t.shape:
            raise damaged(path, f"its tensor {k} is missing or of another shape")
        if not tensors[k].isfinite().all():
            raise damaged(path, f"its tensor {k} holds numbers that are not finite")
    with torch.no_grad():
        for k, t in own.items():
            t.copy_(tensors[k])
    try:
        run.rng.set_state(tensors["rng"])
    except (KeyError, RuntimeError, TypeError) as error:
        raise damaged(path, "it holds no state of the random numbers") from error
    run.epoch, run.batch, run.rows = state.epoch, state.batch, state.rows
    run.progress = list(tensors["progress"]) if "progress" in tensors else []
    run.best_epoch, run.codes, run.restarts = state.best_epoch, state.codes, state.restarts
    run.best = {k: tensors[f"best.{k}"] for k in run.weights()} if state.best_epoch else {}


def _difference(found: Any, expected: Any) -> str:
    """The entries in which two fingerprints differ, for the message."""
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [k for k in expected | found if found.get(k) != expected.get(k)]
        return "; ".join(f"{k} is {found.get(k)!r} there and {expected.get(k)!r} here" for k in keys)
    return f"{found!r} there and {expected!r} here"
