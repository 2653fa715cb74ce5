"""Interleaved timing: what is compared runs in turn, in one process, so that the machine's moods meet all alike."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from ganrepro import provenance


def interleave(
    turns: Mapping[str, Callable[[], object]], rounds: int, device: torch.device | None = None
) -> dict[str, list[float]]:
    """Seconds of each turn in each round, after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        for name, turn in turns.items():
            began = time.perf_counter()
            turn()
            if device is not None and device.type == "cuda":
                torch.cuda.synchronize()
            if number:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def row(what: str, seconds: Sequence[float], limit: Sequence[float], note: str = "") -> dict:
    """Median and quartiles, and the median of limit / seconds taken round by round: the share of the limit reached."""
    low, middle, high = np.percentile(seconds, [25, 50, 75])
    share = np.median(np.asarray(limit) / np.asarray(seconds))
    return {"what": what, "median_s": middle, "q1_s": low, "q3_s": high, "share_of_limit": share, "note": note}


def machine() -> dict:
    """Hardware and versions that the figures belong to."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return {"hardware": provenance.hardware(device), "versions": provenance.versions(), "git": provenance.git()}


def machine_name() -> str:
    """A file name for this machine: its processor or GPU, and cores."""
    hardware = machine()["hardware"]
    name = hardware.get("gpu", hardware["cpu"]) + f" {hardware['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
