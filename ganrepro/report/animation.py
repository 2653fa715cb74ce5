"""Points in the plane as training goes, as an animated GIF small enough for a notebook."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from ganrepro import paths
from ganrepro.parameters import expect_number

from .figures import DATA, MODEL, style

COLOURS = 8  # of the palette


@style()
def points(
    frames: ArrayLike, real: ArrayLike, labels: Sequence[str], path: str | Path, seconds: float = 0.4, side: int = 200
) -> Path:  # fmt: skip
    """Write frames (t, n, 2) of samples over real points (m, 2) as a GIF that repeats, whole or not at all: `side`
    pixels square, each frame for so many seconds, its label above it. Returns the path.

    Raises ValueError for other shapes and another number of labels.
    """
    frames, real = np.asarray(frames, dtype=float), np.asarray(real, dtype=float)
    if frames.ndim != 3 or frames.shape[2] != 2 or real.ndim != 2 or real.shape[1] != 2 or len(labels) != len(frames):
        raise ValueError(f"frames has shape {frames.shape}, real {real.shape}, and there are {len(labels)} labels; "
                         "expected (t, n, 2), (m, 2) and t labels")  # fmt: skip
    expect_number("seconds", seconds, 0.01, 60, float)
    expect_number("side", side, 50, 2000)
    reach, pictures = 1.25 * np.abs(real).max(), []
    for x, label in zip(frames, labels, strict=True):
        figure, axes = plt.subplots(figsize=(side / 100, side / 100), dpi=100)
        axes.scatter(real[:, 0], real[:, 1], s=6, color=DATA, linewidths=0)
        axes.scatter(x[:, 0], x[:, 1], s=4, color=MODEL, linewidths=0)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
        axes.set_title(label, fontsize=7)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=100, bbox_inches=None)
        plt.close(figure)
        pictures.append(Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE))
    path = paths.absolute(path)
    with paths.atomic_file(path) as unfinished:
        pictures[0].save(unfinished, format="GIF", save_all=True, append_images=pictures[1:], loop=0,
                         duration=round(1000 * seconds))  # fmt: skip
    return path


def show(path: str | Path) -> None:
    """Show a GIF in the notebook. A script shows none."""
    from IPython import get_ipython
    from IPython.display import display

    path = paths.absolute(path)
    picture = base64.b64encode(path.read_bytes()).decode()
    if get_ipython() is not None:
        display({"text/plain": path.name, "image/gif": picture}, raw=True)
