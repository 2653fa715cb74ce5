"""Figures that a reader moves: sliders through z, and a training on the plane played step by step.

Each picture is made of pixels in a few milliseconds, which a slider needs and matplotlib does not reach. The widgets of
ipywidgets stand beside a static figure, and only where a reader can move them (`possible`).
"""

from __future__ import annotations

import importlib.util
import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from ganrepro import networks
from ganrepro.device import plain_torch
from ganrepro.extensions import inference
from ganrepro.networks import Generator
from ganrepro.parameters import expect_number
from ganrepro.progress import say

from .figures import ACCENT, DATA, DISCRIMINATOR, MODEL, Shape, mosaic, style

if TYPE_CHECKING:
    import ipywidgets

REACH = 3.0  # of a slider, in standard deviations of z; and of the plane, in units of x
ASK = "To move it by hand, open this notebook in JupyterLab with ipywidgets (the extra `notebooks`)."


def possible() -> bool:
    """Whether widgets can be moved here: ipywidgets is installed, and the kernel belongs to JupyterLab, Jupyter
    Notebook, VS Code or Colab. Not under papermill, nbval or nbconvert, and not in a script."""
    if importlib.util.find_spec("ipywidgets") is None or os.environ.get("GANREPRO_PROGRESS") == "0":
        return False  # GANREPRO_PROGRESS=0: outputs are kept, as by `ganrepro notebooks`
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and (
        "JPY_SESSION_NAME" in os.environ or "__vsc_ipynb_file__" in shell.user_ns or "google.colab" in sys.modules
    )


def show(make: Callable[..., Any], *given: Any, **options: Any) -> None:
    """Display the widget make(*given, **options). Where no reader can move one, print a line in its place."""
    if not possible():
        return say(ASK)
    from IPython.display import display

    display(make(*given, **options))


def png(picture: Image.Image) -> bytes:
    """The picture as a PNG, compressed little and quickly."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


# ------------------------------------------------------------------------------------------ sliders through z


@dataclass(frozen=True)
class Around:
    """G around one z (z_dim,), with the directions (k, z_dim), orthonormal, along which it is moved."""

    generator: Generator
    z: Tensor
    directions: Tensor

    @plain_torch
    def moved(self, amounts: ArrayLike) -> Tensor:
        """z plus amounts (n, k) along each direction, kept in the support of p_z: (n, z_dim) float32."""
        edge = math.sqrt(3) if self.generator.recipe.noise == "uniform" else math.inf
        return (self.z + torch.as_tensor(np.asarray(amounts, np.float32)) @ self.directions).clamp(-edge, edge)

    @plain_torch
    @torch.no_grad()
    def pictures(self, amounts: ArrayLike) -> Tensor:
        """G of the moved z: (n, k) -> (n, d) float32 on the CPU."""
        return self.generator(self.moved(amounts).to(next(self.generator.parameters()).device)).cpu()

    def sheet(self, steps: int) -> Tensor:
        """G along each direction alone, from -REACH to REACH: (k, steps, d)."""
        k, amounts = len(self.directions), np.linspace(-REACH, REACH, steps)
        along = np.eye(k)[:, None, :] * amounts[None, :, None]
        return self.pictures(along.reshape(k * steps, k)).unflatten(0, (k, steps))


def around(generator: Generator, seed: int, k: int = 5) -> Around:
    """G around the first z of a seed, with the k directions along which G(z) moves furthest there, strongest first: the
    right singular vectors of its Jacobian. Raises ValueError for k below 1 or above the size of z."""
    expect_number("k", k, 1, generator.recipe.z_dim)
    z = networks.noise(generator.recipe, 1, seed)
    basis = inference.directions(generator, z).basis[0, :k].float()
    largest = basis.gather(1, basis.abs().argmax(1, keepdim=True))
    return Around(generator, z[0], basis * largest.sign())  # a singular vector has no sign of its own


def sliders(
    generator: Generator, pictures: Callable[[Tensor], Tensor], shape: Shape, seed: int = 0, k: int = 5, side: int = 224
) -> ipywidgets.Box:  # fmt: skip
    """A slider for each of k directions, a button for a fresh z, and G's picture, about `side` pixels high. `pictures`
    brings G's outputs (n, d) to [0, 1]."""
    import ipywidgets

    place = around(generator, seed, k)
    bars = [ipywidgets.FloatSlider(0.0, min=-REACH, max=REACH, step=0.05, description=f"direction {i}",
                                   readout_format="+.1f") for i in range(1, k + 1)]  # fmt: skip
    image, button = ipywidgets.Image(format="png"), ipywidgets.Button(description="a fresh z")

    def redraw(_: Any = None) -> None:
        image.value = png(_enlarged(pictures(place.pictures([[bar.value for bar in bars]])), shape, side))

    def renew(_: Any) -> None:
        nonlocal place, seed
        seed += 1
        place = around(generator, seed, k)
        for bar in bars:
            bar.value = 0.0
        redraw()

    for bar in bars:
        bar.observe(redraw, "value")
    button.on_click(renew)
    redraw()
    return ipywidgets.HBox([image, ipywidgets.VBox([*bars, button])])


def _enlarged(picture: ArrayLike, shape: Shape, side: int) -> Image.Image:
    """A picture (1, d) in [0, 1] with its pixels as whole squares, about `side` high."""
    sheet = np.round(255 * mosaic(picture, shape, 1)).astype(np.uint8)
    drawn, times = Image.fromarray(sheet.squeeze(-1) if shape[0] == 1 else sheet), max(1, round(side / shape[1]))
    return drawn.resize((times * shape[2], times * shape[1]), Image.Resampling.NEAREST)


# ------------------------------------------------------------------------------------ a training on the plane


@dataclass(frozen=True)
class Moment:
    """A moment of a training: its step, D (side, side) in [0, 1] on an even grid, its first row the uppermost, and
    samples x (n, 2) of G."""

    step: int
    d: NDArray[np.float64]
    x: NDArray[np.float64]


@plain_torch
@torch.no_grad()
def moment(step: int, discriminator: nn.Module, x: Tensor, side: int = 40) -> Moment:
    """The Moment of D and samples x (n, 2), with D on side x side points from -REACH to REACH."""
    line = torch.linspace(-REACH, REACH, side)
    grid = torch.stack(torch.meshgrid(line, -line, indexing="xy"), -1).reshape(-1, 2)
    logits = discriminator(grid.to(next(discriminator.parameters()).device)).cpu()
    return Moment(step, torch.sigmoid(logits).double().reshape(side, side).numpy(), x.double().cpu().numpy())


def plane(moment: Moment, real: ArrayLike, side: int = 420) -> Image.Image:
    """D as a colour, blue where it is 1 and orange where it is 0, under real points (m, 2), black, and G's, green."""
    side = 2 * side  # drawn at twice its size and reduced, which makes the points round
    low, high = (np.array(to_rgb(colour)) for colour in (ACCENT, DISCRIMINATOR))
    strength = 0.75 * np.abs(2 * moment.d - 1)[..., None]  # 0 where D = 1/2, which is white
    colours = 1 - strength * (1 - np.where(moment.d[..., None] > 0.5, high, low))
    picture = Image.fromarray(np.round(255 * colours).astype(np.uint8)).resize((side, side), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    for points, colour, radius in ((real, DATA, 0.008 * side), (moment.x, MODEL, 0.007 * side)):
        for right, up in (np.asarray(points, float) * (1, -1) / REACH + 1) * side / 2:
            if 0 <= right < side and 0 <= up < side:
                draw.ellipse((right - radius, up - radius, right + radius, up + radius), fill=colour)
    return picture.reduce(2)


@style()
def moments(chosen: Sequence[Moment], real: ArrayLike, title: str = "") -> Figure:
    """The static figure: the planes of some moments side by side, with their steps."""
    figure, panels = plt.subplots(1, len(chosen), figsize=(1.75 * len(chosen), 2.2), squeeze=False)
    for axes, each in zip(panels.flat, chosen, strict=True):
        axes.imshow(np.asarray(plane(each, real)))
        axes.set_axis_off()
        axes.set_title(f"step {each.step:,}", fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure


def play(all_moments: Sequence[Moment], real: ArrayLike, milliseconds: int = 120) -> ipywidgets.Box:
    """The moments under a slider and a button that plays them."""
    import ipywidgets

    last, image, label = len(all_moments) - 1, ipywidgets.Image(format="png"), ipywidgets.Label()
    image.layout.align_self = "flex-start"  # or the page stretches it to its own width
    player = ipywidgets.Play(min=0, max=last, interval=milliseconds)
    bar = ipywidgets.IntSlider(0, min=0, max=last, readout=False)

    def redraw(_: Any = None) -> None:
        shown = all_moments[bar.value]
        image.value, label.value = png(plane(shown, real)), f"step {shown.step:,}"

    bar.observe(redraw, "value")
    ipywidgets.jslink((player, "value"), (bar, "value"))
    redraw()
    return ipywidgets.VBox([image, ipywidgets.HBox([player, bar, label])])
