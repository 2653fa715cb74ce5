"""Section 7, 3: all conditionals p(x_S | x_rest) by one family with shared parameters, here one G told a mask.

The recipe `subsets` trains it (conditions.py). This room fills hidden pixels in: by G, several times each, and by two
fills that learn nothing; and keeps what a record's G filled in as `completions.npz` beside it, so that it can be judged
where the weights are not. How fills are judged is in fills.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from ganrepro import baselines, conditions, networks, paths
from ganrepro.datasets import Dataset
from ganrepro.extensions.fills import Distances, measure
from ganrepro.record import Record, read_npz, write_npz

PICTURES, FILLS = 150, 64  # judged of each split, and fills of each picture
SHOWN = 40, 8  # pictures whose fills are stored, and how many of each
SPLITS = ("valid", "test")
FILE = "completions.npz"
VEIL = (0.60, 0.77, 0.92)  # the colour of what is hidden
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Evidence:
    """What one G filled in: masks by name (d,), the distances of its fills by mask and split, and of the first test
    pictures the first fills themselves (*SHOWN, h), to a grey level. stored: whether they were read, not made now."""

    masks: dict[str, Tensor]
    distances: dict[str, dict[str, Distances]]
    fills: dict[str, Tensor]
    stored: bool


def masks(shape: Shape) -> dict[str, Tensor]:
    """The fixed masks (d,) of 0 and 1, 1 where a pixel is observed, named by what is hidden."""
    c, h, w = shape
    row, column = torch.arange(h)[:, None].expand(h, w), torch.arange(w).expand(h, w)
    few = torch.rand(h, w, generator=torch.Generator().manual_seed(0)) < 0.25
    planes = {
        "right half": column < w // 2, "left half": column >= w // 2, "bottom half": row < h // 2,
        "top half": row >= h // 2, "3 of 4 pixels": few,
    }  # fmt: skip
    found = {name: check_mask(plane, shape) for name, plane in planes.items()}
    return found | {"middle": rectangle(shape, 0.25, 0.25, 0.5, 0.5)}


def rectangle(shape: Shape, top: float, left: float, height: float, width: float) -> Tensor:
    """(d,): all but a rectangle observed. Its place and size are shares of the picture's, cut off at the edge."""
    c, h, w = shape
    mask = torch.ones(h, w)
    mask[round(top * h) : round((top + height) * h), round(left * w) : round((left + width) * w)] = 0
    return check_mask(mask, shape)


def check_mask(mask: Tensor, shape: Shape) -> Tensor:
    """A mask as float32 (d,): 1 where a pixel is observed. (h, w) is taken for all channels.

    Raises ValueError for another shape, values that are not 0 or 1, and a mask that hides all or nothing.
    """
    c, h, w = shape
    if tuple(mask.shape) not in ((h, w), (c * h * w,)):
        raise ValueError(f"mask has shape {tuple(mask.shape)}; expected ({h}, {w}) or ({c * h * w},)")
    flat = (mask.expand(c, h, w).reshape(-1) if mask.ndim == 2 else mask).float()
    if not ((flat == 0) | (flat == 1)).all():
        raise ValueError("mask holds values other than 0 and 1; 1 is an observed pixel, 0 a hidden one")
    if not flat.any():
        raise ValueError("mask is empty: no pixel is observed; set some to 1, or draw samples instead")
    if flat.all():
        raise ValueError("mask is full: every pixel is observed and nothing is to be filled in; set some to 0")
    return flat


def read_mask(path: str | Path, shape: Shape) -> Tensor:
    """A mask (d,) from an .npy of shape (h, w). Raises ValueError for what is no such file, and as `check_mask`."""
    try:
        array = np.asarray(np.load(path, allow_pickle=False), dtype=np.float32)
    except (OSError, EOFError, TypeError, ValueError) as error:
        raise ValueError(f"mask = {str(path)!r} cannot be read as an .npy of numbers ({error})") from error
    return check_mask(torch.from_numpy(array), shape)


def complete(generator: torch.nn.Module, x: Tensor, mask: Tensor, m: int = FILLS, seed: int = 0) -> Tensor:
    """(n, m, d) float32: pictures x (n, d) completed m times each, every time from fresh z; observed pixels as they
    are. mask (d,). Raises ValueError as `check_mask`, and where x does not fit."""
    assert isinstance(generator, networks.Generator)
    recipe = generator.recipe
    mask = check_mask(mask, recipe.shape)
    if x.ndim != 2 or x.shape[1] != recipe.dim:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected (n, {recipe.dim})")
    rows = x.repeat_interleave(m, 0)
    told = conditions.observe(mask.expand_as(rows), rows)
    return networks.generate(generator, networks.noise(recipe, len(rows), seed), told).view(len(x), m, -1)


def mean_fill(x: Tensor, mask: Tensor, train: Tensor) -> Tensor:
    """(n, 1, h): the mean of the training pictures (N, d), whatever x (n, d) shows."""
    return baselines.mean_image(train)[:, mask == 0].expand(len(x), 1, -1)


def nearest_fill(x: Tensor, mask: Tensor, train: Tensor, k: int = FILLS) -> Tensor:
    """(n, k, h): the hidden pixels of the k training pictures (N, d) nearest to x (n, d) in the observed ones, nearest
    first."""
    seen = mask == 1
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(train[:, seen].numpy())
    index = torch.from_numpy(search.kneighbors(x[:, seen].numpy(), return_distance=False))
    return train[:, ~seen][index]


def paste(x: Tensor, mask: Tensor, fills: Tensor) -> Tensor:
    """(n, m, d): fills (n, m, h) put into the pictures x (n, d)."""
    whole = x[:, None].repeat(1, fills.shape[1], 1)
    whole[:, :, mask == 0] = fills
    return whole


def coloured(x: Tensor, shape: Shape, hidden: Tensor | None = None) -> Tensor:
    """(..., 3 h w): pictures (..., d) in three channels; with a mask (d,), what it hides in the colour VEIL."""
    _, h, w = shape
    veil = torch.tensor(VEIL)[:, None].expand(3, h * w)
    rgb = x.unflatten(-1, (-1, h * w)).expand(*x.shape[:-1], 3, h * w)
    seen = torch.ones(h * w) if hidden is None else hidden[: h * w]
    return torch.where(seen == 1, rgb, veil).flatten(-2)


def evidence(record: Record, data: Dataset, pictures: int = PICTURES) -> Evidence | None:
    """What a record's G filled in of the first valid and test pictures: as stored beside it, else made from its weights
    now. None where it has neither."""
    if found := read(record):
        return found
    return gather(record.generator(), data, pictures) if record.has_weights else None


def gather(generator: torch.nn.Module, data: Dataset, pictures: int = PICTURES, m: int = FILLS) -> Evidence:
    """What G fills in under the fixed masks, rounded to grey levels."""
    every = masks(data.shape)
    distances: dict[str, dict[str, Distances]] = {name: {} for name in every}
    fills = {}
    for name, mask in every.items():
        for split in SPLITS:  # test comes last: its fills are kept
            x, hidden = getattr(data, split)[:pictures], mask == 0
            made = complete(generator, x, mask, m)[:, :, hidden].mul(255).round().div(255)
            distances[name][split] = measure(made, x[:, hidden])
        fills[name] = made[: SHOWN[0], : SHOWN[1]].clone()
    return Evidence(every, distances, fills, stored=False)


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


def read(record: Record) -> Evidence | None:
    """What `write` stored beside a record, its distances to float32; None where nothing is. Raises as `read_npz`."""
    if not (record.path / FILE).is_file():
        return None
    stored = read_npz(record.path / FILE, {"names"})
    every, distances, fills = {}, {}, {}
    for i, name in enumerate(map(str, stored["names"])):
        every[name] = torch.from_numpy(stored[f"mask{i}"]).float()
        fills[name] = torch.from_numpy(stored[f"fills{i}"]).float() / 255
        hidden = fills[name].shape[2]
        truth, pairwise = ({s: stored[f"{s}{end}{i}"].astype(np.float64) for s in SPLITS} for end in ("", "_pairwise"))
        distances[name] = {s: Distances(truth[s], pairwise[s], hidden) for s in SPLITS}
    return Evidence(every, distances, fills, stored=True)
