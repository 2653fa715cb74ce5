"""Which training example is nearest to a sample, and how near? And which other sample?"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganrepro import progress
from ganrepro.device import plain_torch
from ganrepro.networks import expect_numbers

ROWS = 1024


@dataclass(frozen=True)
class Neighbours:
    """For each query (n,): the row of the nearest candidate, int64, and the squared L2 distance to it, float64."""

    index: Tensor
    squared_distance: Tensor


@plain_torch
def nearest(queries: Tensor, candidates: Tensor, device: torch.device | str | None = None) -> Neighbours:
    """The nearest of candidates (m, d) to each of queries (n, d), in squared L2 over pixels: Figure 2's last column. It
    is found in float32, its distance taken in float64. Raises ValueError for shapes that do not agree or are empty."""
    expect_numbers("queries", queries, 2)
    expect_numbers("candidates", candidates, 2)
    if queries.shape[1] != candidates.shape[1] or queries.dtype != candidates.dtype:
        shapes, dtypes = (f"{a} and {b}" for a, b in ((tuple(queries.shape), tuple(candidates.shape)),
                                                      (queries.dtype, candidates.dtype)))  # fmt: skip
        raise ValueError(f"expected shapes (n, d) and (m, d), got {shapes}, and one dtype, got {dtypes}")
    center = candidates.mean(0)  # shorter vectors lose less to rounding
    q, c = (queries - center).to(device), (candidates - center).to(device)
    half_norm = c.square().sum(1) / 2
    blocks = progress.bar(q.split(ROWS), desc="nearest neighbours", unit="block")
    index = torch.cat([(half_norm - block @ c.T).argmin(1).cpu() for block in blocks])
    return Neighbours(index, (queries.double() - candidates[index].double()).square().sum(1))


@plain_torch
def nearest_other(pictures: Tensor) -> Tensor:
    """For each of pictures (n, d), the squared L2 distance to the nearest other of them, (n,) float64: near 0 where a
    model makes the same pictures again and again. Raises ValueError for fewer than two."""
    expect_numbers("pictures", pictures, 2)
    if len(pictures) < 2:
        raise ValueError(f"expected shape (n, d) with n of at least 2, got {tuple(pictures.shape)}")
    x = pictures.double()
    return torch.cdist(x, x).square().fill_diagonal_(float("inf")).min(1).values
