"""What lockstep promises, for any recipe. Only the tests use it."""

import torch

from ganrepro import training
from ganrepro.lockstep import Lockstep


def moves_each_as_if_alone(recipe, data, x):
    """An epoch of two seeds in lockstep over rows x ends where an epoch of each alone does, to float32's rounding."""
    alone, team = ([training.start(recipe, data, seed) for seed in (0, 1)] for _ in range(2))
    mover = Lockstep(recipe, [(r.g, r.d) for r in team], [r.rng for r in team], x)
    training.run_epoch(team, x, lockstep=mover)
    for run, other in zip(alone, team, strict=True):
        training.run_epoch([run], x)
        for k, p in run.weights().items():
            torch.testing.assert_close(other.weights()[k], p, rtol=1e-4, atol=1e-6)
