"""The comparison of notebook 09: its arms, its clock, where a curve reaches a goal; and what D keeps of G's samples."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch

from ganrepro import parzen, training
from ganrepro.extensions import coordination
from ganrepro.extensions.coordination import comparison, rejection, samples
from ganrepro.extensions.coordination.variants import CONTROLS
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
    assert [known["k falls: 5, 2, 1"].at(e).k for e in range(1, 13)] == [5] * 4 + [2] * 4 + [1] * 4


def test_every_arm_differs_from_its_control_in_one_thing():
    """What an arm changes, in fields; several fields are one thing only where the name says which."""
    known = coordination.arms(coordination.narrowed(RECIPES["mnist"], 12))
    one = {
        "lazy D and G": {"d_margin", "g_margin"},  # the authors' cost masks both losses
        "G's rate x 4": {"learning_rate", "d_learning_rate"},  # D keeps the recipe's rate
        "Adam, 0.0002": {"optimizer", "momentum", "learning_rate"},  # an optimizer comes with its own numbers
        "Adam, 0.001": {"optimizer", "momentum", "learning_rate"},
        "Adam, two time scales": {"learning_rate", "d_learning_rate"},  # their ratio, at the same geometric mean
    }
    for name, recipe in known.items():
        fields = changed(known[coordination.control(name)], recipe)
        assert fields == one.get(name, fields) and (name in one or len(fields) <= 1), name
        assert recipe.update == known[coordination.control(name)].update or name == coordination.ALTERNATING
    assert all(name in known for item in CONTROLS.items() for name in item)
    two, plain = known["Adam, two time scales"], known["Adam, 0.0002"].learning_rate
    assert two.learning_rate * two.coordination.d_learning_rate == pytest.approx(plain**2)
    assert changed(known[coordination.RECIPE], known["G's rate x 4"]) >= {"learning_rate"}
    assert known["G's rate x 4"].coordination.d_learning_rate == known[coordination.RECIPE].learning_rate


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
    versus = comparison.compare(comparison.results(table, goal), ["at equal steps"]).iloc[0]
    assert (versus.arm, versus.control, versus.differences) == ("fast", coordination.RECIPE, [-5, -5])
    assert (versus["mean"], versus.half, versus.better) == (-5, 0, False)
    assert found.loc[("fast", 1), "at equal seconds"] == 16 and found.loc[("fast", 1), "steps to goal"] == math.inf


def scores(**arms: tuple[float, ...]) -> pd.DataFrame:
    """Scores as `results` has them: a seed a number, the recipe's first."""
    names = {"recipe": coordination.RECIPE, "alternating": coordination.ALTERNATING, "k5": "k = 5"}
    rows = [(names.get(a, a), s, v) for a, vs in arms.items() for s, v in enumerate(vs)]
    return pd.DataFrame(rows, columns=["arm", "seed", "score"])


def test_an_arm_is_compared_with_its_own_control_seed_by_seed():
    found = scores(recipe=(0, 0, 0), alternating=(10, 20, 30), k5=(11, 22, 33), other=(5, 6, 7))
    by = comparison.compare(found, ["score"]).set_index("arm")
    assert by.loc["k = 5", ["control", "differences"]].tolist() == [coordination.ALTERNATING, [1, 2, 3]]
    assert by.loc["other", ["control", "differences"]].tolist() == [coordination.RECIPE, [5, 6, 7]]
    assert by.half["k = 5"] == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)  # t of 2 degrees of freedom


def test_a_verdict_is_corrected_for_all_arms_and_columns():
    one = comparison.compare(scores(recipe=(0, 0, 0), other=(5, 6, 7)), ["score"])
    assert one.better.tolist() == [True] and one.holm[0] == one.p[0]
    many = scores(recipe=(0, 0, 0), other=(5, 6, 7), **{f"arm {i}": (1, -1, i) for i in range(3)})
    found = comparison.compare(many.assign(again=many.score), ["score", "again"]).set_index(["arm", "column"])
    assert len(found) == 8 and found.holm["other", "score"] == pytest.approx(8 * one.p[0])
    assert found.better.isna().all()
    lost = scores(recipe=(0, 0, 0), other=(5, 6, 7), wild=(1, math.nan, 2))
    (left,) = comparison.compare(lost, ["score"]).itertuples()
    assert left.arm == "other" and left.holm == pytest.approx(2 * left.p)  # the lost arm counts in the family
    (alone,) = comparison.compare(scores(recipe=(0,), other=(5,)), ["score"]).itertuples()
    assert alone.half == alone.seeds == math.inf and alone.better is None
    wrong = comparison.compare(scores(recipe=(1, 2, 3), k5=(1, 2, 3), alternating=(math.nan, 2, 3)), ["score"])
    assert not len(wrong)  # an arm whose control is lost has no comparison


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
    assert not len(comparison.compare(found.reset_index(), ["at equal steps"]))


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


def test_the_share_of_a_choice_is_between_none_and_all():
    noise = torch.randn(5, 4000, 3, generator=torch.Generator().manual_seed(0))
    assert samples.share(noise) == pytest.approx(1 / 4000, abs=1e-3)
    apart = torch.arange(5.0)[:, None, None] * 100 + noise
    assert samples.share(apart) > 0.999 and samples.share(apart) < 1


def test_samples_are_measured_of_the_recipe_and_the_mixture(digits, small_recipe):
    recipe = small_recipe()
    known = {"other": recipe, coordination.RECIPE: recipe, "mixture z": recipe.coordinate(mixture=4)}
    parts = [samples.measure(name, 3, training.start(r, digits, 0), digits.valid[:50], 60, torch.device("cpu"))
             for name, r in known.items()]  # fmt: skip
    assert [len(part) for part in parts] == [0, 6, 1] and 0 < parts[2].value[0] < 1
    table = pd.concat(parts)
    found = samples.scores(table)
    assert found.arm.tolist() == list(samples.WAYS.values()) and set(found.seed) == {3}
    own = table.set_index("measure").value
    assert own["mean D: best"] >= own["mean D: rejection"] >= own["mean D: as they come"] - 1e-3
    x = training.start(recipe, digits, 0).sample(300, 1_003)[:60]
    by_hand = parzen.log_likelihood(x, digits.valid[:50], parzen.DEFAULT_GRID).mean(1).max()
    assert own["score: as they come"] == pytest.approx(by_hand, abs=1e-6)


def test_the_recipe_of_a_reduced_data_set_fits(digits):
    data = coordination.reduced(digits, 200, 50)
    recipe = coordination.narrowed(for_dataset(data.name, data.shape, "mnist"), 2, 32, 12)
    assert recipe.dim == data.train.shape[1]
