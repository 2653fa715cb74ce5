"""A line in the logarithm of the epochs: recovered with its error, and honest about what it predicts."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ganrepro import paths, records
from ganrepro.diagnostics import growth

EPOCHS = np.arange(5, 1001, 5)


def curves(seed=0, scatter=1.5, alike=0.0, epochs=EPOCHS):
    """Scores on 70 + 20 ln(epoch), with residuals of an AR(1) process."""
    rng, noise = np.random.default_rng(seed), [0.0]
    for drawn in rng.normal(0, scatter * np.sqrt(1 - alike**2), len(epochs)):
        noise.append(alike * noise[-1] + drawn)
    return pd.DataFrame({"epoch": epochs, "valid_ll": 70 + 20 * np.log(epochs) + np.array(noise[1:])})


def test_an_exact_line_is_found_exactly():
    found = growth.fit(curves(scatter=0))
    assert (found.score_at_one, found.slope) == pytest.approx((70, 20)) and found.scatter < 1e-9
    assert found.at(2000) == pytest.approx(70 + 20 * np.log(2000)) and found.error_at(2000) < 1e-9
    assert (found.since, found.until, found.n) == (100, 1000, 181)


def test_errors_without_correlation_are_those_of_ordinary_least_squares():
    table = curves(seed=1)
    found = growth.fit(table)
    kept = table[table.epoch >= 100]
    plain = stats.linregress(np.log(kept.epoch), kept.valid_ll)
    assert found.slope == pytest.approx(plain.slope)
    assert found.slope_error == pytest.approx(plain.stderr * found.inflation) and 1 <= found.inflation < 1.3


@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_predictions_of_what_follows_cover_it_as_often_as_they_say(alike):
    """Fitted to 500 epochs, the score at 1,000 lies within two standard errors in about 95% of 300 trainings."""
    hits = []
    for seed in range(300):
        table = curves(seed, alike=alike)
        found = growth.fit(table, until=500)
        hits.append(abs(float(table.valid_ll.iloc[-1]) - found.at(1000)) < 2 * found.error_at(1000))
    assert np.mean(hits) > 0.92


@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_the_halves_of_one_line_are_told_apart_as_seldom_as_their_errors_say(alike):
    away = []
    for seed in range(300):
        first, second = growth.halves(curves(seed, alike=alike))
        away.append((first.slope - second.slope) / np.hypot(first.slope_error, second.slope_error))
    assert (first.since, first.until, second.since, second.until) == (100, 550, 550, 1000)
    assert np.mean(np.abs(away) < 2) > 0.92 and abs(np.mean(away)) < 0.2


def test_the_committed_training_slows_as_the_page_says():
    """Its second half has the smaller slope, and the line through the first leads above the last scores."""
    table = records.read(paths.results() / "paper/mnist/seed0").curves
    (first, second), last = growth.halves(table), table.dropna(subset="valid_ll").tail(20)
    expected, error = first.at(last.epoch).mean(), first.error_at(last.epoch).mean()
    assert first.slope - second.slope > 3 * np.hypot(first.slope_error, second.slope_error)
    assert expected - last.valid_ll.mean() > 2 * error
    page = (paths.repository() / "docs/results.md").read_text()
    for said in (
        f"{first.slope:.1f} ± {first.slope_error:.1f} nats for e times the epochs up to epoch {first.until:,}",
        f"{second.slope:.1f} ± {second.slope_error:.1f} from there on",
        f"{expected:.1f} ± {error:.1f} for the last twenty scores, whose mean is {last.valid_ll.mean():.1f}",
    ):
        assert said.replace(" ± 0.", " ± .") in page, said


def test_scores_that_were_not_taken_do_not_count_and_too_few_are_refused():
    table = curves()
    gaps = table.assign(valid_ll=table.valid_ll.where(table.epoch % 10 == 0))
    assert growth.fit(gaps).n == 91
    with pytest.raises(ValueError, match="9 validation scores from epoch 100 to 140; a fit needs 10"):
        growth.fit(table, until=140)
