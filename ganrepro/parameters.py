"""Placeholder"""
from __future__ import annotations
import torch


def device(name: str) -> torch.device:
    """The torch device that a parameter names: "auto", "cpu", "cuda", "cuda:1", …

    "auto" is the GPU where there is one. Raises ValueError, with what there is, for one that is not there.
    """
    there = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if name == "auto":
        return torch.device(there[1] if len(there) > 1 else "cpu")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise ValueError(f"device = {name!r} is not there; choose one of auto, {', '.join(there)}")
    return torch.device(wanted)
