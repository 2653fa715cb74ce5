"""Paired differences over a few seeds or draws: Student's t, corrected for the number of comparisons made.

With two dozen comparisons at the 5% level one is expected to look like a finding where there is none.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.05  # the chance of one wrong verdict or more in a whole family
POWER = 0.8
MOST = 1000  # seeds: more are not counted


def student(differences: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """The half width of the (1 - level) interval of the mean, and the two-sided p-value of a true mean of 0. One value
    alone has neither: inf and NaN."""
    n, mean = len(differences), float(np.mean(differences))
    if n < 2:
        return math.inf, math.nan
    error = float(np.std(differences, ddof=1)) / math.sqrt(n)
    half = error * float(stats.t.isf(level / 2, n - 1))
    if error == 0:
        return half, float(mean == 0)
    return half, 2 * float(stats.t.sf(abs(mean) / error, n - 1))


def holm(p: ArrayLike, family: int = 0) -> NDArray[np.float64]:
    """p-values (m,) corrected for a family of so many comparisons, m or more, by Holm (1979): those at most the level
    are findings, and the chance of a wrong one among them is at most the level. A NaN stays one."""
    values = np.asarray(p, dtype=np.float64)
    order = values.argsort()  # NaN last
    steps = max(family, len(values)) - np.arange(len(values))
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(values[order] * steps).clip(max=1)
    return corrected


def decided(differences: Sequence[Sequence[float]], family: int = 0, level: float = LEVEL) -> pd.DataFrame:
    """A comparison a row: mean, half (of its own 95% interval), p, holm, better: True above 0, False below, None where
    Holm's p exceeds the level. The family is all rows, or more where some could not be measured."""
    tested = [student(d) for d in differences]
    found = pd.DataFrame(tested, columns=["half", "p"]).assign(mean=[float(np.mean(d)) for d in differences])
    found["holm"] = holm(found.p, family)
    better = [bool(m > 0) if p <= level else None for m, p in zip(found["mean"], found.holm, strict=True)]
    found["better"] = pd.Series(better, dtype=object)
    return found[["mean", "half", "p", "holm", "better"]]


def needed(differences: Sequence[float], level: float, power: float = POWER) -> float:
    """How many seeds a two-sided t test at this level takes to find such an effect, mean over standard deviation, with
    this chance; inf beyond MOST or from one value. For one of a family of m, the level is LEVEL / m."""
    if len(differences) < 2 or not (mean := abs(float(np.mean(differences)))):
        return math.inf
    if not (deviation := float(np.std(differences, ddof=1))):
        return 2
    n = np.arange(2, MOST + 1)
    chance = stats.nct.sf(stats.t.isf(level / 2, n - 1), n - 1, mean / deviation * np.sqrt(n))
    enough = np.flatnonzero(np.nan_to_num(chance, nan=1.0) >= power)
    return float(n[enough[0]]) if len(enough) else math.inf
