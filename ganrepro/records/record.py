"""One run record: a folder with record.json, curves.csv, samples.npz, ll.npz and weights.safetensors."""

import json
import lzma
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from ganrepro import networks
from ganrepro.device import plain_torch
from ganrepro.recipes import Recipe


@dataclass(frozen=True)
class Record:
    """One training's evidence, read from its folder as it is asked for."""

    path: Path

    @cached_property
    def meta(self) -> dict[str, Any]:
        """record.json: recipe, seed, provenance, label, epochs done, stopping rule, scores."""
        file = self.path / "record.json"
        try:
            return json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise _damaged(file, error) from error

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row an epoch; the columns of `training.CURVES`."""
        return pd.read_csv(self.path / "curves.csv")

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """samples.npz as it is stored: uint8 samples and progress, z, and lo and hi where samples are unbounded."""
        return read_npz(self.path / "samples.npz", {"samples", "z", "progress"})

    @property
    def kept(self) -> str:
        """Which epoch the samples, `ll` and weights are of: the "last", or the "best" by validation score."""
        return self.meta.get("kept", "last")

    @property
    def kept_epoch(self) -> int:
        """That epoch's number."""
        return self.meta["scores"][self.kept]["epoch"]

    @property
    def length(self) -> str:
        """How long it was trained, in words: "72 epochs", or "epoch 60 of 72, the best on validation"."""
        epochs = self.meta["epochs"]
        if self.kept == "best":
            return f"epoch {self.kept_epoch} of {epochs}, the best on validation"
        return f"{epochs} epoch" + "s" * (epochs > 1)

    @property
    def samples(self) -> NDArray[np.float32]:
        """(n, d) float32 in data space, as they are stored: uint8 / 255, or lo + (hi - lo) uint8 / 255."""
        return decode(self.arrays, "samples")

    @property
    def progress(self) -> NDArray[np.float32]:
        """(k, 100, d): the same 100 points of z at `meta["progress_epochs"]`."""
        return decode(self.arrays, "progress")

    @property
    def best_samples(self) -> NDArray[np.float32]:
        """(n, d) of the best epoch by validation score: `samples` itself where that is the kept one.

        Raises FileNotFoundError for a committed record that keeps that epoch's scores alone.
        """
        if "best_samples" in self.arrays:
            return decode(self.arrays, "best_samples")
        if self.meta["scores"].get("best", {"epoch": self.kept_epoch})["epoch"] != self.kept_epoch:
            raise FileNotFoundError(f"{self.path} keeps the scores of its best epoch, not its samples; train this one")
        return self.samples

    @property
    def condition(self) -> NDArray[np.float32] | None:
        """(n, c): the condition of each sample, where the task has one."""
        return self.arrays.get("condition")

    @property
    def z(self) -> NDArray[np.float32]:
        """(64, z_dim): the noise of the first 64 samples."""
        return self.arrays["z"]

    @property
    def ll(self) -> NDArray[np.float64]:
        """Log-likelihood of every test example in nats, fold after fold where there are folds."""
        return read_npz(self.path / "ll.npz", {"ll", "sigma"})["ll"]

    @property
    def label(self) -> str:
        """The data set's label; a stand-in's says so."""
        return self.meta["dataset"]["label"]

    @property
    def title(self) -> str:
        """The training in words: "recipe conditional on MNIST, quick profile, seed 0"."""
        return f"recipe {self.recipe.name} on {self.label}, {self.meta['profile']} profile, seed {self.meta['seed']}"

    @property
    def recipe(self) -> Recipe:
        """The recipe as it was trained."""
        return Recipe.from_dict(self.meta["recipe"])

    @property
    def restarts(self) -> list[int]:
        """The epochs after which it was started again from stored weights (`restarts` in record.json)."""
        return [again["epoch"] for again in self.meta.get("restarts", [])]

    @property
    def has_weights(self) -> bool:
        """Whether its weights are here: of committed records MNIST seed 0 alone has them."""
        return (self.path / "weights.safetensors").is_file()

    @plain_torch
    def generator(self) -> networks.Generator:
        """G with the record's weights, in eval mode on the CPU."""
        return networks.with_weights(networks.Generator, self.recipe.at(self.kept_epoch), self.weights())

    @plain_torch
    def discriminator(self) -> networks.Discriminator:
        """D with the record's weights, in eval mode on the CPU."""
        return networks.with_weights(networks.Discriminator, self.recipe.at(self.kept_epoch), self.weights())

    @plain_torch
    def weights(self) -> dict[str, torch.Tensor]:
        """Parameters of both players as they are stored, named generator.* and discriminator.*"""
        file = self.path / "weights.safetensors"
        if not self.has_weights:
            raise FileNotFoundError(f"{file} is not there: weights are committed for MNIST seed 0 only; train this one")
        try:
            return load_file(file)
        except SafetensorError as error:
            raise _damaged(file, error) from error


def compact(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights as a record stores them: float16, half the size; float32 where one lies beyond float16's range."""
    return {name: half if (half := p.half()).isfinite().all() else p for name, p in weights.items()}


def encode(arrays: dict[str, torch.Tensor], bounded: bool) -> dict[str, NDArray[Any]]:
    """uint8 of arrays in [0, 1]; of unbounded ones too, with lo and hi of the affine map that brings them back.

    `progress` has a map of its own: it begins with an untrained G, whose range would leave the rest few of the levels.
    """
    if bounded:
        return {k: _levels(a, 0.0, 1.0) for k, a in arrays.items()}
    parts = {"": {k: a for k, a in arrays.items() if k != "progress"}}  # by the prefix of lo and hi
    if "progress" in arrays:
        parts["progress_"] = {"progress": arrays["progress"]}
    stored: dict[str, NDArray[Any]] = {}
    for prefix, part in parts.items():
        lo, hi = min(float(a.min()) for a in part.values()), max(float(a.max()) for a in part.values())
        stored |= {k: _levels(a, lo, hi) for k, a in part.items()}
        stored |= {f"{prefix}lo": np.array(lo, np.float32), f"{prefix}hi": np.array(hi, np.float32)}
    return stored


def decode(stored: dict[str, NDArray[Any]], key: str) -> NDArray[np.float32]:
    """What `encode` was given, to within its rounding: (…, d) float32 in data space."""
    unit: NDArray[np.float32] = stored[key].astype(np.float32) / np.float32(255)
    prefix = f"{key}_" if f"{key}_lo" in stored else ""
    lo, hi = stored.get(f"{prefix}lo"), stored.get(f"{prefix}hi")
    return unit if lo is None or hi is None else lo + (hi - lo) * unit


def _levels(a: torch.Tensor, lo: float, hi: float) -> NDArray[np.uint8]:
    return ((a - lo) / (hi - lo)).mul(255).round().to(torch.uint8).numpy()


def write_npz(path: Path, arrays: dict[str, NDArray[Any]], compression: int = zipfile.ZIP_DEFLATED) -> None:
    """An .npz for `numpy.load`. Committed ones are compressed by LZMA, which is slower and saves a seventh."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, array in arrays.items():
            with file.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} is missing or damaged ({error}); restore it, or train the record anew")


def read_npz(path: Path, expected: set[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a record's .npz. Raises ValueError, naming it, where it is damaged or lacks an expected one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, error) from error
    if missing := sorted(expected - set(arrays)):
        raise ValueError(f"{path} lacks {', '.join(missing)}; restore it, or train the record anew")
    return arrays
