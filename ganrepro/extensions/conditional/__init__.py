"""Section 7, extension 1: p(x | c), of a class, of attributes, of a caption; and how samples are evaluated."""

from . import attributes, captions
from .density import ClassScores, class_scores, even, log_likelihood, medoids
from .evaluation import Classifier, classifier, variety
from .model import described, one_hot_condition, trained

__all__ = [
    "ClassScores", "Classifier", "attributes", "captions", "class_scores", "classifier", "described", "even",
    "log_likelihood", "medoids", "one_hot_condition", "trained", "variety",
]  # fmt: skip
