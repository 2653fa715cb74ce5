"""Which modes of a toy mixture does a model cover, and how many of its samples are good? The centres are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganrepro.datasets.toys import Toy
from ganrepro.device import plain_torch
from ganrepro.networks import expect_numbers
from ganrepro.parameters import expect, expect_number

STANDARD_DEVIATIONS = 3.0  # Srivastava et al. (2017), section 4.1


@dataclass(frozen=True)
class Coverage:
    """Of a model's samples: counts (k,) int64 are the good ones of each mode."""

    counts: NDArray[np.int64]
    n_samples: int

    @property
    def covered(self) -> int:
        """How many modes have a good sample."""
        return int((self.counts > 0).sum())

    @property
    def good(self) -> float:
        """The share of samples that are good."""
        return float(self.counts.sum() / self.n_samples)

    @property
    def kl(self) -> float:
        """KL divergence of the good samples' modes from uniform, in nats: 0 for equal shares, log k for one mode. NaN
        without a good sample."""
        if not self.counts.any():
            return float("nan")
        p = self.counts[self.counts > 0] / self.counts.sum()
        return float(np.sum(p * np.log(p * len(self.counts))))


@plain_torch
def coverage(samples: Tensor, toy: Toy, sds: float = STANDARD_DEVIATIONS) -> Coverage:
    """The good samples of each mode. A sample (n, d) is good where its distance to the nearest centre is at most `sds`
    standard deviations of a mode: of true draws in two dimensions all but exp(-sds^2 / 2), 1.1% at the default.

    Raises TypeError or ValueError for samples of another kind or shape, none, or ones that are not finite.
    """
    expect_number("sds", sds, 1e-6, 1e6, float)
    expect(Toy, toy=toy)
    expect_numbers("samples", samples, 2)
    if samples.shape[1] != (d := toy.centres.shape[1]):
        raise ValueError(f"samples has shape {tuple(samples.shape)}; expected (n, {d}) of the {toy.label}")
    if not samples.isfinite().all():
        raise ValueError("samples holds values that are not finite; expected finite ones")
    nearest = torch.cdist(samples.double(), torch.from_numpy(toy.centres)).min(1)
    good = nearest.indices[nearest.values <= sds * toy.sigma]
    return Coverage(torch.bincount(good, minlength=len(toy.centres)).numpy(), len(samples))
