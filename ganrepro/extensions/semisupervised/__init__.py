"""Section 7, extension 4: a classifier from few labels, with features of the adversarial nets or a D with classes."""

from . import classes, features, spreading

from .features import (  # isort: skip
    COUNTS, Method, draw_labels, hidden, hidden_layers, label_counts, label_draws, linear, paired, perceptron,
    principal, regressor_layers, scaled, sweep, width_like,
)  # fmt: skip

__all__ = ["COUNTS", "Method", "classes", "draw_labels", "features", "hidden", "hidden_layers", "label_counts",
           "label_draws", "linear", "paired", "perceptron", "principal", "regressor_layers", "scaled", "spreading",
           "sweep", "width_like"]  # fmt: skip
