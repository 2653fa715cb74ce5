"""The training step of the MNIST recipe: its bare products, ours, and what users write in plain PyTorch."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import limit, measure, peers
from ganrepro import datasets, training
from ganrepro.device import torch_device
from ganrepro.recipes import RECIPES, Recipe
from ganrepro.training import rates_at, tasks
from ganrepro.training.replicas import Replicas

STEPS, GROWTH_STEPS = 20, 5  # in one timed turn


@functools.cache
def mnist() -> datasets.Dataset:
    """Loaded once: what is measured is not its memory."""
    return datasets.load("mnist")


def our_turn(recipe: Recipe, x: torch.Tensor, steps: int = STEPS, replicates: int = 1) -> Callable[[], None]:
    """One short epoch, as `train` runs it: alone on a CPU; as replicas, captured, on a GPU."""
    data = mnist()
    runs = [training.start(recipe, data, seed, x.device) for seed in range(replicates)]
    part = x[: steps * recipe.batch_size * recipe.k]
    stacked = Replicas(recipe, [(r.g, r.d) for r in runs], [r.rng for r in runs], part) if x.is_cuda else None
    return lambda: training.run_epoch(runs, part, None, stacked)


def bare_turn(recipe: Recipe, device: torch.device, steps: int = STEPS) -> Callable[[], None]:
    """As many steps' matrix products, and nothing else."""
    bare = limit.Products(recipe, device)

    def turn() -> None:
        for _ in range(steps):
            bare()

    return turn


def update_turn(recipe: Recipe, device: torch.device) -> tuple[Callable[[], None], int]:
    """The memory-bound part: momentum and parameters of both nets. Also the bytes that it must move."""
    run = training.start(recipe, mnist(), 0, device)
    gradients = [[torch.rand_like(p) for p in player.theta.values()] for player in (run.g, run.d)]
    rates = rates_at(recipe, 1, 0)

    def turn() -> None:
        for player, own in zip((run.g, run.d), gradients, strict=True):
            player.descend(own, rates)

    count = sum(g.numel() for own in gradients for g in own)
    return turn, 5 * 4 * count  # read gradient, velocity, parameter; write the last two


def rows(rounds: int = 9, device: str = "auto") -> list[dict]:
    """Each way to make a step against the bare products, and the update against a copy in memory."""
    where = torch_device(device)
    recipe, x = RECIPES["mnist"], mnist().training.to(where)
    faster = "tf32" if x.is_cuda else "bfloat16"
    half, rounded = recipe.replace(update="alternating"), recipe.replace(products=faster)
    eager = peers.Eager(recipe, x[: STEPS * recipe.batch_size])
    subjects: dict[str, tuple[str, str, Callable[[], object]]] = {
        "bare products, simultaneous": ("limit", "", bare_turn(recipe, where)),
        "ours, simultaneous": ("ours", "simultaneous", our_turn(recipe, x)),
        "ours until 0.1, simultaneous": ("peer", "simultaneous", peers.slope_turn(recipe, mnist(), x, STEPS)),
        f"ours, simultaneous, {faster} products": ("ours", "simultaneous", our_turn(rounded, x)),
        "bare products, alternating": ("limit", "", bare_turn(half, where)),
        "ours, alternating": ("ours", "alternating", our_turn(half, x)),
        "eager PyTorch, alternating": ("peer", "alternating", eager.epoch),
    }
    if x.is_cuda:
        subjects["ours, simultaneous, 16 replicates"] = ("ours", "simultaneous", our_turn(recipe, x, STEPS, 16))
    if (compiled := compiled_peer(recipe, x)) is not None:
        subjects["torch.compile, alternating"] = ("peer", "alternating", compiled.epoch)
    turns = {name: synchronised(turn, where) for name, (_, _, turn) in subjects.items()}
    times = {name: t.scaled(1 / STEPS) for name, t in measure.interleaved(turns, rounds).items()}
    table = [
        measure.row(f"step: {name}", role, times[name], times[f"bare products, {against}" if against else name])
        for name, (role, against, _) in subjects.items()
    ]
    if compiled is None:
        table.append({"what": "step: torch.compile, alternating", "role": "peer", "note": "no C++ compiler here"})
    return table + part_rows(recipe, x, rounds)


def synchronised(turn: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """The turn, ended only when a GPU has done it."""
    if device.type != "cuda":
        return turn
    return lambda: (turn(), torch.cuda.synchronize(device))


def compiled_peer(recipe: Recipe, x: torch.Tensor) -> peers.Eager | None:
    """The peer under torch.compile, warmed up; None where it cannot compile."""
    peer = peers.Eager(recipe, x[: STEPS * recipe.batch_size], compiled=True)
    try:
        peer.epoch()
    except Exception as error:
        if "compil" not in str(error).lower():
            raise
        return None
    return peer


def part_rows(recipe: Recipe, x: torch.Tensor, rounds: int) -> list[dict]:
    """What a step does beside its products: the update against a copy of as many bytes, the draws, and what is neither.

    The last is the step of nets so small that their arithmetic takes no time: Python, autograd and dispatch.
    """
    update, bytes_moved = update_turn(recipe, x.device)
    a = torch.rand(bytes_moved // 8, device=x.device)  # read once, written once: 8 bytes an element
    b, rng = torch.empty_like(a), training.random_state(0, 0, x.device)
    tiny = small(recipe).replace(batch_size=2)
    turns: dict[str, Callable[[], object]] = {
        "copy": lambda: b.copy_(a),
        "update": update,
        "draws": lambda: tasks.of(recipe).draw([recipe.batch_size], rng),
        "calls": our_turn(tiny, x, 1),
    }
    named = {
        "copy": ("update of all parameters: a copy of as many bytes", "limit", f"{bytes_moved / 1e6:.0f} MB"),
        "update": ("update of all parameters: ours", "ours", f"{bytes_moved / 1e6:.0f} MB; part of a step"),
        "draws": ("noise and dropout: ours", "ours", "part of a step; ratio to that copy"),
        "calls": ("step of tiny nets: ours", "ours", "what is no arithmetic; part of a step; ratio to that copy"),
    }
    times = measure.interleaved({k: synchronised(turn, x.device) for k, turn in turns.items()}, 4 * rounds)
    return [measure.row(what, role, times[k], times["copy"], note) for k, (what, role, note) in named.items()]


def small(recipe: Recipe, units: int = 8) -> Recipe:
    """The recipe with hidden layers of so many units."""
    g, d = (
        tuple(dataclasses.replace(layer, units=units) for layer in layers[:-1]) + layers[-1:]
        for layers in (recipe.generator, recipe.discriminator)
    )
    return recipe.replace(generator=g, discriminator=d)


def growth(rounds: int = 3) -> pd.DataFrame:
    """Seconds a step against batch size, width of G, threads, and replicates stacked; ours and the limit's.

    Stacked replicates are compared with as many runs one after another. With the additional memory of a few steps,
    each in a process of its own.
    """
    base, x, found = RECIPES["mnist"], mnist().training, []

    def note(against: str, size: int, turns: dict[str, Callable[[], object]]) -> None:
        for which, times in measure.interleaved(turns, rounds).items():
            found.append((f"{against} (training)", size, which, times.quartiles[1] / GROWTH_STEPS))

    def pair(recipe: Recipe) -> dict[str, Callable[[], object]]:
        return {"limit": bare_turn(recipe, x.device, GROWTH_STEPS), "ours": our_turn(recipe, x, GROWTH_STEPS)}

    def memory(against: str, size: int, **changed: int) -> None:
        apart = measure.memory_apart(prepare, torch.get_num_threads(), **changed)
        found.append((f"{against} (training)", size, "MiB", apart["memory_mib"]))

    for n in (10, 30, 100, 300, 1000):
        note("batch size", n, pair(sized(batch_size=n)))
        memory("batch size", n, batch_size=n)
    for units in (150, 300, 600, 1200, 2400):
        note("width of G", units, pair(sized(units=units)))
        memory("width of G", units, units=units)
    everyone = torch.get_num_threads()
    for threads in range(1, everyone + 1):
        torch.set_num_threads(threads)
        note("threads", threads, pair(base))
    torch.set_num_threads(everyone)
    for r in (1, 2, 4):
        apart, stacked = (replicates_turn(base, x, r, together) for together in (False, True))
        note("replicates", r, {"one after another": apart, "ours": stacked})
        memory("replicates", r, replicates=r)
    return pd.DataFrame(found, columns=["against", "size", "which", "value"])


def sized(batch_size: int = 100, units: int = 1200) -> Recipe:
    """The MNIST recipe with another batch size, or hidden layers of G of another width."""
    base = RECIPES["mnist"]
    layers = tuple(dataclasses.replace(layer, units=units) for layer in base.generator[:-1])
    return base.replace(batch_size=batch_size, generator=(*layers, base.generator[-1]))


def prepare(batch_size: int = 100, units: int = 1200, replicates: int = 1) -> list[Callable[[], None]]:
    """A turn that makes its runs and moves them: what `measure.memory_apart` calls in a process of its own."""
    recipe, x = sized(batch_size, units), mnist().training
    our_turn(small(recipe), x, 1)()  # what libraries allocate once

    def turn() -> None:
        replicates_turn(recipe, x, replicates, together=replicates > 1)()

    return [turn]


def replicates_turn(
    recipe: Recipe, x: torch.Tensor, r: int, together: bool, steps: int = GROWTH_STEPS
) -> Callable[[], None]:  # fmt: skip
    """A short epoch of r runs: stacked, or one after another, which is never captured."""
    data, part = mnist(), x[: steps * recipe.batch_size]
    runs = [training.start(recipe, data, seed, x.device) for seed in range(r)]
    if together:
        stacked = Replicas(recipe, [(run.g, run.d) for run in runs], [run.rng for run in runs], part)
        return lambda: training.run_epoch(runs, part, None, stacked)

    def turn() -> None:
        for run in runs:
            training.run_epoch([run], part)

    return turn


def profiled(steps: int = 40) -> str:
    """Where the time of a step goes, by operator."""
    x = mnist().training
    turn = our_turn(RECIPES["mnist"], x, steps)
    turn()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        turn()
    return found.key_averages().table(sort_by="self_cpu_time_total", row_limit=30, max_name_column_width=50)
