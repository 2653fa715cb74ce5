"""The animated scatter: its frames, its size, the same bytes twice, and refusals."""

import numpy as np
import pytest
from PIL import Image

from ganrepro.report import animation

REAL = np.array([[2.0, 0], [0, 2], [-2, 0], [0, -2]])
FRAMES = np.random.default_rng(0).normal(size=(4, 50, 2))


def test_a_gif_holds_every_frame_and_repeats(tmp_path):
    path = animation.points(FRAMES, REAL, ["a", "b", "c", "d"], tmp_path / "points.gif", seconds=0.25, side=120)
    with Image.open(path) as found:
        assert (found.n_frames, found.size, found.info["loop"]) == (4, (120, 120), 0)
        assert found.info["duration"] == 250
    assert path.stat().st_size < 30_000
    assert [p.name for p in tmp_path.iterdir()] == ["points.gif"]
    again = animation.points(FRAMES, REAL, ["a", "b", "c", "d"], tmp_path / "again.gif", seconds=0.25, side=120)
    assert again.read_bytes() == path.read_bytes()


def test_a_script_shows_nothing(tmp_path, capsys):
    animation.show(animation.points(FRAMES[:1], REAL, ["a"], tmp_path / "points.gif", side=60))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "change, message",
    [
        ({"frames": FRAMES[0]}, r"frames has shape \(50, 2\)"),
        ({"real": REAL[0]}, r"real \(2,\)"),
        ({"labels": ["a"]}, "there are 1 labels"),
        ({"seconds": 0.0}, "seconds = 0.0"),
        ({"side": 10}, "side = 10"),
    ],
)
def test_bad_input_is_refused(tmp_path, change, message):
    given = {"frames": FRAMES, "real": REAL, "labels": list("abcd"), "path": tmp_path / "x.gif"}
    with pytest.raises(ValueError, match=message):
        animation.points(**given | change)
    assert not list(tmp_path.iterdir())
