"""The classifier of class-conditional samples, their variety, conditions on a class, and which trainings are found."""

import dataclasses

import pytest
import torch

from ganrepro import datasets, recipes
from ganrepro.extensions import conditional


def test_the_classifier_knows_real_digits_and_not_noise(digits):
    found = conditional.classifier(digits)
    assert found.accuracy(digits.test, digits.labels["test"]) > 0.95
    wrong = (digits.labels["test"] + 1) % 10
    assert found.accuracy(digits.test, wrong) < 0.05
    noise = torch.rand(300, 64, generator=torch.Generator().manual_seed(0))
    assert found.accuracy(noise, digits.labels["test"]) < 0.3
    again = conditional.classifier(digits)
    assert torch.equal(found.predict(digits.test), again.predict(digits.test.numpy()))


@pytest.mark.slow
def test_the_classifier_reaches_98_percent_on_mnist():
    data = datasets.load("mnist")
    assert conditional.classifier(data).accuracy(data.test, data.labels["test"]) >= 0.98


def test_a_class_outside_the_range_is_refused():
    assert conditional.one_hot_condition([2, 0], 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert conditional.one_hot_condition(1, 2).shape == (1, 2)
    for bad in (3, -1, [0, 7], torch.tensor([0, 3])):
        with pytest.raises(ValueError, match=r"class = (3|-1|7); choose one of the ints 0 to 2"):
            conditional.one_hot_condition(bad, 3)
    with pytest.raises(ValueError, match="class = 1.5"):
        conditional.one_hot_condition([1.5], 3)


def test_data_without_labels_are_refused(digits):
    bare = dataclasses.replace(digits, labels=dict.fromkeys(digits.labels))
    with pytest.raises(ValueError, match="'digits' has no labels"):
        conditional.classifier(bare)


def test_variety_is_that_of_the_data_or_none(digits):
    x, y = digits.train, digits.labels["train"]
    assert conditional.variety(x, y, x, y) == pytest.approx(1)
    means = torch.stack([x[y == k].mean(0) for k in range(10)])[y]
    assert conditional.variety(means, y, x, y) == pytest.approx(0, abs=1e-3)
    assert conditional.variety((x + means) / 2, y, x, y) == pytest.approx(0.5, abs=1e-3)


def test_only_the_committed_seeds_are_used_and_the_others_are_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    data, recipe = datasets.load("mnist"), recipes.RECIPES["conditional"]
    found = conditional.trained(data, recipe, "auto", range(3), "cpu")
    assert [(r.meta["profile"], r.meta["seed"]) for r in found] == [("paper", 0)]  # never filled up with quick ones
    assert "no paper record of seed 1, 2, so 1 of 3 trainings" in capsys.readouterr().out
    assert conditional.described(found) == f"paper profile, {found[0].meta['epochs']} epochs"
    assert conditional.trained(data, recipe, "auto", [0], "cpu") == found and not capsys.readouterr().out


def test_trainings_of_two_profiles_have_no_common_description():
    class Made:
        def __init__(self, profile, epochs):
            self.meta = {"profile": profile, "epochs": epochs}

    assert conditional.described([Made("quick", 1)]) == "quick profile, 1 epoch"
    assert conditional.described([Made("paper", 30), Made("paper", 20)]) == "paper profile, 20 and 30 epochs"
    with pytest.raises(ValueError, match="too many values"):
        conditional.described([Made("quick", 1), Made("paper", 30)])
