"""What is trained: the authors' recipes and narrower ones. Data only."""

from .layers import MARGINAL, AnyLayer, Convolution, Layer, TransposedConvolution
from .paper import CONDITION_SCALE, OWN, RECIPES, for_dataset, made_for, own
from .schema import Classes, Conditional, Coordination, Plain, Recipe, SecondStage, Subsets
from .small import narrowed, quick

__all__ = [
    "CONDITION_SCALE", "MARGINAL", "OWN", "RECIPES", "AnyLayer", "Classes", "Conditional", "Convolution",
    "Coordination", "Layer", "Plain", "Recipe", "SecondStage", "Subsets", "TransposedConvolution", "for_dataset",
    "made_for", "narrowed", "own", "quick",
]  # fmt: skip
