"""The turning-point test: series whose turns are counted by hand, and its level under the null."""

import numpy as np
import pytest

from ganrepro.diagnostics.oscillation import turning_points


def test_turns_are_counted():
    assert turning_points([0, 1] * 6).share == 1
    assert turning_points(range(20)).share == 0
    assert turning_points([1, 1, 1, 2, 2, 3, 1, 1, 5, 4, 6]).share == 3 / 9  # 3, 5 and 4; plateaus are none


def test_a_slow_oscillation_has_few_turns_and_noise_has_two_in_three():
    slow = turning_points(np.sin(np.arange(200) / 10))
    assert slow.share < 0.05 and slow.z < -10
    z = np.array([turning_points(np.random.default_rng(s).normal(size=200)).z for s in range(400)])
    assert abs(z.mean()) < 4 / 20 and abs(z.std() - 1) < 0.15
    assert (abs(z) > 1.96).mean() < 0.09  # 5% and four binomial standard errors


@pytest.mark.parametrize("series", [[], [1.0] * 9, [[1.0] * 12], [float("nan")] * 12])
def test_bad_input_is_refused(series):
    with pytest.raises(ValueError, match="expected 10 finite values or more"):
        turning_points(series)
