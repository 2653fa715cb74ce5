"""A training whose D never left 1/2 is named; one that came back to 1/2 is not."""

import dataclasses
import warnings

import pandas as pd
import pytest

from ganrepro import records, training


def curves(*gaps):
    half = pd.DataFrame({"step": range(1, len(gaps) + 1), "d_real": 0.5, "d_fake": 0.5})
    return half.assign(d_real=[0.5 + gap for gap in gaps])


def test_d_has_moved_if_it_ever_told_data_from_samples():
    assert not training.d_has_moved(curves(0.0, 0.01, -0.01))
    assert training.d_has_moved(curves(0.0, 0.3, 0.0))  # at the game's end it is at 1/2 again
    assert training.d_has_moved(curves(0.0, -0.3))
    with pytest.warns(UserWarning, match="x on y: D stayed at 1/2 in all 2 steps.*widen D's initial weights"):
        training.warn_unless_d_has_moved(curves(0, 0), "x on y")


def test_a_record_that_never_began_is_named_when_made_and_when_read(digits, small_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    idle, lively = small_recipe(epochs=1), small_recipe(epochs=8)
    for layers, recipe in (("idle", idle), ("lively", lively)):
        scale = 1e-4 if layers == "idle" else 4.0
        wide = tuple(dataclasses.replace(x, irange=x.irange * scale) for x in recipe.discriminator)
        recipe = recipe.replace(discriminator=wide)
        for _ in range(2):
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                records.get_or_train(digits, "quick", device="cpu", recipe=recipe)
            said = [str(w.message) for w in found if "D stayed at 1/2" in str(w.message)]
            expected = "recipe mnist on scikit-learn digits, quick profile, seed 0: D stayed at 1/2 in all 12 steps"
            assert len(said) == (layers == "idle") and all(text.startswith(expected) for text in said)
