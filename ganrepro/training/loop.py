"""A training from its first epoch to its last: epochs of steps, curves, validation, checkpoints. One step is in
algorithm1.py. This module knows no data set by name."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ganrepro import datasets, progress
from ganrepro.code_checksum import code_sha256
from ganrepro.datasets import Dataset
from ganrepro.device import matmul_precision, plain_torch, torch_device
from ganrepro.locks import locked
from ganrepro.parameters import LARGEST_SEED, expect, is_seed
from ganrepro.paths import absolute
from ganrepro.progress import say
from ganrepro.recipes import Recipe

from . import checkpoints, tasks
from .algorithm1 import STEPS
from .replicas import EXPLODED, Replicas, within_bounds
from .run import CURVES, PROGRESS_EPOCHS, Run, progress_samples, rows, start, validate
from .schedule import minibatches, minibatches_in_epoch, rates_at, steps_in_all, steps_in_epoch

LARGEST = 1e6  # of unbounded data, in absolute value


class Diverged(FloatingPointError):
    """Trainings were stopped, whose losses or weights left all bounds; `others` are the runs that ended well, and
    `records` those of them that are written."""

    def __init__(self, message: str, others: Sequence[Run] = ()) -> None:
        super().__init__(message)
        self.others, self.records = list(others), list[Any]()


class Interrupted(KeyboardInterrupt):
    """A training was interrupted; the message says what is kept. A notebook shows that line alone."""

    def _render_traceback_(self) -> list[str]:  # IPython's protocol
        return [str(self)]


@plain_torch
def train(
    recipe: Recipe, data: Dataset, *, seeds: Sequence[int] = (0,), device: str = "auto", epochs: int | None = None,
    validate_every: int = 0, checkpoint_dir: str | Path | None = None, resume: bool = True, show_progress: bool = True,
    replicas: bool | None = None,
) -> list[Run]:  # fmt: skip
    """Train one GAN for each seed, on `data.training` as the recipe sees it (`datasets.prepare`).

    - epochs: in all (None: the recipe's); a resumed run trains the missing ones. They do not move a second stage.
    - validate_every: score 10,000 samples on validation data every so many epochs, and at the last; 0 is never.
    - checkpoint_dir: holds seed<k>.safetensors, rewritten after every epoch; with resume, training goes on from there,
      to the same bits as if it had never stopped. On a GPU some epochs get none, so that writing takes a tenth of the
      time. Runs interrupted at different epochs resume in separate groups, which there may change the last bit.
    - replicas: move all seeds by one step, on a GPU as a CUDA graph. None: on a GPU only; a CPU gains little.

    Fewer examples than recipe.batch_size make one smaller minibatch, which a line says.
    Only one process at a time trains from a checkpoint: others wait, and go on from what it left.
    Raises ValueError for arguments out of range, data that do not fit the recipe, and a checkpoint of another recipe or
    other data; Diverged, a FloatingPointError, once the other seeds are trained, where one of them diverged;
    Interrupted, a KeyboardInterrupt.
    """
    expect(Recipe, recipe=recipe)
    epochs = recipe.epochs if epochs is None else epochs
    check_arguments(recipe, data, seeds, epochs, validate_every)
    expect(bool, show_progress=show_progress)
    where, data = torch_device(device), datasets.prepare(data, recipe)
    if where.type == "cuda" and recipe.products == "bfloat16":
        raise ValueError(f"products = 'bfloat16' needs a CPU; on {where} choose 'tf32' or None")
    x = rows(data).to(where)
    if len(x) < recipe.batch_size:
        say(f"{data.label} has {len(x)} training examples: a minibatch is all of them, in place of {recipe.batch_size}")
    runs = [start(recipe, data, seed, where) for seed in seeds]
    files = {seed: absolute(checkpoint_dir) / f"seed{seed}.safetensors" for seed in seeds} if checkpoint_dir else {}
    with locked(*files.values()):
        for run in runs:
            if resume and run.seed in files and files[run.seed].exists():
                checkpoints.load(files[run.seed], run, data)
            if run.epoch == 0 and not run.progress:
                run.progress.append(progress_samples(run))
            if run.epoch < epochs and (code := code_sha256()) not in run.codes:
                run.codes.append(code)
        together, groups = where.type == "cuda" if replicas is None else replicas, [[run] for run in runs]
        if together:  # those of equal length share a step
            groups = [[run for run in runs if run.epoch == epoch] for epoch in sorted({run.epoch for run in runs})]
        try:
            stopped = [_train_group(group, data, x, epochs, validate_every, files, together, show_progress)
                       for group in groups]  # fmt: skip
        except KeyboardInterrupt:
            kept = "run it again to go on from the last checkpoint" if any(f.exists() for f in files.values()) else (
                "it has no checkpoint, so that it begins anew")  # fmt: skip
            done = ", ".join(f"seed {run.seed} after epoch {run.epoch}" for run in runs)
            raise Interrupted(f"the training of {recipe.name} to {epochs} epochs was stopped, {done}; {kept}") from None
    if any(stopped):
        why = {run: reason for found in stopped for run, reason in found.items()}
        raise Diverged("; ".join(why.values()), [run for run in runs if run not in why])
    return runs


def _train_group(
    group: Sequence[Run], data: Dataset, x: Tensor, epochs: int, validate_every: int, files: dict[int, Path],
    together: bool, show_progress: bool,
) -> dict[Run, str]:  # fmt: skip
    """Train runs of equal length up to `epochs`; together: as replicas. Returns those that diverged, and how."""
    recipe, on_cpu = group[0].recipe, x.device.type == "cpu"
    total, done = (steps_in_all(recipe, len(x), epoch) * len(group) for epoch in (epochs, min(group[0].epoch, epochs)))
    desc = f"{recipe.name} seed {', '.join(str(run.seed) for run in group)}"
    stacked: Replicas | None = None
    stopped: dict[Run, str] = {}
    next_checkpoint = 0.0  # on a GPU: when writing will have taken a tenth of the time
    with progress.bar(total=total, initial=done, unit="step", leave=True, desc=desc, disable=not show_progress) as bar:
        while group and group[0].epoch < epochs:
            epoch = group[0].epoch + 1
            begun = [run.begin_stage(epoch) for run in group]
            if together and (stacked is None or any(begun) or stacked.now != recipe.at(epoch)):
                stacked = Replicas(recipe, [(r.g, r.d) for r in group], [r.rng for r in group], x, epoch)
            if diverged := _advance(group, x, bar, stacked):
                kept = {run for run in diverged if run.seed in files and files[run.seed].exists()}
                stopped |= {run: reason + ". The last checkpoint is kept" * (run in kept)
                            for run, reason in diverged.items()}  # fmt: skip
                group, stacked = [run for run in group if run not in diverged], None  # the others go on
            for run in group:
                if run.epoch in PROGRESS_EPOCHS:
                    run.progress.append(progress_samples(run))
                if validate_every and (run.epoch % validate_every == 0 or run.epoch == epochs):
                    validate(run, data)
            began = time.monotonic()
            if files and group and (on_cpu or group[0].epoch == epochs or began >= next_checkpoint):
                for run in group:
                    checkpoints.save(files[run.seed], run, data)
                next_checkpoint = time.monotonic() + 9 * (time.monotonic() - began)
    return stopped


@plain_torch
def run_epoch(group: Sequence[Run], x: Tensor, bar: tqdm | None = None, stacked: Replicas | None = None) -> None:
    """One pass over x (n, d), in a separate random order for each run: one run alone, or several as replicas. Raises
    Diverged, once the others have advanced, for those that diverged."""
    stopped = _advance(group, x, progress.bar(disable=True) if bar is None else bar, stacked)
    if stopped:
        raise Diverged("; ".join(stopped.values()), [run for run in group if run not in stopped])


def _advance(group: Sequence[Run], x: Tensor, bar: tqdm, stacked: Replicas | None) -> dict[Run, str]:
    began, recipe, epoch = time.perf_counter(), group[0].recipe, group[0].epoch + 1
    with matmul_precision(recipe.products), torch.cuda.device(x.device) if x.is_cuda else nullcontext():
        means, steady = stacked.epoch(epoch, group[0].batch, bar) if stacked else steps_of_epoch(group[0], x, bar)
    of_each, sound = means.T.tolist(), steady.tolist()  # a GPU is waited for here
    seconds, stopped = (time.perf_counter() - began) / len(group), {}
    steps = steps_in_epoch(recipe.at(epoch), len(x))
    for run, own, until in zip(group, of_each, sound, strict=True):
        done = int(run.rows[-1]["step"]) if run.rows else 0
        if until < steps or not _is_finite(run):
            stopped[run] = _diverged(run, epoch, done + min(until + 1, steps), own)
            continue
        run.epoch, run.batch = epoch, run.batch + minibatches_in_epoch(recipe, len(x))
        rates = rates_at(recipe, epoch, run.batch - 1)
        row = [epoch, done + steps, *own, math.nan, *map(float, rates), seconds]
        run.rows.append(dict(zip(CURVES, row, strict=True)))
    d_loss, g_loss, d_real, d_fake = means.mean(1).tolist()
    bar.set_postfix_str(f"epoch {epoch} L_D {d_loss:.3f} L_G {g_loss:.3f} D(x) {d_real:.2f} D(G(z)) {d_fake:.2f}")
    return stopped


def _is_finite(run: Run) -> bool:
    """Whether all that the last step changed is: its loss was taken before."""
    tensors = [*run.g.state().values(), *run.d.state().values()]
    return bool(torch.stack([t.isfinite().all() for t in tensors]).all())


def _diverged(run: Run, epoch: int, step: int, means: Sequence[float]) -> str:
    """What to say of losses or weights that left all bounds: where, why, and what to do."""
    rate, large = run.recipe.learning_rate, max(map(abs, means[:2]))
    smaller, where = f"{rate / 4:.2g}", f"training of {run.recipe.name}, seed {run.seed}, diverged in epoch {epoch}"
    what = "a loss is no longer finite" if not math.isfinite(large) else f"a mean loss is beyond {EXPLODED} nats"
    what = "weights are no longer finite" if large <= EXPLODED else what
    causes = f"the learning rate {rate:.3g} is too high for these data and nets, or they need a smaller input_scale"
    return (f"{where}, at step {step}: losses {means[0]:.4g}, {means[1]:.4g}; {what}. Likely, {causes}. Try a learning "
            f"rate below {rate:.3g}: `-p learning_rate {smaller}` in the notebook, `--learning-rate {smaller}` on the "
            f"command line (with --from-checkpoint it goes on from the last checkpoint), or "
            f"recipe.replace(learning_rate={smaller})")  # fmt: skip


def steps_of_epoch(run: Run, x: Tensor, bar: tqdm) -> tuple[Tensor, Tensor]:
    """The steps of one epoch of one run, the last, smaller minibatch included. Returns their means (4, 1), and the
    number of steps (1,) before which the losses left all bounds."""
    total, recipe = torch.zeros(4, 1, device=x.device), run.recipe.at(run.epoch + 1)
    steady, steps = torch.zeros(1, dtype=torch.int64, device=x.device), steps_in_epoch(recipe, len(x))
    task, step = tasks.of(recipe), STEPS[recipe.update]
    for i, group in enumerate(minibatches(recipe, x, run.rng)):
        draws = task.draw([len(b) for b in group], run.rng)
        rates = rates_at(run.recipe, run.epoch + 1, run.batch + i * recipe.k)
        total += step(task, run.g, run.d, group, draws, rates)[:, None]
        steady += within_bounds(total, steps)
        bar.update()
    return total / steps, steady


def check_arguments(recipe: Recipe, data: Dataset, seeds: Sequence[int], epochs: int, validate_every: int) -> None:
    """Raise ValueError for what cannot be trained, before any work."""
    expect(Recipe, recipe=recipe)
    expect(Dataset, data=data)
    expect(Sequence, seeds=seeds)
    for name, value, least in (("epochs", epochs, 1), ("validate_every", validate_every, 0)):
        if type(value) is not int or value < least:
            raise ValueError(f"{name} = {value!r}; it must be an int of at least {least}")
    if not seeds or not all(map(is_seed, seeds)) or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds = {seeds!r}; expected different ints from 0 to {LARGEST_SEED}")
    if data.training.shape[1] != recipe.dim:
        raise ValueError(f"data set {data.name} has {data.training.shape[1]} numbers an example, recipe {recipe.name} "
                         f"makes {recipe.dim}; take the recipe from recipes.for_dataset({data.name!r}, {data.shape})")
    lowest, highest = (0.0, 1.0) if data.bounded else (-LARGEST, LARGEST)
    low, high = (float(v) for v in data.training.aminmax())
    if not lowest <= low <= high <= highest:
        raise ValueError(f"data set {data.name} has training values from {low:.4g} to {high:.4g}; they must be finite "
                         f"and from {lowest:g} to {highest:g}")  # fmt: skip


@plain_torch
def estimate_seconds(recipe: Recipe, data: Dataset, device: str = "auto", epochs: int | None = None) -> float:
    """Roughly how long `train` would take here: a few steps of a throw-away run, extrapolated."""
    where, data = torch_device(device), datasets.prepare(data, recipe)
    scratch, first = start(recipe.replace(epoch_batches=None), data, 0, where), recipe.at(1)
    x = rows(data)[: 12 * recipe.batch_size * first.k].to(where)
    run_epoch([scratch], x[: 2 * recipe.batch_size * first.k])  # warm up
    run_epoch([scratch], x)
    per_step = scratch.rows[-1]["seconds"] / steps_in_epoch(scratch.recipe.at(scratch.epoch), len(x))
    return per_step * steps_in_all(recipe, len(data.training), recipe.epochs if epochs is None else epochs)
