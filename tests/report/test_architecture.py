"""The picture of the nets: every recipe's layers with their widths."""

import matplotlib.pyplot as plt
import pytest

from ganrepro import recipes
from ganrepro.recipes import RECIPES
from ganrepro.report import architecture, figures


def texts(figure) -> list[str]:
    return [t.get_text() for t in figure.axes[0].texts]


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_layer_of_every_recipe_stands_there_with_its_width(name):
    figures.use_style()
    for recipe in (RECIPES[name], recipes.quick(RECIPES[name], 1000)):
        said = texts(architecture.draw(recipe))
        plt.close("all")
        for layer in (*recipe.generator, *recipe.discriminator):
            assert architecture.describe(layer) in said
        assert f"$z$\n{recipe.g_inputs:,}" in said and f"input\n{recipe.d_inputs:,}" in said


def test_the_authors_widths():
    said = "".join(texts(architecture.draw(RECIPES["mnist"])))
    plt.close("all")
    assert "relu\n1,200" in said and "maxout\n240 × 5" in said and "sigmoid\n784" in said


def test_the_text_of_the_picture_does_not_overlap():
    for name in ("mnist", "tfd", "cifar10-conv"):
        figure = architecture.draw(RECIPES[name])
        figure.canvas.draw()
        boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
        plt.close("all")
        assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)], name
