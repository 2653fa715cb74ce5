"""Has D moved at all? Small initial weights hold D at 1/2 for some hundred steps, and G learns nothing meanwhile."""

import warnings

import pandas as pd

LEAST_GAP = 0.02  # measured: at most .01 in trainings whose D stayed at 1/2, at least .07 in all others


def d_has_moved(curves: pd.DataFrame) -> bool:
    """Whether mean D(x) and mean D(G(z)) ever differed by LEAST_GAP in an epoch. At the game's end D is at 1/2 too, but
    by then it has been elsewhere."""
    return bool((curves.d_real - curves.d_fake).abs().max() >= LEAST_GAP)


def warn_unless_d_has_moved(curves: pd.DataFrame, training: str) -> None:
    """Warn that a training, named in words, ended before the game began. curves: a row an epoch, as in Run.curves."""
    if not d_has_moved(curves):
        reason = f"D stayed at 1/2 in all {int(curves.step.max())} steps, so G learned nothing from it"
        remedy = "train longer, or widen D's initial weights (irange of its layers)"
        warnings.warn(f"{training}: {reason}; {remedy}", stacklevel=3)
