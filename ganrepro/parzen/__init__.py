"""How a generator is scored (Section 5): the Parzen window, its protocol with sigma and errors, and controls."""

from . import controls
from .protocol import Score, labels, over_folds, score, standard_error, validation_examples
from .window import DEFAULT_GRID, FINE_GRID, ParzenResult, SigmaChoice, choose_sigma, evaluate, highest, log_likelihood

__all__ = [
    "DEFAULT_GRID", "FINE_GRID", "ParzenResult", "Score", "SigmaChoice", "choose_sigma", "controls", "evaluate",
    "highest", "labels", "log_likelihood", "over_folds", "score", "standard_error", "validation_examples",
]  # fmt: skip
