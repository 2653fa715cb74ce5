"""Figure 1: nothing is cut, the half line stands at 1/2, and all frames share one scale."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.animation import PillowWriter

from ganrepro.report import figure1

X = np.linspace(-4, 4, 201)


def bell(sd):
    return np.exp(-((X / sd) ** 2) / 2) / (sd * np.sqrt(2 * np.pi))


@pytest.fixture
def stages():
    """p_g as wide as p_data, and so narrow that it is four times as high as D can be."""
    z = np.linspace(-1.7, 1.7, 21)
    yield [figure1.Stage(X, bell(0.5), bell(sd), np.full(X.shape, 0.5), z, z) for sd in (0.5, 0.1)]
    plt.close("all")


def curves(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_panels_cut_no_curve_and_share_one_scale(stages):
    assert stages[1].p_g.max() > 3.9
    axes = figure1.panels(stages, ["a", "b"], [None, bell(1.0)]).axes
    assert len({a.get_ylim() for a in axes}) == 1
    for a in axes:
        assert max(np.nanmax(line.get_ydata()) for line in a.get_lines()) < a.get_ylim()[1]
        assert list(curves(a)["$D = 1/2$"].get_ydata()) == [0.5, 0.5]
    assert "$D^*$" in curves(axes[1]) and "$D^*$" not in curves(axes[0])


def test_a_panel_alone_cuts_no_curve(stages):
    axes = plt.figure().add_subplot()
    figure1.draw(axes, stages[1])
    assert axes.get_ylim()[1] > stages[1].p_g.max()


def test_every_frame_has_the_scale_of_the_highest(stages, tmp_path, monkeypatch):
    tops = []

    def grab_frame(writer, **options):
        tops.append(writer.fig.axes[0].get_ylim()[1])
        return grab(writer, **options)

    grab = PillowWriter.grab_frame
    monkeypatch.setattr(PillowWriter, "grab_frame", grab_frame)
    file = figure1.animate(stages, ["a", "b"], tmp_path / "game.gif")
    assert file.read_bytes()[:3] == b"GIF"
    assert len(tops) == 2 and tops[0] == tops[1] > stages[1].p_g.max()
