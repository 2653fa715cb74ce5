"""What is trained: the authors' recipes and narrower ones. Data only."""

from .choice import OWN, RECIPES, for_dataset, made_for, own
from .layers import MARGINAL, AnyLayer, Convolution, Layer, TransposedConvolution
from .paper import CONDITION_SCALE, PAPER
from .schema import Classes, Conditional, Coordination, Plain, Recipe, SecondStage, Subsets
from .small import SMALL, narrowed, quick

__all__ = [
    "CONDITION_SCALE", "MARGINAL", "OWN", "PAPER", "RECIPES", "SMALL", "AnyLayer", "Classes", "Conditional",
    "Convolution", "Coordination", "Layer", "Plain", "Recipe", "SecondStage", "Subsets", "TransposedConvolution",
    "for_dataset", "made_for", "narrowed", "own", "quick",
]  # fmt: skip
