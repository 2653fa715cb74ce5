"""The authors' recipes: data only, each field's source named in schema.py."""

import dataclasses
import math

from .layers import MARGINAL, Convolution, Layer, TransposedConvolution
from .schema import Conditional, Recipe, SecondStage, Subsets

SINGLE_LOGIT = Layer(1, "linear", 0.005)  # the sigmoid is part of the loss, which works on logits
# condition_scale, measured with the full recipe on MNIST. A one-hot c has length 1, z length 10 and x length 9. Share
# of samples of the requested class, and their spread within it relative to real digits: at 1 12% and 1.0 after 8
# epochs; at 4 88% and .95 after 12, 97% and .98 after 30; at 8 62% and .04 after 3; at 20 80% and .01 after 4.
CONDITION_SCALE = 4.0
# The same for observed pixels (schema.Subsets). Validation score of whole samples of the full recipe on MNIST, in nats:
# at 1 -32 after 20 epochs and 61 after 40; at 3 85 and 136.
SUBSETS_SCALE = 3.0

# epochs of MNIST and CIFAR-10: ours, since P and C leave them open
_MNIST = Recipe(
    name="mnist", shape=(1, 28, 28), epochs=2000,
    generator=(Layer(1200, "relu"), Layer(1200, "relu"), Layer(784, "sigmoid", bias=MARGINAL)),
    discriminator=(Layer(240, "maxout", 0.005, pieces=5), Layer(240, "maxout", 0.005, pieces=5), SINGLE_LOGIT),
)  # fmt: skip
_TFD = Recipe(
    name="tfd", shape=(1, 48, 48), noise="gaussian", epochs=50 + 22, learning_rate=0.05, max_col_norm=1.9365,
    generator=(
        Layer(8000, "relu"), Layer(8000, "sigmoid", bias=-2.0), Layer(2304, "sigmoid", bias=MARGINAL, sparse=100),
    ),
    discriminator=(Layer(1200, "maxout", 0.005, pieces=5), Layer(1200, "maxout", 0.005, pieces=5), SINGLE_LOGIT),
    second_stage=SecondStage(after=50, front=(Layer(8000, "relu"), Layer(100, "sigmoid", bias=-2.0))),
)  # fmt: skip
_CIFAR10_FC = Recipe(
    name="cifar10-fc", shape=(3, 32, 32), noise="gaussian", epochs=500, learning_rate=0.025, contrast=55.0,
    generator=(Layer(8000, "relu"), Layer(8000, "sigmoid"), Layer(3072, "linear", 0.5)),
    discriminator=(Layer(1600, "maxout", 0.005, pieces=5), Layer(1600, "maxout", 0.005, pieces=5), SINGLE_LOGIT),
)  # fmt: skip
_CIFAR10_CONV = Recipe(
    name="cifar10-conv", shape=(3, 32, 32), noise="gaussian", epochs=500, batch_size=128, learning_rate=0.004,
    contrast=55.0,
    generator=(
        Layer(8000, "relu"), Layer(8000, "sigmoid"),
        TransposedConvolution(inputs=(80, 10, 10), channels=3, kernel=5, stride=3),
    ),
    discriminator=(
        Convolution(inputs=(3, 32, 32), channels=32, kernel=8, pad=4, pool=4, stride=2),
        Convolution(inputs=(32, 16, 16), channels=32, kernel=8, pad=3, pool=4, stride=2),
        Convolution(inputs=(32, 7, 7), channels=192, kernel=5, pad=3, pool=2, stride=2),
        Layer(500, "maxout", 0.005, pieces=5), SINGLE_LOGIT,
    ),
)  # fmt: skip
_TOY = Recipe(  # ours: a small net for points on a line or in a plane, whose samples are unbounded
    name="toy", shape=(1, 1, 2), z_dim=8, noise="gaussian", epochs=40, keep_input=1.0, keep_hidden=1.0,
    learning_rate=0.02,
    generator=(Layer(64, "relu", 0.3), Layer(64, "relu", 0.3), Layer(2, "linear", 0.3)),
    discriminator=(Layer(32, "maxout", 0.3, pieces=5), Layer(32, "maxout", 0.3, pieces=5), SINGLE_LOGIT),
)  # fmt: skip
# P: section 7, items 1 and 3; ten classes, and with them two attributes (extensions/conditional/attributes.py)
_CONDITIONAL = _MNIST.replace(name="conditional", task=Conditional(numbers=10, condition_scale=CONDITION_SCALE))
_ATTRIBUTES = _MNIST.replace(name="attributes", task=Conditional(numbers=12, condition_scale=CONDITION_SCALE))
_SUBSETS = _MNIST.replace(name="subsets", task=Subsets(condition_scale=SUBSETS_SCALE))

_ALL = (_MNIST, _TFD, _CIFAR10_FC, _CIFAR10_CONV, _TOY, _CONDITIONAL, _ATTRIBUTES, _SUBSETS)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
OWN = "own"
_OWN = {
    "tfd": "tfd", "fer2013": "tfd", "att": "tfd", "cifar10": "cifar10-fc",
    "gaussian1d": "toy", "ring": "toy", "grid": "toy",
}  # fmt: skip
_MADE_FOR = dict.fromkeys(("cifar10-fc", "cifar10-conv"), "cifar10")
_MADE_FOR |= dict.fromkeys(("conditional", "attributes", "subsets"), "mnist")


def for_dataset(name: str, shape: tuple[int, int, int], recipe: str = OWN) -> Recipe:
    """The recipe for a data set: its own where the paper has one, else the MNIST recipe at the data's size.

    Where pictures are larger than the recipe's own, d numbers in place of d', D sees them times sqrt(d' / d), unless
    the recipe normalises their contrast. The largest curvature of a loss grows with the squared length of a layer's
    input (LeCun, Kanter and Solla, 1991), so that the authors' rate, right for d' numbers, would diverge for d.

    - name: as in `datasets.load`, or `Dataset.name`.
    - shape: (c, h, w) of one example.
    - recipe: one of RECIPES in place of the data set's own. CIFAR-10 has two; its own is the fully connected one.

    Raises ValueError for an unknown recipe, an invalid shape, and a shape that the recipe is not for.
    """
    if len(shape) != 3 or any(type(s) is not int or s < 1 for s in shape):
        raise ValueError(f"shape = {shape!r}; expected three ints of at least 1: (channels, height, width)")
    family = own(name) if recipe == OWN else recipe
    if family not in RECIPES:
        raise ValueError(f"recipe = {recipe!r}; choose one of {OWN}, {', '.join(RECIPES)}")
    found = RECIPES[family]
    if shape == found.shape:
        return found
    last = found.generator[-1]
    if not isinstance(last, Layer):
        raise ValueError(f"shape = {shape!r}; the recipe {family} is for pictures of shape {found.shape} only")
    last, scale = dataclasses.replace(last, units=math.prod(shape)), math.sqrt(found.dim / math.prod(shape))
    return found.replace(shape=shape, generator=(*found.generator[:-1], last),
                         input_scale=scale if scale < 1 and found.contrast is None else None)  # fmt: skip


def own(name: str) -> str:
    """The name of a data set's own recipe."""
    return _OWN.get(name, "mnist")


def made_for(recipe: str) -> str:
    """The data set that the recipe of this name is for."""
    return _MADE_FOR.get(recipe, recipe)
