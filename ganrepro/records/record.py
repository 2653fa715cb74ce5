"""One run record: a folder with record.json, curves.csv, samples.npz, ll.npz and weights.safetensors. record.json
holds the SHA-256 of each of the others, and its own."""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load

from ganrepro import networks, paths
from ganrepro.datasets import npz
from ganrepro.device import plain_torch
from ganrepro.recipes import Recipe

STORED_SAMPLES = 10_000  # as many as the score takes
NEEDED = {"recipe": dict, "profile": str, "seed": int, "epochs": int, "dataset": dict, "scores": dict}  # in record.json


@dataclass(frozen=True)
class Record:
    """One training's evidence, read from its folder as it is asked for."""

    path: Path

    @cached_property
    def meta(self) -> dict[str, Any]:
        """record.json: recipe, seed, provenance, label, epochs done, stopping rule, scores. Raises ValueError, as all
        that is read here does, for a file that is missing, damaged, or not the one that record.json means."""
        file = self.path / "record.json"
        try:
            text = file.read_bytes().decode()
            found = json.loads(text)
        except (OSError, ValueError, RecursionError) as error:
            raise _damaged(file, error) from error
        if type(found) is not dict or (lacking := [k for k, kind in NEEDED.items() if type(found.get(k)) is not kind]):
            raise _damaged(file, f"it holds no {lacking[0]}" if type(found) is dict else "it is no JSON object")
        if found.keys() & {"files", "record_sha256"} and found.get("record_sha256") != _own_sha256(text, found):
            raise _damaged(file, "its SHA-256 is not the one that it holds")
        return found

    @property
    def is_sealed(self) -> bool:
        """Whether record.json holds the SHA-256 of every file; records of earlier versions do not."""
        return "files" in self.meta

    def read_file(self, name: str) -> bytes:
        """The content of one of its files, as record.json knows it."""
        expected = self.meta.get("files", {}).get(name)
        for _ in range(3):  # another record may take this one's place meanwhile
            try:
                content = (self.path / name).read_bytes()
            except OSError as error:
                raise _damaged(self.path / name, error) from error
            if expected is None or hashlib.sha256(content).hexdigest() == expected:
                return content
            if Record(self.path).meta != self.meta:
                raise ValueError(f"the record {self.path} was replaced by another while it was read; read it again")
        raise _damaged(self.path / name, "its SHA-256 is not the one in record.json")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row an epoch; the columns of `training.CURVES`."""
        try:
            return pd.read_csv(io.BytesIO(self.read_file("curves.csv")))
        except (ValueError, UnicodeError, MemoryError) as error:
            raise _damaged(self.path / "curves.csv", error) from error

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """samples.npz as it is stored: uint8 samples and progress, z, and lo and hi where samples are unbounded."""
        return self.read_npz("samples.npz", "samples", "z", "progress")

    @cached_property
    def scored(self) -> dict[str, NDArray[Any]]:
        """ll.npz as it is stored: log-likelihoods, sigma and fold, and those of the other epoch."""
        return self.read_npz("ll.npz", "ll", "sigma")

    def read_npz(self, name: str, *needed: str) -> dict[str, NDArray[Any]]:
        """All arrays of one of its .npz files, which must hold the needed ones."""
        content = self.read_file(name)
        try:
            return npz.read(content, name, needed, optional=None)
        except ValueError as error:
            raise _damaged(self.path / name, error) from error

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
    @plain_torch
    def all_samples(self) -> NDArray[np.float32]:
        """(10,000, d), as many as its training drew: the stored ones, or where fewer are committed beside weights of G
        the same ones drawn again, to float32 rounding. Without weights the stored ones."""
        if len(self.samples) == STORED_SAMPLES or not self.has_weights:
            return self.samples
        conditions = None if self.condition is None else torch.from_numpy(self.condition)
        seed = self.meta["seed"]
        return networks.sample(self.generator(), self.recipe, STORED_SAMPLES, seed, conditions)[0].numpy()

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
        return self.scored["ll"]

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
        """Whether G's weights are here: of committed records those of MNIST seed 0 and of some small nets are."""
        return (self.path / "weights.safetensors").is_file()

    @plain_torch
    def generator(self) -> networks.Generator:
        """G with the record's weights, in eval mode on the CPU."""
        return self._player(networks.Generator)

    @plain_torch
    def discriminator(self) -> networks.Discriminator:
        """D with the record's weights, in eval mode on the CPU. Raises FileNotFoundError where G's alone are stored."""
        return self._player(networks.Discriminator)

    def _player(self, player: type[networks.Player]) -> networks.Player:
        weights = self.weights() if player is networks.Generator else self.both_players()
        try:
            return networks.with_weights(player, self.recipe.at(self.kept_epoch), weights)
        except RuntimeError as error:  # torch's, of names or shapes
            raise _damaged(self.path / "weights.safetensors", str(error).splitlines()[-1].strip()) from error

    @plain_torch
    def weights(self) -> dict[str, torch.Tensor]:
        """Parameters as they are stored, named generator.* and discriminator.*; committed small nets have G's alone."""
        file = self.path / "weights.safetensors"
        if not self.has_weights:
            raise FileNotFoundError(f"{file} is not there: weights are committed for few records; train this one")
        content = self.read_file(file.name)
        try:
            return load(content)
        except Exception as error:  # safetensors raises several types on a damaged file
            raise _damaged(file, error) from error

    @property
    def has_both_players(self) -> bool:
        """Whether D's weights are here, too."""
        return self.has_weights and any(name.startswith("discriminator.") for name in self.weights())

    def both_players(self) -> dict[str, torch.Tensor]:
        """As `weights`. Raises FileNotFoundError where G's alone are stored."""
        weights = self.weights()
        if not self.has_both_players:
            reason = "has the weights of G alone; only a training from the beginning has those of D"
            raise FileNotFoundError(f"{self.path} {reason}")
        return weights


def seal(folder: Path, meta: dict[str, Any]) -> None:
    """Write record.json: `meta`, the SHA-256 of each other file in the folder, and its own."""
    files = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("[!.]*")) if p.is_file()}
    files.pop("record.json", None)
    text = json.dumps(meta | {"files": files, "record_sha256": "0" * 64}, indent=1) + "\n"
    own = hashlib.sha256(text.encode()).hexdigest()
    with paths.atomic_file(folder / "record.json") as unfinished:
        unfinished.write_text(text.replace("0" * 64, own))


def _own_sha256(text: str, meta: dict[str, Any]) -> str:
    """The SHA-256 of record.json, of which zeros stand in its own place."""
    return hashlib.sha256(text.replace(str(meta.get("record_sha256")), "0" * 64).encode()).hexdigest()


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


def _damaged(path: Path, error: Exception | str) -> ValueError:
    return ValueError(f"{path} is missing or damaged ({error}); restore it, or train the record anew, with its folder "
                      "moved away")  # fmt: skip
