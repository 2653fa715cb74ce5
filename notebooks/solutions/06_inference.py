"""Solutions to the exercises of 06_inference. In the notebook, `%run solutions/06_inference.py` defines them."""

from torch import Tensor

from ganrepro import datasets, networks, records
from ganrepro.diagnostics import neighbours
from ganrepro.extensions import inference
from ganrepro.report import claims


def exercise_1() -> tuple[float, float]:
    """The relative error of z that follows from the directions, and the one in the committed table."""
    table = claims.stored("06_inference", "mnist", "paper").committed().set_index("claim").measured
    strong = table[table.index.str.contains("10 directions that move G")].item()
    return (10 * strong + 90 * 1) / 100, table[table.index.str.contains("network: below 1")].item()


def exercise_2(n_test: int = 200) -> dict[int, float]:
    """The error per pixel of the best of so many random z."""
    data, G = datasets.load("mnist"), records.get_with_weights("mnist").generator()
    x, test = networks.sample(G, G.recipe, 10_000, 3_000_000)[0], data.test[:n_test]
    return {n: float(neighbours.nearest(test, x[:n]).squared_distance.mean() / 784) for n in (100, 1000, 10_000)}


def exercise_3(f: inference.Inferer, x: Tensor, passes: int = 4) -> list[float]:
    """How far each pass through f and G moves pictures x (n, d), in mean squared error per pixel."""
    moved = []
    for _ in range(passes):
        again = f.reconstruct(x)
        moved.append(float(inference.per_pixel(again, x).mean()))
        x = again
    return moved
