"""Section 7, extension 5: better coordination of G and D, and better distributions of z, compared."""

from . import comparison, rejection, samples
from .variants import ALTERNATING, RECIPE, arms, control, narrowed, reduced

__all__ = ["ALTERNATING", "RECIPE", "arms", "comparison", "control", "narrowed", "reduced", "rejection", "samples"]
