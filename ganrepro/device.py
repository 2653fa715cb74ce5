"""The device that a name means, the precision of its matrix products, and what a process has set in torch."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
AUTOCAST = ("cpu", "cuda")
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


def without_autocast(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, run without autocast: under it, products would be rounded to bfloat16 in silence."""

    @wraps(function)
    def run(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        if not (cast := [kind for kind in AUTOCAST if torch.is_autocast_enabled(kind)]):
            return function(*arguments, **named)
        with ExitStack() as exact:
            for kind in cast:
                exact.enter_context(torch.autocast(kind, enabled=False))
            return function(*arguments, **named)

    return run


def plain_torch(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, run with torch as a fresh process has it: float32 and the CPU as defaults, gradients on, neither
    inference mode nor autocast. What the caller has set holds again afterwards. In a plain process it costs nothing."""
    exact = without_autocast(function)

    @wraps(function)
    def run(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        dtype, on_cpu = torch.get_default_dtype(), torch.get_default_device().type == "cpu"
        if dtype == torch.float32 and on_cpu and torch.is_grad_enabled() and not torch.is_inference_mode_enabled():
            return exact(*arguments, **named)
        with torch.inference_mode(False), torch.enable_grad(), torch.device("cpu"):
            torch.set_default_dtype(torch.float32)
            try:
                return exact(*arguments, **named)
            finally:
                torch.set_default_dtype(dtype)

    return run
