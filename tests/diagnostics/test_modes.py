"""Modes and good samples, on planted collapses whose counts are known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import datasets
from ganrepro.datasets.toys import TOYS
from ganrepro.diagnostics import modes


@pytest.mark.parametrize("name", ["ring", "grid"])
@given(kept=st.sets(st.integers(0, 7), min_size=1), bad=st.integers(0, 5))
def test_a_planted_collapse_is_counted_exactly(name, kept, bad):
    toy = TOYS[name]
    centres = torch.from_numpy(toy.centres)[sorted(kept)]
    inside = centres.repeat_interleave(3, 0) + 2.9 * toy.sigma * torch.tensor([0.6, 0.8])
    outside = torch.full((bad, 2), 0.5)
    found = modes.coverage(torch.cat([inside, outside]), toy)
    assert found.counts.tolist() == [3 * (i in kept) for i in range(len(toy.centres))]
    assert found.covered == len(kept)
    assert found.good == pytest.approx(3 * len(kept) / (3 * len(kept) + bad))
    assert found.kl == pytest.approx(math.log(len(toy.centres) / len(kept)))


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_held_out_data_cover_all_modes_and_nearly_all_are_good(name):
    data = datasets.load(name)
    found = modes.coverage(data.test, TOYS[name])
    assert found.covered == len(TOYS[name].centres) and found.kl < 0.02
    error = math.sqrt(math.exp(-4.5) / len(data.test))
    assert abs(found.good - (1 - math.exp(-4.5))) < 4 * error
    counted = np.bincount(data.labels["test"], minlength=len(TOYS[name].centres))
    assert (found.counts <= counted).all()


def test_the_limit_itself_is_good_and_beyond_it_is_not():
    toy = TOYS["gaussian1d"]
    x = torch.tensor([[4.0], [5.5], [5.5001], [2.5]], dtype=torch.float64)
    assert modes.coverage(x, toy).counts.tolist() == [3]
    assert modes.coverage(x, toy, sds=0.1).counts.tolist() == [1]
    nothing = modes.coverage(x + 10, toy)
    assert nothing.covered == 0 and nothing.good == 0 and math.isnan(nothing.kl)


@pytest.mark.parametrize(
    ("samples", "sds", "message"),
    [(torch.zeros(3, 3), 3.0, r"shape \(3, 3\); expected \(n, 2\)"), (torch.zeros(0, 2), 3.0, "none of them empty"),
     (torch.full((1, 2), math.nan), 3.0, "not finite"), (torch.zeros(3, 2), 0.0, "sds = 0.0"),
     (torch.zeros(3, 2), math.nan, "sds = nan")],
)  # fmt: skip
def test_bad_input_is_refused(samples, sds, message):
    with pytest.raises(ValueError, match=message):
        modes.coverage(samples, TOYS["ring"], sds)
