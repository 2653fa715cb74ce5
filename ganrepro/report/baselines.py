"""The claims of `12_baselines`: every model's score, and what the comparison of the scores says about the estimator."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ganrepro.baselines import survey
from ganrepro.baselines.survey import BELIEF, BINARY, GAUSSIAN, KMEANS, MIXTURE, REAL, VARIATIONAL, Result

from .claims import Claim

# Parzen scores on MNIST that others report, in nats, with 10,000 samples: value, error, source.
PUBLISHED = {
    "DBN": (138, 2, "Bengio et al. (2013), in the paper's Table 1"),
    "Stacked CAE": (121, 1.6, "Bengio et al. (2013), in the paper's Table 1"),
    "Deep GSN": (214, 1.1, "Bengio et al. (2014), in the paper's Table 1"),
    "Adversarial nets": (225, 2, "the paper, Table 1"),
    "GMMN": (147, 2, "Li, Swersky and Zemel (2015), Table 1"),
    "GMMN + autoencoder": (282, 2, "Li, Swersky and Zemel (2015), Table 1"),
    "Adversarial autoencoder": (340, 2, "Makhzani et al. (2016), Table 1"),
}


def listed(results: Mapping[str, Result]) -> list[Claim]:
    """The claims on models fitted once each, by name; those of real data among them."""
    over = "test examples, one fit"
    found = [Claim(f"Parzen score: {name}", r.ll.tolist(), over, "nats") for name, r in results.items()]
    real = results[REAL].ll
    for name in (KMEANS, MIXTURE, BELIEF, survey.WALKBACK):
        found.append(_above(f"{name} above real data, by the Parzen score (paired)", results[name].ll - real))
    found.append(_above("DBN: pixels as probabilities above pixels drawn as 0 or 1 (paired)",
                        results[BELIEF].ll - results[BINARY].ll))  # fmt: skip
    for name, kind in ((GAUSSIAN, "log p(x)"), (MIXTURE, "log p(x)"), (VARIATIONAL, "lower bound of log p(x)")):
        own = results[name].own
        if own is not None:
            text = f"{name}: its own {kind} at the same sigma above the Parzen score (paired)"
            found.append(_above(text, own - results[name].ll))
    for name, r in results.items():
        if "tau" in r.row:
            text = f"{name}: steps to an independent sample"
            found.append(Claim(text, [float(r.row["tau"])], "set of chains", "steps"))
    rows = [r.row for name, r in results.items() if name != REAL and "coverage" in r.row]
    for measure in ("precision", "density", "coverage") if len(rows) > 2 else ():
        rho = stats.spearmanr([row["mean"] for row in rows], [row[measure] for row in rows]).statistic
        text = f"rank correlation of Parzen score and {measure}, over {len(rows)} models"
        found.append(Claim(text, [float(rho)], "set of models"))
    return found


def _above(text: str, difference: NDArray[np.float64]) -> Claim:
    """A claim that holds if the mean difference is positive by two standard errors over the test examples."""
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return Claim(text, difference.tolist(), "test examples, one fit", "nats", bool(difference.mean() > 2 * error))
