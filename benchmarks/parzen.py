"""The Parzen window: ours, its peers and the float32 matrix product no exact method of this kind goes below.

    python -m benchmarks.parzen [--quick]

The work is the paper's: MNIST, 10,000 samples, 10,000 test examples, 784 dimensions, the authors' grid of ten sigmas.
Peers too slow for it are timed on fewer test examples, and their time is scaled: all are linear in them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity
from torch import Tensor

from benchmarks import measure
from ganrepro import datasets, parzen

GRID = parzen.DEFAULT_GRID
BLOCK = 1000  # samples in a block of a stream
Array = NDArray[np.float64]


# ----------------------------------------------------------------------------------- the peers


def authors(samples: Tensor, data: Tensor) -> Array:
    """parzen_ll.py: differences by broadcasting, one sigma after the other, here a test example at a time; (10, n)."""
    s, x = samples.numpy(), data.numpy()
    return np.stack([[_log_mean_exp(s, one, sigma) for one in x] for sigma in GRID])


def _log_mean_exp(s: NDArray[np.float32], x: NDArray[np.float32], sigma: float) -> float:
    exponents = -0.5 * (((x[None] - s) / np.float32(sigma)) ** 2).sum(1)
    largest = exponents.max()
    return largest + np.log(np.exp(exponents - largest).mean()) - s.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))


def cdist(samples: Tensor, data: Tensor) -> Array:
    """torch.cdist in float32 and logsumexp, all distances at once; (10, n)."""
    squared = torch.cdist(data, samples).square()
    constant = np.log(len(samples)) + samples.shape[1] * np.log(GRID * np.sqrt(2 * np.pi))
    sums = [torch.logsumexp(squared / (-2 * sigma**2), dim=1).numpy() for sigma in GRID]
    return np.stack(sums) - constant[:, None]


def scikit_learn(samples: Tensor, data: Tensor, leaf_size: int) -> Array:
    """KernelDensity, fitted and scored for each sigma; (10, n)."""
    fitted = (KernelDensity(bandwidth=sigma, leaf_size=leaf_size).fit(samples.numpy()) for sigma in GRID)
    return np.stack([density.score_samples(data.numpy()) for density in fitted])


def float64_differences(samples: Tensor, data: Tensor) -> Array:
    """What all are compared with; (10, n)."""
    squared = np.stack([(samples.double() - x).square().sum(1).numpy() for x in data.double()])
    constant = np.log(len(samples)) + samples.shape[1] * np.log(GRID * np.sqrt(2 * np.pi))
    return np.stack([logsumexp(-squared / (2 * sigma**2), axis=1) for sigma in GRID]) - constant[:, None]


# ----------------------------------------------------------------------------------- the table


def rows(quick: bool = False) -> list[dict]:
    """One row a subject: what, role, median and quartiles in seconds, ratio to the limit, largest error in nats, note.

    A time that was scaled says so in `scaled_by`, and in its note. With quick, a tenth of each axis.
    """
    mnist = datasets.load("mnist")
    m, n = (1000, 1000) if quick else (10_000, 10_000)
    few, less = (2, 10) if quick else (2, 20)
    samples, data = mnist.train[:m], mnist.test[:n]
    peers: list[tuple[str, Callable[[Tensor, Tensor], Array], int, str]] = [
        ("torch.cdist + logsumexp", cdist, n // 20, "float32; holds all distances"),
        ("scikit-learn, leaf_size = m", partial(scikit_learn, leaf_size=m), less, "one leaf: every pair, float64"),
        ("scikit-learn, default leaf_size", partial(scikit_learn, leaf_size=40), less, "WRONG: its bounds underflow"),
        ("authors' broadcasting", authors, few, "float32 differences, ten passes"),
    ]
    subjects: dict[str, Callable[[], object]] = {
        "float32 product": lambda: torch.mm(data, samples.T),
        "ganrepro": lambda: parzen.log_likelihood(samples, data, GRID),
    } | {name: partial(peer, samples, data[:k]) for name, peer, k, _ in peers}
    times = measure.interleaved(subjects, repeats=3)
    truth = float64_differences(samples, data[:less])
    ours = parzen.log_likelihood(samples, data, GRID)[:, :less]

    limit = times["float32 product"]
    table = [
        _row("float32 product", "limit", times, limit, note=f"{n} x {m} x 784, no exponential"),
        _row("ganrepro", "ours", times, limit, error=np.abs(ours - truth).max(), note="ten sigmas"),
    ]
    for name, peer, k, note in peers:
        found = peer(samples, data[: min(k, less)])
        error = np.abs(found - truth[:, : found.shape[1]]).max()
        table.append(_row(name, "peer", times, limit, n / k, error, f"{note}; on {k} test examples, scaled"))
    return table + _low_dimension(mnist, 500 if quick else 3000)


def _row(
    what: str, role: str, times: dict[str, measure.Timing], limit: measure.Timing,
    scale: float = 1.0, error: float = np.nan, note: str = "",
) -> dict:  # fmt: skip
    taken = times[what].scaled(scale)
    return measure.row(f"Parzen window: {what}", role, taken, limit, note, error_nats=float(error), scaled_by=scale)


def _low_dimension(mnist: datasets.Dataset, m: int) -> list[dict]:
    """scipy's gaussian_kde, whose kernel has the samples' covariance: singular for MNIST. So ten components, whitened.

    There it is the same estimator at sigma = its bandwidth factor, and one sigma is all that it takes.
    """
    components = torch.pca_lowrank(mnist.train[:m], q=10, niter=4)[2]
    samples, data = (split[:m] @ components for split in (mnist.train, mnist.test))
    whitening = np.linalg.inv(np.linalg.cholesky(np.cov(samples.numpy().T))).T
    s, x = (np.ascontiguousarray(part.numpy().astype(np.float64) @ whitening) for part in (samples, data))
    sigma = 0.3
    kde = gaussian_kde(s.T, bw_method=sigma)
    subjects: dict[str, Callable[[], object]] = {
        "float32 product, 10 dimensions": lambda: torch.mm(data, samples.T),
        "ganrepro, 10 dimensions": lambda: parzen.log_likelihood(s, x, sigma),
        "scipy gaussian_kde, 10 dimensions": lambda: kde.logpdf(x.T),
    }
    times = measure.interleaved(subjects, repeats=3)
    error = np.abs(parzen.log_likelihood(s, x, sigma) - kde.logpdf(x.T)).max()
    try:
        gaussian_kde(mnist.train[:m].numpy().T)
        refusal = "784 dimensions accepted"
    except ValueError:  # LinAlgError is one
        refusal = "refuses MNIST in 784 dimensions: singular covariance"
    notes = (f"{m} x {m}, one sigma", f"{m} x {m}, one sigma; error against scipy", f"{m} x {m}, one sigma; {refusal}")
    errors, limit = (np.nan, error, np.nan), times["float32 product, 10 dimensions"]
    roles = ("limit", "ours", "peer")
    return [_row(what, role, times, limit, 1.0, e, note)
            for what, role, e, note in zip(subjects, roles, errors, notes, strict=True)]  # fmt: skip


# ------------------------------------------------------------------------------------- growth


def growth(quick: bool = False) -> pd.DataFrame:
    """Time and additional memory with the number of samples (streamed), test examples, dimensions and threads.

    One row a measurement, each in its own process, with the float32 product of the same size beside it.
    """
    most = 10 if quick else 1
    base = {"m": 5000 // most, "n": 1000, "d": 784, "threads": 1}
    axes: dict[str, tuple[str, list[int]]] = {
        "samples": ("m", [1000, 10_000] if quick else [1000, 10_000, 100_000]),
        "test examples": ("n", [1000 // most, 3000 // most, 10_000 // most]),
        "dimensions": ("d", [196, 784, 3072]),
        "threads": ("threads", [1, 2]),
    }
    found: list[dict] = []
    known: dict[tuple[int, ...], dict] = {}
    for axis, (name, values) in axes.items():
        for value in values:
            size = base | {name: value}
            key = tuple(size.values())
            measured = known[key] = known.get(key) or measure.memory_apart(prepare, **size)
            ours, limit = (measure.Timing(tuple(seconds)) for seconds in measured["seconds"])
            q1, median, q3 = ours.quartiles
            found.append({"axis": axis, "samples": size["m"], "test examples": size["n"], "dimensions": size["d"],
                          "threads": size["threads"], "median_s": median, "q1_s": q1, "q3_s": q3,
                          "limit_s": limit.quartiles[1], "ratio_to_limit": ours.over(limit),
                          "memory_mib": measured["memory_mib"]})  # fmt: skip
    return pd.DataFrame(found)


def prepare(m: int, n: int, d: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Ours on a stream of m samples in blocks, and the products of these blocks alone, on noise in [0, 1]."""
    torch.manual_seed(0)
    data, block = torch.rand(n, d), torch.rand(min(m, BLOCK), d)

    def stream() -> Iterator[Tensor]:
        for _ in range(0, m, BLOCK):
            yield block

    def products() -> None:
        for s in stream():
            torch.mm(data, s.T)

    parzen.log_likelihood(block, data[:10], GRID)
    products()
    return lambda: parzen.log_likelihood(stream(), data, GRID), products


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parzen", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes: does it run at all")
    quick = parser.parse_args().quick
    options = {"index": False, "float_format": "{:.3g}".format}
    print("\n".join(f"{key}: {value}" for key, value in measure.machine().items()))
    print("\n" + pd.DataFrame(rows(quick)).to_string(**options))
    print("\n" + growth(quick).to_string(**options))


if __name__ == "__main__":
    main()
