"""Section 7, extension 3: all conditionals p(x_S | x_rest) by one generator, conditioned on a mask."""

from . import completion, fills
from .border import border_jump
from .completion import FILE, FILLS, SHOWN, SPLITS, coloured, complete, evidence, mean_fill, nearest_fill, paste, write
from .masks import check_mask, masks, read_mask, rectangle
from .seeds import Trainings, trainings

__all__ = ["FILE", "FILLS", "SHOWN", "SPLITS", "Trainings", "border_jump", "check_mask", "coloured", "complete",
           "completion", "evidence", "fills", "masks", "mean_fill", "nearest_fill", "paste", "read_mask", "rectangle",
           "trainings", "write"]  # fmt: skip
