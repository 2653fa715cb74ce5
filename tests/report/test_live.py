"""Sliders and players without a browser: what their values do to the picture, and when they are shown at all."""

import io

import IPython
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganrepro import networks, recipes, training
from ganrepro.report import live

RECIPE = recipes.quick(recipes.RECIPES["mnist"], 1000)
SHAPE = (1, 28, 28)


@pytest.fixture(scope="module")
def generator():
    return networks.Generator(RECIPE, training.random_state(0, stream=0), torch.full((784,), 0.3))


class Field(nn.Module):
    """A D whose logit is a coordinate of x."""

    def __init__(self, coordinate):
        super().__init__()
        self.scale, self.coordinate = nn.Parameter(torch.tensor(4.0)), coordinate

    def forward(self, x):
        return self.scale * x[:, self.coordinate : self.coordinate + 1]


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def as_shown(x):
    return np.round(255 * x.detach().clamp(0, 1).reshape(28, 28).numpy()).astype(np.uint8)


def test_a_slider_shows_what_the_generator_makes_of_the_moved_z(generator):
    widgets = pytest.importorskip("ipywidgets")
    box = live.sliders(generator, lambda x: x, SHAPE, seed=7, k=3, side=56)
    image, (*bars, button) = box.children[0], box.children[1].children
    assert [type(b) for b in bars] == [widgets.FloatSlider] * 3
    z, place = networks.noise(RECIPE, 1, 7), live.around(generator, 7, 3)
    assert np.array_equal(pixels(image.value)[::2, ::2], as_shown(generator(z)))
    before = image.value
    bars[1].value = 2.5
    moved = (z + 2.5 * place.directions[1]).clamp(-(3**0.5), 3**0.5)
    assert image.value != before and np.array_equal(pixels(image.value)[::2, ::2], as_shown(generator(moved)))
    button.click()
    assert [bar.value for bar in bars] == [0, 0, 0]
    assert np.array_equal(pixels(image.value)[::2, ::2], as_shown(generator(networks.noise(RECIPE, 1, 8))))


def test_the_directions_are_those_that_move_the_picture_most(generator):
    place = live.around(generator, 0, 4)
    assert torch.allclose(place.directions @ place.directions.T, torch.eye(4), atol=1e-5)

    @torch.no_grad()
    def change(direction):
        return float((generator(place.z[None] + 0.01 * direction) - generator(place.z[None])).norm())

    changes = [change(d) for d in place.directions]
    assert changes == sorted(changes, reverse=True)
    others = torch.randn(20, 100, generator=torch.Generator().manual_seed(0))
    assert changes[3] > max(change(d / d.norm()) for d in others)


def test_z_stays_in_its_support(generator):
    place = live.around(generator, 0, 2)
    assert place.moved([[50.0, -50.0]]).abs().max() <= 3**0.5
    assert torch.equal(place.moved([[0.0, 0.0]])[0], place.z)


def test_the_sheet_moves_one_direction_a_row(generator):
    place = live.around(generator, 0, 2)
    sheet = place.sheet(5)
    assert sheet.shape == (2, 5, 784)
    assert torch.allclose(sheet[:, 2], generator(place.z[None]).detach().expand(2, -1), atol=1e-5)
    assert torch.allclose(sheet[1, 4], place.pictures([[0.0, live.REACH]])[0], atol=1e-5)


@pytest.mark.parametrize("k", [0, 101, 1.5])
def test_a_wrong_number_of_directions_is_refused(generator, k):
    with pytest.raises(ValueError, match="k = "):
        live.around(generator, 0, k)


@pytest.mark.parametrize("coordinate, bright", [(0, np.s_[:, -1]), (1, np.s_[0, :])])
def test_the_field_lies_as_the_plane_does(coordinate, bright):
    """x to the right and y upwards."""
    found = live.moment(3, Field(coordinate), torch.zeros(1, 2), side=9)
    assert (found.step, found.d.shape) == (3, (9, 9))
    assert (found.d[bright] > 0.99).all() and found.d[4, 4] == pytest.approx(0.5)


def test_the_plane_shows_d_as_colour_and_points_where_they_are():
    x = np.array([[1.5, 1.5]])
    drawn = [np.asarray(live.plane(live.Moment(0, np.full((8, 8), d), x), [[-1.5, 0.0]], side=200)).astype(int)
             for d in (0.0, 0.5, 1.0)]  # fmt: skip
    low, half, high = (picture[5, 5] for picture in drawn)
    assert low[0] > low[2] and high[2] > high[0] and (half == 255).all()
    assert (drawn[1][100, 50] == 0).all()  # the real point: left of the middle
    r, g, b = drawn[1][50, 150]  # G's: up and to the right
    assert g > r and g > b


def test_a_point_off_the_plane_is_left_out():
    far = live.Moment(0, np.full((8, 8), 0.5), np.array([[9.0, 0.0], [np.nan, 0.0]]))
    assert (np.asarray(live.plane(far, np.zeros((0, 2)), side=60)) == 255).all()


def test_the_player_shows_the_moment_of_its_slider():
    pytest.importorskip("ipywidgets")
    rng = np.random.default_rng(0)
    stored = [live.Moment(20 * i, rng.random((8, 8)), rng.normal(size=(30, 2))) for i in range(4)]
    box = live.play(stored, np.zeros((1, 2)))
    image, (player, bar, label) = box.children[0], box.children[1].children
    assert (player.max, bar.max, label.value) == (3, 3, "step 0")
    bar.value = 2
    assert label.value == "step 40" and image.value == live.png(live.plane(stored[2], np.zeros((1, 2))))
    figure = live.moments(stored, np.zeros((1, 2)), "ring")
    assert [axes.get_title("left") for axes in figure.axes] == ["step 0", "step 20", "step 40", "step 60"]


class Shell:
    user_ns: dict = {}


def test_widgets_are_shown_in_a_front_end_only(monkeypatch, capsys):
    """JupyterLab names its session to the kernel; papermill, nbval and nbconvert have none."""
    monkeypatch.setattr(live.importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.delenv("GANREPRO_PROGRESS", raising=False)
    monkeypatch.setattr(IPython, "get_ipython", Shell)
    assert not live.possible()
    live.show(lambda: pytest.fail("made without a front end"))
    assert capsys.readouterr().out == live.ASK + "\n"
    monkeypatch.setenv("JPY_SESSION_NAME", "04_samples.ipynb")
    assert live.possible()
    monkeypatch.setenv("GANREPRO_PROGRESS", "0")  # outputs are kept
    assert not live.possible()
    monkeypatch.delenv("GANREPRO_PROGRESS")
    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    assert not live.possible()
    monkeypatch.setattr(IPython, "get_ipython", Shell)
    monkeypatch.setattr(live.importlib.util, "find_spec", lambda name: None)
    assert not live.possible()


def test_a_widget_is_made_with_what_is_given(monkeypatch):
    made = []
    monkeypatch.setattr(live, "possible", lambda: True)
    monkeypatch.setattr("IPython.display.display", made.append)
    live.show(lambda a, b: (a, b), 1, b=2)
    assert made == [(1, 2)]
