"""Section 7, extension 5: better coordination of G and D, and better distributions of z, compared."""

from . import alternating, comparison, rejection
from .variants import RECIPE, arms, narrowed, reduced

__all__ = ["RECIPE", "alternating", "arms", "comparison", "narrowed", "reduced", "rejection"]
