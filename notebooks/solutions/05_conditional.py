"""Solutions to the exercises of 05_conditional. In the notebook, `%run solutions/05_conditional.py` defines them."""

import numpy as np
import torch

from ganrepro import theory
from ganrepro.extensions.conditional import attributes


def exercise_1() -> tuple[float, float]:
    """C(G) of the notebook's random pair, for a D that is given c and for one that is not."""
    rng = np.random.default_rng(0)
    p_c = rng.dirichlet(np.ones(3))[:, None]
    p_data, p_g = rng.dirichlet(np.ones(5), size=(2, 3))
    return theory.criterion(p_c * p_data, p_c * p_g), theory.criterion(p_c.T @ p_data, p_c.T @ p_g)


def exercise_2() -> tuple[float, float]:
    """The same for a G that draws from the whole of the data, whatever c is."""
    rng = np.random.default_rng(0)
    p_c = rng.dirichlet(np.ones(3))[:, None]
    p_data, _ = rng.dirichlet(np.ones(5), size=(2, 3))
    p_g = np.repeat(p_c.T @ p_data, 3, axis=0)
    return theory.criterion(p_c * p_data, p_c * p_g), theory.criterion(p_c.T @ p_data, p_c.T @ p_g)


def exercise_3(scale: attributes.Scale) -> tuple[np.ndarray, float]:
    """The share of the training examples with each thickness (rows: thin to thick) and slant (columns: left to right),
    and the correlation of both attributes."""
    thirds = scale.third(scale.deviations, scale.labels)
    slant, thickness = thirds.T
    shares = torch.bincount(3 * thickness + slant, minlength=9).view(3, 3) / len(slant)
    return shares.numpy(), float(torch.corrcoef(scale.deviations.T)[0, 1])
