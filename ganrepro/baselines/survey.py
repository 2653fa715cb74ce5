"""The same questions to every model: its row of Table 1, precision and recall, and what training and sampling cost.

Costs are process time on one CPU thread, one model at a time: waiting for other work is not counted.
"""

from __future__ import annotations

import dataclasses
import math
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganrepro import parzen, paths, training
from ganrepro.datasets import Dataset
from ganrepro.device import plain_torch
from ganrepro.diagnostics import precision_recall
from ganrepro.recipes import Recipe, for_dataset, narrowed
from ganrepro.records import StoredTable, write_npz

from . import adversarial, dcgan, denoising, gaussian, kmeans, measuring, mixture, rbm, vae
from .chains import Chain, autocorrelation
from .fitted import Fitted, generator_of

GAUSSIAN, MIXTURE, KMEANS, BELIEF = "Gaussian", "mixture of Gaussians", "k-means centroids", "DBN (two RBMs)"
WALKBACK, VARIATIONAL, CONVOLUTIONAL = "denoising chain (GSN family)", "VAE", "DCGAN"
LOG, SQUARES, WASSERSTEIN = "GAN with the VAE's decoder", "least squares GAN", "Wasserstein GAN, gradient penalty"
RECORD, REAL, BINARY = "GAN, the paper's recipe", "real data, train[:10000]", "DBN, pixels drawn as 0 or 1"
LEAST = 100  # training examples

COLUMNS = ["model", "examples", "seconds", "sampling", "parameters", "sigma", "valid", "mean", "se", "exact", "kind",
           "precision", "recall", "density", "coverage", "tau", "long_enough", "step"]  # fmt: skip
STEPS = {LOG: 8000, SQUARES: 6000, WASSERSTEIN: 1600, CONVOLUTIONAL: 3000}  # of G, about as long in seconds
SHORTER = 80  # times fewer in a short fit
NOISES = (0.4, 0.7, 1.0)  # of the denoising chain; the one in the middle has the plain name
KEPT = 6  # samples that a result keeps as pictures
SAMPLES = 10_000  # the paper's number
DRAWS = 10  # of z for the VAE's bound
CHAINS, EVERY, BRIEF = 20, 20, 4  # chains whose autocorrelation is measured, steps between pictures, and in short ones
PICTURES = 1000  # of each of these chains; a tenth in short ones


@dataclass(frozen=True)
class Real:
    """Training examples in the place of samples: what a perfect model would get."""

    train: Tensor
    parameters: int = 0

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """The first n."""
        return parzen.controls.real_data(self.train, n)


@dataclass(frozen=True)
class Binary:
    """A model whose samples are probabilities of pixels, with every pixel drawn as 0 or 1 by its probability."""

    model: Fitted

    @property
    def parameters(self) -> int:
        """The model's."""
        return self.model.parameters

    @plain_torch
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples (n, d) float32 of 0 and 1."""
        return torch.bernoulli(self.model.sample(n, seed), generator=generator_of(seed))


@dataclass(frozen=True)
class Result:
    """One model and its row, by COLUMNS; of the test examples the window's log-likelihoods (n,), and those of the model
    itself or their lower bounds, at the same sigma, where it has any; and some samples (k, d)."""

    model: Fitted
    row: dict[str, str | float]
    ll: NDArray[np.float64]
    own: NDArray[np.float64] | None
    pictures: Tensor


def reduced(data: Dataset, examples: int, held_out: int) -> Dataset:
    """The first so many training examples, and so many validation and test examples, each with its labels. Raises
    ValueError for fewer than 100 training examples, with which the comparison would say nothing."""
    if (m := min(examples, len(data.train))) < LEAST:
        raise ValueError(f"examples = {m} of {data.label}; the comparison needs at least {LEAST}")
    sizes = {"train": examples, "valid": held_out, "test": held_out}
    labels = {s: None if (y := data.labels[s]) is None else y[: sizes[s]] for s in sizes}
    return dataclasses.replace(data, labels=labels, train=data.train[:examples], valid=data.valid[:held_out],
                               test=data.test[:held_out])  # fmt: skip


def recipe_of(data: Dataset) -> Recipe:
    """The nets that the VAE and three GANs share: the MNIST recipe's at a quarter of its width, with z ~ N(0, I)."""
    return for_dataset(data.name, data.shape, "mnist-small").replace(noise="gaussian")


def fits(data: Dataset, long: bool, seed: int = 0) -> dict[str, Callable[[], Fitted]]:
    """Each model's fit to the training examples, at a length of seconds or, if long, of minutes. DCGAN is left out
    where it is not for pictures of this shape."""
    x, recipe, m = data.training, recipe_of(data), len(data.training)
    batch, hidden = min(100, m), (300, 300) if long else (150, 150)
    steps = STEPS if long else {name: n // SHORTER for name, n in STEPS.items()}
    # D starts wider, as in `coordination`: with Adam it would else stay at 1/2 for most of a short fit
    wider = recipe.replace(discriminator=narrowed(recipe.discriminator, 10_000, irange=0.05))
    found: dict[str, Callable[[], Fitted]] = {
        GAUSSIAN: lambda: gaussian.fit(x),
        MIXTURE: lambda: mixture.fit(x, min(50 if long else 10, m // 2), 60 if long else 40, 30 if long else 10, seed),
        KMEANS: lambda: kmeans.fit(x, min(10_000, m // 5), seed=seed),
        BELIEF: lambda: rbm.fit(x, hidden, 6 if long else 2, batch=batch // 2, seed=seed),
    }  # fmt: skip
    for noise in NOISES if long else NOISES[1:2]:
        name = WALKBACK if noise == NOISES[1] else f"{WALKBACK}, noise {noise}"
        found[name] = partial(denoising.fit, x, hidden, noise, epochs=6 if long else 1, batch=batch, seed=seed)
    found |= {
        VARIATIONAL: lambda: vae.fit(x, recipe, 15 if long else 2, batch, seed=seed),
        LOG: lambda: _trained(recipe, data, steps[LOG], seed),
        SQUARES: lambda: adversarial.fit(x, wider, "least squares", steps[SQUARES], batch, seed=seed),
        WASSERSTEIN: lambda: adversarial.fit(x, wider, measuring.PENALISED, steps[WASSERSTEIN], batch, 5, seed=seed),
    }
    try:
        dcgan.check_shape(data.shape)
    except ValueError:
        return found
    found[CONVOLUTIONAL] = lambda: dcgan.fit(x, data.shape, steps[CONVOLUTIONAL], 16, min(64, m), seed)
    return found


def _trained(recipe: Recipe, data: Dataset, steps: int, seed: int) -> adversarial.Adversarial:
    """The paper's game by the recipe's own updates and dropout, for the whole epochs nearest to so many steps."""
    epochs = max(1, round(steps / math.ceil(len(data.training) / recipe.batch_size)))
    (run,) = training.train(recipe, data, seeds=(seed,), device="cpu", epochs=epochs, show_progress=False)
    return adversarial.Adversarial(run.generator, recipe)


def measure(
    name: str, fit: Callable[[], Fitted], data: Dataset, features: Callable[[Tensor], Tensor] | None, long: bool,
    seed: int = 0,
) -> Result:  # fmt: skip
    """Fit a model and ask it everything: with 10,000 samples if long, else 1,000. Half of them are compared with as
    many test examples in the space of features, where there is one."""
    n = SAMPLES if long else SAMPLES // 10
    started = time.process_time()
    model = fit()
    fitted = time.process_time()
    samples = model.sample(n, seed)
    sampled = time.process_time()
    score = parzen.score(samples, data)
    sigma = float(score.sigma.mean())
    row: dict[str, str | float] = {
        "model": name, "examples": len(data.training), "seconds": fitted - started, "parameters": model.parameters,
        "sampling": (sampled - fitted) * SAMPLES / n, "sigma": sigma, "valid": float(score.valid.mean()),
        "mean": float(score.ll.mean()), "se": float(score.ll.std() / math.sqrt(len(score.ll))),
    }  # fmt: skip
    own = log_density(model, data.test, sigma)
    if own is not None:
        row |= {"exact": float(own.mean()), "kind": "lower bound" if isinstance(model, vae.VAE) else "exact"}
    if features is not None:
        compared = min(n // 2, len(samples), len(data.test))
        row |= dataclasses.asdict(precision_recall.prdc(features(data.test[:compared]), features(samples[:compared])))
    if isinstance(model, Chain):
        row |= mixing(model, long, seed)
    return Result(model, row, score.ll, own, samples[:KEPT])


def log_density(model: Fitted, test: Tensor, sigma: float) -> NDArray[np.float64] | None:
    """What the model itself says of test examples (n, d) in nats, (n,), for its samples plus noise N(0, sigma^2 I),
    which a Parzen window estimates: log p(x) of a Gaussian or a mixture, a lower bound of a VAE's, else None."""
    if isinstance(model, gaussian.Gaussian | mixture.Mixture):
        return model.log_density(test, sigma).numpy()
    return model.bound(test, DRAWS, sigma).numpy() if isinstance(model, vae.VAE) else None


def mixing(chain: Chain, long: bool, seed: int = 0) -> dict[str, float]:
    """tau in steps of the chain, whether the chains were long enough for it, and the seconds of a step of one chain."""
    every, kept = (EVERY, PICTURES) if long else (BRIEF, PICTURES // 10)
    started = time.process_time()
    pictures = chain.run(CHAINS, kept, every, chain.burn_in, seed)
    steps = CHAINS * (chain.burn_in + every * (kept - 1) + 1)
    spent = time.process_time() - started
    found = autocorrelation(pictures)
    return {"tau": every * found.time, "long_enough": float(found.long_enough), "step": spent / steps}


def table(results: list[Result]) -> pd.DataFrame:
    """The rows, by COLUMNS."""
    return pd.DataFrame([r.row for r in results], columns=COLUMNS)


def write(results: list[Result], shape: tuple[int, int, int], dataset: str, profile: str) -> Path:
    """Write the table and, beside it, the samples (models, k, c, h, w) uint8. Returns the table's path."""
    pictures = torch.stack([(r.pictures * 255).round().to(torch.uint8) for r in results]).unflatten(-1, shape)
    path = stored(dataset, profile).write(table(results), digits=6)
    with paths.atomic_file(path.with_suffix(".npz")) as unfinished:
        write_npz(unfinished, {"pictures": pictures.numpy()}, zipfile.ZIP_LZMA)
    return path


def committed(dataset: str) -> tuple[pd.DataFrame, NDArray[np.uint8]] | None:
    """The committed table and samples of a data set; None if there are none."""
    found = stored(dataset, "paper")
    if (rows := found.committed()) is None:
        return None
    with np.load(found.committed_file.with_suffix(".npz"), allow_pickle=False) as arrays:
        return rows, arrays["pictures"]


def stored(dataset: str, profile: str) -> StoredTable:
    """The table of a profile: made under runs/, the paper profile's committed."""
    return StoredTable("baselines", f"{dataset}_{profile}")
