"""`make gpu`: what a GPU does with this package, measured and tried once, as results/benchmarks/<machine>.json.

Steps as a CUDA graph and of seeds in lockstep against eager code, the Parzen window in float64, a restart of the MNIST
record for some epochs, and notebooks 02 and 03. A part that fails is kept with its error, and the others go on.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import measure, parzen, training
from ganrepro import parzen as window
from ganrepro import paths, records
from ganrepro.recipes import RECIPES, Recipe

EPOCHS = 3  # of the restart, beyond the record's own
SEEDS = (1, 4, 16)  # in lockstep
NOTEBOOKS = ("02_algorithm1", "03_parzen")
NONE_HERE = "make gpu: PyTorch finds no GPU here, so nothing was measured; it needs one, and a CUDA build of torch"


def main() -> int:
    """All parts. Returns 0, 1 where a part failed, 2 without a GPU."""
    if not torch.cuda.is_available():
        print(NONE_HERE, file=sys.stderr)
        return 2
    device, recipe = torch.device("cuda"), RECIPES["mnist"]
    with tempfile.TemporaryDirectory() as scratch:
        return report(device, paths.results() / "benchmarks" / f"{measure.machine_name()}.json", {
            "steps": lambda: training.rows(device="cuda"),
            "lockstep": lambda: lockstep_rows(recipe, device),
            "parzen": lambda: parzen_rows(device),
            "restart": lambda: restart(device, Path(scratch)),
            "notebooks": lambda: notebooks(device, Path(scratch)),
        })  # fmt: skip


def report(device: torch.device, file: Path, parts: dict[str, Callable[[], list[dict]]]) -> int:
    """Run the parts, write the file, and say what to send. Returns 1 where a part failed."""
    began, rows, errors = time.perf_counter(), [], {}
    for name, part in parts.items():
        print(f"{name} …", flush=True)
        try:
            rows += part()
        except Exception as error:  # an hour of someone's GPU: what the other parts find is kept
            errors[name] = f"{type(error).__name__}: {error}"
            print(f"{name} failed: {errors[name]}", flush=True)
    written = {"machine": measure.machine(device), "git": records.provenance.git(),
               "seconds": round(time.perf_counter() - began), "rows": rows, "errors": errors}  # fmt: skip
    with paths.atomic_file(file) as unfinished:
        unfinished.write_text(json.dumps(finite(written), indent=1) + "\n")
    print(f"Written: {file}. Send this one file, or a commit of it; `make results` puts its rows into docs/speed.md.")
    return int(bool(errors))


def finite(value: Any) -> Any:
    """The value with null for numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {name: finite(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def lockstep_rows(
    recipe: Recipe, device: torch.device, seeds: Sequence[int] = SEEDS, steps: int = training.STEPS, rounds: int = 9
) -> list[dict]:
    """A step of one training: eager, and with 1 to 16 seeds in lockstep, whose step is one CUDA graph on a GPU. The
    time of a lockstep is divided by its seeds; the limit is the bare products of one."""
    x = training.mnist().training.to(device)
    how = "one CUDA graph" if device.type == "cuda" else "no graph on a CPU"
    turns = {"bare products": (training.bare_turn(recipe, device, steps), 1),
             "ours, eager": (training.replicates_turn(recipe, x, 1, False, steps), 1)}  # fmt: skip
    for r in seeds:
        turns[f"ours, {r} in lockstep"] = training.replicates_turn(recipe, x, r, True, steps), r
    timed = measure.interleaved({n: training.synchronised(turn, device) for n, (turn, _) in turns.items()}, rounds)
    times = {name: timed[name].scaled(1 / (steps * r)) for name, (_, r) in turns.items()}
    return [
        measure.row(f"step, per seed: {name}", "limit" if name == "bare products" else "ours", times[name],
                    times["bare products"], how if "lockstep" in name else "",
                    over_eager=times["ours, eager"].over(times[name]))
        for name in turns
    ]  # fmt: skip


def parzen_rows(
    device: torch.device, m: int = 10_000, n: int = 10_000, checked: int = 20, rounds: int = 5
) -> list[dict]:  # fmt: skip
    """The Parzen window with ten sigmas against a float32 and a float64 product of its size, on the device; and its
    largest error in nats against differences in float64 on a CPU."""
    mnist = training.mnist()
    samples, data = mnist.train[:m].to(device), mnist.test[:n].to(device)
    wide = samples.double(), data.double()
    turns: dict[str, Callable[[], object]] = {
        "float32 product": lambda: torch.mm(data, samples.T),
        "float64 product": lambda: torch.mm(wide[1], wide[0].T),
        "ganrepro": lambda: measured.append(window.log_likelihood(samples, data, parzen.GRID)),
    }
    measured: list[Any] = []
    times = measure.interleaved({k: training.synchronised(turn, device) for k, turn in turns.items()}, rounds)
    truth = parzen.float64_differences(mnist.train[:m], mnist.test[:checked])
    error = float(np.abs(measured[-1][:, :checked] - truth).max())
    roles, limit = ("limit", "peer", "ours"), times["float32 product"]
    notes = (f"{n} x {m} x 784", f"{n} x {m} x 784", "ten sigmas, float64")
    errors = (math.nan, math.nan, error)
    return [measure.row(f"Parzen window: {name}", role, times[name], limit, note, error_nats=e)
            for name, role, note, e in zip(turns, roles, notes, errors, strict=True)]  # fmt: skip


def restart(device: torch.device, scratch: Path, dataset: str = "mnist", epochs: int = EPOCHS) -> list[dict]:
    """`records train --from-record`, some epochs beyond the record of seed 0, into a scratch folder: how long an epoch
    takes, and the scores before and after."""
    before = records.get_or_train(dataset, "paper", 0, "cpu", train=False)
    until, score = before.meta["epochs"] + epochs, before.meta["scores"]["last"]
    apart("-m", "ganrepro.cli", "records", "train", "--from-record", "--dataset", dataset, "--epochs", str(until),
          "--device", str(device), "--yes", scratch=scratch)  # fmt: skip
    (made,) = records.store.below(scratch / "runs", "paper")
    new, after = made.curves[made.curves.epoch > before.kept_epoch], made.meta["scores"]["last"]
    return [{
        "what": f"restart of {before.recipe.name} from its record", "epochs": len(new),
        "median_s": float(new.seconds.median()), "note": "median_s is an epoch's",
        "before": {key: score[key] for key in ("epoch", "mean", "se_examples")},
        "after": {key: after[key] for key in ("epoch", "mean", "se_examples")}, "hardware": made.meta["hardware"],
    }]  # fmt: skip


def notebooks(device: torch.device, scratch: Path, names: Sequence[str] = NOTEBOOKS) -> list[dict]:
    """Papermill of notebooks with `-p device`, whose cells hold the assertions: how long each took."""
    rows = []
    for name in names:
        notebook, began = paths.repository() / "notebooks" / f"{name}.ipynb", time.perf_counter()
        apart("-m", "papermill", str(notebook), str(scratch / f"{name}.ipynb"), "--no-progress-bar", "-p", "device",
              str(device), scratch=scratch)  # fmt: skip
        seconds = time.perf_counter() - began
        rows.append({"what": f"notebook {name}, device {device}", "median_s": seconds, "note": "run once"})
    return rows


def apart(*command: str, scratch: Path) -> None:
    """Run Python in a process of its own, which writes under scratch. Raises RuntimeError, with its last lines, where
    it fails."""
    env = os.environ | {"GANREPRO_RUNS": str(scratch / "runs"), "GANREPRO_PROGRESS": "0"}
    done = subprocess.run([sys.executable, *command], env=env, cwd=scratch, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-1500:]}")


if __name__ == "__main__":
    sys.exit(main())
