"""The device that a name means, and the precision of its matrix products."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

PRECISION = {None: "highest", "tf32": "high", "bfloat16": "medium"}  # torch's names


def torch_device(name: str) -> torch.device:
    """The torch device that a parameter names: "auto", "cpu", "cuda", "cuda:1", …

    "auto" is the first GPU, or the CPU without one; any other name that is not there raises ValueError with those that
    are. A GPU is set to give the same bits every time.
    """
    there = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    wanted = {"auto": there[min(1, len(there) - 1)], "cuda": "cuda:0"}.get(name, name)
    if wanted not in there:
        raise ValueError(f"device = {name!r} is not there; choose one of auto, {', '.join(there)}")
    if wanted != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return torch.device(wanted)


@contextmanager
def matmul_precision(products: str | None) -> Iterator[None]:
    """Compute matrix products from rounded numbers: "tf32" on a GPU, "bfloat16" on a CPU; None is exact float32.

    A machine without such products computes exact ones. `train` refuses bfloat16 on a GPU, where torch would take TF32.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(PRECISION[products])
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
