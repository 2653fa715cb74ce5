"""How time and memory are measured: interleaved repeats in one run, and peaks in a process apart."""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganrepro import paths, progress
from ganrepro.records import provenance

MIB = 2**20


@dataclass(frozen=True)
class Timing:
    """Seconds of each repeat; those of one round stand at one place, so that ratios are between neighbours in time."""

    seconds: tuple[float, ...]

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """First quartile, median and third quartile, in seconds."""
        q1, median, q3 = np.quantile(self.seconds, [0.25, 0.5, 0.75])
        return float(q1), float(median), float(q3)

    def scaled(self, factor: float) -> Timing:
        """Of a part, or of a whole, when what was timed is the other."""
        return Timing(tuple(factor * second for second in self.seconds))

    def over(self, other: Timing) -> float:
        """Median over the rounds of this time over the other's."""
        return statistics.median(a / b for a, b in zip(self.seconds, other.seconds, strict=True))


def interleaved(
    subjects: dict[str, Callable[[], object]], repeats: int = 5, *, warm: bool = False
) -> dict[str, Timing]:  # fmt: skip
    """Each subject once to warm up, unless it is, then round after round of all: what disturbs one disturbs all."""
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in progress.bar(range(repeats + (not warm)), desc="benchmark", unit="round"):
        for name, subject in subjects.items():
            before = time.perf_counter()
            subject()
            if turn or warm:
                seconds[name].append(time.perf_counter() - before)
    return {name: Timing(tuple(taken)) for name, taken in seconds.items()}


def row(what: str, role: str, times: Timing, limit: Timing, note: str = "", **more: object) -> dict:
    """One line of the table. role: "limit", "ours" or "peer"; the ratio is to the limit, within each round."""
    q1, median, q3 = times.quartiles
    ratio = {"median_s": median, "q1_s": q1, "q3_s": q3, "ratio_to_limit": times.over(limit)}
    return {"what": what, "role": role} | ratio | more | {"note": note}


def memory_apart(prepare: Callable[..., Iterable[Callable[[], object]]], threads: int, **arguments: Any) -> dict:
    """Time and additional memory of a first subject, beside others, in a process apart with so many threads.

    `prepare(**arguments)`, a function of a module, holds the inputs, has warmed up at a small size, and gives the
    subjects. Returns {"seconds": [[per repeat] per subject], "memory_mib": float}: the peak of the first subject's
    resident memory over what was resident before it.
    """
    module = prepare.__module__
    if module == "__main__":  # python -m benchmarks.parzen
        module = sys.modules[module].__spec__.name  # type: ignore[union-attr]
    command = [sys.executable, "-m", "benchmarks.measure", module, prepare.__name__, json.dumps(arguments)]
    folder = paths.REPOSITORY or Path.cwd()
    apart = {"OMP_NUM_THREADS": str(threads), "GANREPRO_PROGRESS": "0"}
    done = subprocess.run(command, env=os.environ | apart, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{prepare.__name__}({arguments}) failed in its process:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def machine(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Processor, cores (of which this process may use `allowed`), threads, load and versions; and the device's GPU."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    found = provenance.hardware(torch.device(device)) | {"allowed": allowed, "load": load}
    return found | {"simd": torch.backends.cpu.get_cpu_capability()} | provenance.versions()


def machine_name() -> str:
    """A file name for this machine: its GPU, or its processor and cores."""
    hardware = provenance.hardware(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    name = hardware.get("gpu") or f"{hardware['cpu']} {hardware['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _resident(key: str) -> float:
    """VmRSS or VmHWM in MiB; where there is no /proc, the peak so far."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM = VmRSS
    except OSError:
        pass  # then the peak includes that of the preparation


def _child(module: str, name: str, arguments: str) -> None:
    subjects = list(getattr(importlib.import_module(module), name)(**json.loads(arguments)))
    _forget_peak()
    before = _resident("VmRSS")
    subjects[0]()
    memory = _resident("VmHWM") - before
    timings = interleaved({str(i): subject for i, subject in enumerate(subjects)}, repeats=3, warm=True)
    print(json.dumps({"seconds": [timing.seconds for timing in timings.values()], "memory_mib": memory}))


if __name__ == "__main__":
    _child(*sys.argv[1:])
