"""The nets of a recipe as one picture: G and D layer by layer, with their widths, and where the data come in."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from ganrepro.recipes import AnyLayer, Layer, Recipe, TransposedConvolution

from .figures import ACCENT, DATA, DISCRIMINATOR, MODEL, style

HALF = 0.28  # half the thickness of a layer; layers are 1 apart
FAR = 2.1  # from the samples to D's first layer


def describe(layer: AnyLayer) -> str:
    """What a layer is, in two short lines: "maxout" over "240 x 5", "relu" over "1,200"."""
    if isinstance(layer, Layer):
        pieces = f" × {layer.pieces}" if layer.pieces > 1 else ""
        return f"{layer.activation}\n{layer.units:,}{pieces}"
    kind = "transposed\nconv." if isinstance(layer, TransposedConvolution) else "conv.\nmaxout"
    return f"{kind}\n{' × '.join(map(str, layer.outputs))}"


@style()
def draw(recipe: Recipe) -> Figure:
    """z → G → G(z) → D → D(G(z)), left to right; x enters D beside G(z). A bar is a layer: its height grows with the
    logarithm of its width, and under it stand what it computes and how many numbers it puts out. Orange arrows: the
    way of G's gradient, backwards through D and G. None of them leads over x."""
    columns = 3.5 + FAR + len(recipe.generator) + len(recipe.discriminator)
    figure, axes = plt.subplots(figsize=(min(10.0, 0.95 * columns), 3.3))
    end = _bars(axes, 0.0, [(recipe.g_inputs, f"$z$\n{recipe.g_inputs:,}", "0.6")] + _of(recipe.generator, MODEL))
    d_inputs = recipe.d_inputs
    begin = end + FAR
    last = _bars(axes, begin, [(d_inputs, f"input\n{d_inputs:,}", "0.6")] + _of(recipe.discriminator, DISCRIMINATOR))
    forward = {"arrowstyle": "-|>", "color": "0.2", "linewidth": 1.2}
    backward = {"arrowstyle": "-|>", "color": ACCENT, "linewidth": 1.6}
    inside = min(0.35, 0.6 * _height(d_inputs))
    axes.annotate("", (begin - HALF, inside), (end + HALF, 0.0), arrowprops=forward)
    middle = (end + begin) / 2
    axes.annotate("", (begin - HALF, -inside), (middle, -0.75), arrowprops=forward)
    axes.text(middle, 0.38, "$G(z)$", color=MODEL, ha="center")
    axes.text(middle, -0.8, "$x$, data", color=DATA, ha="center", va="top")
    for start, stop in ((last + HALF, begin - HALF), (begin - HALF, end + HALF), (end + HALF, -HALF)):
        axes.annotate("", (stop, 1.75), (start, 1.75), arrowprops=backward)
    axes.text((last - HALF) / 2, 1.9, "gradient of $L_G$", color=ACCENT, ha="center", va="bottom")
    for name, left, right, color in (("G", 0.0, end, MODEL), ("D", begin, last, DISCRIMINATOR)):
        axes.text((left + right) / 2, 1.4, f"${name}$", color=color, ha="center", va="center", fontsize=13)
    axes.text(last + 0.45, 0, "logit $\\ell$", va="center")
    axes.set(xlim=(-0.8, last + 1.6), ylim=(-1.95, 2.4))
    axes.set_axis_off()
    return figure


def _of(layers: Sequence[AnyLayer], color: str) -> list[tuple[int, str, str]]:
    return [(layer.units, describe(layer), color) for layer in layers]


def _height(units: int) -> float:
    """Half the height of a bar of so many units."""
    return 0.12 + 0.24 * math.log10(units)


def _bars(axes: Axes, x: float, bars: Sequence[tuple[int, str, str]]) -> float:
    """Bars 1 apart, the first at x, and grey bands between them; the place of the last one."""
    heights = [_height(units) for units, _, _ in bars]
    for i, ((_, text, color), height) in enumerate(zip(bars, heights, strict=True)):
        if i:
            band = [(x + i - 1 + HALF, heights[i - 1]), (x + i - HALF, height), (x + i - HALF, -height),
                    (x + i - 1 + HALF, -heights[i - 1])]  # fmt: skip
            axes.add_patch(Polygon(band, facecolor="0.92", edgecolor="none"))
        axes.add_patch(plt.Rectangle((x + i - HALF, -height), 2 * HALF, 2 * height, facecolor=color, alpha=0.85))
        axes.text(x + i, -height - 0.08, text, ha="center", va="top", fontsize=8)
    return x + len(bars) - 1
