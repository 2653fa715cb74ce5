"""Section 4 against independent implementations: scipy's entropies, closed forms, quadrature, brute force."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, stats
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

from ganrepro import game, theory
from ganrepro.report import figure1

LOG2, LOG4 = math.log(2), math.log(4)
X = np.linspace(-25, 25, 10_001)
DX = X[1] - X[0]


def normal(mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    return stats.norm.pdf(X, mean, sd)


@st.composite
def distributions(draw, count=2):
    """So many distributions over the same 1 to 30 values, with exact zeros and all but zeros among them."""
    n = draw(st.integers(1, 30))
    weights = st.one_of(st.just(0.0), st.just(1e-300), st.floats(1e-3, 1.0))
    row = arrays(float, n, elements=weights).filter(lambda w: w.sum() > 1e-3)
    return [w / w.sum() for w in draw(st.lists(row, min_size=count, max_size=count))]


@given(distributions())
def test_kl_and_jsd_agree_with_scipy(pq):
    p, q = pq
    assert theory.kl(p, q) == pytest.approx(stats.entropy(p, q), abs=1e-10, rel=1e-10)
    m = (p + q) / 2  # scipy's own jensenshannon is the root of this, and NaN where rounding makes it negative
    assert theory.jsd(p, q) == pytest.approx((rel_entr(p, m).sum() + rel_entr(q, m).sum()) / 2, abs=1e-10)


@given(distributions())
def test_divergences_keep_their_bounds(pq):
    p, q = pq
    assert theory.kl(p, q) >= 0 and theory.kl(p, p) == theory.jsd(p, p) == 0
    assert 0 <= theory.jsd(p, q) <= LOG2 + 1e-12
    assert theory.jsd(p, q) == pytest.approx(theory.jsd(q, p), abs=1e-15)
    assert 0 <= theory.total_variation(p, q) <= 1 + 1e-12
    assert theory.jsd(p, q) <= LOG2 * theory.total_variation(p, q) + 1e-12
    assert (theory.kl(p, q) == math.inf) == bool(((p > 0) & (q == 0)).any())


@pytest.mark.parametrize("a", [(0, 1), (1, 0.5), (-2, 1.3)])
@pytest.mark.parametrize("b", [(0, 1), (0.5, 2), (3, 0.8)])
def test_kl_between_gaussians_is_the_closed_form(a, b):
    (m1, s1), (m2, s2) = a, b
    closed = math.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5
    assert theory.kl(normal(*a), normal(*b), dx=DX) == pytest.approx(closed, abs=1e-8)


@pytest.mark.parametrize("mean, sd", [(0, 1), (1, 1), (3, 0.5), (8, 1), (0, 4)])
def test_jsd_and_criterion_of_gaussians_agree_with_quadrature(mean, sd):
    p, q = stats.norm(0, 1), stats.norm(mean, sd)

    def against_mixture(t: float, of: stats.rv_continuous) -> float:
        a, b, own = p.logpdf(t), q.logpdf(t), of.logpdf(t)
        return math.exp(own) * (own + LOG2 - np.logaddexp(a, b))

    points = sorted({-6, -3, 0, 3, 6, mean - 3 * sd, mean, mean + 3 * sd})
    parts = [integrate.quad(against_mixture, -24, 24, args=(d,), points=points, limit=500)[0] for d in (p, q)]
    assert theory.jsd(normal(), normal(mean, sd), dx=DX) == pytest.approx(sum(parts) / 2, abs=1e-8)
    assert theory.criterion(normal(), normal(mean, sd), dx=DX) == pytest.approx(sum(parts) - LOG4, abs=1e-8)


def test_entropies_in_closed_form_on_two_values():
    assert theory.kl([1, 0], [0.5, 0.5]) == pytest.approx(LOG2, abs=1e-15)
    assert theory.kl([0.5, 0.5], [1, 0]) == math.inf
    assert theory.jsd([1, 0], [0, 1]) == pytest.approx(LOG2, abs=1e-15)
    assert theory.criterion([1, 0], [0, 1]) == pytest.approx(0, abs=1e-15)
    assert theory.total_variation([1, 0], [0, 1]) == 1


def test_the_smallest_floats_keep_jsd_finite():
    tiny = np.nextafter(0.0, 1.0)
    assert theory.jsd([1 - tiny, tiny], [1.0, 0.0]) == pytest.approx(0, abs=1e-15)
    assert theory.kl([1.0, tiny], [1.0, 0.0]) == math.inf


@given(distributions())
def test_optimal_discriminator_is_the_quotient_and_free_without_mass(pq):
    p, q = pq
    d = theory.optimal_discriminator(p, q)
    free = p + q == 0
    assert np.isnan(d[free]).all()
    assert np.allclose(d[~free], (p / np.where(free, 1, p + q))[~free], atol=1e-15)
    assert (d[(p > 0) & (q > 0)] > 0).all() and (d[(p > 0) & (q > 0)] < 1).all()
    assert (d[(p > 0) & (q == 0)] == 1).all() and (d[(p == 0) & (q > 0)] == 0).all()


@given(distributions(), st.randoms(use_true_random=False))
def test_criterion_is_the_value_at_the_optimum_and_no_other_d_is_better(pq, random):
    p, q = pq
    best = theory.criterion(p, q)
    optimum = theory.optimal_discriminator(p, q)
    assert best == theory.value(p, q, optimum)
    assert best == pytest.approx(-LOG4 + 2 * theory.jsd(p, q), abs=1e-12)
    for spread in (1e-3, 0.1, 1.0):
        other = np.clip(np.nan_to_num(optimum, nan=0.5) + spread * (2 * random.random() - 1), 0, 1)
        assert theory.value(p, q, other) <= best + 1e-12
    anything = np.array([random.random() for _ in p])
    assert theory.value(p, q, anything) <= best + 1e-12


@pytest.mark.parametrize("distance", [0, 3, 12, 20])
def test_criterion_survives_densities_that_hardly_overlap(distance):
    p, q = normal(-distance / 2, 1), normal(distance / 2, 0.7)
    best = theory.criterion(p, q, dx=DX)
    assert best == theory.value(p, q, theory.optimal_discriminator(p, q, dx=DX), dx=DX)
    assert best == pytest.approx(-LOG4 + 2 * theory.jsd(p, q, dx=DX), abs=1e-12)


def test_value_of_certain_and_wrong_is_minus_infinity_and_of_a_guess_minus_log_4():
    p = [0.5, 0.5]
    assert theory.value(p, p, [1, 0.5]) == theory.value(p, p, [0, 0.5]) == -math.inf
    assert theory.value(p, p, 0.5) == pytest.approx(-LOG4, abs=1e-15)
    assert theory.value([1, 0], [0, 1], [1, 0]) == 0


def test_value_ignores_points_without_mass():
    p, q = [0.5, 0.5, 0], [0, 1, 0]
    assert len({theory.value(p, q, [1, 0.3, free]) for free in (0, 0.7, 1, 5, math.nan)}) == 1


def test_value_is_the_game_that_is_trained():
    """A distribution with equal parts is the mean over its values, which `game.value` takes on logits."""
    logits = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    real, fake = np.repeat([1, 0], 8) / 8, np.repeat([0, 1], 8) / 8
    value = theory.value(real, fake, torch.sigmoid(logits).flatten())
    assert value == pytest.approx(game.value(*logits).item(), abs=1e-12)


@given(distributions(3))
def test_criterion_is_convex_in_p_g(three):
    p, a, b = three
    for part in (0.1, 0.5, 0.8):
        chord = part * theory.criterion(p, a) + (1 - part) * theory.criterion(p, b)
        assert theory.criterion(p, part * a + (1 - part) * b) <= chord + 1e-12


@given(distributions())
def test_the_minimum_is_minus_log_4_at_p_data_alone(pq):
    p, q = pq
    assert theory.criterion(p, p) == pytest.approx(-LOG4, abs=1e-12)
    gap, apart = theory.criterion(p, q) + LOG4, theory.total_variation(p, q)
    assert gap >= apart**2 - 1e-12  # Pinsker's inequality, for both halves of the JSD


@pytest.mark.parametrize("start", range(50))
def test_descend_reaches_p_data_from_any_start_with_full_support(start):
    rng = np.random.default_rng(start)
    n = int(rng.integers(2, 200))
    p_data, p_g = rng.dirichlet(np.full(n, rng.choice([0.3, 1, 10]))), rng.dirichlet(np.ones(n))
    trajectory = theory.descend(p_data, p_g, steps=400, rate=0.2)
    assert trajectory.shape == (401, n) and np.allclose(trajectory[0], p_g, atol=1e-15)
    assert np.allclose(trajectory.sum(1), 1, atol=1e-12) and (trajectory >= 0).all()
    assert theory.total_variation(p_data, trajectory[-1]) < 1e-3
    gaps = np.array([theory.criterion(p_data, p) for p in trajectory[::20]]) + LOG4
    assert np.diff(gaps).max() <= 1e-12
    assert (gaps[1:] <= theory.kl(p_data, p_g) / (0.2 * 20 * np.arange(1, len(gaps))) + 1e-12).all()


def test_a_step_of_rate_1_goes_half_of_the_way():
    p_data, p_g = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.1, 0.8])
    assert np.allclose(theory.descend(p_data, p_g, 1, 1.0)[1], (p_data + p_g) / 2, atol=1e-15)


def test_descend_moves_densities_and_sheds_mass_where_there_are_no_data():
    x = np.linspace(-8, 8, 801)
    p_data, p_g = stats.norm.pdf(x, 1, 0.5), stats.norm.pdf(x, -1, 1)
    end = theory.descend(p_data, p_g, 200, 0.5, dx=0.02)[-1]
    assert end.sum() * 0.02 == pytest.approx(1) and theory.total_variation(p_data, end, dx=0.02) < 1e-3
    end = theory.descend([0.5, 0.5, 0], [0.2, 0.3, 0.5], 200, 0.5)[-1]
    assert np.allclose(end, [0.5, 0.5, 0], atol=1e-6)


def test_descend_never_gives_mass_to_a_value_that_has_none():
    trajectory = theory.descend([0.2, 0.3, 0.5], [0.5, 0.5, 0], 50, 0.3)
    assert (trajectory[:, 2] == 0).all() and np.allclose(trajectory[-1], [0.4, 0.6, 0], atol=0.1)


def test_descend_survives_the_smallest_start():
    end = theory.descend([0.5, 0.5], [1.0, 1e-300], 600, 1.0)[-1]
    assert theory.total_variation([0.5, 0.5], end) < 1e-3


BAD = {
    "mass": ([0.5, 0.4], "q has mass 0.9; expected 1 within 1e-06; a density on a grid needs dx"),
    "no mass": ([0.0, 0.0], "q has mass 0; expected 1"),
    "negative": ([1.5, -0.5], "q holds -0.5; expected no negative"),
    "nan": ([0.5, math.nan], "q holds nan; expected finite"),
    "infinite": ([0.5, math.inf], "q holds inf; expected finite"),
    "shape": ([0.2, 0.3, 0.5], r"p has shape \(2,\) and q has shape \(3,\)"),
    "text": (["a", "b"], "q is not an array of numbers"),
    "ragged": ([[0.5], [0.2, 0.3]], "q is not an array of numbers"),
}


@pytest.mark.parametrize("bad, message", BAD.values(), ids=BAD)
@pytest.mark.parametrize("function", [theory.kl, theory.jsd, theory.total_variation])
def test_what_is_no_distribution_is_refused_with_what_was_found(function, bad, message):
    with pytest.raises(ValueError, match=message):
        function([0.5, 0.5], bad)


@pytest.mark.parametrize("bad", [bad for bad, _ in BAD.values()], ids=BAD)
def test_every_function_checks_both_distributions(bad):
    fair = [0.5, 0.5]
    for p, q, name in ((bad, fair, "p_data"), (fair, bad, "p_g")):
        for call in (
            lambda p, q: theory.optimal_discriminator(p, q),
            lambda p, q: theory.value(p, q, fair),
            lambda p, q: theory.criterion(p, q),
            lambda p, q: theory.descend(p, q, 1, 0.1),
        ):
            with pytest.raises(ValueError, match=name):
                call(p, q)


@pytest.mark.parametrize("d, message", [
    ([0.5, 0.5, 0.5], r"d has shape \(3,\); expected that of p_data, \(2,\)"),
    ([0.5, 1.5], r"d holds 1.5; expected D's outputs, in \[0, 1\]"),
    ([-0.1, 0.5], "d holds -0.1"),
    ([0.5, math.nan], "d holds nan"),
    (2.0, "d holds 2.0"),
])  # fmt: skip
def test_what_is_no_discriminator_is_refused(d, message):
    with pytest.raises(ValueError, match=message):
        theory.value([0.5, 0.5], [0.5, 0.5], d)


@pytest.mark.parametrize("dx", [0, -0.1, math.nan, math.inf, "0.1", [0.1]])
def test_a_spacing_that_is_none_is_refused(dx):
    with pytest.raises(ValueError, match="dx = .*expected one finite number above 0"):
        theory.kl([0.5, 0.5], [0.5, 0.5], dx=dx)


def test_a_grid_that_cuts_a_density_off_is_refused_with_its_mass():
    x = np.linspace(-2, 2, 401)
    with pytest.raises(ValueError, match="p has mass 0.955.*does the grid reach far enough"):
        theory.kl(stats.norm.pdf(x), stats.norm.pdf(x), dx=0.01)


@pytest.mark.parametrize("steps", [-1, 2.5, "3", True, None])
def test_steps_that_are_none_are_refused(steps):
    with pytest.raises(ValueError, match="steps = .*expected an int of at least 0"):
        theory.descend([0.5, 0.5], [0.2, 0.8], steps, 0.1)


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, "1"])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="rate = .*expected one finite number above 0"):
        theory.descend([0.5, 0.5], [0.2, 0.8], 3, rate)


def test_rounding_of_float32_passes_and_inputs_are_left_alone():
    p = torch.softmax(torch.randn(1000, generator=torch.Generator().manual_seed(1)), 0)
    q = np.full((2, 500), 1 / 1000)
    before = q.copy()
    assert theory.jsd(p.reshape(2, 500), q) == pytest.approx(jensenshannon(p.double(), q.ravel()) ** 2, abs=1e-10)
    theory.descend(q, q[::-1], 3, 0.5)
    assert (q == before).all()
    assert theory.descend([0.5, 0.5], [0.2, 0.8], 0, 0.1).shape == (1, 2)


class Line(torch.nn.Module):
    """A G with x = 4 + z / 2."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return 4 + z / 2


def test_a_stage_counts_p_g_where_g_puts_z():
    x = np.linspace(2, 6, 401)
    stage = figure1.stage(Line(), lambda x: x[:, 0] - 4, x, stats.norm.pdf(x, 4, 0.3))
    inside = abs(x - 4) < 3**0.5 / 2 - 0.2
    assert np.allclose(stage.p_g[inside], 1 / 3**0.5, rtol=0.01)  # uniform on an interval of length sqrt 3
    assert stage.p_g.sum() * stage.dx == pytest.approx(1, abs=1e-6)
    assert np.allclose(stage.d, 1 / (1 + np.exp(4 - x)), atol=1e-6)
    assert np.allclose(stage.g, 4 + stage.z / 2, atol=1e-6) and abs(stage.z).max() == pytest.approx(3**0.5, abs=1e-6)


def test_the_figure_and_its_animation_have_a_panel_a_stage(tmp_path):
    x = np.linspace(2, 6, 101)
    stage = figure1.stage(Line(), lambda x: x[:, 0] - 4, x, stats.norm.pdf(x, 4, 0.3))
    figure = figure1.panels([stage] * 4, ["(a)", "(b)", "(c)", "(d)"], [None, stage.d, None, None])
    assert [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes] == ["(a)", "(b)", "(c)", "(d)"]
    path = figure1.animate([stage] * 3, ["0", "1", "2"], tmp_path / "game.gif")
    assert path.read_bytes().startswith(b"GIF89a") and [p.name for p in tmp_path.iterdir()] == ["game.gif"]
