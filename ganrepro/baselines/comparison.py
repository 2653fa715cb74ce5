"""The same questions to every model: its row of Table 1, precision and recall, and what training and sampling cost.

Costs are process time on a CPU, one model at a time: other work on the machine adds nothing to them.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganrepro import parzen
from ganrepro.datasets import SPLITS, Dataset
from ganrepro.diagnostics import precision_recall
from ganrepro.records import StoredTable
from ganrepro.recipes import Recipe, for_dataset, narrowed

from . import adversarial, dcgan, denoising, gaussian, kmeans, measuring, mixture, rbm, vae
from .chains import Chain, autocorrelation
from .fitted import Fitted

GAUSSIAN, MIXTURE, KMEANS, BELIEF = "Gaussian", "mixture of Gaussians", "k-means centroids", "DBN (two RBMs)"
WALKBACK, VARIATIONAL, CONVOLUTIONAL = "denoising chain (GSN family)", "VAE", "DCGAN"
LOG, SQUARES, WASSERSTEIN = "GAN with the VAE's decoder", "least squares GAN", "Wasserstein GAN, gradient penalty"
RECORD, REAL = "GAN, the paper's recipe", "real data, train[:10000]"
FUNCTIONS = {LOG: "non-saturating", SQUARES: "least squares", WASSERSTEIN: measuring.PENALISED}

COLUMNS = ["model", "examples", "seconds", "sampling", "parameters", "sigma", "valid", "mean", "se", "exact", "kind",
           "precision", "recall", "density", "coverage", "tau", "long_enough", "step"]  # fmt: skip
LENGTH = 6000  # steps of G in the GANs
KEPT = 10  # samples that a result keeps as pictures
DRAWS = 10  # of z for the VAE's bound
CHAINS, PICTURES, EVERY = 20, 1000, 5  # of a chain whose autocorrelation is measured


@dataclass(frozen=True)
class Real:
    """Training examples in the place of samples: what a perfect model would get."""

    train: Tensor
    parameters: int = 0

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """The first n."""
        return parzen.controls.real_data(self.train, n)


@dataclass(frozen=True)
class Result:
    """One model's row, by COLUMNS; its log-likelihoods of the test examples (n,); and some samples (k, d)."""

    row: dict[str, str | float]
    ll: NDArray[np.float64]
    pictures: Tensor
    model: Fitted


def reduced(data: Dataset, examples: int, held_out: int) -> Dataset:
    """The first so many training examples, and so many validation and test examples, each with its labels."""
    sizes = {"train": examples, "valid": held_out, "test": held_out}
    labels = {s: None if (y := data.labels[s]) is None else y[: sizes[s]] for s in SPLITS}
    return dataclasses.replace(data, labels=labels, train=data.train[:examples], valid=data.valid[:held_out],
                               test=data.test[:held_out])  # fmt: skip


def recipe_of(data: Dataset) -> Recipe:
    """The nets that the VAE and the three GANs share: the MNIST recipe's at a quarter of its width, z ~ N(0, I). D's
    initial weights are wider, as in `coordination`; at the recipe's own D would stay at 1/2 for many steps."""
    recipe = for_dataset(data.name, data.shape, "mnist-small").replace(noise="gaussian", input_scale=None)
    return recipe.replace(discriminator=narrowed(recipe.discriminator, 10_000, irange=0.05))


def fits(data: Dataset, long: bool, seed: int = 0) -> dict[str, Callable[[], Fitted]]:
    """Each model's fit to the training examples, at a length of seconds or, if long, of minutes. DCGAN is left out
    where it is not for pictures of this shape."""
    x, recipe, m = data.training, recipe_of(data), len(data.training)
    batch = min(100, m)
    found: dict[str, Callable[[], Fitted]] = {
        GAUSSIAN: lambda: gaussian.fit(x),
        MIXTURE: lambda: mixture.fit(x, min(50 if long else 10, m // 2), 60 if long else 40, 30 if long else 10, seed),
        KMEANS: lambda: kmeans.fit(x, min(10_000, m // 5), seed=seed),
        BELIEF: lambda: rbm.fit(x, (300, 300) if long else (150, 150), 6 if long else 3, batch=batch // 2, seed=seed),
        WALKBACK: lambda: denoising.fit(x, (300, 300) if long else (150, 150), epochs=6 if long else 2, batch=batch,
                                        seed=seed),
        VARIATIONAL: lambda: vae.fit(x, recipe, 15 if long else 2, batch, seed=seed),
    }  # fmt: skip
    steps = {LOG: (LENGTH, 1), SQUARES: (LENGTH, 1), WASSERSTEIN: (LENGTH // 3, 5)}
    for name, (length, d_steps) in steps.items():
        found[name] = lambda name=name, length=length, d_steps=d_steps: adversarial.fit(
            x, recipe, FUNCTIONS[name], length if long else length // 30, batch, d_steps, seed=seed
        )
    try:
        dcgan.check_shape(data.shape)
    except ValueError:
        return found
    found[CONVOLUTIONAL] = lambda: dcgan.fit(x, data.shape, 2000 if long else 40, 16, min(64, m), seed)
    return found


def measure(
    name: str, fit: Callable[[], Fitted], data: Dataset, n: int, features: Callable[[Tensor], Tensor] | None,
    compared: int, seed: int = 0,
) -> Result:  # fmt: skip
    """Fit a model and ask it everything, with n samples; `compared` of these against as many test examples in the space
    of features, where there is one."""
    started = time.process_time()
    model = fit()
    fitted = time.process_time()
    samples = model.sample(n, seed)
    sampled = time.process_time()
    score = parzen.score(samples, data)
    sigma = float(score.sigma.mean())
    row: dict[str, str | float] = {
        "model": name, "examples": len(data.training), "seconds": fitted - started, "parameters": model.parameters,
        "sampling": (sampled - fitted) * 10_000 / n, "sigma": sigma, "valid": float(score.valid.mean()),
        "mean": float(score.ll.mean()), "se": float(score.ll.std() / math.sqrt(len(score.ll))),
    }  # fmt: skip
    row |= exact(model, data.test, sigma)
    if features is not None:
        compared = min(compared, len(samples), len(data.test))
        row |= dataclasses.asdict(precision_recall.prdc(features(data.test[:compared]), features(samples[:compared])))
    if isinstance(model, Chain):
        row |= mixing(model, seed)
    return Result(row, score.ll, samples[:KEPT], model)


def exact(model: Fitted, test: Tensor, sigma: float) -> dict[str, str | float]:
    """What the model itself says of test examples, in nats, for its samples plus noise N(0, sigma^2 I), which is what a
    Parzen window estimates: the exact mean of log p(x), a lower bound of it, or nothing."""
    if isinstance(model, gaussian.Gaussian | mixture.Mixture):
        return {"exact": float(model.log_density(test, sigma).mean()), "kind": "exact"}
    if isinstance(model, vae.VAE):
        return {"exact": float(model.bound(test, DRAWS, sigma).mean()), "kind": "lower bound"}
    return {}


def mixing(chain: Chain, seed: int = 0) -> dict[str, float]:
    """tau in steps of the chain, whether the chains were long enough for it, and the seconds of a step of one chain."""
    started = time.process_time()
    pictures = chain.run(CHAINS, PICTURES, EVERY, chain.burn_in, seed)
    steps = CHAINS * (chain.burn_in + EVERY * (PICTURES - 1) + 1)
    spent = time.process_time() - started
    found = autocorrelation(pictures)
    return {"tau": EVERY * found.time, "long_enough": float(found.long_enough), "step": spent / steps}


def table(results: list[Result]) -> pd.DataFrame:
    """The rows, by COLUMNS."""
    return pd.DataFrame([r.row for r in results], columns=COLUMNS)


def stored(dataset: str, profile: str) -> StoredTable:
    """The table of a profile: made under runs/, the paper profile's committed."""
    return StoredTable("baselines", f"{dataset}_{profile}")
