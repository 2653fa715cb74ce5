"""Section 7, extension 1: p(x | c), of a class, of attributes, of a caption; and how samples are evaluated."""

from . import attributes, captions
from .evaluation import Classifier, classifier, even, log_likelihood, variety
from .model import one_hot_condition, trained

__all__ = ["Classifier", "attributes", "captions", "classifier", "even", "log_likelihood",
           "one_hot_condition", "trained", "variety"]  # fmt: skip
