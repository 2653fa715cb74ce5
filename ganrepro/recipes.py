"""The paper's hyper-parameters: data only, each field with its source (see recipe.py)."""

from __future__ import annotations

from ganrepro.layers import MARGINAL, Convolution, Layer, TransposedConvolution
from ganrepro.recipe import Recipe, SecondStage

__all__ = ["MARGINAL", "OWN", "RECIPES", "Convolution", "Layer", "Recipe", "SecondStage", "TransposedConvolution",
           "for_dataset", "made_for"]  # fmt: skip

SINGLE_LOGIT = Layer(1, "linear", 0.005)  # the sigmoid is part of the loss, which works on logits
# A one-hot c has a length of 1, z one of 10 and x of 9: at 1 it goes unheard at first, and at 20 it drowns z. With the
# full recipe on MNIST, samples of their class and their spread within it, against real ones: at 1 12% and 1.0 after 8
# epochs; at 4 88% and .95 after 12, 97% and .98 after 30; at 8 62% and .04 after 3; at 20 80% and .01 after 4.
LOUDNESS = 4.0
# Observed pixels three times as loud and the mask a third (conditions.voiced). Validation score of whole samples of the
# full recipe on MNIST, in nats: at 1 -32 after 20 epochs and 61 after 40; at 3 85 and 136.
SUBSETS_LOUDNESS = 3.0


def _mnist(name: str, shape: tuple[int, int, int]) -> Recipe:
    c, h, w = shape
    return Recipe(
        name=name,
        shape=shape,
        generator=(Layer(1200, "relu"), Layer(1200, "relu"), Layer(c * h * w, "sigmoid", bias=MARGINAL)),
        discriminator=(
            Layer(240, "maxout", 0.005, pieces=5),
            Layer(240, "maxout", 0.005, pieces=5),
            SINGLE_LOGIT,
        ),
        epochs=2000,
    )


def _tfd(name: str, shape: tuple[int, int, int]) -> Recipe:
    c, h, w = shape
    return Recipe(
        name=name,
        shape=shape,
        noise="gaussian",
        generator=(
            Layer(8000, "relu"),
            Layer(8000, "sigmoid", bias=-2.0),
            Layer(c * h * w, "sigmoid", bias=MARGINAL, sparse=100),
        ),
        discriminator=(
            Layer(1200, "maxout", 0.005, pieces=5),
            Layer(1200, "maxout", 0.005, pieces=5),
            SINGLE_LOGIT,
        ),
        epochs=50 + 22,
        learning_rate=0.05,
        max_col_norm=1.9365,
        second_stage=SecondStage(after=50, front=(Layer(8000, "relu"), Layer(100, "sigmoid", bias=-2.0))),
    )


def _cifar10_fc(name: str, shape: tuple[int, int, int]) -> Recipe:
    c, h, w = shape
    return Recipe(
        name=name,
        shape=shape,
        noise="gaussian",
        generator=(Layer(8000, "relu"), Layer(8000, "sigmoid"), Layer(c * h * w, "linear", 0.5)),
        discriminator=(
            Layer(1600, "maxout", 0.005, pieces=5),
            Layer(1600, "maxout", 0.005, pieces=5),
            SINGLE_LOGIT,
        ),
        epochs=500,  # ours: P and C leave it open
        learning_rate=0.025,
        contrast=55.0,
    )


def _cifar10_conv(name: str, shape: tuple[int, int, int]) -> Recipe:
    if shape != (3, 32, 32):
        raise ValueError(f"shape = {shape!r}; the recipe {name} is for pictures of shape (3, 32, 32) only")
    return Recipe(
        name=name,
        shape=shape,
        noise="gaussian",
        generator=(
            Layer(8000, "relu"),
            Layer(8000, "sigmoid"),
            TransposedConvolution(inputs=(80, 10, 10), channels=3, kernel=5, stride=3),
        ),
        discriminator=(
            Convolution(inputs=(3, 32, 32), channels=32, kernel=8, pad=4, pool=4, stride=2),
            Convolution(inputs=(32, 16, 16), channels=32, kernel=8, pad=3, pool=4, stride=2),
            Convolution(inputs=(32, 7, 7), channels=192, kernel=5, pad=3, pool=2, stride=2),
            Layer(500, "maxout", 0.005, pieces=5),
            SINGLE_LOGIT,
        ),
        epochs=500,  # ours: P and C leave it open
        batch_size=128,
        learning_rate=0.004,
        contrast=55.0,
    )


def _toy(name: str, shape: tuple[int, int, int]) -> Recipe:
    """Ours, not the paper's: a small net for points on a line or in a plane, whose samples are unbounded."""
    c, h, w = shape
    return Recipe(
        name=name,
        shape=shape,
        z_dim=8,
        noise="gaussian",
        generator=(Layer(64, "relu", 0.3), Layer(64, "relu", 0.3), Layer(c * h * w, "linear", 0.3)),
        discriminator=(Layer(32, "maxout", 0.3, pieces=5), Layer(32, "maxout", 0.3, pieces=5), SINGLE_LOGIT),
        epochs=40,
        keep_input=1.0,
        keep_hidden=1.0,
        learning_rate=0.02,
    )


def _conditional(name: str, shape: tuple[int, int, int]) -> Recipe:
    """Section 7, 1: the MNIST recipe, both players told the class of ten. Other numbers of classes: `replace`."""
    return _mnist(name, shape).replace(condition=10, loudness=LOUDNESS)


def _attributes(name: str, shape: tuple[int, int, int]) -> Recipe:
    """Section 7, 1: as `_conditional`, both players told two attributes more (extensions/attributes.py)."""
    return _mnist(name, shape).replace(condition=12, loudness=LOUDNESS)


def _subsets(name: str, shape: tuple[int, int, int]) -> Recipe:
    """Section 7, 3: the MNIST recipe, G told a random part of the picture, which it completes."""
    return _mnist(name, shape).replace(subsets=True, loudness=SUBSETS_LOUDNESS)


_BUILD = {
    "mnist": _mnist, "tfd": _tfd, "cifar10-fc": _cifar10_fc, "cifar10-conv": _cifar10_conv, "toy": _toy,
    "conditional": _conditional, "attributes": _attributes, "subsets": _subsets,
}  # fmt: skip
OWN = "own"
_OWN = {
    "tfd": "tfd", "fer2013": "tfd", "att": "tfd", "cifar10": "cifar10-fc",
    "gaussian1d": "toy", "ring": "toy", "grid": "toy",
}  # fmt: skip
_MADE_FOR = {  # others are named as their data set
    "cifar10-fc": "cifar10", "cifar10-conv": "cifar10", "conditional": "mnist",
    "attributes": "mnist", "subsets": "mnist",
}  # fmt: skip

RECIPES: dict[str, Recipe] = {
    "mnist": _mnist("mnist", (1, 28, 28)),
    "tfd": _tfd("tfd", (1, 48, 48)),
    "cifar10-fc": _cifar10_fc("cifar10-fc", (3, 32, 32)),
    "cifar10-conv": _cifar10_conv("cifar10-conv", (3, 32, 32)),
    "toy": _toy("toy", (1, 1, 2)),
    "conditional": _conditional("conditional", (1, 28, 28)),
    "attributes": _attributes("attributes", (1, 28, 28)),
    "subsets": _subsets("subsets", (1, 28, 28)),
}


def for_dataset(name: str, shape: tuple[int, int, int], recipe: str = OWN) -> Recipe:
    """The recipe for a data set: its own where the paper has one, else the MNIST recipe at the data's size.

    name: as in `datasets.load`, or `Dataset.name`; shape: (c, h, w) of one example.
    recipe: one of RECIPES in place of the data set's own. CIFAR-10 has two; its own is the fully connected one.
    Raises ValueError for an unknown recipe, and a shape that is none or not the recipe's.
    """
    if len(shape) != 3 or any(type(s) is not int or s < 1 for s in shape):
        raise ValueError(f"shape = {shape!r}; expected three ints of at least 1: (channels, height, width)")
    family = own(name) if recipe == OWN else recipe
    if family not in _BUILD:
        raise ValueError(f"recipe = {recipe!r}; choose one of {OWN}, {', '.join(_BUILD)}")
    return _BUILD[family](family, shape)


def own(name: str) -> str:
    """The name of a data set's own recipe."""
    return _OWN.get(name, "mnist")


def made_for(recipe: str) -> str:
    """The data set that the recipe of this name is for."""
    return _MADE_FOR.get(recipe, recipe)
