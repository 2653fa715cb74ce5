"""A training from its first epoch to its last: epochs of steps, curves, validation, checkpoints.

The room knows no data set. One step is `algorithm1.step`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ganrepro import checkpoints, datasets, networks, parameters, parzen, progress, provenance, scores, speed
from ganrepro.algorithm1 import Player, constrain_, draw, minibatches, rates_at, step, steps_in_all, steps_in_epoch
from ganrepro.datasets import Dataset
from ganrepro.lockstep import Lockstep
from ganrepro.recipes import Recipe

CURVES = ("epoch", "step", "d_loss", "g_loss", "d_real", "d_fake", "valid_ll", "lr", "momentum", "seconds")
VALIDATION_SAMPLES = 10_000  # as many as the final score takes
PROGRESS_EPOCHS = frozenset([0] + [m * 10**e for e in range(6) for m in (1, 2, 5)])
SEED_INIT, SEED_TRAIN, SEED_PROGRESS, SEED_STAGE, SEED_CONDITION = range(5)  # independent random streams of one seed


def random_state(seed: int, stream: int, device: torch.device | str = "cpu") -> torch.Generator:
    """One of a seed's independent random streams."""
    mixed = int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])
    return torch.Generator(device=device).manual_seed(mixed)


@dataclass
class Run:
    """One training: its networks at the last epoch, its curves, and the best state by validation score."""

    recipe: Recipe
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
    conditions: Tensor | None = None  # (n, c) those of the training examples, from which samples take theirs
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
        """(n, c): what n samples are told, drawn from the training examples' own; with subsets, that nothing is
        observed. None where the recipe has no conditions."""
        if self.recipe.subsets:
            return torch.zeros(n, 2 * self.recipe.dim)
        if self.conditions is None:
            return None
        return self.conditions[torch.randint(len(self.conditions), (n,), generator=random_state(seed, SEED_CONDITION))]

    def best_generator(self) -> torch.nn.Module:
        """G as it stood at `best_epoch`."""
        return self.generator_of(self.best, self.best_epoch)

    def generator_of(self, weights: dict[str, Tensor], epoch: int) -> torch.nn.Module:
        """G with weights of that epoch, named as by `weights`."""
        generator = networks.Generator(self.recipe.at(epoch), torch.Generator())
        state = {k.removeprefix("generator."): p for k, p in weights.items() if k.startswith("generator.")}
        generator.load_state_dict(state)
        return generator.to(self.rng.device)

    def begin_stage(self, epoch: int) -> bool:
        """The second stage, if it begins with this epoch: G deepened, a fresh D, momentum and schedules anew.

        Returns whether it began: then the players are new ones.
        """
        if self.recipe.second_stage is None or epoch != self.recipe.second_stage.after + 1:
            return False
        recipe, init = self.recipe.at(epoch), random_state(self.seed, SEED_STAGE)
        assert isinstance(self.g.net, networks.Generator)
        self.g.net.deepen(recipe, init)
        self.g = Player.of(self.g.net, recipe.optimizer)
        self.d = Player.of(networks.Discriminator(recipe, init).to(self.rng.device), recipe.optimizer)
        self.batch = 0
        constrain_(recipe, self.g)
        constrain_(recipe, self.d)
        return True

    def weights(self) -> dict[str, Tensor]:
        """Copies of all parameters on the CPU, named generator.* and discriminator.*"""
        named = {"generator": self.g.theta, "discriminator": self.d.theta}
        return {f"{who}.{k}": p.detach().cpu().clone() for who, theta in named.items() for k, p in theta.items()}


def start(recipe: Recipe, data: Dataset, seed: int, device: torch.device | str = "cpu") -> Run:
    """A run at epoch 0. Weights are drawn on the CPU, so that they are the same on every device."""
    init = random_state(seed, SEED_INIT)
    generator = networks.Generator(recipe.at(1), init, data.training.mean(0) if data.bounded else None)
    discriminator = networks.Discriminator(recipe, init)
    g, d = (Player.of(net.to(device), recipe.optimizer) for net in (generator, discriminator))
    constrain_(recipe, g)
    constrain_(recipe, d)
    told = datasets.prepare(data, recipe).conditions if recipe.condition else None
    return Run(recipe, seed, g, d, random_state(seed, SEED_TRAIN, device), conditions=told)


def train(
    recipe: Recipe, data: Dataset, *, seeds: Sequence[int] = (0,), device: str = "auto", epochs: int | None = None,
    validate_every: int = 0, checkpoint_dir: str | Path | None = None, resume: bool = True, show_progress: bool = True,
    lockstep: bool | None = None,
) -> list[Run]:  # fmt: skip
    """Train one GAN for each seed, on `data.training` as the recipe sees it (`datasets.prepare`).

    epochs: how many in all (None: the recipe's); a resumed run trains what is missing of them. A second stage begins
    where the recipe says, whatever their number.
    validate_every: score 10,000 samples on validation data every so many epochs, and at the last; 0 is never.
    checkpoint_dir: holds seed<k>.safetensors, rewritten after every epoch; with resume, training goes on from there,
    to the same bits as if it had never stopped. On a GPU, where an epoch takes less time than a checkpoint, some epochs
    get none, so that writing takes a tenth of the time.
    Runs that a kill left at different epochs go on in different teams, which on a GPU may cost the last bit.
    lockstep: move all seeds by one step, captured as a CUDA graph on a GPU; None: there yes, on a CPU no, where it
    gains little.
    Raises ValueError for arguments out of range, data that do not fit the recipe or fill one minibatch, and a
    checkpoint of another recipe or other data; FloatingPointError when a loss is no longer finite.
    """
    epochs = recipe.epochs if epochs is None else epochs
    check_arguments(recipe, data, seeds, epochs, validate_every)
    where, data = parameters.device(device), datasets.prepare(data, recipe)
    if where.type == "cuda" and recipe.products == "bfloat16":
        raise ValueError(f"products = 'bfloat16' are a CPU's; on {where} choose 'tf32' or None")
    x = rows(data).to(where)
    runs = [start(recipe, data, seed, where) for seed in seeds]
    files = {seed: Path(checkpoint_dir) / f"seed{seed}.safetensors" for seed in seeds} if checkpoint_dir else {}
    for run in runs:
        if resume and run.seed in files and files[run.seed].exists():
            checkpoints.load(files[run.seed], run, data)
        if run.epoch == 0 and not run.progress:
            run.progress.append(progress_samples(run))
        if run.epoch < epochs and (code := provenance.code_sha256()) not in run.codes:
            run.codes.append(code)
    together = where.type == "cuda" if lockstep is None else lockstep
    steps = [steps_in_all(recipe, len(x), epoch) for epoch in range(epochs + 1)]
    for team in teams(runs) if together else [[run] for run in runs]:
        done = min(team[0].epoch, epochs)
        shown = progress.bar(
            total=steps[epochs] * len(team), initial=steps[done] * len(team), unit="step", leave=True,
            desc=f"{recipe.name} seed {', '.join(str(run.seed) for run in team)}", disable=not show_progress,
        )  # fmt: skip
        mover: Lockstep | None = None
        next_checkpoint = 0.0  # on a GPU: when writing will have taken a tenth of the time
        with shown:
            while team[0].epoch < epochs:
                epoch = team[0].epoch + 1
                begun = [run.begin_stage(epoch) for run in team]
                if together and (mover is None or any(begun) or mover.now != recipe.at(epoch)):
                    mover = Lockstep(recipe, [(r.g, r.d) for r in team], [r.rng for r in team], x, epoch)
                run_epoch(team, x, shown, mover)
                for run in team:
                    if run.epoch in PROGRESS_EPOCHS:
                        run.progress.append(progress_samples(run))
                    if validate_every and (run.epoch % validate_every == 0 or run.epoch == epochs):
                        validate(run, data)
                began = time.monotonic()
                if files and (where.type == "cpu" or team[0].epoch == epochs or began >= next_checkpoint):
                    for run in team:
                        checkpoints.save(files[run.seed], run, data)
                    next_checkpoint = time.monotonic() + 9 * (time.monotonic() - began)
    return runs


def rows(data: Dataset) -> Tensor:
    """(n, d) what minibatches are taken from: the training examples; (n, d + c) with their conditions, x‖c."""
    return data.training if data.conditions is None else torch.cat([data.training, data.conditions], 1)


def teams(runs: Sequence[Run]) -> list[list[Run]]:
    """Those that have had the same number of epochs can go on in lockstep."""
    return [[run for run in runs if run.epoch == epoch] for epoch in sorted({run.epoch for run in runs})]


def run_epoch(team: Sequence[Run], x: Tensor, bar: tqdm | None = None, lockstep: Lockstep | None = None) -> None:
    """One pass over x (n, d), in an order of its own for each run: one run alone, or several in lockstep."""
    began, recipe, epoch = time.perf_counter(), team[0].recipe, team[0].epoch + 1
    with speed.rounding(recipe):
        means = lockstep.epoch(epoch, team[0].batch, bar) if lockstep else alone(team[0], x, bar)[:, None]
    of_each = means.T.tolist()  # a GPU is waited for here
    seconds = (time.perf_counter() - began) / len(team)
    for run, own in zip(team, of_each, strict=True):
        if not all(math.isfinite(v) for v in own):
            raise FloatingPointError(
                f"training of {recipe.name}, seed {run.seed}, diverged in epoch {epoch}: losses {own[0]}, {own[1]}"
            )
        run.epoch, run.batch = epoch, run.batch + math.ceil(len(x) / recipe.batch_size)
        rates = rates_at(recipe, epoch, run.batch - 1)
        done = int(run.rows[-1]["step"]) if run.rows else 0
        row = [epoch, done + steps_in_epoch(recipe.at(epoch), len(x)), *own, math.nan, *map(float, rates), seconds]
        run.rows.append(dict(zip(CURVES, row, strict=True)))
    if bar is not None:
        d_loss, g_loss, d_real, d_fake = means.mean(1).tolist()
        bar.set_postfix_str(f"epoch {epoch} L_D {d_loss:.3f} L_G {g_loss:.3f} D(x) {d_real:.2f} D(G(z)) {d_fake:.2f}")


def alone(run: Run, x: Tensor, bar: tqdm | None = None) -> Tensor:
    """The steps of one epoch of one run: the means (4,) of what `step` returns. The last, smaller minibatch is kept."""
    total, steps, batch = torch.zeros(4, device=x.device), 0, run.batch
    recipe = run.recipe.at(run.epoch + 1)
    for batches in minibatches(recipe, x, run.rng):
        draws = draw(recipe, [len(b) for b in batches], run.rng)
        total += step(recipe, run.g, run.d, batches, draws, rates_at(run.recipe, run.epoch + 1, batch))
        batch += len(batches)
        steps += 1
        if bar is not None:
            bar.update()
    return total / steps


def progress_samples(run: Run) -> Tensor:
    """(100, d) samples of the seed's own fixed z: the same 100 points through the whole training.

    With conditions a row for each of ten of them, a column for each of ten z.
    """
    z = networks.noise(run.recipe, 100, int(random_state(run.seed, SEED_PROGRESS).initial_seed()))
    told = run.draw_conditions(100)
    if run.conditions is not None:
        known = run.conditions.unique(dim=0).flip(0)  # one-hot: class 0 first
        told = known[torch.linspace(0, len(known) - 1, 10).round().long()].repeat_interleave(10, 0)
        z = z[:10].repeat(10, 1)
    return networks.generate(run.generator, z, told)


def validate(run: Run, data: Dataset) -> None:
    """Score the run's samples on validation data; note the score, and keep the weights where it is the best yet."""
    device = next(iter(run.g.theta.values())).device
    samples = run.sample(VALIDATION_SAMPLES, seed=run.seed)
    curve = parzen.log_likelihood(samples, scores.validation_examples(data), parzen.DEFAULT_GRID, device=device).mean(1)
    earlier = [row["valid_ll"] for row in run.rows if not math.isnan(row["valid_ll"])]
    run.rows[-1]["valid_ll"] = float(curve.max())
    if not earlier or curve.max() > max(earlier):
        run.best_epoch, run.best = run.epoch, run.weights()


def check_arguments(recipe: Recipe, data: Dataset, seeds: Sequence[int], epochs: int, validate_every: int) -> None:
    """Refuse what cannot be trained, before any work."""
    for name, value, least in (("epochs", epochs, 1), ("validate_every", validate_every, 0)):
        if type(value) is not int or value < least:
            raise ValueError(f"{name} = {value!r}; it must be an int of at least {least}")
    if not seeds or any(type(s) is not int or s < 0 for s in seeds) or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds = {seeds!r}; expected different ints of at least 0")
    if data.training.shape[1] != recipe.dim:
        raise ValueError(
            f"data set {data.name} has {data.training.shape[1]} numbers an example, recipe {recipe.name} makes "
            f"{recipe.dim}; take the recipe from recipes.for_dataset({data.name!r}, {data.shape})"
        )
    if len(data.training) < recipe.batch_size:
        raise ValueError(
            f"data set {data.name} has {len(data.training)} training examples, fewer than one minibatch of "
            f"{recipe.batch_size}; give more data or a recipe with a smaller batch_size"
        )


def estimate_seconds(recipe: Recipe, data: Dataset, device: str = "auto", epochs: int | None = None) -> float:
    """Roughly how long `train` would take here: a few steps of a throw-away run, scaled up."""
    where = parameters.device(device)
    data = datasets.prepare(data, recipe)
    scratch, first = start(recipe, data, 0, where), recipe.at(1)
    x = rows(data)[: 12 * recipe.batch_size * first.k].to(where)
    run_epoch([scratch], x[: 2 * recipe.batch_size * first.k])  # warm up
    run_epoch([scratch], x)
    per_step = scratch.rows[-1]["seconds"] / steps_in_epoch(recipe.at(scratch.epoch), len(x))
    return per_step * steps_in_all(recipe, len(data.training), recipe.epochs if epochs is None else epochs)
