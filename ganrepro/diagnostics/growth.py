"""How the validation score grows with the epochs: straight lines in their logarithm, and what they predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

SINCE = 100  # epochs; before, the score grows faster
LEAST_SCORES = 10


@dataclass(frozen=True)
class Growth:
    """score = score_at_one + slope ln(epoch), in nats, fitted by least squares from epoch `since` to epoch `until`.

    Errors are for neighbouring residuals that are alike: n scores count as n (1 - r) / (1 + r), r their correlation.
    """

    score_at_one: float
    slope: float  # nats for e times the epochs
    slope_error: float
    scatter: float  # standard deviation of one score about the line
    since: int
    until: int
    mean_log_epoch: float
    spread: float  # root of the sum of squares of ln(epoch) about its mean
    inflation: float  # of the errors, for residuals that are alike
    n: int

    def at(self, epoch: ArrayLike) -> NDArray[np.float64]:
        """The line at these epochs."""
        return self.score_at_one + self.slope * np.log(np.asarray(epoch, float))

    def error_at(self, epoch: ArrayLike) -> NDArray[np.float64]:
        """Standard error of one score at these epochs, if the line goes on: the line's own and the scatter."""
        away = (np.log(np.asarray(epoch, float)) - self.mean_log_epoch) / self.spread
        return self.scatter * np.sqrt(1 + self.inflation**2 * (1 / self.n + away**2))


def halves(curves: pd.DataFrame) -> tuple[Growth, Growth]:
    """The lines through the first and the second half of the epochs from SINCE on. Raises ValueError as `fit` does."""
    middle = SINCE + (int(curves.epoch.max()) - SINCE) // 2
    return fit(curves, until=middle), fit(curves, since=middle)


def fit(curves: pd.DataFrame, since: int = SINCE, until: int | None = None) -> Growth:
    """The line through the validation scores of one training. curves: as Run.curves, columns epoch and valid_ll (nats).

    Raises ValueError for fewer than ten scores from `since` to `until`.
    """
    scored = curves.dropna(subset="valid_ll")
    until = int(scored.epoch.max()) if until is None else until
    scored = scored[scored.epoch.between(since, until)]
    if len(scored) < LEAST_SCORES:
        raise ValueError(f"{len(scored)} validation scores from epoch {since} to {until}; a fit needs {LEAST_SCORES}")
    x, y = np.log(scored.epoch.to_numpy(float)), scored.valid_ll.to_numpy(float)
    line = stats.linregress(x, y)
    residuals = y - line.intercept - line.slope * x
    alike = max(0.0, float(np.corrcoef(residuals[1:], residuals[:-1])[0, 1])) if np.ptp(residuals) > 1e-9 else 0.0
    inflation = float(np.sqrt((1 + alike) / (1 - alike)))
    scatter = float(np.sqrt((residuals**2).sum() / (len(x) - 2)))
    spread = float(np.sqrt(((x - x.mean()) ** 2).sum()))
    return Growth(float(line.intercept), float(line.slope), scatter / spread * inflation, scatter, since, until,
                  float(x.mean()), spread, inflation, len(x))  # fmt: skip
