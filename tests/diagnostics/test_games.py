"""Zero-sum games: textbook equilibria, von Neumann's theorem on drawn games, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganrepro.diagnostics import games

PENNIES = [[1, -1], [-1, 1]]
ROCK_PAPER_SCISSORS = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]


def test_matching_pennies_has_no_pure_equilibrium_and_a_fair_mixed_one():
    assert games.pure_equilibria(PENNIES) == []
    assert games.maximin(PENNIES)[0] == -1 and games.minimax(PENNIES)[0] == 1
    found = games.mixed(PENNIES)
    np.testing.assert_allclose(found.row, [0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(found.column, [0.5, 0.5], atol=1e-12)
    assert found.value == pytest.approx(0, abs=1e-12)


def test_rock_paper_scissors_is_played_in_thirds_at_value_0():
    assert games.pure_equilibria(ROCK_PAPER_SCISSORS) == []
    found = games.mixed(ROCK_PAPER_SCISSORS)
    np.testing.assert_allclose(found.row, np.full(3, 1 / 3), atol=1e-12)
    np.testing.assert_allclose(found.column, np.full(3, 1 / 3), atol=1e-12)
    assert found.value == pytest.approx(0, abs=1e-12)


def test_a_two_by_two_game_by_its_closed_form():
    """Without a saddle point p = (d - c, a - b) / s, q = (d - b, a - c) / s, v = (ad - bc) / s, s = a + d - b - c."""
    a, b, c, d = 3.0, -1.0, 0.5, 2.0
    s = a + d - b - c
    found = games.mixed([[a, b], [c, d]])
    np.testing.assert_allclose(found.row, np.array([d - c, a - b]) / s, atol=1e-12)
    np.testing.assert_allclose(found.column, np.array([d - b, a - c]) / s, atol=1e-12)
    assert found.value == pytest.approx((a * d - b * c) / s)


def test_a_saddle_point_is_where_maximin_equals_minimax():
    gains = [[4, 2, 3], [1, 0, 5], [3, 1, -2]]
    assert games.pure_equilibria(gains) == [(0, 1)]
    assert games.maximin(gains) == (2, 0) and games.minimax(gains) == (2, 1)
    assert games.mixed(gains).value == pytest.approx(2)


@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6))
def test_the_mixed_value_lies_between_and_no_reply_is_better(m, n, seed):
    gains = np.random.default_rng(seed).integers(-9, 10, (m, n))
    found = games.mixed(gains)
    assert games.maximin(gains)[0] - 1e-9 <= found.value <= games.minimax(gains)[0] + 1e-9
    assert games.duality_gap(gains, found.row, found.column) == pytest.approx(0, abs=1e-8)
    assert bool(games.pure_equilibria(gains)) == (games.maximin(gains)[0] == games.minimax(gains)[0])


def test_the_duality_gap_is_what_best_replies_gain():
    """Both always show heads: the column player could gain 2 by a change, the row player nothing."""
    assert games.duality_gap(PENNIES, [1, 0], [1, 0]) == 2
    assert games.duality_gap(ROCK_PAPER_SCISSORS, [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]) == pytest.approx(1)


@pytest.mark.parametrize("gains", [[], [[]], [[], []], [1, 2], np.zeros((2, 2, 2)), 3.0])
def test_a_game_without_two_players_is_refused(gains):
    for question in (games.maximin, games.minimax, games.pure_equilibria, games.mixed):
        with pytest.raises(ValueError, match="an action or more for each of two players"):
            question(gains)


def test_payoffs_that_do_not_add_to_zero_are_refused_with_a_remedy_where_there_is_one():
    slices = np.array([[4.0, 2.0], [6.0, 4.0]])  # of a pizza of eight
    with pytest.raises(ValueError, match="add to 8, expected 0 everywhere; subtract half of it from each gain"):
        games.zero_sum(slices, 8 - slices)
    np.testing.assert_array_equal(games.zero_sum(slices - 4, 4 - slices), slices - 4)
    with pytest.raises(ValueError, match="add to between -2 and 4, expected 0 everywhere$"):  # the prisoner's dilemma
        games.zero_sum([[2, -3], [3, -1]], [[2, 3], [-3, -1]])
    with pytest.raises(ValueError, match=r"gains has shape \(2, 2\), other_gains \(1, 2\)"):
        games.zero_sum(PENNIES, [[1, -1]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gains_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="gains holds values that are not finite"):
        games.mixed([[0, bad]])
    with pytest.raises(ValueError, match="other_gains holds values that are not finite"):
        games.zero_sum([[0, 1]], [[0, bad]])


@pytest.mark.parametrize("row", [[0.5, 0.6], [1.5, -0.5], [1.0], [np.nan, 1.0]])
def test_strategies_that_are_no_probabilities_are_refused(row):
    with pytest.raises(ValueError, match="expected 2 probabilities"):
        games.duality_gap(PENNIES, row, [0.5, 0.5])
