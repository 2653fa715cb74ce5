"""Section 7, extension 5: better coordination of G and D, and better distributions of z, compared."""

from . import alternating, comparison, rejection, samples
from .variants import ALTERNATING, RECIPE, arms, control, narrowed, reduced

__all__ = [
    "ALTERNATING", "RECIPE", "alternating", "arms", "comparison", "control", "narrowed", "reduced", "rejection",
    "samples",
]  # fmt: skip
