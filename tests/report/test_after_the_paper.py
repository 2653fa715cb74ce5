"""docs/after-the-paper.md against the committed tables of notebooks 10 to 12."""

import pandas as pd
import pytest

from ganrepro import paths
from ganrepro.report import claims

TEXT = " ".join((paths.repository() / "docs/after-the-paper.md").read_text().split())


def of(stem, dataset):
    return claims.stored(stem, dataset, "paper").committed().set_index("claim")


def short(value, digits):
    """As the page writes it: no 0 before the point, thousands with a comma."""
    return f"{value:,.{digits}f}".replace("-0.", "-.").removeprefix("0" if digits else "") or "0"


@pytest.mark.parametrize(
    ("claim", "digits", "written"),
    [
        ("ring: duality gap at the end", 3, "a duality gap of {} ± {} nats"),
        ("ring: duality gap at the start", 3, "from {} ± {}."),
        ("ring: for an unlimited D the gap at the end is at least", 2, "the gap is at least {} ± {}."),
        ("ring: eigenvalues with positive real part remain at the end, so many", 0, "at the end: {} ± {} of 723"),
        ("MNIST: in the first 20 epochs V rises above its first value by", 2, "rises by {} ± {} nats"),
    ],
)
def test_the_page_has_10s_committed_numbers(claim, digits, written):
    row = of("10_equilibrium", "ring").loc[claim]
    assert written.format(short(row.measured, digits), short(row.error, digits)) in TEXT


def test_the_page_has_the_rates_and_the_verdicts_of_10():
    found = of("10_equilibrium", "ring")
    for play in ("simultaneous play does not arrive", "alternating play does not arrive", "extragradient play arrives"):
        (rate,) = found[found.index.str.startswith(f"bilinear game, {play}")].measured
        assert f"by {short(rate, 3)} " in TEXT
    versus = found[found.index.str.contains("better than non-saturating")]
    assert len(versus) == 36 and versus.holds.notna().sum() == 1 and "1 of 36 comparisons" in TEXT
    (row,) = versus[versus.holds.notna()].itertuples()
    assert row.Index == "ring, Wasserstein, clipped: good better than non-saturating, by"
    assert f"has {short(-row.measured, 3)} ± {short(row.error, 3)} fewer good samples" in TEXT
    good = found.loc["ring: share of good samples at the end"].measured
    assert f"But {100 * (1 - good):.0f}% of the samples lie off the modes" in TEXT
    (oscillates,) = found[found.index.str.startswith("MNIST: V oscillates over epochs")].holds
    assert not bool(oscillates)


@pytest.mark.parametrize(
    ("claim", "digits", "written"),
    [
        ("ring, 1 of G, 1 of D: modes covered", 1, "one of each cover {} ± {}"),
        ("MNIST, G: C_T of the data-copying test", 1, "gives +{},"),
        ("MNIST, held-out data: C_T of the data-copying test", 1, "give +{} and"),
        ("MNIST, training copies: C_T of the data-copying test", 1, "copies {}."),
        ("MNIST, G: support at the resolution at which held-out data have 10,000", 0, "G has {};"),
        ("MNIST, held-out data: support at the resolution at which held-out data have 10,000", 0, "has {}."),
        ("MNIST, D of width 2: training points that pass for the distribution within 0.1 nats", 0, "{} ± {}, 2,941"),
        ("MNIST, D of width 8: training points that pass for the distribution within 0.1 nats", 0, "{} ± {} and"),
        ("MNIST, D of width 32: training points that pass for the distribution within 0.1 nats", 0, "{} ± {} training"),
        ("MNIST, G: precision in a classifier's features", 3, "Precision is {} and"),
        ("MNIST, G: recall in a classifier's features", 3, "recall {};"),
        ("MNIST, held-out data: precision in a classifier's features", 3, "held-out data have {} and"),
        ("MNIST, held-out data: recall in a classifier's features", 3, "and {}. -"),
        ("MNIST, G: log-likelihood, AIS", 0, "G at {} nats or more"),
        ("MNIST, G: log-likelihood, Parzen", 0, "window says {},"),
        ("MNIST, PCA: log-likelihood, exact", 0, "exact value is {},"),
        ("MNIST, PCA: log-likelihood, AIS", 0, "at {} where the window says -71"),
        ("MNIST, PCA: log-likelihood, Parzen", 0, "window says {}."),
        ("MNIST: G above PCA by AIS or exactly, by", 0, "G is above PCA by {} ± {}"),
    ],
)
def test_the_page_has_11s_committed_numbers(claim, digits, written):
    row = of("11_generalization", "mnist").loc[claim]
    numbers = [short(value, digits) for value in (row.measured, row.error) if pd.notna(value)]
    assert written.format(*numbers) in TEXT


def test_the_page_has_the_accuracies_of_11():
    found = of("11_generalization", "mnist").measured
    test = "MNIST, G: not told from data by a two-sample test, accuracy"
    pixels, features = found[f"{test}, pixels"], found[test]
    assert f"in {100 * pixels:.1f}% of cases by pixels, and in {100 * features:.1f}% by a classifier's" in TEXT


MODELS = {  # as the page names them, and the table
    "10,000 k-means centroids": "k-means centroids", "denoising chain (GSN family)": "denoising chain (GSN family)",
    "mixture of Gaussians": "mixture of Gaussians", "real data": "real data, train[:10000]",
    "DBN (two RBMs)": "DBN (two RBMs)", "GAN, the paper's recipe": "GAN, the paper's recipe", "VAE": "VAE",
    "Gaussian": "Gaussian", "DCGAN, 90 seconds": "DCGAN",
    "Wasserstein GAN, 117 seconds": "Wasserstein GAN, gradient penalty",
}  # fmt: skip


def test_the_page_has_12s_committed_rows():
    rows = pd.read_csv(paths.results() / "baselines/mnist_paper.csv").set_index("model")
    for name, model in MODELS.items():
        row = rows.loc[model]
        exact = f" {row.exact:.0f}{' or more' if model == 'VAE' else ''}" if pd.notna(row.exact) else ""
        assert f"| {name} | {row['mean']:.0f} ± {row.se:.1f} |{exact} |" in TEXT, name
        if "seconds" in name:
            assert name.endswith(f", {row.seconds:.0f} seconds")
    ours, real = (short(rows.loc[MODELS[name]].coverage, 2) for name in ("GAN, the paper's recipe", "real data"))
    assert f"(coverage {ours}, real data {real})" in TEXT
