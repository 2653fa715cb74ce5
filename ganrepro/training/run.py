"""One training on its way: its players, random state, curves, and the best weights so far by validation score."""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganrepro import datasets, networks, parzen, recipes
from ganrepro.datasets import Dataset
from ganrepro.networks import Discriminator, Generator

from . import tasks
from .players import Player

CURVES = ("epoch", "step", "d_loss", "g_loss", "d_real", "d_fake", "valid_ll", "lr", "momentum", "seconds")
VALIDATION_SAMPLES = 10_000  # as many as the final score takes
PROGRESS_EPOCHS = frozenset([0] + [m * 10**e for e in range(6) for m in (1, 2, 5)])
SEED_INIT, SEED_TRAIN, SEED_PROGRESS, SEED_STAGE, SEED_CONDITION = range(5)  # independent random streams of one seed


def random_state(seed: int, stream: int, device: torch.device | str = "cpu") -> torch.Generator:
    """One of a seed's independent random streams."""
    return torch.Generator(device).manual_seed(int(np.random.SeedSequence([seed, stream]).generate_state(1)[0]))


@dataclass
class Run:
    """One training, with its networks at the last epoch."""

    recipe: recipes.Recipe
    seed: int
    g: Player
    d: Player
    rng: torch.Generator
    rows: list[dict[str, float]] = field(default_factory=list)
    epoch: int = 0
    batch: int = 0  # minibatches seen in this stage
    progress: list[Tensor] = field(default_factory=list)  # samples (100, d) of fixed z at PROGRESS_EPOCHS
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)  # weights at best_epoch, as `weights` gives them
    conditions: Tensor | None = None  # (n, c) of the training examples, from which samples draw theirs
    codes: list[str] = field(default_factory=list)  # checksums of the code that trained it, in order

    @property
    def generator(self) -> torch.nn.Module:
        return self.g.net

    @property
    def discriminator(self) -> torch.nn.Module:
        return self.d.net

    @property
    def curves(self) -> pd.DataFrame:
        """One row an epoch: means over its steps, rates at its end, validation score in nats where it was taken."""
        return pd.DataFrame(self.rows, columns=list(CURVES)).astype({"epoch": int, "step": int})

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples (n, d) float32 in data space, on the CPU."""
        return networks.sample(self.generator, self.recipe, n, seed, self.draw_conditions(n, seed))[0]

    def draw_conditions(self, n: int, seed: int = 0) -> Tensor | None:
        """(n, c): conditions of n samples, as the task draws them; None without any."""
        return tasks.of(self.recipe).draw_conditions(n, self.conditions, random_state(seed, SEED_CONDITION))

    def best_generator(self) -> Generator:
        """G as it stood at `best_epoch`."""
        return self.generator_of(self.best, self.best_epoch)

    def generator_of(self, weights: dict[str, Tensor], epoch: int) -> Generator:
        """G with weights of that epoch, named as by `weights`."""
        return networks.with_weights(Generator, self.recipe.at(epoch), weights).to(self.rng.device)

    def weights(self) -> dict[str, Tensor]:
        """Copies of all parameters on the CPU, named generator.* and discriminator.*"""
        named = {"generator": self.g.theta, "discriminator": self.d.theta}
        return {f"{who}.{k}": p.detach().cpu().clone() for who, theta in named.items() for k, p in theta.items()}

    def begin_stage(self, epoch: int) -> bool:
        """The second stage, if it begins with this epoch: G deepened, a fresh D, momentum and schedules anew. Returns
        whether it began; the players are then new objects."""
        if self.recipe.second_stage is None or epoch != self.recipe.second_stage.after + 1:
            return False
        recipe, init = self.recipe.at(epoch), random_state(self.seed, SEED_STAGE)
        assert isinstance(self.g.net, Generator)
        self.g.net.deepen(recipe, init)
        self.g = Player.of(self.g.net, recipe)
        self.d = Player.of(Discriminator(recipe, init).to(self.rng.device), recipe)
        self.batch = 0
        return True


def start(recipe: recipes.Recipe, data: Dataset, seed: int, device: torch.device | str = "cpu") -> Run:
    """A run at epoch 0. Weights are drawn on the CPU, so that they are the same on every device."""
    init = random_state(seed, SEED_INIT)
    generator = Generator(recipe.at(1), init, data.training.mean(0) if data.bounded else None)
    g, d = (Player.of(net.to(device), recipe) for net in (generator, Discriminator(recipe, init)))
    conditions = datasets.prepare(data, recipe).conditions if recipe.task.columns else None
    return Run(recipe, seed, g, d, random_state(seed, SEED_TRAIN, device), conditions=conditions)


def rows(data: Dataset) -> Tensor:
    """(n, d) what minibatches are taken from: the training examples; (n, d + c) with their conditions, x‖c."""
    return data.training if data.conditions is None else torch.cat([data.training, data.conditions], 1)


def progress_samples(run: Run) -> Tensor:
    """(100, d) samples of the seed's own fixed z: the same 100 points through the whole training. With the task
    Conditional a row for each of ten conditions, a column for each of ten z."""
    z = networks.noise(run.recipe, 100, int(random_state(run.seed, SEED_PROGRESS).initial_seed()))
    c = run.draw_conditions(100)
    if run.recipe.task.kind == "conditional" and run.conditions is not None:
        known = run.conditions.unique(dim=0).flip(0)  # one-hot: class 0 first
        c = known[torch.linspace(0, len(known) - 1, 10).round().long()].repeat_interleave(10, 0)
        z = z[:10].repeat(10, 1)
    return networks.generate(run.generator, z, c)


def validate(run: Run, data: Dataset) -> None:
    """Score the run's samples on validation data; note the score, and keep the weights where it is the best yet."""
    samples, device = run.sample(VALIDATION_SAMPLES, seed=run.seed), run.rng.device
    curve = parzen.log_likelihood(samples, parzen.validation_examples(data), parzen.DEFAULT_GRID, device=device).mean(1)
    earlier = [row["valid_ll"] for row in run.rows if not math.isnan(row["valid_ll"])]
    run.rows[-1]["valid_ll"] = float(curve.max())
    if not earlier or curve.max() > max(earlier):
        run.best_epoch, run.best = run.epoch, run.weights()
