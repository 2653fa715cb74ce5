"""Solutions to the exercises of 04_samples. In the notebook, `%run solutions/04_samples.py` defines them."""

import torch
from torch import Tensor

from ganrepro import datasets
from ganrepro.diagnostics import memorisation, neighbours


def held_out(n: int) -> tuple[datasets.Dataset, Tensor]:
    data = datasets.load("mnist")
    mixed = data.test[torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))]
    return data, mixed[:n]


def exercise_1(pictures: int = 33) -> float:
    """The largest step of a cross-fade."""
    t = torch.linspace(0, 1, pictures)[None, :, None]
    ends = torch.rand(2, 5, 1, 784, generator=torch.Generator().manual_seed(0))
    return memorisation.largest_step((1 - t) * ends[0] + t * ends[1])


def exercise_2(n: int) -> tuple[float, float]:
    """The medians of n test pictures: to the nearest training example, and to the nearest other of the n."""
    data, x = held_out(n)
    found = memorisation.distances(x, data.training)
    return float(found.to_training.median()), float(found.to_another.median())


def exercise_3(n: int = 500) -> dict[str, tuple[float, str]]:
    """Training pictures moved by one pixel: nearness and verdict by the notebook's test, and by one that also looks
    for the training pictures moved by a pixel in every direction."""
    data, x = held_out(n)
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    moved = lambda x, by: x.view(-1, 28, 28).roll(by, (1, 2)).flatten(1)  # noqa: E731
    copies, found = moved(data.train[:n], (0, 1)), {}
    for name, known in (("as they are", shifts[4:5]), ("moved", shifts)):
        of = {}
        for who, pictures in (("test", x), ("copies", copies)):
            nearest = [neighbours.nearest(moved(pictures, by), data.train[:10_000]).squared_distance for by in known]
            of[who] = memorisation.Distances(torch.stack(nearest).min(0).values, neighbours.nearest_other(pictures))
        found[name] = of["copies"].ratios(of["test"])[0], of["copies"].verdict(of["test"])
    return found
