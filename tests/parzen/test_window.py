"""The Parzen window against a plain loop, scikit-learn and closed forms, and its invariances."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KernelDensity

from ganrepro import datasets, parzen
from ganrepro.parzen import kernel_sums

# The contract is 1e-3 nats. Terms of the sum are float32 of at most 80 in the exponent, so that log sum may err by
# 80 * 2^-24 = 5e-6; tests hold it to a fifth of that.
CLOSE = 1e-6


def plain(samples, data, sigma):
    """Equation of section 5 as a double loop in float64: (n,) nats."""
    m, d = samples.shape
    result = []
    for x in np.asarray(data, dtype=np.float64):
        terms = [-np.sum((x - s) ** 2) / (2 * sigma**2) for s in np.asarray(samples, dtype=np.float64)]
        result.append(np.logaddexp.reduce(terms) - math.log(m) - d * math.log(sigma * math.sqrt(2 * math.pi)))
    return np.array(result)


@pytest.fixture(scope="module")
def mnist():
    return datasets.load("mnist")


@pytest.fixture
def some():
    """40 samples, and 30 data of which some lie at or near a sample: 30 dimensions, float64."""
    rng = np.random.default_rng(0)
    samples = rng.random((40, 30))
    data = np.vstack([rng.random((20, 30)), samples[:5], samples[5:10] + rng.normal(0, 0.02, (5, 30))])
    return samples, data


# ------------------------------------------------------------------------------ against others


@pytest.mark.parametrize("sigma", [0.03, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("d", [1, 2, 30, 784])
def test_equals_a_plain_float64_loop(d, sigma):
    rng = np.random.default_rng(d)
    samples = rng.random((40, d))
    data = np.vstack([rng.random((10, d)), samples[:5], samples[5:10] + rng.normal(0, 0.02, (5, d))])
    found = parzen.log_likelihood(samples, data, sigma)
    assert found.shape == (20,) and found.dtype == np.float64
    np.testing.assert_allclose(found, plain(samples, data, sigma), rtol=0, atol=CLOSE)


@pytest.mark.parametrize("sigma", [0.1, 0.1668, 0.3])
def test_equals_scikit_learn_when_one_leaf_holds_all_samples(mnist, sigma):
    samples, data = mnist.train[:600].numpy(), mnist.test[:100].numpy()
    density = KernelDensity(kernel="gaussian", bandwidth=sigma, leaf_size=len(samples)).fit(samples)
    found = parzen.log_likelihood(samples, data, sigma)
    np.testing.assert_allclose(found, density.score_samples(data), rtol=0, atol=CLOSE)


def test_scikit_learn_at_its_default_leaf_size_is_off_by_a_thousand_nats(mnist):
    """A trap: in 784 dimensions its tree's bounds underflow, so KernelDensity needs leaf_size >= n."""
    samples, data = mnist.train[:1000].numpy(), mnist.test[:200].numpy()
    sigma = 0.1668  # what real data choose on MNIST
    right = KernelDensity(bandwidth=sigma, leaf_size=len(samples)).fit(samples).score_samples(data)
    default = KernelDensity(bandwidth=sigma).fit(samples).score_samples(data)
    assert (default - right).max() > 1000
    assert (default - right).mean() > 100  # not a few outliers: the score itself is worthless
    np.testing.assert_allclose(parzen.log_likelihood(samples, data, sigma), right, rtol=0, atol=CLOSE)


def test_real_mnist_as_its_own_model_scores_241(mnist):
    result = parzen.evaluate(mnist.train[:10_000], mnist.valid[:1000], mnist.test)
    assert result.sigma == pytest.approx(0.1668, abs=5e-5)
    assert result.mean == pytest.approx(241.2, abs=0.1)
    assert result.se == pytest.approx(2.1, abs=0.05)
    assert not result.at_edge


# ------------------------------------------------------------------------------- closed forms


@given(st.integers(1, 50), st.sampled_from([0.03, 0.1, 0.3, 1.0]), st.integers(0, 99))
def test_one_sample_is_one_gaussian(d, sigma, seed):
    rng = np.random.default_rng(seed)
    sample, data = rng.random((1, d)), rng.random((4, d))
    log_normal = -((data - sample) ** 2).sum(1) / (2 * sigma**2) - d * np.log(sigma * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(parzen.log_likelihood(sample, data, sigma), log_normal, rtol=1e-12, atol=1e-9)


def test_at_one_of_many_far_samples_only_the_normalisation_is_left():
    m, d, sigma = 7, 20, 0.1
    samples = 5.0 * np.eye(m, d)  # 70 sigma apart
    expected = -math.log(m) - d * math.log(sigma * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(parzen.log_likelihood(samples, samples, sigma), expected, rtol=1e-12)


def test_copies_of_one_sample_are_that_sample():
    rng = np.random.default_rng(0)
    sample, data = rng.random((1, 12)), rng.random((5, 12))
    copies = parzen.log_likelihood(np.repeat(sample, 1000, axis=0), data, 0.2)
    np.testing.assert_allclose(copies, parzen.log_likelihood(sample, data, 0.2), rtol=0, atol=CLOSE)


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_the_density_integrates_to_one(sigma):
    samples = np.random.default_rng(0).random((15, 2))
    line = np.arange(-3.0, 4.0, 0.04)
    plane = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    mass = np.exp(parzen.log_likelihood(samples, plane, sigma)).sum() * 0.04**2
    assert mass == pytest.approx(1, abs=1e-6)


# ---------------------------------------------------------------------------------- precision


@st.composite
def pictures(draw):
    """Samples and data in [0, 1], black background included, with repeated points and data equal to a sample."""
    d, m, n = draw(st.integers(2, 800)), draw(st.integers(1, 12)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from([1.0, 0.1, 0.001]))  # from noise to pictures that are nearly the same
    middle = rng.random(d)
    samples, data = (np.clip(middle + spread * rng.normal(size=(k, d)), 0, 1) for k in (m, n))
    if draw(st.booleans()):
        samples = np.repeat(samples, draw(st.integers(2, 3)), axis=0)
    if draw(st.booleans()):
        data[0] = samples[-1]
    return samples, data


@settings(max_examples=60)
@given(
    pictures(),
    st.sampled_from([0.03, 0.1, 0.3, 1.0]),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([np.asarray, torch.from_numpy]),
)
def test_any_pictures_in_any_precision_are_within_a_thousandth_of_a_nat(pair, sigma, dtype, kind):
    samples, data = (a.astype(dtype) for a in pair)
    found = parzen.log_likelihood(kind(samples), kind(data), sigma)
    np.testing.assert_allclose(found, plain(samples, data, sigma), rtol=0, atol=1e-3)


def test_a_common_shift_changes_nothing(some):
    samples, data = some
    shifted = parzen.log_likelihood(samples + 1e5, data + 1e5, 0.1)  # |x|^2 alone is 3e11 there
    np.testing.assert_allclose(shifted, parzen.log_likelihood(samples, data, 0.1), rtol=0, atol=CLOSE)


def test_very_unlikely_data_have_a_finite_score():
    far = parzen.log_likelihood(np.zeros((3, 10)), np.full((1, 10), 1e4), 0.03)
    assert far == pytest.approx(-10 * 1e8 / (2 * 0.03**2) - 10 * math.log(0.03 * math.sqrt(2 * math.pi)), rel=1e-12)


# -------------------------------------------------------------------------------- invariances


def test_order_of_samples_and_data_does_not_matter(some):
    samples, data = some
    rng = np.random.default_rng(1)
    by_sample, by_example = rng.permutation(len(samples)), rng.permutation(len(data))
    whole = parzen.log_likelihood(samples, data, 0.1)
    np.testing.assert_allclose(parzen.log_likelihood(samples[by_sample], data, 0.1), whole, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(parzen.log_likelihood(samples, data[by_example], 0.1), whole[by_example], rtol=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 3), (30, 39), (1000, 40), (29, 1000)])
def test_block_sizes_do_not_matter(some, monkeypatch, rows, columns):
    whole = parzen.log_likelihood(*some, [0.05, 0.5])
    monkeypatch.setattr(kernel_sums, "ROWS", rows)
    monkeypatch.setattr(kernel_sums, "COLUMNS", columns)
    np.testing.assert_allclose(parzen.log_likelihood(*some, [0.05, 0.5]), whole, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("farthest_first", [True, False])
def test_the_nearest_sample_may_stand_in_any_block(monkeypatch, farthest_first):
    rng = np.random.default_rng(2)
    data = rng.random((6, 16))
    steps = np.linspace(3, 0.01, 24) if farthest_first else np.linspace(0.01, 3, 24)
    samples = data.mean(0) + steps[:, None] * rng.normal(size=(24, 16))
    expected = plain(samples, data, 0.05)
    monkeypatch.setattr(kernel_sums, "COLUMNS", 4)
    np.testing.assert_allclose(parzen.log_likelihood(samples, data, 0.05), expected, rtol=0, atol=CLOSE)


def test_number_of_threads_does_not_matter(mnist):
    samples, data = mnist.train[:700], mnist.test[:300]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = parzen.log_likelihood(samples, data, 0.1668)
        torch.set_num_threads(2)
        two = parzen.log_likelihood(samples, data, 0.1668)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(one, two, rtol=0, atol=CLOSE)


def test_all_sigmas_in_one_pass_equal_one_by_one(some):
    together = parzen.log_likelihood(*some, parzen.DEFAULT_GRID)
    assert together.shape == (10, 30)
    for row, sigma in zip(together, parzen.DEFAULT_GRID, strict=True):
        np.testing.assert_array_equal(row, parzen.log_likelihood(*some, float(sigma)))


def test_a_sequence_of_one_sigma_keeps_its_axis(some):
    assert parzen.log_likelihood(*some, [0.1]).shape == (1, 30)
    assert parzen.log_likelihood(*some, 0.1).shape == (30,)


def test_no_block_of_distances_is_larger_than_it_may_be(monkeypatch):
    """Memory is bounded: no product is larger than ROWS x COLUMNS, and no temporary of (n, m) is made beside it."""
    shapes, product = [], torch.addmm

    def noted(*inputs, **options):
        block = product(*inputs, **options)
        shapes.append(tuple(block.shape))
        return block

    monkeypatch.setattr(kernel_sums, "ROWS", 8)
    monkeypatch.setattr(kernel_sums, "COLUMNS", 16)
    monkeypatch.setattr(torch, "addmm", noted)
    rng = np.random.default_rng(0)
    parzen.log_likelihood(rng.random((50, 3)), rng.random((20, 3)), parzen.DEFAULT_GRID)
    assert shapes == [(n, m) for n in (8, 8, 4) for m in (16, 16, 16, 2)]  # one pass, whatever the number of sigmas


def test_inputs_are_left_as_they_were(some):
    samples, data = (torch.from_numpy(a).clone() for a in some)
    parzen.log_likelihood(samples, data, [0.1, 1.0])
    assert np.array_equal(samples, some[0]) and np.array_equal(data, some[1])


# ------------------------------------------------------------------------------------ protocol


def test_the_grid_is_the_authors():
    assert parzen.DEFAULT_GRID.shape == (10,)
    assert parzen.DEFAULT_GRID[[0, -1]].tolist() == [0.1, 1.0]
    np.testing.assert_allclose(np.diff(np.log10(parzen.DEFAULT_GRID)), 1 / 9)


def test_the_chosen_sigma_has_the_highest_mean_on_validation_data(some):
    samples, data = some
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # inside the grid there is nothing to warn of
        choice = parzen.choose_sigma(samples, data, [0.05, 0.2, 1.0])
    means = [plain(samples, data, sigma).mean() for sigma in (0.05, 0.2, 1.0)]
    np.testing.assert_allclose(choice.mean_ll, means, rtol=0, atol=CLOSE)
    assert max(means) == means[1]
    assert choice.sigma == 0.2 and choice.sigmas.tolist() == [0.05, 0.2, 1.0] and not choice.at_edge


@pytest.mark.parametrize(("sigmas", "chosen"), [([0.2, 0.5, 1.0], "0.2"), ([0.02, 0.05, 0.2], "0.2")])
def test_a_sigma_at_the_edge_of_its_grid_is_flagged_and_warned_of(some, sigmas, chosen):
    with pytest.warns(UserWarning, match=f"sigma = {chosen} stands at the edge of its grid"):
        assert parzen.choose_sigma(*some, sigmas).at_edge
    with pytest.warns(UserWarning, match="edge"):
        assert parzen.evaluate(*some, some[1], sigmas).at_edge


def test_a_grid_of_one_has_no_edge(some):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not parzen.choose_sigma(*some, [0.2]).at_edge


def test_evaluate_chooses_on_validation_and_scores_on_test(some):
    samples, data = some
    valid, test = data[:15], data[15:]
    result = parzen.evaluate(samples, valid, test, [0.05, 0.2, 1.0])
    expected = plain(samples, test, 0.2)
    assert result.sigma == parzen.choose_sigma(samples, valid, [0.05, 0.2, 1.0]).sigma == 0.2
    np.testing.assert_allclose(result.ll, expected, rtol=0, atol=CLOSE)
    assert result.mean == pytest.approx(expected.mean(), abs=CLOSE)
    assert result.se == pytest.approx(np.sqrt(((expected - expected.mean()) ** 2).mean() / 15), rel=1e-6)


# ----------------------------------------------------------------------------------- bad input


GOOD = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("samples", "data", "sigma", "message"),
    [
        (np.zeros((0, 4)), GOOD, 0.1, r"samples has shape \(0, 4\)"),
        (GOOD, np.zeros((0, 4)), 0.1, r"data has shape \(0, 4\)"),
        (np.zeros((3, 0)), np.zeros((3, 0)), 0.1, r"samples has shape \(3, 0\)"),
        (np.zeros(4), GOOD, 0.1, r"samples has shape \(4,\)"),
        (GOOD, np.zeros((3, 2, 2)), 0.1, r"data has shape \(3, 2, 2\)"),
        (GOOD, np.zeros((3, 5)), 0.1, "samples have 4 columns and data 5"),
        (GOOD.astype(np.uint8), GOOD, 0.1, "samples has dtype torch.uint8.*divide"),
        (GOOD, GOOD.astype(int), 0.1, "data has dtype torch.int64"),
        (GOOD, np.full((1, 4), np.nan), 0.1, "data holds values that are not finite"),
        (np.full((1, 4), np.inf), GOOD, 0.1, "samples holds values that are not finite"),
        (GOOD, GOOD, 0.0, "sigma = 0.0"),
        (GOOD, GOOD, -0.1, "sigma = -0.1"),
        (GOOD, GOOD, float("nan"), "sigma = nan"),
        (GOOD, GOOD, [0.1, float("inf")], "sigma = "),
        (GOOD, GOOD, [], r"sigma = \[\]"),
        (GOOD, GOOD, [[0.1]], r"sigma = \[\[0.1\]\]"),
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_bad_input_is_refused_by_name(samples, data, sigma, message, kind):
    with pytest.raises(ValueError, match=message):
        parzen.log_likelihood(kind(samples), kind(data), sigma)
