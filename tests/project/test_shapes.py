"""The shapes in annotations are ones that jaxtyping can read."""

import importlib
import inspect
import typing

import jaxtyping
import numpy as np
import pytest
import torch

MODULES = ("game", "networks", "training.algorithm1", "training.tasks", "parzen.window", "parzen.kernel_sums")
NAMES = {"Float": jaxtyping.Float, "Float64": jaxtyping.Float64, "Tensor": torch.Tensor, "np": np}
for alias, shape in (("Noise", "... n z"), ("Examples", "... n d"), ("Condition", "... n c")):  # of networks.py
    NAMES[alias] = jaxtyping.Float[torch.Tensor, shape]


@pytest.mark.parametrize("name", MODULES)
def test_every_annotation_with_a_shape_can_be_read(name):
    module = importlib.import_module(f"ganrepro.{name}")
    functions = [f for _, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__]
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if cls.__module__ == module.__name__:
            functions += [f for _, f in inspect.getmembers(cls, inspect.isfunction) if f.__module__ == module.__name__]
    shapes = 0
    for function in functions:
        hints = typing.get_type_hints(function, vars(module) | NAMES)
        shapes += sum("Float" in str(hint) for hint in hints.values())
    assert shapes >= 3
