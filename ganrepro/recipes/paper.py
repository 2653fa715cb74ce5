"""The authors' recipes: data only, each field's source named in schema.py."""

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

PAPER: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (_MNIST, _TFD, _CIFAR10_FC, _CIFAR10_CONV, _TOY, _CONDITIONAL, _ATTRIBUTES, _SUBSETS)
}
