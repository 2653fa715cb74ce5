"""One seed on one machine: the same bits, by whichever way a training is run."""

import itertools

import numpy as np
import pytest
import torch

from ganrepro import records, training

OPTIONS = {"device": "cpu", "show_progress": False}
CHANGES = {
    "the recipe": {}, "alternating": {"update": "alternating", "k": 2}, "gaussian z": {"noise": "gaussian"},
    "no dropout": {"keep_input": 1.0, "keep_hidden": 1.0}, "norm bound": {"max_col_norm": 0.5},
}  # fmt: skip


def bits(run):
    curves = run.curves.drop(columns="seconds").to_numpy()
    return [p.numpy() for p in run.weights().values()] + [curves, run.rng.get_state().numpy(), run.sample(50).numpy()]


def same(one, other):
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(bits(one), bits(other), strict=True))


@pytest.mark.parametrize(
    ("changes", "seeds"), [(list(CHANGES)[:2], (0,)), pytest.param(list(CHANGES), (0, 7), marks=pytest.mark.slow)],
    ids=["two recipes", "all"],
)  # fmt: skip
def test_a_seed_gives_the_same_bits_however_it_is_run(digits, small_recipe, tmp_path, promise, changes, seeds):
    """Twice; alone and among other seeds; in one sitting and in several."""
    other, tried = [], 0
    for what, seed in itertools.product(changes, seeds):
        change = CHANGES[what]
        recipe, options = small_recipe(epochs=4, **change), OPTIONS | {"validate_every": 2}
        (expected,) = training.train(recipe, digits, seeds=[seed], **options)
        found = {"again": training.train(recipe, digits, seeds=[seed], **options)[0],
                 "among others": training.train(recipe, digits, seeds=[3, seed], **options)[1]}  # fmt: skip
        for sittings in ((2, 4), (1, 2, 3, 4)):
            folder = tmp_path / f"{what}{seed}{len(sittings)}"
            for epochs in sittings:
                every = 2 if epochs % 2 == 0 else 0
                (run,) = training.train(recipe, digits, seeds=[seed], epochs=epochs, checkpoint_dir=folder,
                                        **OPTIONS, validate_every=every)  # fmt: skip
            found[f"{len(sittings)} sittings"] = run
        tried += len(found)
        other += [(what, seed, how) for how, run in found.items() if not same(run, expected)]
    promise("a seed gives the same bits by every way to run it", tried, other)


@pytest.mark.slow
def test_one_thread_and_two_give_the_same_bits(digits, small_recipe, promise):
    """Slow where another program takes the processor: two threads wait for each other at every operation."""
    threads, found = torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        found += training.train(small_recipe(epochs=1), digits, **OPTIONS)
    torch.set_num_threads(threads)
    promise("one thread and two give the same bits", 1, [2] * (not same(*found)))


def test_the_command_line_and_the_module_make_the_same_record(start, tmp_path, promise):
    ways = {
        "command": 'status = cli.main(["records", "train", "--dataset", "digits", "--epochs", "3", "--device", "cpu"])',
        "module": 'list(records.train_paper(datasets.load("digits"), device="cpu", epochs=3))',
        "one then three": """
for n in ("1", "3"):
    status = cli.main(["records", "train", "--dataset", "digits", "--epochs", n, "--device", "cpu"])
""",
    }
    found = {}
    for way, code in ways.items():
        child = start(code, tmp_path / way)
        assert child.wait() == 0, child.log.read_text()
        record = records.Record(tmp_path / way / "paper/mnist@digits/seed0")
        found[way] = record.samples, record.ll, *(p for _, p in sorted(record.weights().items()))
    other = [way for way, arrays in found.items() if not all(map(np.array_equal, arrays, found["command"]))]
    promise("command line, module and sittings make the same samples, scores and weights", len(ways), other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_seed_gives_the_same_bits_again(digits, small_recipe):
    one, other = (training.train(small_recipe(), digits, device="cuda", show_progress=False)[0] for _ in range(2))
    assert all(torch.equal(p, other.weights()[name]) for name, p in one.weights().items())
