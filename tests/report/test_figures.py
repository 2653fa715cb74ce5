"""Figures: the right pixels in the right places, and files that are whole and the same every time."""

import io
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from PIL import Image

from ganrepro import parzen
from ganrepro.diagnostics import growth
from ganrepro.report import figures


@pytest.fixture(autouse=True)
def _house_style():
    with plt.rc_context():
        figures.use_style()
        yield
        plt.close("all")


def pictures(n, shape, seed=0):
    return np.random.default_rng(seed).random((n, int(np.prod(shape))))


def picture_of(axes):
    """What imshow was given."""
    (image,) = axes.get_images()
    return np.asarray(image.get_array())


# ----------------------------------------------------------------------------------------- mosaic


@given(st.integers(1, 14), st.integers(1, 5), st.integers(0, 3), st.sampled_from([(1, 2, 3), (3, 4, 2), (1, 1, 1)]))
def test_mosaic_holds_every_pixel_in_its_place_and_white_elsewhere(n, columns, gap, shape):
    c, h, w = shape
    given_, sheet = pictures(n, shape), figures.mosaic(pictures(n, shape), shape, columns, gap)
    rows = -(-n // columns)
    assert sheet.shape == (rows * h + (rows - 1) * gap, columns * w + (columns - 1) * gap, c)
    left = np.ones_like(sheet)
    for i in range(n):
        top, start = (i // columns) * (h + gap), (i % columns) * (w + gap)
        for y in range(h):
            for x in range(w):
                for k in range(c):  # rows are in (c, h, w) order
                    assert sheet[top + y, start + x, k] == given_[i][k * h * w + y * w + x]
        left[top : top + h, start : start + w] = sheet[top : top + h, start : start + w]
    assert np.array_equal(left, sheet)


def test_mosaic_clips_to_what_can_be_shown():
    assert figures.mosaic([[-1.0, 0.5, 2.0, 1.0]], (1, 2, 2), 1).ravel().tolist() == [0, 0.5, 1, 1]


def test_mosaic_leaves_its_pictures_alone():
    x = pictures(3, (1, 2, 2)) * 2
    before = x.copy()
    figures.mosaic(x, (1, 2, 2), 2)
    assert np.array_equal(x, before)


# ---------------------------------------------------------------------------------------- figures


def test_figure_2_has_the_neighbours_in_a_marked_last_column():
    samples, neighbours = pictures(12, (1, 4, 4)), pictures(3, (1, 4, 4), seed=1)
    (axes,) = figures.figure2(samples, neighbours, (1, 4, 4), 4, "Figure 2").axes
    sheet, left = picture_of(axes), figures.mosaic(samples, (1, 4, 4), 4)[..., 0]
    width = left.shape[1]
    assert np.array_equal(sheet[:, :width], left)
    assert np.array_equal(sheet[:, -4:], figures.mosaic(neighbours, (1, 4, 4), 1)[..., 0])  # each beside its sample
    assert sheet.shape[1] > width + 4 and (sheet[:, width:-4] == 1).all()
    (frame,) = [p for p in axes.patches if isinstance(p, Rectangle)]
    (x0, y0), (x1, y1) = frame.get_bbox().get_points()
    assert width - 0.5 < x0 < sheet.shape[1] - 4.5 < sheet.shape[1] - 0.5 < x1  # round the neighbours, no sample
    assert y0 < -0.5 and y1 > len(sheet) - 0.5
    assert frame.get_edgecolor()[:3] == pytest.approx(plt.matplotlib.colors.to_rgb(figures.ACCENT))
    assert (axes.get_title(loc="left"), axes.get_title(loc="right")) == ("Figure 2", "nearest")


@pytest.mark.parametrize(
    ("samples", "neighbours", "needed"), [(12, 4, "3"), (12, 2, "3"), (10, 2, "2.5"), (10, 3, "2.5")]
)
def test_figure_2_refuses_neighbours_that_do_not_fit(samples, neighbours, needed):
    said = f"{samples} samples in 4 columns need {needed} neighbours, got {neighbours}"
    with pytest.raises(ValueError, match=said):
        figures.figure2(pictures(samples, (1, 4, 4)), pictures(neighbours, (1, 4, 4)), (1, 4, 4), 4)


def test_figure_3_has_a_walk_in_each_row():
    walks = pictures(3 * 5, (1, 4, 4)).reshape(3, 5, 16)
    (axes,) = figures.figure3(walks, (1, 4, 4)).axes
    sheet = picture_of(axes)
    assert sheet.shape == (3 * 5 - 1, 5 * 5 - 1)  # a gap of one pixel
    for row in range(3):
        for step in range(5):
            tile = sheet[5 * row : 5 * row + 4, 5 * step : 5 * step + 4]
            assert np.array_equal(tile.ravel(), walks[row, step])


def test_colour_pictures_keep_their_channels_and_grey_ones_are_grey():
    assert picture_of(figures.sprite(pictures(4, (3, 4, 4)), (3, 4, 4), 2).axes[0]).shape == (10, 10, 3)
    axes = figures.sprite(pictures(4, (1, 4, 4)), (1, 4, 4), 2).axes[0]
    assert picture_of(axes).shape == (10, 10) and axes.get_images()[0].get_cmap().name == "gray"
    assert axes.get_images()[0].get_clim() == (0, 1)  # a dark sheet is shown dark


def test_points_of_the_plane_are_a_scatter_and_of_the_line_a_histogram():
    plane = np.random.default_rng(0).normal(size=(50, 2))
    (axes,) = figures.sprite(plane, (1, 1, 2)).axes
    assert np.allclose(axes.collections[0].get_offsets(), plane) and axes.get_aspect() == 1
    (axes,) = figures.sprite(plane[:, :1], (1, 1, 1)).axes
    assert sum(p.get_height() * p.get_width() for p in axes.patches) == pytest.approx(1)  # a density
    assert not axes.collections


@pytest.mark.parametrize(
    ("shape", "toy"), [((1, 1, 1), True), ((1, 1, 2), True), ((1, 8, 8), False), ((3, 1, 2), False)]
)
def test_toys_are_told_from_pictures(shape, toy):
    assert figures.is_toy(shape) is toy


def test_rows_have_their_labels_beside_them():
    samples = pictures(12, (1, 4, 4)).reshape(3, 4, 16)
    (axes,) = figures.rows(samples, (1, 4, 4), ["epoch 0", "1", "20"], "the same z").axes
    assert [t.get_text() for t in axes.texts] == ["epoch 0", "1", "20"]
    for row, text in enumerate(axes.texts):  # each label stands beside its row, left of it
        x, y = text.get_position()
        assert x < 0 and row * (4 + 2) <= y <= row * (4 + 2) + 4
        assert np.allclose(picture_of(axes)[row * 6 : row * 6 + 4, :4], samples[row, 0].reshape(4, 4))
    assert len(figures.rows(pictures(60, (1, 1, 2)).reshape(3, 20, 2), (1, 1, 2), ["a", "b", "c"]).axes) == 3


def curves(valid):
    n = len(valid)
    return pd.DataFrame({"epoch": range(1, n + 1), "d_loss": np.linspace(0.6, 0.5, n), "g_loss": np.linspace(1, 2, n),
                         "d_real": np.full(n, 0.7), "d_fake": np.full(n, 0.2), "valid_ll": valid})  # fmt: skip


def test_learning_curves_show_what_there_is():
    losses, outputs = figures.learning_curves(curves([np.nan] * 4)).axes
    assert [line.get_label() for line in losses.lines] == ["$L_D$", "$L_G$"]
    assert np.allclose(losses.lines[1].get_ydata(), np.linspace(1, 2, 4))
    assert np.allclose(outputs.lines[0].get_ydata(), 0.7) and outputs.get_ylim() == (0, 1)
    *_, scored = figures.learning_curves(curves([np.nan, -300.0, np.nan, 120.0])).axes
    assert scored.lines[0].get_xdata().tolist() == [2, 4] and scored.lines[0].get_ydata().tolist() == [-300, 120]


def test_a_restart_is_a_line_in_every_panel():
    for axes in figures.learning_curves(curves([1.0, 2.0, 3.0]), restarts=[2]).axes:
        assert [line.get_xdata() for line in axes.lines if line.get_label() == "restart"] == [[2, 2]]


def test_a_cut_axis_says_so():
    *_, whole = figures.learning_curves(curves([1.0, 2.0, 3.0])).axes
    assert not whole.texts and whole.get_ylim()[0] < 1
    *_, scored = figures.learning_curves(curves([-300.0] + [100.0 + i for i in range(20)])).axes
    assert scored.get_ylim()[0] > -300
    assert [t.get_text() for t in scored.texts] == ["axis cut: 1 score below, down to -300"]
    arms = pd.DataFrame({"arm": ["recipe"] * 2 + ["x"] * 2, "seed": 0, "epoch": [1, 2, 1, 2]})
    panel, *_ = figures.ablation_curves(arms.assign(valid_ll=[0.0, 100.0, -900.0, -800.0])).axes
    assert [t.get_text() for t in panel.texts] == ["axis cut: 2 scores below, down to -900"]


def test_growth_is_drawn_on_a_logarithmic_axis_as_far_as_asked():
    epochs = np.arange(5, 1001, 5)
    table = pd.DataFrame({"epoch": epochs, "valid_ll": 70 + 20 * np.log(epochs) + np.where(epochs % 2, 1, -1)})
    found = growth.fit(table)
    (axes,) = figures.growth(table, found, 2000).axes
    points, fitted, later = axes.lines
    assert axes.get_xscale() == "log" and points.get_xdata().tolist() == epochs.tolist()
    assert fitted.get_xdata()[[0, -1]].tolist() == pytest.approx([100, 1000])
    assert later.get_xdata()[[0, -1]].tolist() == pytest.approx([1000, 2000]) and later.get_linestyle() == "--"
    assert later.get_ydata()[-1] == pytest.approx(found.at(2000))
    assert f"{found.slope:.1f} ± {found.slope_error:.1f} nats" in fitted.get_label()


def test_spectra_leave_out_the_brightness_of_whole_pictures():
    (axes,) = figures.spectra({"data": [9.0, 4.0, 1.0], "samples": [8.0, 2.0, 3.0]}).axes
    assert [line.get_label() for line in axes.lines] == ["data", "samples"]
    assert axes.lines[1].get_xdata().tolist() == [1, 2] and axes.lines[1].get_ydata().tolist() == [2, 3]
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_sigma_curve_marks_the_chosen_width():
    choice = parzen.SigmaChoice(0.2, np.array([0.1, 0.2, 0.4]), np.array([100.0, 225.0, 50.0]), False)
    (axes,) = figures.sigma_curve(choice).axes
    curve, mark = axes.lines
    assert curve.get_ydata().tolist() == [100, 225, 50] and axes.get_xscale() == "log"
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (0.2, 225)
    assert "0.2000" in axes.texts[0].get_text() and "225.0 nats" in axes.texts[0].get_text()


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_figure_is_the_same_file(tmp_path, kind):
    files = []
    for name in ("a", "b"):
        figure = figures.figure2(pictures(6, (1, 4, 4)), pictures(2, (1, 4, 4), 1), (1, 4, 4), 3, "Figure 2")
        files.append(figures.save(figure, tmp_path / name / f"figure.{kind}").read_bytes())
    assert files[0] == files[1] and len(files[0]) > 1000
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind]
    assert files[0].startswith(start)


def test_a_figure_that_cannot_be_drawn_leaves_the_earlier_file(tmp_path, monkeypatch):
    figure = figures.sprite(pictures(4, (1, 4, 4)), (1, 4, 4), 2)
    path = figures.save(figure, tmp_path / "figure.png")
    before = path.read_bytes()

    def half(self, target, **options):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(figure), "savefig", half)
    with pytest.raises(OSError, match="No space"):
        figures.save(figure, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["figure.png"]


def test_the_style_is_safe_for_colour_blind_readers():
    okabe_ito = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000"}
    colors = {f"#{c.lstrip('#')}".upper() for c in plt.rcParams["axes.prop_cycle"].by_key()["color"]}
    assert colors <= okabe_ito and len(colors) == 7
    assert {figures.DATA, figures.MODEL, figures.DISCRIMINATOR, figures.ACCENT} <= okabe_ito


def test_a_palette_keeps_background_shading_and_the_colour_of_every_line_in_a_smaller_file():
    figure, drawn = plt.figure(), io.BytesIO()
    cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    figure.gca().axhspan(2, 4, color="#F2F2F2")  # nearly the white around it
    for i, colour in enumerate(cycle):
        figure.gca().plot(np.sin(np.arange(60) / 3 + i) + i, color=colour)
    figure.savefig(drawn, format="png")
    smaller = figures._with_palette(drawn.getvalue())
    with Image.open(io.BytesIO(smaller)) as few, Image.open(drawn) as before:
        assert few.size == before.size and few.mode == "P" and len(smaller) < len(drawn.getvalue()) / 2
        found, wanted = (np.asarray(picture.convert("RGB")).astype(int) for picture in (few, before))
    assert np.abs(found - wanted).max() < 32
    for colour in ["#FFFFFF", "#F2F2F2", *cycle]:
        pixels = (wanted == np.rint(255 * np.array(to_rgb(colour)))).all(-1)
        assert pixels.any() and (found[pixels] == wanted[pixels]).all(), colour
