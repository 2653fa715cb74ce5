"""Zero-sum games with a table of payoffs: what each player can be sure of, and where neither wants to change.

The row player has m actions, the column player n. gains (m, n): what the row player gains, and the column player loses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog

SUM_TOLERANCE = 1e-9  # of gains that should add to zero, and of probabilities that should add to one


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """A pair of mixed strategies that are best replies to each other: probabilities row (m,) and column (n,), and the
    value of the game, the row player's mean gain."""

    row: NDArray[np.float64]
    column: NDArray[np.float64]
    value: float


def zero_sum(gains: ArrayLike, other_gains: ArrayLike | None = None) -> NDArray[np.float64]:
    """The row player's gains (m, n) float64, checked. other_gains (m, n): the column player's, where both are given.

    Raises ValueError for a game without players or actions, gains that are not finite, and gains that do not add to 0.
    """
    own = _table("gains", gains)
    if other_gains is not None:
        others = _table("other_gains", other_gains)
        if own.shape != others.shape:
            raise ValueError(f"gains has shape {own.shape}, other_gains {others.shape}; expected the same (m, n)")
        total = own + others
        if np.abs(total).max() > SUM_TOLERANCE * max(1.0, np.abs(own).max()):
            hint = "; subtract half of it from each gain" if np.ptp(total) <= SUM_TOLERANCE * np.abs(own).max() else ""
            raise ValueError(f"the gains add to {_span(total)}, expected 0 everywhere{hint}")
    return own


def maximin(gains: ArrayLike) -> tuple[float, int]:
    """What the row player can be sure of with one action, max over rows of the min over columns; and that row."""
    worst = zero_sum(gains).min(1)
    return float(worst.max()), int(worst.argmax())


def minimax(gains: ArrayLike) -> tuple[float, int]:
    """What the column player can hold the row player to with one action, min over columns of the max over rows; and
    that column. Never below `maximin`."""
    best = zero_sum(gains).max(0)
    return float(best.min()), int(best.argmin())


def pure_equilibria(gains: ArrayLike) -> list[tuple[int, int]]:
    """Every (row, column) from which neither player gains by a change alone: the saddle points. There is one exactly
    where maximin equals minimax."""
    a = zero_sum(gains)
    saddle = (a == a.max(0, keepdims=True)) & (a == a.min(1, keepdims=True))
    return [(int(i), int(j)) for i, j in np.argwhere(saddle)]


def mixed(gains: ArrayLike) -> Equilibrium:
    """An equilibrium in mixed strategies, which every such game has (von Neumann, 1928), by a linear programme.

    The row player maximises v subject to p^T gains >= v for every column. The multipliers of these constraints are the
    column player's strategy, by duality (Dantzig, 1951).
    """
    a = zero_sum(gains)
    unit = abs(a).max() or 1.0  # the strategies do not depend on it, the solver's tolerances do
    (m, n), a = a.shape, a / unit
    cost, limits = np.append(np.zeros(m), -1.0), np.column_stack([-a.T, np.ones(n)])
    total, bounds = np.append(np.ones(m), 0.0)[None], [(0, None)] * m + [(None, None)]
    found = linprog(cost, A_ub=limits, b_ub=np.zeros(n), A_eq=total, b_eq=[1.0], bounds=bounds, method="highs")
    if not found.success:
        raise RuntimeError(f"the linear programme of the game was not solved: {found.message}")
    row, column = found.x[:m].clip(0), (-found.ineqlin.marginals).clip(0)
    return Equilibrium(row / row.sum(), column / column.sum(), float(unit * found.x[m]))


def duality_gap(gains: ArrayLike, row: ArrayLike, column: ArrayLike) -> float:
    """What both players together could gain by best replies: the row player's best against `column`, less her worst
    with `row`. 0 at an equilibrium and positive elsewhere. row (m,) and column (n,) are probabilities.

    Raises ValueError for other lengths, or numbers that are not probabilities.
    """
    a = zero_sum(gains)
    p, q = _probabilities("row", row, a.shape[0]), _probabilities("column", column, a.shape[1])
    return float((a @ q).max() - (p @ a).min())


def _table(name: str, given: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(given, dtype=np.float64)
    if found.ndim != 2 or 0 in found.shape:
        raise ValueError(f"{name} has shape {found.shape}; expected (m, n), an action or more for each of two players")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} holds values that are not finite; expected a finite gain for each pair of actions")
    return found


def _probabilities(name: str, given: ArrayLike, n: int) -> NDArray[np.float64]:
    found = np.asarray(given, dtype=np.float64)
    if found.shape != (n,) or not (found >= 0).all() or abs(found.sum() - 1) > SUM_TOLERANCE:
        raise ValueError(f"{name} = {found.tolist()}; expected {n} probabilities, which add to 1")
    return found


def _span(total: NDArray[np.float64]) -> str:
    low, high = total.min(), total.max()
    return f"{low:g}" if np.isclose(low, high) else f"between {low:g} and {high:g}"
