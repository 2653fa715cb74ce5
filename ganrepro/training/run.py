"""One training on its way: its players, random state, curves, and the best weights so far by validation score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganrepro import datasets, networks, parzen, recipes
from ganrepro.datasets import Dataset
from ganrepro.device import plain_torch, torch_device
from ganrepro.networks import Discriminator, Generator
from ganrepro.parameters import LARGEST_SEED, expect, is_seed

from . import tasks
from .players import Player
from .schedule import minibatches_in_epoch

CURVES = ("epoch", "step", "d_loss", "g_loss", "d_real", "d_fake", "valid_ll", "lr", "momentum", "seconds")
PROGRESS = 100  # points that are followed
VALIDATION_SAMPLES = 10_000  # as many as the final score takes
PROGRESS_EPOCHS = frozenset([0] + [m * 10**e for e in range(6) for m in (1, 2, 5)])
SEED_INIT, SEED_TRAIN, SEED_PROGRESS, SEED_STAGE, SEED_CONDITION = range(5)  # independent random streams of one seed
SEED_RESTART = 5  # and from here on one for a restart after each epoch


def random_state(seed: int, stream: int, device: torch.device | str = "cpu") -> torch.Generator:
    """One of a seed's independent random streams."""
    return torch.Generator(device).manual_seed(int(np.random.SeedSequence([seed, stream]).generate_state(1)[0]))


@dataclass(eq=False)
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
    restarts: list[dict[str, Any]] = field(default_factory=list)  # where it went on from weights alone

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

    @plain_torch
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples (n, d) float32 in data space, on the CPU."""
        return networks.sample(self.generator, self.recipe, n, seed, self.draw_conditions(n, seed))[0]

    @plain_torch
    def draw_conditions(self, n: int, seed: int = 0) -> Tensor | None:
        """(n, c): conditions of n samples, as the task draws them; None without any."""
        return tasks.of(self.recipe).draw_conditions(n, self.conditions, random_state(seed, SEED_CONDITION))

    def best_generator(self) -> Generator:
        """G as it stood at `best_epoch`."""
        return self.generator_of(self.best, self.best_epoch)

    @plain_torch
    def generator_of(self, weights: dict[str, Tensor], epoch: int) -> Generator:
        """G with weights of that epoch, named as by `weights`."""
        return networks.with_weights(Generator, self.recipe.at(epoch), weights).to(self.rng.device)

    @plain_torch
    def weights(self) -> dict[str, Tensor]:
        """Copies of all parameters on the CPU, named generator.* and discriminator.*"""
        named = {"generator": self.g.theta, "discriminator": self.d.theta}
        return {f"{who}.{k}": p.detach().cpu().clone() for who, theta in named.items() for k, p in theta.items()}

    @plain_torch
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

    @plain_torch
    def restart(
        self, weights: Mapping[str, Tensor], rows: Sequence[dict[str, float]], progress: Sequence[Tensor],
        examples: int, source: str,
    ) -> None:  # fmt: skip
        """Go on from weights alone, named as by `weights`, and the curves so far: momenta are 0, the random stream is a
        fresh one, and these weights stand in for the best ones until a better epoch comes. For a run just started."""
        epoch, stage, before = int(rows[-1]["epoch"]), self.recipe.second_stage, 0
        if stage is not None and epoch > stage.after:
            before = stage.after
            self.begin_stage(before + 1)
        with torch.no_grad():
            for who, player in (("generator", self.g), ("discriminator", self.d)):
                for k, p in player.theta.items():
                    p.copy_(weights[f"{who}.{k}"])
        self.rng.set_state(random_state(self.seed, SEED_RESTART + epoch, self.rng.device).get_state())
        self.epoch, self.rows, self.progress = epoch, list(rows), list(progress)
        self.batch = (epoch - before) * minibatches_in_epoch(self.recipe, examples)
        self.best_epoch, self.best = epoch, self.weights()
        kind = str(next(iter(weights.values())).dtype).removeprefix("torch.")
        how = "momenta 0, a new random stream, and until a better epoch came these weights as the best ones"
        self.restarts.append({"epoch": epoch, "from": source, "weights": f"{kind} of both players; {how}"})


@plain_torch
def start(recipe: recipes.Recipe, data: Dataset, seed: int, device: torch.device | str = "cpu") -> Run:
    """A run at epoch 0. Weights are drawn on the CPU, so that they are the same on every device."""
    expect(recipes.Recipe, recipe=recipe)
    expect(Dataset, data=data)
    if not is_seed(seed):
        raise ValueError(f"seed = {seed!r}; expected an int from 0 to {LARGEST_SEED}")
    if not isinstance(device, torch.device):
        device = torch_device(device)
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
    z = networks.noise(run.recipe, PROGRESS, int(random_state(run.seed, SEED_PROGRESS).initial_seed()))
    c = run.draw_conditions(PROGRESS)
    if run.recipe.task.kind == "conditional" and run.conditions is not None:
        known = run.conditions.unique(dim=0).flip(0)  # one-hot: class 0 first
        c = known[torch.linspace(0, len(known) - 1, 10).round().long()].repeat_interleave(10, 0)
        z = z[:10].repeat(10, 1)
    return networks.generate(run.generator, z, c)


def validate(run: Run, data: Dataset) -> None:
    """Score the run's samples on validation data; note the score, and keep the weights where it is the best yet."""
    samples, device = run.sample(VALIDATION_SAMPLES, seed=run.seed), run.rng.device
    curve = parzen.log_likelihood(samples, parzen.validation_examples(data), parzen.DEFAULT_GRID, device=device).mean(1)
    best = [row["valid_ll"] for row in run.rows if row["epoch"] == run.best_epoch]  # of the weights that are kept
    run.rows[-1]["valid_ll"] = float(curve.max())
    if not best or math.isnan(best[0]) or curve.max() > best[0]:
        run.best_epoch, run.best = run.epoch, run.weights()
