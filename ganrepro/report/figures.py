"""The paper's figures, in one style. Pictures are (n, d) rows in [0, 1] with shape (c, h, w); points of the toys are
(n, 1) or (n, 2). Drawing functions return a matplotlib Figure; `save` writes it without a time stamp, so that the same
figure is the same file."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from ganrepro import parzen, paths
from ganrepro.diagnostics.growth import Growth
from ganrepro.parameters import expect, expect_number

DATA, MODEL, DISCRIMINATOR, ACCENT = "#000000", "#009E73", "#0072B2", "#D55E00"
STYLE = ["default", str(paths.PACKAGE / "ganrepro.mplstyle")]
Shape = tuple[int, int, int]


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's defaults and the project's style, whatever a matplotlibrc says; also as a decorator."""
    with plt.style.context(STYLE):
        yield


def use_style() -> None:
    """Apply that style to every figure from here on; tables show their whole text."""
    plt.style.use(STYLE)
    pd.set_option("display.max_colwidth", None, "display.width", 140, "display.max_columns", 20)


def show_open() -> None:
    """Show the open figures in the notebook, whatever matplotlib's backend, and close them. A script shows none.
    They have a palette of 256 colours, which makes a picture a third of its size."""
    from IPython import get_ipython
    from IPython.core.pylabtools import print_figure
    from IPython.display import display

    for figure in map(plt.figure, plt.get_fignums()):
        if get_ipython() is not None:
            png = _with_palette(print_figure(figure))
            display({"text/plain": repr(figure), "image/png": base64.b64encode(png).decode()}, raw=True)
        plt.close(figure)


def _with_palette(png: bytes) -> bytes:
    """The same picture in 256 colours, each the commonest of those that it stands for, so that white stays white."""
    smaller = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        colours = picture.convert("RGB")
        # maximum coverage keeps hues of thin lines, which median cut would merge; but its colours are averages
        few = colours.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        pixels = pd.DataFrame(np.asarray(colours).reshape(-1, 3), columns=["r", "g", "b"])
        counts = pixels.groupby([np.asarray(few).ravel(), "r", "g", "b"]).size().sort_values()
        commonest = counts.reset_index(["r", "g", "b"]).groupby(level=0).last()[["r", "g", "b"]]
        palette = np.zeros((256, 3), np.uint8)
        palette[commonest.index] = commonest
        few.putpalette(palette.tobytes())
        few.save(smaller, "PNG", optimize=True)
    return smaller.getvalue()


@style()
def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure under its final name, whole; png, svg or pdf by its ending."""
    expect(Figure, figure=figure)
    path = paths.absolute(path)
    undated: dict[str, dict[str, None]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with paths.atomic_file(path) as unfinished:
        figure.savefig(unfinished, format=path.suffix[1:].lower(), metadata=undated.get(path.suffix.lower()))
    return path


def mosaic(pictures: ArrayLike, shape: Shape, columns: int, gap: int = 2) -> NDArray[np.float64]:
    """(n, d) pictures as one (height, width, c) picture, row by row, with white gaps."""
    expect_number("columns", columns, 1, 10_000)
    c, h, w = shape
    tiles = np.asarray(pictures, dtype=float).reshape(-1, c, h, w).clip(0, 1).transpose(0, 2, 3, 1)
    rows = math.ceil(len(tiles) / columns)
    sheet = np.ones((rows, h + gap, columns, w + gap, c))
    row, column = np.divmod(np.arange(len(tiles)), columns)
    sheet[row, :h, column, :w] = tiles
    return sheet.reshape(rows * (h + gap), columns * (w + gap), c)[: -gap or None, : -gap or None]


def show(axes: Axes, sheet: NDArray[np.float64], title: str = "") -> None:
    """A picture without axes; grey where it has one channel."""
    axes.imshow(sheet.squeeze(-1) if sheet.shape[-1] == 1 else sheet, vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(title)


def _sheet(sheet: NDArray[np.float64], width: float, title: str, above: float = 0.4) -> tuple[Figure, Axes]:
    """A figure of one picture, `width` inches wide, with so many inches above it for the title."""
    figure, axes = plt.subplots(figsize=(width, width * sheet.shape[0] / sheet.shape[1] + above))
    show(axes, sheet, title)
    return figure, axes


@style()
def sprite(pictures: ArrayLike, shape: Shape, columns: int = 10, title: str = "") -> Figure:
    """A sheet of pictures; of points in the plane or on the line, a scatter or a histogram."""
    if is_toy(shape):
        return points(pictures, title)
    return _sheet(mosaic(pictures, shape, columns), min(7.0, columns * 0.6), title, 0.35)[0]


@style()
def rows(samples: ArrayLike, shape: Shape, labels: Sequence[str], title: str = "") -> Figure:
    """Samples (k, n, d) in k rows, each with its label at the left; of points in the plane or on the line a panel for
    each row."""
    samples = np.asarray(samples)
    k, n, _ = samples.shape
    if is_toy(shape):
        figure, panels = plt.subplots(1, k, figsize=(min(11, 2 * k + 1), 2.3), sharex=True, sharey=True, squeeze=False)
        for axes, x, label in zip(panels.flat, samples, labels, strict=True):
            axes.scatter(x[:, 0], x[:, 1] if x.shape[1] > 1 else np.zeros(n), s=4, alpha=0.4, color=MODEL, linewidths=0)
            axes.set_title(label, fontsize=8)
        figure.suptitle(title, fontsize=10)
        return figure
    sheet = mosaic(samples.reshape(k * n, -1), shape, n)
    figure, axes = _sheet(sheet, min(8.0, (n + 2) * 0.6), title, 0.35)
    for i, label in enumerate(labels):
        axes.text(-3, (i + 0.5) * len(sheet) / k, label, ha="right", va="center", fontsize=9)
    return figure


@style()
def figure2(samples: ArrayLike, neighbours: ArrayLike, shape: Shape, columns: int = 5, title: str = "") -> Figure:
    """Figure 2: samples row by row; a last, marked column holds the nearest training example of the sample beside it.
    samples (n, d) with n a multiple of columns; neighbours (n / columns, d). Raises ValueError for other numbers."""
    samples, neighbours = np.asarray(samples), np.asarray(neighbours)
    if len(samples) != columns * len(neighbours):
        raise ValueError(f"{len(samples)} samples in {columns} columns need {len(samples) / columns:g} neighbours, "
                         f"got {len(neighbours)}")  # fmt: skip
    left, right = mosaic(samples, shape, columns), mosaic(neighbours, shape, 1)
    gap = max(4, shape[2] // 3)
    figure, axes = _sheet(np.concatenate([left, np.ones((len(left), gap, left.shape[2])), right], axis=1), 6, title)
    frame = (left.shape[1] + gap - 2, -2), right.shape[1] + 3, right.shape[0] + 3
    axes.add_patch(plt.Rectangle(*frame, fill=False, edgecolor=ACCENT, linewidth=2.5, clip_on=False))
    axes.set_title("nearest", loc="right", color=ACCENT, fontsize=9)
    return figure


@style()
def figure3(walks: ArrayLike, shape: Shape, title: str = "") -> Figure:
    """Figure 3: each row of walks (rows, steps, d) runs along a straight line in z."""
    walks = np.asarray(walks)
    return _sheet(mosaic(walks, shape, walks.shape[1], gap=1), 7, title)[0]


@style()
def points(x: ArrayLike, title: str = "") -> Figure:
    """Points (n, 2) in the plane as a scatter, or (n, 1) on the line as a histogram."""
    x = np.asarray(x)
    figure, axes = plt.subplots(figsize=(4, 4 if x.shape[1] > 1 else 2.5))
    if x.shape[1] == 1:
        axes.hist(x[:, 0], bins=60, density=True, color=MODEL)
    else:
        axes.scatter(x[:, 0], x[:, 1], s=4, alpha=0.4, color=MODEL, linewidths=0)
        axes.set_aspect("equal")
    axes.set_title(title)
    return figure


@style()
def learning_curves(curves: pd.DataFrame, title: str = "", restarts: Sequence[int] = ()) -> Figure:
    """Both losses, D's mean outputs, and the validation score where it was taken, against epochs; lines where the
    training was started again from stored weights."""
    scored = curves.dropna(subset="valid_ll")
    count = 3 if len(scored) else 2
    figure, (losses, outputs, *rest) = plt.subplots(1, count, figsize=(1 + 3 * count, 2.8))
    losses.plot(curves.epoch, curves.d_loss, label="$L_D$", color=DISCRIMINATOR)
    losses.plot(curves.epoch, curves.g_loss, label="$L_G$", color=MODEL, linestyle="--")
    losses.set(title="losses (nats)", xlabel="epoch")
    outputs.plot(curves.epoch, curves.d_real, label="$D(x)$", color=DATA)
    outputs.plot(curves.epoch, curves.d_fake, label="$D(G(z))$", color=MODEL, linestyle="--")
    outputs.axhline(0.5, color="0.6", linewidth=1, linestyle=":")
    outputs.set(title="mean output of $D$", xlabel="epoch", ylim=(0, 1))
    for axes in rest:
        axes.plot(scored.epoch, scored.valid_ll, marker="o", markersize=3, color=ACCENT)
        low = np.percentile(scored.valid_ll, 10) if len(scored) > 8 else scored.valid_ll.min()
        axes.set(title="validation score (nats)", xlabel="epoch")
        cut(axes, scored.valid_ll, low - 0.1 * (scored.valid_ll.max() - low) - 1)
    for axes in (losses, outputs, *rest):
        for i, epoch in enumerate(restarts):
            axes.axvline(epoch, color="0.6", linewidth=1, linestyle="--", zorder=0, label="" if i else "restart")
    losses.legend()
    outputs.legend()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def cut(axes: Axes, values: pd.Series, bottom: float) -> None:
    """Begin the y axis at `bottom`, and say in the panel how many of the values lie below it and how far down."""
    axes.set_ylim(bottom=bottom)
    if hidden := int((values < bottom).sum()):
        said = f"axis cut: {hidden} score{'s' * (hidden > 1)} below, down to {values.min():.0f}"
        axes.text(0.98, 0.03, said, transform=axes.transAxes, ha="right", va="bottom", fontsize=7.5, color="0.3")


@style()
def ablation_curves(curves: pd.DataFrame) -> Figure:
    """Validation scores against epochs, one panel for each changed thing, over the first arm's in grey; a line a seed.
    curves has columns arm, seed, epoch, valid_ll in nats."""
    first, *others = curves.arm.unique()
    rows = math.ceil(len(others) / 4)
    figure, panels = plt.subplots(rows, 4, figsize=(10, 2.3 * rows + 0.3), sharex=True, sharey=True, squeeze=False)
    for axes, name in zip(panels.flat, others, strict=False):
        for arm, color, width in ((first, "0.65", 1.2), (name, MODEL, 1.8)):
            for seed, own in curves[curves.arm == arm].groupby("seed"):
                axes.plot(own.epoch, own.valid_ll, color=color, linewidth=width, linestyle=("-", "--", ":")[seed % 3])
        axes.set_title(name, fontsize=9)
        cut(axes, curves.valid_ll[curves.arm.isin([first, name])], curves.valid_ll.max() - 600)
    for axes in panels.flat[len(others) :]:
        axes.set_axis_off()
    for axes in panels.flat[max(0, len(others) - 4) : len(others)]:  # the lowest panel of each column
        axes.set_xlabel("epoch")
        axes.xaxis.set_tick_params(labelbottom=True)
    plt.setp(panels[:, 0], ylabel="validation (nats)")
    figure.suptitle(f"one thing changed (green), and {first} (grey); a line a seed", fontsize=10)
    return figure


@style()
def growth(curves: pd.DataFrame, found: Growth, until: int, title: str = "") -> Figure:
    """Validation scores against epochs on a logarithmic axis, the line fitted to them, and where it leads until an
    epoch, with twice the standard error of one score. curves: as Run.curves."""
    scored, later = curves.dropna(subset="valid_ll"), np.geomspace(found.until, max(until, found.until + 1), 50)
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    axes.semilogx(scored.epoch, scored.valid_ll, ".", color=ACCENT, markersize=4, label="validation score")
    fitted = np.geomspace(found.since, found.until, 50)
    label = f"{found.slope:.1f} ± {found.slope_error:.1f} nats for e times the epochs"
    axes.plot(fitted, found.at(fitted), color=DATA, linewidth=1.5, label=label)
    axes.plot(later, found.at(later), color=DATA, linewidth=1.5, linestyle="--", label="if it goes on")
    low, high = (found.at(later) + k * found.error_at(later) for k in (-2, 2))
    axes.fill_between(later, low, high, color="0.85", linewidth=0)
    axes.set(xlabel="epoch", ylabel="nats", title=title)
    cut(axes, scored.valid_ll, float(found.at(found.since / 4)) - 10)
    axes.set_xlim(left=found.since / 4)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.legend(loc="upper left")
    return figure


@style()
def spectra(powers: Mapping[str, ArrayLike], title: str = "") -> Figure:
    """Mean power (k,) at the frequencies 0 .. k - 1 of several sets of pictures, by name, without frequency 0: the
    brightness of whole pictures, which contrast normalisation removes."""
    figure, axes = plt.subplots(figsize=(6, 3))
    styles = zip((DATA, "0.6", MODEL, ACCENT, DISCRIMINATOR), ("-", "--", "-", ":", "-."), strict=True)
    for (name, power), (color, line) in zip(powers.items(), styles, strict=False):
        power = np.asarray(power)
        axes.loglog(np.arange(1, len(power)), power[1:], color=color, linestyle=line, label=name)
    axes.set(xlabel="spatial frequency (cycles over the picture)", ylabel="mean power", title=title)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.legend()
    return figure


@style()
def sigma_curve(choice: parzen.SigmaChoice, title: str = "") -> Figure:
    """Mean validation log-likelihood against sigma, with the chosen one marked."""
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.semilogx(choice.sigmas, choice.mean_ll, marker="o", color=DISCRIMINATOR)
    best = (choice.sigma, choice.mean_ll.max())
    axes.plot(*best, marker="o", markersize=11, fillstyle="none", color=ACCENT, markeredgewidth=2)
    text = f"$\\sigma$ = {best[0]:.4f}\n{best[1]:.1f} nats"
    axes.annotate(text, best, xytext=(16, 6), textcoords="offset points", color=ACCENT)
    axes.set(xlabel="$\\sigma$", ylabel="mean log-likelihood (nats)", title=title)
    axes.set_ylim(top=choice.mean_ll.max() + 0.35 * np.ptp(choice.mean_ll))
    return figure


def is_toy(shape: Shape) -> bool:
    """Whether examples are points of the line or the plane."""
    return shape[:2] == (1, 1) and shape[2] <= 2
