"""The comparison of notebook 09: its arms, its clock, where a curve reaches a goal; and what D keeps of G's samples."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch

from ganrepro import training
from ganrepro.extensions import coordination
from ganrepro.extensions.coordination import comparison, rejection
from ganrepro.recipes import RECIPES, Recipe, for_dataset


def changed(one: Recipe, other: Recipe) -> set[str]:
    """The fields in which two recipes differ, those of `coordination` under their own names."""
    mine, theirs = ({**vars(r), **vars(r.coordination)} for r in (one, other))
    return {name for name in mine if name != "coordination" and mine[name] != theirs[name]}


def test_every_arm_changes_what_its_name_says():
    recipe = coordination.narrowed(RECIPES["mnist"], 12)
    known = coordination.arms(recipe)
    assert known[coordination.RECIPE] == recipe and len({r.checksum() for r in known.values()}) == len(known) == 25
    from_recipe = {name: changed(recipe, r) for name, r in known.items()}
    assert from_recipe["alternating updates"] == {"update"}
    assert from_recipe["thresholded G"] == {"g_margin"}
    assert from_recipe["G's rate x 4"] == {"learning_rate", "d_learning_rate"}
    assert from_recipe["Adam, 0.0002"] == {"optimizer", "momentum", "learning_rate"}
    assert from_recipe["mixture z"] == {"mixture"} and known["mixture z"].coordination.mixture == 10
    assert [r.z_dim for name, r in known.items() if name.startswith("z of ")] == [2, 10, 30, 200]
    turns = [name for name, r in known.items() if r.update == "alternating"]
    from_plain = {name: changed(known["alternating updates"], known[name]) for name in turns}
    assert from_plain["k = 5"] == {"k"} and from_plain["G moves twice"] == {"g_moves"}
    assert from_plain["k falls: 5, 2, 1"] == {"k_schedule"} and from_plain["lazy D, margin 0.25"] == {"d_margin"}
    assert [known["k falls: 5, 2, 1"].at(e).k for e in range(1, 13)] == [5] * 4 + [2] * 4 + [1] * 4


@pytest.mark.parametrize("name", ["toy", "cifar10-fc", "tfd"])
def test_other_recipes_have_their_arms_too(name):
    known = coordination.arms(coordination.narrowed(RECIPES[name].replace(second_stage=None, max_col_norm=None), 3))
    assert ("gaussian z" in known) == (RECIPES[name].noise != "gaussian") and "uniform z" in known


def test_narrowed_nets_pass_on_what_the_wide_ones_do():
    """The scale of the second layer's input sum: weights' variance times their number."""
    wide = RECIPES["mnist"]
    narrow = coordination.narrowed(wide, 5, 75, 60, 4)
    assert [x.units for x in narrow.generator] == [75, 75, 784] and [x.pieces for x in narrow.discriminator] == [
        4,
        4,
        1,
    ]
    for layers, thin in ((wide.generator, narrow.generator), (wide.discriminator, narrow.discriminator)):
        assert thin[0].irange == layers[0].irange
        for i in (1, 2):
            assert thin[i - 1].units * thin[i].irange ** 2 == pytest.approx(layers[i - 1].units * layers[i].irange ** 2)
    assert narrow.learning_rate == pytest.approx(3 * wide.learning_rate) and narrow.epochs == 5
    assert coordination.narrowed(RECIPES["toy"], 5, pieces=5) == RECIPES["toy"].replace(epochs=5)
    with pytest.raises(ValueError, match="convolutions"):
        coordination.narrowed(RECIPES["cifar10-conv"], 5)


def test_reduced_pictures_are_means_of_squares(digits):
    x = torch.arange(28 * 28.0).repeat(30, 1) / 784
    large = dataclasses.replace(digits, shape=(1, 28, 28), train=x, valid=x, test=x)
    found = coordination.reduced(large, 20, 10)
    assert found.shape == (1, 14, 14) and found.train.shape == (20, 196) and found.valid.shape == (10, 196)
    by_hand = x[0].view(14, 2, 14, 2).mean((1, 3)).flatten()
    torch.testing.assert_close(found.train[7], by_hand)
    same = coordination.reduced(digits, 50, 10)
    assert same.shape == digits.shape and torch.equal(same.train, digits.training[:50])


def test_first_reach_is_on_the_line_between_two_scores():
    x = np.array([10.0, 20.0, 30.0, 40.0])
    assert comparison.first_reach(x, np.array([0.0, 4.0, 2.0, 9.0]), 3.0) == 17.5
    assert comparison.first_reach(x, np.array([0.0, 1.0, 2.0, 6.0]), 3.0) == 32.5
    assert comparison.first_reach(x, np.array([5.0, 1.0, 2.0, 6.0]), 3.0) == 10
    assert comparison.first_reach(x, np.array([0.0, 1.0, 2.0, 3.0]), 3.0) == 40
    assert comparison.first_reach(x, np.array([0.0, 1.0, 2.0, 2.9]), 3.0) == math.inf


def test_results_compare_at_equal_steps_and_at_equal_seconds():
    curves = {coordination.RECIPE: [(0, 10.0), (10, 20.0)], "fast": [(0, 10.0), (5, 15.0)]}
    table = pd.DataFrame([
        {"arm": name, "seed": seed, "epoch": e, "step": 100 * e, "g_moves": 100 * e, "seconds": s, "d_real": 0.5,
         "d_fake": 0.5, "valid_ll": v + seed}
        for name, points in curves.items() for seed in (0, 1) for e, (s, v) in enumerate(points, 1)
    ])  # fmt: skip
    goal = comparison.target(table)
    assert goal == 20
    found = comparison.results(table, goal).set_index(["arm", "seed"])
    own = found.loc[(coordination.RECIPE, 0)]
    assert (own["steps to goal"], own["seconds to goal"], own["at equal steps"], own["at equal seconds"]) == (
        200, 10, 20, 15,
    )  # fmt: skip
    versus = comparison.compare(comparison.results(table, goal), "at equal steps").iloc[0]
    assert (versus.arm, versus.differences, versus["mean"], versus.half) == ("fast", [-5, -5], -5, 0)
    assert versus.better is False
    assert found.loc[("fast", 1), "at equal seconds"] == 16 and found.loc[("fast", 1), "steps to goal"] == math.inf


def test_a_difference_is_decided_by_students_t_over_seeds():
    rows = [
        (a, s, v)
        for a, vs in ((coordination.RECIPE, (0, 0, 0)), ("x", (1, 2, 3)), ("y", (5, 6, 7)))
        for s, v in enumerate(vs)
    ]
    found = comparison.compare(pd.DataFrame(rows, columns=["arm", "seed", "score"]), "score").set_index("arm")
    assert found.half.tolist() == pytest.approx([4.302653 / math.sqrt(3)] * 2, rel=1e-5)  # t of 2 degrees of freedom
    assert found.better.tolist() == [None, True]
    (alone,) = comparison.compare(pd.DataFrame(rows[::3], columns=["arm", "seed", "score"]), "score")[:1].itertuples()
    assert alone.half == math.inf and alone.better is None


def test_a_comparison_goes_on_from_its_checkpoints_and_its_rows_add_up(digits, small_recipe, tmp_path, monkeypatch):
    known = coordination.arms(small_recipe(epochs=3))
    known = {name: known[name] for name in (coordination.RECIPE, "k falls: 5, 2, 1", "G moves twice")}
    data = coordination.reduced(digits, 300, 50)
    monkeypatch.setattr("ganrepro.training.run.VALIDATION_SAMPLES", 100)
    made = {name: run for name, _, run in comparison.train_arms(known, data, [0], "cpu", tmp_path)}
    cost = {(name, k): 0.5 * k for name in known for k in (1, 2, 5)}
    found = {name: comparison.rows(name, 0, known[name], run, cost, 300) for name, run in made.items()}
    assert found["k falls: 5, 2, 1"].g_moves.tolist() == [1, 1 + 2, 1 + 2 + 3]
    assert found["k falls: 5, 2, 1"].seconds.tolist() == [7.5, 10.5, 12.0]
    assert found["G moves twice"].g_moves.tolist() == [6, 12, 18]
    for rows in found.values():
        assert list(rows.columns) == comparison.COLUMNS and rows.step.tolist() == [3, 6, 9]
        assert rows.valid_ll.notna().all()
    monkeypatch.setattr("ganrepro.training.loop.run_epoch", lambda *_: pytest.fail("trained again"))
    *_, (name, _, again) = comparison.train_arms(known, data, [0], "cpu", tmp_path)
    pd.testing.assert_frame_equal(again.curves, made[name].curves)


def test_an_arm_that_diverges_is_a_result_and_is_not_compared(digits, small_recipe):
    known = {coordination.RECIPE: small_recipe(epochs=2), "wild": small_recipe(epochs=2, learning_rate=1e30)}
    data, cost = coordination.reduced(digits, 200, 50), {(coordination.RECIPE, 1): 1.0, ("wild", 1): 1.0}
    made = comparison.train_arms(known, data, [0], "cpu")
    parts = [comparison.rows(name, seed, known[name], run, cost, 200) for name, seed, run in made]
    found = comparison.results(pd.concat(parts), -1e9).set_index("arm")
    assert parts[1].valid_ll.isna().all() and parts[1].step.tolist() == [2, 4]
    assert found.loc["wild", "steps to goal"] == math.inf and math.isnan(found.loc["wild", "at equal seconds"])
    assert not len(comparison.compare(found.reset_index(), "at equal steps"))


def test_costs_are_of_each_arm_and_k_and_leave_no_trace(digits, small_recipe):
    known = coordination.arms(small_recipe(epochs=3))
    known = {name: known[name] for name in (coordination.RECIPE, "alternating updates", "k falls: 5, 2, 1")}
    known["alternating updates"] = known["alternating updates"].replace(learning_rate=1e30)  # it would diverge
    found = comparison.costs(known, digits, "cpu", rounds=2, minibatches=10)
    schedule = [("k falls: 5, 2, 1", k) for k in (5, 2, 1)]
    assert list(found) == [(coordination.RECIPE, 1), ("alternating updates", 1), *schedule]
    assert all(0 < s < 1 for s in found.values())
    assert found["k falls: 5, 2, 1", 5] < found["alternating updates", 1]  # a fifth of G's moves


# -------------------------------------------------------------------------------------- rejection


def test_rejection_turns_the_proposal_into_the_data():
    """p_g = N(0, 1), p_data = N(0.5, 0.8^2): with the optimal D what is kept has the data's mean and spread."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(60_000, generator=rng, dtype=torch.float64)
    log_ratio = x.square() / 2 - ((x - 0.5) / 0.8).square() / 2 - math.log(0.8)  # the optimal D's logit
    own = x[rejection.kept(log_ratio, 5000, "rejection", rng)]
    assert len(own) == 5000
    assert own.mean() == pytest.approx(0.5, abs=0.04) and own.std() == pytest.approx(0.8, abs=0.03)
    best = x[rejection.kept(log_ratio, 5000, "best", rng)]
    assert best.std() < 0.5  # the likeliest alone have lost the spread


@pytest.mark.parametrize("n", [1, 500, 999])
def test_each_is_kept_by_its_chance_and_n_in_all(n):
    logits = 5 * torch.randn(1000, generator=torch.Generator().manual_seed(1))
    counts = torch.zeros(1000)
    for seed in range(200):
        chosen = rejection.kept(logits, n, "rejection", torch.Generator().manual_seed(seed))
        assert len(chosen) == n == len(set(chosen.tolist()))
        counts[chosen] += 1
    order = logits.argsort()
    assert counts[order[-50:]].mean() >= counts[order[:50]].mean()
    assert torch.equal(rejection.kept(logits, n, "best", torch.Generator()), logits.topk(n).indices.sort().values)


def test_bad_numbers_and_ways_are_refused():
    for n in (0, 10, 11):
        with pytest.raises(ValueError, match=f"n = {n}; choose from 1 to 9"):
            rejection.kept(torch.zeros(10), n, "best", torch.Generator())
    with pytest.raises(ValueError, match="how = 'top'; choose one of best, rejection"):
        rejection.kept(torch.zeros(10), 5, "top", torch.Generator())


def test_samples_have_ds_logits(digits, small_recipe):
    run = training.start(small_recipe(), digits, 0)
    x, logits = rejection.with_logits(run, 1500, 3)
    assert torch.equal(x, run.sample(1500, 3)) and logits.shape == (1500,)
    torch.testing.assert_close(logits, run.discriminator(x).detach())


def test_the_recipe_of_a_reduced_data_set_fits(digits):
    data = coordination.reduced(digits, 200, 50)
    recipe = coordination.narrowed(for_dataset(data.name, data.shape, "mnist"), 2, 32, 12)
    assert recipe.dim == data.train.shape[1]
