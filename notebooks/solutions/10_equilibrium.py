"""Solutions to the exercises of 10_equilibrium. In the notebook, `%run solutions/10_equilibrium.py` defines them."""

import numpy as np
import torch

from ganrepro.diagnostics import dynamics

ZERO = torch.zeros(2, dtype=torch.float64)


def exercise_1(eta: float) -> tuple[float, float]:
    """The determinant of the alternating update of the bilinear game, and its spectral radius."""
    update = np.array([[1, -eta], [eta, 1 - eta**2]])
    return float(np.linalg.det(update)), dynamics.predicted_rate(dynamics.bilinear(), "alternating", ZERO, eta)


def exercise_2(gamma: float, eta: float = 0.2) -> float:
    """The steps of simultaneous play that bring Dirac-GAN 1,000 times nearer to its equilibrium, as predicted."""
    factor = dynamics.predicted_rate(dynamics.dirac_gan("minimax", gamma), "simultaneous", ZERO, eta)
    return float(-np.log(1000) / np.log(factor))


def exercise_3(eta: float = 0.2, steps: int = 400) -> tuple[float, float]:
    """Optimistic play of the bilinear game: the observed and the predicted factor of each step."""
    game, points = dynamics.bilinear(), [torch.tensor([0.5, 0.25], dtype=torch.float64)]
    before = dynamics.field(game, points[0])
    for _ in range(steps):
        now = dynamics.field(game, points[-1])
        points.append(points[-1] + eta * (2 * now - before))
        before = now
    turn = np.array([[0, -1], [1, 0]])
    update = np.block([[np.eye(2) + 2 * eta * turn, -eta * turn], [np.eye(2), np.zeros((2, 2))]])
    return dynamics.observed_rate(torch.stack(points), ZERO), float(abs(np.linalg.eigvals(update)).max())
