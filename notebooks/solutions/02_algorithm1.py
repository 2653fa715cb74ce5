"""Solutions to the exercises of 02_algorithm1. In the notebook, `%run solutions/02_algorithm1.py` defines them."""

from itertools import islice

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from ganrepro import datasets, game, networks, recipes, training
from ganrepro.training import tasks


def narrow() -> tuple[datasets.Dataset, recipes.Recipe]:
    """MNIST and the narrow nets of the variants of one step."""
    data = datasets.load("mnist")
    small = recipes.quick(recipes.for_dataset(data.name, data.shape), len(data.training))
    layers = recipes.narrowed(small.discriminator, 64, channels=4, irange=0.05)
    return data, small.replace(discriminator=layers)


def exercise_1() -> float:
    """The sum of both payoffs where every output of D is 1/2."""
    logits = torch.zeros(100)
    return float(game.value(logits, logits) - game.generator_loss(logits))


def exercise_2(steps: int = 20) -> dict[str, np.ndarray]:
    """L_D, L_G, D(x), D(G(z)) of the last step, without the half of D's loss and at twice D's rate."""
    data, small = narrow()
    arms = {"no half": small.replace(d_loss_scale=1.0),
            "twice the rate": small.coordinate(d_learning_rate=2 * small.learning_rate)}  # fmt: skip
    last = {}
    for name, arm in arms.items():
        run = training.start(arm, data, 0)
        for i, group in enumerate(islice(training.minibatches(arm, data.training, run.rng), steps)):
            draws = tasks.of(arm).draw([len(x) for x in group], run.rng)
            found = training.STEPS[arm.update](tasks.of(arm), run.g, run.d, group, draws, training.rates_at(arm, 1, i))
        last[name] = found.numpy()
    return last


def exercise_3(minibatches: int = 10) -> tuple[float, list[float]]:
    """How far the mean of the gradients of minibatches of D is from that of all their examples, relative to it; and
    the cosine of each with it."""
    data, small = narrow()
    run = training.start(small, data, 0)
    x, z = data.training[: 100 * minibatches], networks.noise(small, 100 * minibatches, 1)

    def gradient(x, z):
        loss = game.discriminator_loss(run.d(x), run.d(run.g(z)))
        return torch.cat([g.flatten() for g in run.d.gradients(loss)])

    whole = gradient(x, z)
    each = torch.stack([gradient(*part) for part in zip(x.split(100), z.split(100), strict=True)])
    return float((each.mean(0) - whole).norm() / whole.norm()), cosine_similarity(each, whole[None]).tolist()
