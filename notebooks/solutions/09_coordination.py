"""Solutions to the exercises of 09_coordination. In the notebook, `%run solutions/09_coordination.py` defines them."""

import numpy as np
import torch
from scipy import special, stats

from ganrepro import theory
from ganrepro.diagnostics import paired
from ganrepro.extensions.coordination import rejection


def exercise_1(family: int = 48, seeds: int = 3) -> float:
    """The least |t| of the smallest p of a family."""
    return float(stats.t.isf(paired.LEVEL / family / 2, seeds - 1))


def exercise_2() -> dict[str, float]:
    """The same with half the comparisons, and with two seeds more."""
    return {"as it is": exercise_1(), "24 comparisons": exercise_1(family=24), "5 seeds": exercise_1(seeds=5)}


def exercise_3(n: int = 100_000, keep: int = 10_000) -> tuple[float, float, float]:
    """Mean and standard deviation of what a perfect D keeps of N(1, 2^2) for data of N(0, 1), and the largest share
    of the samples that could be kept."""
    x = np.linspace(-15, 15, 3001)
    dx = x[1] - x[0]
    p_data, p_g = stats.norm.pdf(x), stats.norm.pdf(x, 1, 2)
    logits = special.logit(theory.optimal_discriminator(p_data, p_g, dx=dx))
    samples = np.random.default_rng(0).normal(1, 2, n)
    of_samples = torch.from_numpy(np.interp(samples, x, logits))
    kept = samples[rejection.kept(of_samples, keep, "rejection", torch.Generator().manual_seed(0))]
    return float(kept.mean()), float(kept.std()), float((p_g / p_data)[p_data > 1e-12].min())
