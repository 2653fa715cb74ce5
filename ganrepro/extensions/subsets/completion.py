"""Completions of hidden pixels: by G, several of each picture, and by two fills that learn nothing.

A record's completions are stored beside it as `completions.npz`, to be scored where its weights are not (fills.py).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from ganrepro import networks, paths
from ganrepro.datasets import Dataset
from ganrepro.device import plain_torch
from ganrepro.parzen import controls
from ganrepro.records import Record, write_npz
from ganrepro.training import tasks

from .fills import Distances, measure
from .masks import Shape, check_mask, masks

PICTURES, FILLS = 150, 64  # evaluated of each split, and fills of each picture
SHOWN = 40, 8  # pictures whose fills are stored, and how many of each
SPLITS, FILE = ("valid", "test"), "completions.npz"
HIDDEN_COLOUR = (0.60, 0.77, 0.92)  # of hidden pixels


@dataclass(frozen=True)
class Evidence:
    """The completions of one G, by the name of their mask."""

    masks: dict[str, Tensor]  # (d,)
    distances: dict[str, dict[str, Distances]]  # by mask and split
    fills: dict[str, Tensor]  # (*SHOWN, h): the first fills of the first test pictures, in 256 grey levels
    stored: bool  # read from a file rather than made now


@plain_torch
def complete(generator: torch.nn.Module, x: Tensor, mask: Tensor, m: int = FILLS, seed: int = 0) -> Tensor:
    """(n, m, d) float32: pictures x (n, d) completed m times each, every time from fresh z; observed pixels as they
    are. mask (d,). Raises ValueError as `check_mask`, and where x does not fit."""
    assert isinstance(generator, networks.Generator)
    recipe, mask = generator.recipe, check_mask(mask, generator.recipe.shape)
    if x.ndim != 2 or x.shape[1] != recipe.dim:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected (n, {recipe.dim})")
    rows = x.repeat_interleave(m, 0)
    condition = tasks.observe(mask.expand_as(rows), rows)
    return networks.generate(generator, networks.noise(recipe, len(rows), seed), condition).view(len(x), m, -1)


@plain_torch
def mean_fill(x: Tensor, mask: Tensor, train: Tensor) -> Tensor:
    """(n, 1, h): the mean of the training pictures (N, d), whatever x (n, d) shows."""
    return controls.mean_image(train)[:, mask == 0].expand(len(x), 1, -1)


def nearest_fill(x: Tensor, mask: Tensor, train: Tensor, k: int = FILLS) -> Tensor:
    """(n, k, h): hidden pixels of the k training pictures (N, d) nearest to x (n, d) in the observed ones, in order."""
    seen = mask == 1
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(train[:, seen].numpy())
    index = torch.from_numpy(search.kneighbors(x[:, seen].numpy(), return_distance=False))
    return train[:, ~seen][index]


def paste(x: Tensor, mask: Tensor, fills: Tensor) -> Tensor:
    """(n, m, d): fills (n, m, h) put into the pictures x (n, d)."""
    whole = x[:, None].repeat(1, fills.shape[1], 1)
    whole[:, :, mask == 0] = fills
    return whole


@plain_torch
def coloured(x: Tensor, shape: Shape, hidden: Tensor | None = None) -> Tensor:
    """(..., 3 h w): pictures (..., d) in three channels; with a mask (d,), what it hides in HIDDEN_COLOUR."""
    _, h, w = shape
    colour = torch.tensor(HIDDEN_COLOUR)[:, None].expand(3, h * w)
    rgb = x.unflatten(-1, (-1, h * w)).expand(*x.shape[:-1], 3, h * w)
    seen = torch.ones(h * w) if hidden is None else hidden[: h * w]
    return torch.where(seen == 1, rgb, colour).flatten(-2)


def evidence(record: Record, data: Dataset, pictures: int = PICTURES) -> Evidence | None:
    """The completions of the first valid and test pictures by a record's G: as stored beside it, or else made now from
    its weights. None where it has neither."""
    return read(record) or (gather(record.generator(), data, pictures) if record.has_weights else None)


@plain_torch
def gather(generator: torch.nn.Module, data: Dataset, pictures: int = PICTURES, m: int = FILLS) -> Evidence:
    """G's completions under the fixed masks, rounded to grey levels."""
    found = Evidence(masks(data.shape), {}, {}, stored=False)
    for name, mask in found.masks.items():
        found.distances[name] = {}
        for split in SPLITS:  # test comes last: its fills are kept
            x, hidden = getattr(data, split)[:pictures], mask == 0
            fills = complete(generator, x, mask, m)[:, :, hidden].mul(255).round().div(255)
            found.distances[name][split] = measure(fills, x[:, hidden])
        found.fills[name] = fills[: SHOWN[0], : SHOWN[1]].clone()
    return found


@plain_torch
def write(record: Record, data: Dataset, pictures: int = PICTURES, m: int = FILLS) -> Path:
    """Put `completions.npz` into the folder of a record that has its weights, whole or not at all."""
    found = gather(record.generator(), data, pictures, m)
    arrays: dict[str, NDArray] = {"names": np.array(list(found.masks))}
    for i, (name, mask) in enumerate(found.masks.items()):
        arrays |= {f"mask{i}": mask.byte().numpy(), f"fills{i}": found.fills[name].mul(255).round().byte().numpy()}
        for split, d in found.distances[name].items():
            arrays |= {f"{split}{i}": d.truth.astype(np.float32), f"{split}_pairwise{i}": d.pairwise.astype(np.float32)}
    with paths.atomic_file(record.path / FILE) as unfinished:
        write_npz(unfinished, arrays)
    return record.path / FILE


@plain_torch
def read(record: Record) -> Evidence | None:
    """The content of `completions.npz`, distances to float32; None if there is no such file. Raises ValueError for a
    damaged one."""
    if not (record.path / FILE).is_file():
        return None
    stored, found = record.read_npz(FILE, "names"), Evidence({}, {}, {}, stored=True)
    for i, name in enumerate(map(str, stored["names"])):
        found.masks[name] = torch.from_numpy(stored[f"mask{i}"]).float()
        found.fills[name] = torch.from_numpy(stored[f"fills{i}"]).float() / 255
        found.distances[name] = {}
        for split in SPLITS:
            truth, pairwise = (stored[f"{split}{end}{i}"].astype(np.float64) for end in ("", "_pairwise"))
            found.distances[name][split] = Distances(truth, pairwise, hidden=found.fills[name].shape[2])
    return found
