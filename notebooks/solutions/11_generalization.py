"""Solutions to the exercises of 11_generalization. In the notebook, `%run solutions/11_generalization.py` defines
them."""

import numpy as np
import torch
from torch import Tensor

from ganrepro import datasets
from ganrepro.diagnostics import data_copying


def exercise_1(support: int = 10_000, draws: int = 1000, times: int = 1000) -> tuple[float, float, float]:
    """Pairs alike: expected, and mean and standard deviation of as many trials."""
    rng = np.random.default_rng(0)
    counts = [np.unique(rng.integers(support, size=draws), return_counts=True)[1] for _ in range(times)]
    alike = [(c * (c - 1) / 2).sum() for c in counts]
    return draws * (draws - 1) / 2 / support, float(np.mean(alike)), float(np.std(alike))


def exercise_2(n: int, share: float = 0.1, cells: int = 10) -> tuple[float, float]:
    """C_T and p of held-out pictures of which a share are replaced by training pictures."""
    data = datasets.load("mnist")
    held_out, others = data.test[::2][:n], data.test[1::2][:n].clone()
    others[: round(share * n)] = data.train[: round(share * n)]
    found = data_copying.data_copying(data.train[:10_000], held_out, others, cells)
    return found.statistic, found.p


def exercise_3(x: Tensor, y: Tensor) -> float:
    """The share of two sets' pictures whose nearest other picture, of both sets, is from their own."""
    pooled = torch.cat([x, y]).double()
    squared = torch.cdist(pooled, pooled).fill_diagonal_(float("inf"))
    first = torch.arange(len(pooled)) < len(x)
    return float((first[squared.argmin(1)] == first).double().mean())
