"""Student's t over seeds, Holm's correction, and the seeds that an effect takes, against independent computations."""

import math

import numpy as np
import pytest
from scipy import stats

from ganrepro.diagnostics import paired


def test_student_is_scipys_test_and_interval():
    values = np.random.default_rng(0).normal(0.7, 1, 8)
    half, p = paired.student(values.tolist())
    own = stats.ttest_1samp(values, 0)
    assert p == pytest.approx(own.pvalue)
    interval = own.confidence_interval()
    assert (values.mean() - half, values.mean() + half) == pytest.approx((interval.low, interval.high))


def test_one_value_decides_nothing_and_equal_ones_all():
    half, p = paired.student([3.0])
    assert half == math.inf and math.isnan(p)
    assert paired.student([2.0, 2.0, 2.0]) == (0, 0) and paired.student([0.0, 0.0]) == (0, 1)
    found = paired.decided([[3.0], [-4.0]])
    assert found.better.tolist() == [None, None] and np.isinf(found.half).all()


def test_holm_is_the_textbooks_step_down():
    assert paired.holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired.holm([0.01, 0.9], family=10).tolist() == pytest.approx([0.1, 1.0])
    assert np.isnan(paired.holm([math.nan, 0.01])).tolist() == [True, False]


def test_holm_makes_a_false_finding_in_at_most_one_family_of_twenty():
    rng = np.random.default_rng(1)
    null = rng.normal(0, 1, (1000, 24, 3))
    t = null.mean(-1) / (null.std(-1, ddof=1) / math.sqrt(3))
    p = 2 * stats.t.sf(abs(t), 2)
    assert (p < 0.05).any(1).mean() > 0.6  # without a correction, most families have one
    assert np.mean([(paired.holm(row) <= 0.05).any() for row in p]) < 0.07


def test_a_verdict_needs_holm_and_an_interval_that_excludes_zero_alone_is_none():
    sure, alone, none = [5.0, 5.001, 4.999], [4.0, 5.0, 6.0], [1.0, -1.0, 0.5]
    found = paired.decided([sure, alone, none, [-x for x in sure]])
    assert found.better.tolist() == [True, True, None, False]
    many = paired.decided([sure, alone, none], family=24)
    assert many.better.tolist() == [True, None, None]
    assert (many["mean"] - many.half)[1] > 0  # its own interval excludes zero


def test_as_many_seeds_find_the_effect_as_it_says():
    differences, rng = [1.0, 2.0, 3.0], np.random.default_rng(2)  # an effect of 2 standard deviations
    n = int(paired.needed(differences, 0.05 / 24))
    for seeds, enough in ((n, True), (n - 1, False)):
        values = rng.normal(2, 1, (20_000, seeds))
        p = 2 * stats.t.sf(abs(values.mean(1) / (values.std(1, ddof=1) / math.sqrt(seeds))), seeds - 1)
        assert ((p <= 0.05 / 24).mean() > 0.79) == enough
    assert paired.needed([1.0], 0.05) == math.inf and paired.needed([1.0, -1.0], 0.05) == math.inf
    assert paired.needed([2.0, 2.0], 0.05) == 2 and paired.needed([1e-3, 1.0, -1.0], 0.05) == math.inf
