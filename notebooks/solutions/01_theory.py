"""Solutions to the exercises of 01_theory. In the notebook, `%run solutions/01_theory.py` defines them."""

import numpy as np
from scipy import stats

from ganrepro import theory


def exercise_1(distance: float = 6.0) -> tuple[float, float, float]:
    """Both gradients between N(0, 1) and N(distance, 1), and the mean of D* over the samples."""
    x = np.linspace(-12, 20, 3201)
    dx = x[1] - x[0]
    p_data, p_g = stats.norm.pdf(x), stats.norm.pdf(x, distance)
    mean_d = float(np.sum(p_g * theory.optimal_discriminator(p_data, p_g, dx=dx)) * dx)
    return distance * mean_d, distance * (1 - mean_d), mean_d


def exercise_2(rate: float, steps: int = 8, away: float = 1e-5) -> np.ndarray:
    """The factor of the total variation in each of the steps; p_g starts so far from p_data, as a mixture."""
    p_data, other = np.random.default_rng(0).dirichlet(np.ones(20), size=2)
    path = theory.descend(p_data, (1 - away) * p_data + away * other, steps, rate)
    left = [theory.total_variation(p_data, p) for p in path]
    return np.divide(left[1:], left[:-1])


def exercise_3(p_data: np.ndarray, p_g: np.ndarray, d: np.ndarray) -> tuple[float, float]:
    """What D loses by its answers d, by the definition of V and as a mean of divergences between coins."""
    best = theory.optimal_discriminator(p_data, p_g)
    regret = theory.criterion(p_data, p_g) - theory.value(p_data, p_g, d)
    coins = [theory.kl([b, 1 - b], [a, 1 - a]) for b, a in zip(best, d, strict=True)]
    return regret, float((p_data + p_g) @ coins)
