"""Solutions to the exercises of 07_subsets. In the notebook, `%run solutions/07_subsets.py` defines them."""

import torch

from ganrepro import datasets
from ganrepro.extensions import subsets
from ganrepro.extensions.subsets import fills


def exercise_1(n: int = 40) -> dict[str, float]:
    """The mean jump of real pictures across each border, times 1,000."""
    data = datasets.load("mnist")
    return {name: 1000 * float(subsets.border_jump(data.test[:n], mask, data.shape).mean())
            for name, mask in subsets.masks(data.shape).items()}  # fmt: skip


def exercise_2(n: int = 150, m: int = 64) -> tuple[float, float]:
    """Ratio and share of fills that are the right half of other test pictures, drawn at random."""
    data = datasets.load("mnist")
    truth = data.test[:n, subsets.masks(data.shape)["right half"] == 0]
    others = data.test[n:, subsets.masks(data.shape)["right half"] == 0]
    rows = torch.randint(len(others), (n, m), generator=torch.Generator().manual_seed(0))
    found = fills.measure(others[rows], truth)
    between = fills.measure(truth[None], truth[:1]).pairwise[0]
    return found.diversity, float(found.pairwise.mean() / between)


def exercise_3(n: int = 150, counts: tuple[int, ...] = (1, 4, 16, 64, 256)) -> dict[int, float]:
    """Nats of the right half by a window with one centre, the mean of so many nearest training pictures."""
    data, found = datasets.load("mnist"), {}
    mask = subsets.masks(data.shape)["right half"]
    pictures = data.valid[:n], data.test[:n]
    near = [subsets.nearest_fill(x, mask, data.train[:10_000], max(counts)) for x in pictures]
    for k in counts:
        measured = [fills.measure(f[:, :k], x[:, mask == 0]) for f, x in zip(near, pictures, strict=True)]
        found[k] = fills.evaluate(*(m.centre for m in measured)).mean
    return found
