"""What the speed of a training is held against, and the benchmarks' own arithmetic. Nothing here is timed."""

import itertools
import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import growth, limit, measure, peers
from ganrepro import training
from ganrepro.device import matmul_precision
from ganrepro.recipes import RECIPES
from ganrepro.training import tasks


class Counted(TorchDispatchMode):
    """Counts the floating-point operations of matrix products."""

    operations = 0

    def __torch_dispatch__(self, op, types, arguments=(), options=None):
        if op.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm):
            a, b = arguments[-2:]
            self.operations += 2 * a.shape[0] * a.shape[1] * b.shape[1]
        return op(*arguments, **options or {})


@pytest.mark.parametrize("change", [{}, {"update": "alternating"}, {"update": "alternating", "k": 3}])
def test_products_are_those_that_a_step_makes(digits, small_recipe, change):
    """As counted by torch while the step runs."""
    recipe = small_recipe(**change)
    run = training.start(recipe, digits, 0)
    batches, task = next(training.minibatches(recipe, digits.train, run.rng)), tasks.of(recipe)
    draws = task.draw([len(b) for b in batches], run.rng)
    with Counted() as counted:
        training.STEPS[recipe.update](task, run.g, run.d, batches, draws, training.rates_at(recipe, 1, 0))
    assert counted.operations == limit.operations(recipe)


def test_mnist_step_has_the_known_number_of_operations():
    assert limit.operations(RECIPES["mnist"]) == pytest.approx(2.82e9, rel=1e-3)


def test_bare_products_have_the_shapes_of_the_list(small_recipe):
    bare = limit.Products(small_recipe())
    bare()
    assert [(*a.shape, b.shape[1]) for a, b in bare.operands] == limit.products(small_recipe())
    a, b = bare.operands[3]
    torch.testing.assert_close(bare.results[3], a @ b)


def test_a_recipe_with_convolutions_has_no_such_limit():
    with pytest.raises(ValueError, match="convolution"):
        limit.products(RECIPES["cifar10-conv"])


def test_a_row_can_be_of_a_part_of_what_was_timed():
    ours, limit = measure.Timing((2.0, 4.0, 30.0)), measure.Timing((1.0, 2.0, 10.0))
    row = measure.row("x", "ours", ours.scaled(0.5), limit)
    assert row["median_s"] == 2.0 and row["ratio_to_limit"] == 1.0


def test_peer_is_the_same_size_and_learns(digits, small_recipe):
    recipe = small_recipe()
    peer = peers.Eager(recipe, digits.train[:400])
    run = training.start(recipe, digits, 0)
    for theirs, ours in ((peer.g, run.g), (peer.d, run.d)):
        assert sum(p.numel() for p in theirs.parameters()) == sum(p.numel() for p in ours.theta.values())
    before = [p.detach().clone() for p in peer.g.parameters()]
    assert peer.epoch() == 4
    assert all(not torch.equal(p, q) for p, q in zip(before, peer.g.parameters(), strict=True))


def test_the_earlier_step_is_the_same_update(digits, small_recipe):
    recipe = small_recipe()
    ours, before = (training.start(recipe, digits, 0) for _ in range(2))
    for i in range(3):
        (rows,) = next(training.minibatches(recipe, digits.train, torch.Generator().manual_seed(i)))
        draws = tasks.of(recipe).draw([len(rows)], ours.rng)
        training.simultaneous_step(
            tasks.of(recipe), ours.g, ours.d, [rows], draws, training.rates_at(recipe, 1, i))
        peers.slope_step(before, rows, i)
    for name, p in ours.weights().items():
        torch.testing.assert_close(before.weights()[name], p, rtol=1e-4, atol=1e-7)


def test_growth_has_a_panel_for_each_size():
    columns = ["against", "size", "which", "value"]
    cases = itertools.product(("batch size", "threads"), (1, 2), ("ours", "limit"))
    found = pd.DataFrame([(against, size, which, size * 0.1) for against, size, which in cases], columns=columns)
    figure = growth.draw(found)
    titles = [axes.get_xlabel() for axes in figure.axes if axes.lines]
    assert titles == ["batch size", "threads"]


def test_stored_figures_of_speed_belong_to_a_machine_and_versions():
    stored = list((Path(__file__).parents[2] / "results/benchmarks").glob("*.json"))
    assert stored
    for path in stored:
        found = json.loads(path.read_text())
        assert {"cpu", "torch", "threads"} <= set(found["machine"])
        roles = {row["role"] for row in found["rows"] if "role" in row}
        assert roles == {"limit", "ours", "peer"}
        assert all(row["ratio_to_limit"] > 0 for row in found["rows"] if "ratio_to_limit" in row)


def test_rounding_of_products_is_undone_after_an_error():
    def interrupted():
        with matmul_precision("bfloat16"):
            raise KeyError(torch.get_float32_matmul_precision())

    with pytest.raises(KeyError, match="medium"):
        interrupted()
    assert torch.get_float32_matmul_precision() == "highest"
