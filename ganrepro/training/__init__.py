"""How a recipe is trained: Algorithm 1, its schedules and tasks, the loop around it, checkpoints."""

from . import algorithm1, checkpoints, tasks
from .algorithm1 import STEPS, algorithm1_step, simultaneous_step
from .loop import Diverged, Interrupted, check_arguments, estimate_seconds, run_epoch, train
from .plateau import d_has_moved, warn_unless_d_has_moved
from .players import Player
from .run import CURVES, PROGRESS_EPOCHS, SEED_PROGRESS, VALIDATION_SAMPLES, Run, random_state, rows, start
from .schedule import Rates, minibatches, rates_at, steps_in_all, steps_in_epoch

__all__ = [
    "CURVES", "PROGRESS_EPOCHS", "SEED_PROGRESS", "STEPS", "VALIDATION_SAMPLES", "Diverged", "Interrupted", "Player",
    "Rates", "Run", "algorithm1", "algorithm1_step", "check_arguments", "checkpoints", "d_has_moved",
    "estimate_seconds", "minibatches", "random_state", "rates_at", "rows", "run_epoch", "simultaneous_step", "start",
    "steps_in_all", "steps_in_epoch", "tasks", "train", "warn_unless_d_has_moved",
]  # fmt: skip
