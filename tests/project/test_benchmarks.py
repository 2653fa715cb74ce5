"""The harness of the benchmarks: what it times, in which order, and what it calls memory."""

import pytest

from benchmarks import measure, parzen


def test_subjects_are_interleaved_after_one_warm_up_each():
    calls = []
    timings = measure.interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3)
    assert calls == ["a", "b"] * 4
    assert [len(timing.seconds) for timing in timings.values()] == [3, 3]


def test_a_ratio_is_the_median_over_rounds():
    slow, fast = measure.Timing((2.0, 30.0, 2.0)), measure.Timing((1.0, 10.0, 2.0))
    assert slow.over(fast) == 2.0  # not 2 / 2, the ratio of medians, nor 34 / 13, that of sums
    assert slow.quartiles == (2.0, 2.0, 16.0)


def test_memory_is_that_of_the_first_subject_alone():
    found = measure.memory_apart(parzen.prepare, threads=1, m=20_000, n=200, d=784)
    assert len(found["seconds"]) == 2 and len(found["seconds"][0]) == 3
    assert 10 < found["memory_mib"] < 300


def test_what_fails_apart_is_told():
    with pytest.raises(RuntimeError, match="prepare.*failed in its process"):
        measure.memory_apart(parzen.prepare, threads=1, m=10, n=10, d=0)


def test_the_machine_is_described():
    assert {"cpu", "cores", "threads", "allowed", "torch"} <= measure.machine().keys()
