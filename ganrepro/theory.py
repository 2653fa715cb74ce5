"""Section 4, exactly: KL, Jensen-Shannon, the optimal D, the criterion C(G), and Algorithm 1 on densities.

Distributions are arrays of any one shape: probabilities that sum to 1 or, with `dx`, the values of a density on an
even grid of that spacing (in the plane, that cell area). Everything is in float64 and nats. A mass off by rounding,
MASS_ERROR, or by what a grid cuts off, GRID_ERROR, is divided out. Every function raises ValueError, with what was
found and expected, for a mass further off, shapes that differ, a negative, infinite or NaN entry, and a spacing <= 0.
"""

import math
from contextlib import suppress

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr, xlog1py, xlogy

Array = NDArray[np.float64]
MASS_ERROR, GRID_ERROR = 1e-6, 1e-4
TINY, BELOW_ONE = np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0)


def kl(p: ArrayLike, q: ArrayLike, *, dx: float | None = None) -> float:
    """KL(p || q) = sum p log(p / q) >= 0, in nats; inf where p has mass and q has none."""
    (a, b), cell = _distributions(dx, p=p, q=q)
    return max(0.0, float(rel_entr(a, b).sum() * cell))


def jsd(p: ArrayLike, q: ArrayLike, *, dx: float | None = None) -> float:
    """The Jensen-Shannon divergence, mean KL to the half-way mixture, in nats: 0 iff p = q, log 2 iff disjoint."""
    (a, b), cell = _distributions(dx, p=p, q=q)
    middle = np.maximum((a + b) / 2, TINY)  # half of the smallest float is 0
    return max(0.0, float((rel_entr(a, middle) + rel_entr(b, middle)).sum() * cell / 2))


def total_variation(p: ArrayLike, q: ArrayLike, *, dx: float | None = None) -> float:
    """Half the L1 distance, in [0, 1]: the largest difference between two probabilities of one event."""
    (a, b), cell = _distributions(dx, p=p, q=q)
    return float(np.abs(a - b).sum() * cell / 2)


def optimal_discriminator(p_data: ArrayLike, p_g: ArrayLike, *, dx: float | None = None) -> Array:
    """D* = p_data / (p_data + p_g), in the arguments' shape: proposition 1. NaN where both are 0, as no value there
    changes V. Where both are positive it lies strictly between 0 and 1, even if the quotient rounds to one of them."""
    (real, made), _ = _distributions(dx, p_data=p_data, p_g=p_g)
    both = real + made
    d = np.divide(real, both, out=np.full(both.shape, np.nan), where=both > 0)
    return np.clip(d, np.where(real > 0, TINY, 0.0), np.where(made > 0, BELOW_ONE, 1.0))


def value(p_data: ArrayLike, p_g: ArrayLike, d: ArrayLike, *, dx: float | None = None) -> float:
    """V(D, G) = E_data log D(x) + E_g log(1 - D(x)), in nats: equation 1.

    d: D's outputs in [0, 1], in the shape of p_data, or one number for a constant D. Points without any mass are
    ignored, whatever D says there, NaN too. -inf where D is certain and wrong. Raises ValueError for other d.
    """
    (real, made), cell = _distributions(dx, p_data=p_data, p_g=p_g)
    answers = _numbers("d", d)
    if answers.shape not in ((), real.shape):
        raise ValueError(f"d has shape {answers.shape}; expected that of p_data, {real.shape}, or one number")
    answers = np.where(real + made > 0, answers, 0.5)
    if (wrong := answers[~((answers >= 0) & (answers <= 1))]).size:  # NaN is in no interval
        raise ValueError(f"d holds {wrong[0]}; expected D's outputs, in [0, 1], wherever there is mass")
    return float((xlogy(real, answers) + xlog1py(made, -answers)).sum() * cell)


def criterion(p_data: ArrayLike, p_g: ArrayLike, *, dx: float | None = None) -> float:
    """C(G) = max over D of V(D, G), in nats: V at D*, section 4.1. By theorem 1 it is -log 4 + 2 JSD(p_data || p_g)."""
    return value(p_data, p_g, optimal_discriminator(p_data, p_g, dx=dx), dx=dx)


def descend(p_data: ArrayLike, p_g: ArrayLike, steps: int, rate: float, *, dx: float | None = None) -> Array:
    """Algorithm 1 on densities, as in proposition 2: D at its optimum for each of `steps` moves of p_g down C.

    A move is p_g <- p_g exp(-rate g) / sum, with g = dC/dp_g = log(1 - D*): a gradient step that stays on the simplex.
    C falls at every move for rate <= 1, and after t of them C + log 4 <= KL(p_data || start) / (rate t), because C's
    curvature is below that of p log p. Far larger rates overshoot. Where the start is 0, p_g stays 0. Returns the
    trajectory from the start on, of shape (steps + 1, ...). Raises ValueError for steps below 0 and a rate not above 0.
    """
    (real, start), cell = _distributions(dx, p_data=p_data, p_g=p_g)
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0:
        raise ValueError(f"steps = {steps!r}; expected an int of at least 0")
    _above_zero("rate", rate)
    rate = float(rate)  # a tensor without dimensions, too
    trajectory = np.zeros((steps + 1, *start.shape))
    trajectory[0] = start
    for t in range(steps):
        on = trajectory[t] > 0
        log_p = np.log(trajectory[t][on])
        log_p -= rate * (log_p - np.log(real[on] + trajectory[t][on]))
        moved = np.exp(log_p - log_p.max())
        trajectory[t + 1][on] = moved / (moved.sum() * cell)
    return trajectory


def _distributions(dx: float | None, **given: ArrayLike) -> tuple[list[Array], float]:
    """The named arguments as float64 arrays of mass 1, and the weight of one entry in a sum."""
    if dx is not None:
        _above_zero("dx", dx)
    cell, allowed = (1.0, MASS_ERROR) if dx is None else (float(dx), GRID_ERROR)
    arrays = {name: _numbers(name, p) for name, p in given.items()}
    (first, a), *others = arrays.items()
    for name, b in others:
        if a.shape != b.shape:
            raise ValueError(f"{first} has shape {a.shape} and {name} has shape {b.shape}; expected the same shape")
    for name, p in arrays.items():
        if not np.isfinite(p).all():
            raise ValueError(f"{name} holds {p[~np.isfinite(p)][0]}; expected finite numbers")
        if (p < 0).any():
            raise ValueError(f"{name} holds {p.min()}; expected no negative entry")
        mass = p.sum() * cell
        if not abs(mass - 1) <= allowed:
            hint = "; a density on a grid needs dx" if dx is None else f" at dx = {dx}: does the grid reach far enough?"
            raise ValueError(f"{name} has mass {mass:.8g}; expected 1 within {allowed:g}{hint}")
        arrays[name] = p / mass
    return list(arrays.values()), cell


def _numbers(name: str, given: ArrayLike) -> Array:
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers ({error}); expected one that float64 can hold") from None


def _above_zero(name: str, found: float) -> None:
    with suppress(TypeError):
        if np.ndim(found) == 0 and math.isfinite(found) and found > 0:
            return
    raise ValueError(f"{name} = {found!r}; expected one finite number above 0")
