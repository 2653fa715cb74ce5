"""Figure 1: a GAN on the line, with p_data, p_g and D above the map from z to x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import nn

from ganrepro import paths
from ganrepro.device import plain_torch

from .figures import ACCENT, DATA, DISCRIMINATOR, MODEL, style

Array = NDArray[np.float64]
WIDTH = 3**0.5  # z is U(-sqrt 3, sqrt 3)
FINE, ARROWS = 200_001, 21  # even z's that p_g is counted from, and that arrows start from
SMOOTH = 0.04  # standard deviation of the kernel over p_g, in units of x
X_LINE, Z_LINE = -0.12, -0.55  # heights of the two lines below the curves


@dataclass(frozen=True)
class Stage:
    """A moment of the game: p_data, p_g and D (m,) on an even grid x (m,); G (a,) at even z's (a,)."""

    x: Array
    p_data: Array
    p_g: Array
    d: Array
    z: Array
    g: Array

    @property
    def dx(self) -> float:
        """The grid's spacing."""
        return float(self.x[1] - self.x[0])


@plain_torch
@torch.no_grad()
def stage(generator: nn.Module, discriminator: nn.Module, x: Array, p_data: Array) -> Stage:
    """The Stage of two networks on the line, for z uniform in (-sqrt 3, sqrt 3). p_g is a histogram on the grid x of G
    at 200,001 even z's, smoothed by a narrow Gaussian; float64."""
    fine, coarse = (torch.linspace(-WIDTH, WIDTH, n)[:, None] for n in (FINE, ARROWS))
    dx = x[1] - x[0]
    counts, _ = np.histogram(generator(fine)[:, 0].double(), bins=np.append(x, x[-1] + dx) - dx / 2)
    p_g = gaussian_filter1d(counts / (FINE * dx), SMOOTH / dx, mode="constant")
    d = torch.sigmoid(discriminator(torch.as_tensor(x, dtype=torch.float32)[:, None])).double().numpy()
    return Stage(x, p_data, p_g, d, coarse[:, 0].double().numpy(), generator(coarse)[:, 0].double().numpy())


def draw(axes: Axes, stage: Stage, title: str = "", optimum: Array | None = None, top: float | None = None) -> None:
    """One panel in the paper's style; `optimum` (m,) adds D* as a thin line. D is drawn where there is mass. `top`: the
    height of the panel, above every curve of this stage by default."""
    x, mass = stage.x, stage.p_data + stage.p_g > 0.05
    axes.axhline(0.5, color="0.5", linestyle=(0, (1, 3)), linewidth=1, label="$D = 1/2$")
    axes.plot(x, stage.p_data, color=DATA, linestyle=":", linewidth=2, label="$p_{data}$")
    axes.plot(x, stage.p_g, color=MODEL, linewidth=2, label="$p_g$")
    if optimum is not None:
        axes.plot(x, np.where(mass, optimum, np.nan), color=ACCENT, linewidth=1, label="$D^*$")
    axes.plot(x, np.where(mass, stage.d, np.nan), color=DISCRIMINATOR, linestyle="--", linewidth=2, label="$D$")
    z = x.mean() + stage.z / WIDTH * np.ptp(x) * 0.42
    axes.quiver(z, Z_LINE, stage.g - z, np.full(z.shape, X_LINE - Z_LINE), angles="xy", scale_units="xy", scale=1,
                color="0.25", width=0.004, headwidth=5)  # fmt: skip
    for name, height in (("$x$", X_LINE), ("$z$", Z_LINE)):
        axes.plot(x[[0, -1]], [height, height], color="black", linewidth=0.9)
        axes.text(x[0], height, name + " ", ha="right", va="center", fontsize=11)
    axes.set(xlim=x[[0, -1]], ylim=(Z_LINE - 0.05, top_of([stage]) if top is None else top), title=title)
    axes.set_axis_off()


def top_of(stages: Sequence[Stage]) -> float:
    """The top of an axis that cuts no curve of these stages: p_g may be higher than p_data and D."""
    return 1.08 * max(1.0, *(float(np.max([each.p_data, each.p_g])) for each in stages))


@style()
def panels(stages: Sequence[Stage], titles: Sequence[str], optima: Sequence[Array | None]) -> Figure:
    """The figure: one panel a stage, and one legend."""
    figure, axes = plt.subplots(1, len(stages), figsize=(2.6 * len(stages), 3.1))
    for each, shown, title, optimum in zip(axes, stages, titles, optima, strict=True):
        draw(each, shown, title, optimum, top_of(stages))
    lines = {line.get_label(): line for each in axes for line in each.get_lines() if line.get_label()[0] != "_"}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=len(lines))
    return figure


@style()
def animate(stages: Sequence[Stage], titles: Sequence[str], path: Path, per_second: int = 8) -> Path:
    """The stages as a GIF that repeats, under its final name, whole; all frames in one scale."""
    figure = plt.figure(figsize=(4, 3.2))
    figure.set_layout_engine("none")  # it would be solved anew for every frame
    axes = figure.add_axes((0.05, 0.02, 0.93, 0.88))

    def frame(i: int) -> tuple[()]:
        axes.clear()
        draw(axes, stages[i], titles[i], top=top_of(stages))
        return ()

    with paths.atomic_file(path) as unfinished:
        FuncAnimation(figure, frame, len(stages)).save(unfinished, PillowWriter(fps=per_second), dpi=80)
    plt.close(figure)
    return path
