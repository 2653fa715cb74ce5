"""The Parzen window on data made to break it, far within its contract of 1e-3 nats; and on streams."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from ganrepro import datasets, parzen
from ganrepro.parzen import kernel_sums, window

CONTRACT = 1e-5  # nats, for 0.03 <= sigma <= 1 and data in [0, 1]; a hundredth of what is promised
SIGMAS = np.array([0.03, 0.05, 0.1, 0.1668, 0.3, 0.6, 1.0])
D = 784


def differences(samples, data, sigmas):
    """(len(sigmas), n) nats: squares of float64 differences, with no product of matrices, and scipy's logsumexp."""
    samples, data = (np.asarray(a, dtype=np.float64) for a in (samples, data))
    squared = np.stack([np.square(samples - x).sum(1) for x in data])
    normal = np.log(len(samples)) + samples.shape[1] * np.log(np.sqrt(2 * np.pi) * sigmas)
    return np.stack([logsumexp(-squared / (2 * s * s), axis=1) for s in sigmas]) - normal[:, None]


def faces(rng, n):
    return np.clip(0.5 + 0.2 * np.cumsum(rng.normal(size=(n, D)), axis=1) / np.sqrt(D), 0, 1)


def near(rng, samples, n, by=0.01):
    return np.clip(samples[rng.integers(len(samples), size=n)] + by * rng.normal(size=(n, samples.shape[1])), 0, 1)


def flat(levels):
    return np.repeat(np.asarray(levels, dtype=float)[:, None], D, axis=1)


CASES = {
    "noise": lambda r: (r.random((600, D)), r.random((70, D))),
    "noise, data near samples": lambda r: (s := r.random((600, D)), near(r, s, 70)),
    "data equal to samples": lambda r: (s := r.random((600, D)), s[:70]),
    "duplicated points": lambda r: (s := np.repeat(r.random((20, D)), 30, axis=0), np.vstack([s[:35], near(r, s, 35)])),
    "binary": lambda r: (r.integers(0, 2, (600, D)) / 1.0, r.integers(0, 2, (70, D)) / 1.0),
    "binary, data near samples": lambda r: (s := r.integers(0, 2, (600, D)) / 1.0, near(r, s, 70)),
    "flat pictures": lambda r: (flat(r.random(600)), flat(r.random(70))),
    "flat pictures, two levels": lambda r: (flat(r.integers(0, 2, 600) * 0.4 + 0.3), flat([0.3, 0.7, 0.31, 0.69])),
    "all dark": lambda r: (np.zeros((600, D)), np.zeros((70, D))),
    "dark samples, white data": lambda r: (np.zeros((600, D)), np.ones((70, D))),
    "dark samples and a white one, white data": lambda r: (np.vstack([0.01 * r.random((599, D)), np.ones((1, D))]),
                                                           near(r, np.ones((1, D)), 70, 0.1)),
    "samples far from data": lambda r: (0.1 * r.random((600, D)), 1 - 0.1 * r.random((70, D))),
    "one sample": lambda r: (r.random((1, D)), r.random((70, D))),
    "one sample, data near it": lambda r: (s := r.random((1, D)), near(r, s, 70)),
    "collapsed samples": lambda r: (s := near(r, r.random((1, D)), 600, 1e-3),
                                    np.vstack([near(r, s, 35), faces(r, 35)])),
    "smooth": lambda r: (faces(r, 600), faces(r, 70)),
    "wide": lambda r: (faces(r, 600).repeat(4, axis=1), faces(r, 70).repeat(4, axis=1)),
    "two dimensions": lambda r: (r.random((600, 2)), r.random((70, 2))),
    "below float32": lambda r: (s := 0.5 + 1e-9 * r.normal(size=(600, D)), s[:70] + 1e-9 * r.normal(size=(70, D))),
    "sorted": lambda r: (np.sort(faces(r, 600), axis=0), np.sort(faces(r, 70), axis=0)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_contract(case, dtype, monkeypatch):
    monkeypatch.setattr(kernel_sums, "COLUMNS", 128)
    samples, data = (a.astype(dtype) for a in CASES[case](np.random.default_rng(0)))
    found = parzen.log_likelihood(samples, data, SIGMAS)
    np.testing.assert_allclose(found, differences(samples, data, SIGMAS), rtol=0, atol=CONTRACT)


def test_contract_on_mnist():
    mnist, sigmas = datasets.load("mnist"), [0.03, *parzen.DEFAULT_GRID, 1.0]
    samples, data = mnist.train[:5000], torch.cat([mnist.test[:150], mnist.train[:50]])
    found = parzen.log_likelihood(samples, data, sigmas)
    np.testing.assert_allclose(found, differences(samples, data, np.asarray(sigmas)), rtol=0, atol=CONTRACT / 2)


@settings(max_examples=100, deadline=None)
@example(d=46, m=46, n=1, seed=453, levels=2, spread=1.0, dtype=np.float32)
@given(
    d=st.integers(1, 800), m=st.integers(1, 60), n=st.integers(1, 20), seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([0, 1, 2, 7]), spread=st.sampled_from([1.0, 0.1, 0.001]),
    dtype=st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_contract_on_any_pictures(d, m, n, seed, levels, spread, dtype):
    rng = np.random.default_rng(seed)
    middle = rng.random((rng.integers(1, 4), d))  # a few modes, each with its spread
    samples, data = (middle[rng.integers(len(middle), size=k)] + spread * rng.normal(size=(k, d)) for k in (m, n))
    if levels:
        samples, data = (np.round(a * levels) / levels for a in (samples, data))
    samples, data = (np.clip(a, 0, 1).astype(dtype) for a in (samples, data))
    data[0] = samples[-1]
    found = parzen.log_likelihood(samples, data, SIGMAS)
    np.testing.assert_allclose(found, differences(samples, data, SIGMAS), rtol=0, atol=CONTRACT)


def test_values_beyond_float32_squares_are_still_right():
    rng = np.random.default_rng(0)
    samples, data = 1e25 * rng.random((50, 9)), 1e25 * rng.random((7, 9))
    np.testing.assert_allclose(
        parzen.log_likelihood(samples, data, 1.0), differences(samples, data, np.ones(1))[0], rtol=1e-9
    )


# ------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize("size", [1, 7, 100, 101, 250])
@pytest.mark.parametrize("kind", ["generator", "list", "loader"])
def test_a_stream_of_any_blocks_equals_the_array(size, kind, monkeypatch):
    monkeypatch.setattr(window, "SLAB", 100)
    rng = np.random.default_rng(0)
    samples, data = torch.from_numpy(rng.random((250, 30), dtype=np.float32)), rng.random((20, 30))
    blocks = {
        "generator": lambda: (block.numpy() for block in samples.split(size)),
        "list": lambda: list(samples.split(size)),
        "loader": lambda: torch.utils.data.DataLoader(samples, batch_size=size),
    }[kind]()
    found = parzen.log_likelihood(blocks, data, SIGMAS)
    np.testing.assert_array_equal(found, parzen.log_likelihood(samples, data, SIGMAS))


def test_a_stream_may_use_its_memory_again():
    rng = np.random.default_rng(0)
    samples, data = rng.random((60, 12)), rng.random((9, 12))

    def blocks():
        memory = np.empty((20, 12))
        for start in range(0, 60, 20):
            memory[:] = samples[start : start + 20]
            yield memory

    found = parzen.log_likelihood(blocks(), data, 0.1)
    np.testing.assert_array_equal(found, parzen.log_likelihood(samples, data, 0.1))


@pytest.mark.filterwarnings("error")
def test_a_file_on_disk_equals_the_array(tmp_path, monkeypatch):
    monkeypatch.setattr(window, "SLAB", 100)
    rng = np.random.default_rng(0)
    samples, data = rng.random((250, 30), dtype=np.float32), rng.random((20, 30))
    np.save(tmp_path / "samples.npy", samples)
    mapped = np.load(tmp_path / "samples.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        parzen.log_likelihood(mapped, data, 0.1), parzen.log_likelihood(samples, data, 0.1)
    )
    blocks = [samples[:60], samples[60:]]
    assert parzen.evaluate(blocks, data[:9], data[9:], [0.1, 0.3, 1.0]).mean == pytest.approx(
        parzen.evaluate(mapped, data[:9], data[9:], [0.1, 0.3, 1.0]).mean, abs=1e-9
    )


GOOD = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], r"samples (has shape|is an empty)"),
        (iter([]), "samples is an empty stream"),
        ([GOOD, np.zeros((3, 5))], "samples has blocks of 4 and of 5 columns"),
        ([np.zeros((3, 5))], "samples have 5 columns and data 4"),
        ([GOOD, np.zeros((0, 4))], r"samples has shape \(0, 4\)"),
        ([GOOD, np.full((1, 4), np.nan)], "samples holds values that are not finite"),
        ([GOOD.astype(np.uint8)], "samples has dtype torch.uint8"),
    ],
)
def test_a_bad_stream_is_refused_by_name(blocks, message):
    with pytest.raises(ValueError, match=message):
        parzen.log_likelihood(blocks, GOOD, 0.1)


def test_what_can_be_read_once_is_not_evaluated_on_two_sets():
    with pytest.raises(ValueError, match="an iterator, which can be read once"):
        parzen.evaluate(iter([GOOD]), GOOD, GOOD)
