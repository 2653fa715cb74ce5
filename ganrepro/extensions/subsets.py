"""Section 7, 3: all conditionals p(x_S | x_rest) by one family with shared parameters, here one G told a mask.

The recipe `subsets` trains it (conditions.py). This room fills hidden pixels in: by G, several times each, and by two
fills that learn nothing; measures each against the truth and its own other fills; and keeps what a record's G filled
in as `completions.npz` beside it, so that it can be judged where the weights are not.
Fills are (n, m, h): m of them for each of n pictures, h hidden pixels (channels counted), in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from ganrepro import baselines, conditions, networks, parzen, paths
from ganrepro.datasets import Dataset
from ganrepro.record import Record

PICTURES, FILLS, SHOWN = 1000, 8, 40  # judged of each split, fills of each picture, pictures kept as pictures
SPLITS = ("valid", "test")
WIDTHS: NDArray[np.float64] = np.geomspace(0.02, 2, 81)  # the grid of sigma: fine, since a window here has few centres
FILE = "completions.npz"
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Distances:
    """How far fills lie from the truth and from each other, in squared L2 over the hidden pixels; float64.

    truth (n, m): of each fill from what was hidden; pairwise (n,): the mean over pairs of fills of one picture, 0 where
    there is but one; hidden: the number h.
    """

    truth: NDArray[np.float64]
    pairwise: NDArray[np.float64]
    hidden: int

    def first(self, n: int) -> Distances:
        """Those of the first n pictures."""
        return Distances(self.truth[:n], self.pairwise[:n], self.hidden)

    @property
    def best(self) -> NDArray[np.float64]:
        """(n,): mean squared error per pixel of the fill nearest to the truth."""
        return self.truth.min(1) / self.hidden

    @property
    def mean(self) -> NDArray[np.float64]:
        """(n,): mean squared error per pixel of the mean of the fills, |x - s̄|² = mean |x - s|² - mean |s - s̄|²."""
        m = self.truth.shape[1]
        return (self.truth.mean(1) - self.pairwise * (m - 1) / (2 * m)) / self.hidden


@dataclass(frozen=True)
class Evidence:
    """What one G filled in: masks by name (d,), Distances[mask][split], and of the first test pictures the fills."""

    masks: dict[str, Tensor]
    distances: dict[str, dict[str, Distances]]
    fills: dict[str, Tensor]  # (SHOWN, m, h), to a grey level


def masks(shape: Shape) -> dict[str, Tensor]:
    """The fixed masks (d,) of 0 and 1, 1 where a pixel is observed, named by what is hidden."""
    c, h, w = shape
    row, column = torch.arange(h)[:, None].expand(h, w), torch.arange(w).expand(h, w)
    few = torch.rand(h, w, generator=torch.Generator().manual_seed(0)) < 0.25
    planes = {
        "right half": column < w // 2, "left half": column >= w // 2, "bottom half": row < h // 2,
        "top half": row >= h // 2, "3 of 4 pixels": few,
    }  # fmt: skip
    found = {name: plane.expand(c, h, w).reshape(-1).float() for name, plane in planes.items()}
    return found | {"middle": rectangle(shape, 0.25, 0.25, 0.5, 0.5)}


def rectangle(shape: Shape, top: float, left: float, height: float, width: float) -> Tensor:
    """(d,): all but a rectangle observed. Its place and size are shares of the picture's, cut off at the edge."""
    c, h, w = shape
    mask = torch.ones(shape)
    mask[:, round(top * h) : round((top + height) * h), round(left * w) : round((left + width) * w)] = 0
    return check_mask(mask.reshape(-1), shape)


def check_mask(mask: Tensor, shape: Shape) -> Tensor:
    """A mask as float32 (d,): 1 where a pixel is observed. (h, w) is taken for all channels.

    Raises ValueError for another shape, values that are not 0 or 1, and a mask that hides all or nothing.
    """
    c, h, w = shape
    if tuple(mask.shape) not in ((h, w), (c * h * w,)):
        raise ValueError(f"mask has shape {tuple(mask.shape)}; expected ({h}, {w}) or ({c * h * w},)")
    flat = (mask.expand(c, h, w).reshape(-1) if mask.ndim == 2 else mask).float()
    if not ((flat == 0) | (flat == 1)).all():
        raise ValueError("mask holds values that are not 0 or 1; 1 is an observed pixel, 0 a hidden one")
    if flat.sum() in (0, len(flat)):
        what = "no pixel is observed: draw samples instead" if flat.sum() == 0 else "nothing is hidden"
        raise ValueError(f"mask is {'empty' if flat.sum() == 0 else 'full'}: {what}; some must be 1 and some 0")
    return flat


def read_mask(path: str | Path, shape: Shape) -> Tensor:
    """A mask (d,) from an .npy of shape (h, w). Raises ValueError for what is no such file, and as `check_mask`."""
    try:
        array = np.load(path, allow_pickle=False)
        return check_mask(torch.from_numpy(np.asarray(array, dtype=np.float32)), shape)
    except (OSError, EOFError, TypeError) as error:
        raise ValueError(f"mask = {str(path)!r} is not an .npy that can be read ({error})") from error


def complete(generator: torch.nn.Module, x: Tensor, mask: Tensor, m: int = FILLS, seed: int = 0) -> Tensor:
    """(n, m, d) float32: pictures x (n, d) completed m times each, every time from fresh z; observed pixels as they
    are. mask (d,). Raises as `check_mask`, and where x does not fit."""
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


def measure(fills: Tensor, x: Tensor, mask: Tensor) -> Distances:
    """The distances of fills (n, m, h) of pictures x (n, d)."""
    s, truth = fills.double(), x[:, mask == 0].double()
    m, spread = s.shape[1], (s - s.mean(1, keepdim=True)).square().sum((1, 2))  # sum_i<j |s_i - s_j|² = m times it
    pairwise = 2 * spread / max(1, m - 1)
    return Distances((s - truth[:, None]).square().sum(2).numpy(), pairwise.numpy(), truth.shape[1])


def log_likelihood(found: Distances, sigma: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """log p(x_hidden | x_observed) in nats of each picture, under a Parzen window on its own fills alone.

    (n,) for one sigma, (len(sigma), n) for several. As `parzen.log_likelihood`, each picture with its own samples.
    """
    sigmas = np.atleast_1d(np.asarray(sigma, dtype=np.float64))
    exponents = -found.truth / (2 * sigmas[:, None, None] ** 2)
    at_peak = math.log(found.truth.shape[1]) + found.hidden * np.log(sigmas * math.sqrt(2 * math.pi))
    ll = logsumexp(exponents, axis=2) - at_peak[:, None]
    return ll[0] if np.ndim(sigma) == 0 else ll


def evaluate(valid: Distances, test: Distances) -> parzen.ParzenResult:
    """Section 5's protocol: sigma chosen on validation pictures, score and its error over test pictures."""
    choice = parzen.highest(WIDTHS, log_likelihood(valid, WIDTHS).mean(1))
    ll = log_likelihood(test, choice.sigma)
    return parzen.ParzenResult(choice.sigma, float(ll.mean()), float(ll.std() / np.sqrt(len(ll))), ll, choice.at_edge)


def gather(generator: torch.nn.Module, data: Dataset, pictures: int = PICTURES, m: int = FILLS) -> Evidence:
    """What G fills in of the first valid and test pictures under the fixed masks, rounded to grey levels."""
    every = masks(data.shape)
    distances: dict[str, dict[str, Distances]] = {name: {} for name in every}
    fills = {}
    for name, mask in every.items():
        for split in SPLITS:  # test last: its fills are kept
            x = getattr(data, split)[:pictures]
            made = complete(generator, x, mask, m)[:, :, mask == 0].mul(255).round().div(255)
            distances[name][split] = measure(made, x, mask)
        fills[name] = made[:SHOWN].clone()
    return Evidence(every, distances, fills)


def write(record: Record, data: Dataset, pictures: int = PICTURES, m: int = FILLS) -> Path:
    """Put `completions.npz` into a record's folder, whole or not at all; the record must have its weights."""
    found = gather(record.generator(), data, pictures, m)
    arrays: dict[str, NDArray] = {"names": np.array(list(found.masks))}
    for i, (name, mask) in enumerate(found.masks.items()):
        arrays |= {f"mask{i}": mask.byte().numpy(), f"fills{i}": found.fills[name].mul(255).round().byte().numpy()}
        for split, d in found.distances[name].items():
            arrays |= {f"{split}{i}": d.truth.astype(np.float32), f"{split}_pairwise{i}": d.pairwise}
    with paths.atomic_file(record.path / FILE) as unfinished, open(unfinished, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return record.path / FILE


def read(record: Record) -> Evidence | None:
    """What `write` stored beside a record; None where nothing is. Distances to float32."""
    if not (record.path / FILE).is_file():
        return None
    with np.load(record.path / FILE, allow_pickle=False) as file:
        stored = {k: file[k] for k in file.files}
    number = {str(name): i for i, name in enumerate(stored["names"])}
    every = {name: torch.from_numpy(stored[f"mask{i}"]).float() for name, i in number.items()}
    distances = {
        name: {
            s: Distances(stored[f"{s}{i}"].astype(np.float64), stored[f"{s}_pairwise{i}"], int((every[name] == 0).sum()))
            for s in SPLITS
        }
        for name, i in number.items()
    }
    fills = {name: torch.from_numpy(stored[f"fills{i}"]).float() / 255 for name, i in number.items()}
    return Evidence(every, distances, fills)
