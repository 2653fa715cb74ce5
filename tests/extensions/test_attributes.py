"""Slant and thickness of drawn pictures whose slant and thickness are known; conditions and captions made of them."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import datasets, recipes, training
from ganrepro.extensions.conditional import attributes, captions

SHAPE = (1, 40, 40)


def bar(width: float, length: float, degrees: float = 0.0, at: tuple[float, float] = (0, 0)) -> torch.Tensor:
    """A bar sheared to the right by a slant, drawn fine and averaged down: (1, 1600)."""
    fine = (np.arange(320) + 0.5) / 8 - 20
    row, column = np.meshgrid(fine - at[0], fine - at[1], indexing="ij")
    inside = (abs(row) < length / 2) & (abs(column + row * np.tan(np.radians(degrees))) < width / 2)
    return torch.from_numpy(inside.reshape(40, 8, 40, 8).mean((1, 3))).float().reshape(1, -1)


@pytest.fixture(scope="module")
def scale(digits):
    return attributes.fit(digits)


@given(st.floats(-35, 35), st.floats(2, 6), st.floats(-3, 3), st.floats(0.1, 1))
def test_slant_is_the_shear_wherever_the_picture_lies_and_however_faint(degrees, width, shift, ink):
    (slant, _), = attributes.measure(ink * bar(width, 20, degrees, (shift, -shift)), SHAPE).tolist()  # fmt: skip
    assert slant == pytest.approx(degrees, abs=0.7)


@pytest.mark.parametrize("width", [2, 3, 5, 8])
def test_thickness_is_that_of_a_bar(width):
    ((_, thickness),) = attributes.measure(bar(width, 24), SHAPE).tolist()
    assert thickness == pytest.approx(width * 24 / (width + 24), rel=0.05)


def test_slant_leaves_thickness_nearly_alone_and_no_ink_is_zero():
    straight, leaning = attributes.measure(torch.cat([bar(3, 20), bar(3, 20, 25)]), SHAPE)[:, 1]
    assert leaning == pytest.approx(float(straight), rel=0.12)
    assert torch.equal(attributes.measure(torch.zeros(3, 1600), SHAPE), torch.zeros(3, 2))


def test_deskewed_pictures_are_upright_centred_and_have_their_ink():
    x = torch.cat([bar(4, 18, 20, (2, -3)), bar(3, 20, -25, (-1, 4))])
    straight = attributes.deskew(x, SHAPE)
    assert attributes.measure(straight, SHAPE)[:, 0].abs().max() < 0.5
    assert straight.sum(1) == pytest.approx(x.sum(1).numpy(), rel=0.02)
    place = torch.arange(40) - 19.5
    pictures = straight.view(2, 40, 40)
    for axis in (1, 2):
        assert ((pictures.sum(axis) * place).sum(1) / straight.sum(1)).abs().max() < 0.05


def test_deviations_are_from_each_digits_own_mean(digits, scale):
    y = digits.labels["train"]
    own = scale.deviate(attributes.measure(digits.train, digits.shape), y)
    assert torch.allclose(own, scale.deviations)
    for k in range(10):
        assert own[y == k].mean(0).abs().max() < 0.05  # but for what is cut
        assert own[y == k].std(0) == pytest.approx([1, 1], abs=0.08)
        shares = torch.stack([scale.third(own, y)[y == k].eq(t).float().mean(0) for t in range(3)])
        assert shares == pytest.approx(np.full((3, 2), 1 / 3), abs=0.02)
    assert own.abs().max() <= attributes.FURTHEST
    assert scale.quantile(3, 0, 0.5) == pytest.approx(np.median(own[y == 3, 0]))


def test_conditions_are_digit_slant_and_thickness_and_train_a_net(digits, scale):
    data = attributes.conditioned(digits)
    assert torch.equal(data.conditions[:, :10].argmax(1), digits.labels["train"])
    assert torch.equal(data.conditions[:, 10:], scale.deviations)
    recipe = attributes.recipe(digits, scale)
    assert recipe.task.columns == 12
    assert attributes.recipe(datasets.load("mnist"), scale) == recipes.RECIPES["attributes"]
    (run,) = training.train(recipes.quick(recipe, len(digits.train)), data, device="cpu", epochs=1, show_progress=False)
    assert run.sample(7).shape == (7, 64) and run.draw_conditions(7).shape == (7, 12)
    with pytest.raises(ValueError, match="10 classes, recipe attributes takes 12 numbers"):  # never on the labels alone
        training.train(recipe, digits, device="cpu", epochs=1, show_progress=False)


def test_data_without_labels_or_with_a_rare_class_are_refused(digits):
    bare = dataclasses.replace(digits, labels=dict.fromkeys(digits.labels))
    with pytest.raises(ValueError, match="no labels"):
        attributes.fit(bare)
    gaps = dataclasses.replace(digits, labels=digits.labels | {"train": digits.labels["train"] * 2})
    with pytest.raises(ValueError, match="training labels 0, 2, .* 18; they must be 0 to K - 1"):
        attributes.fit(gaps)
    labels = digits.labels["train"].clone()
    labels[(labels == 9).nonzero()[2:]] = 0
    with pytest.raises(ValueError, match="2 training examples of class 9; at least 3"):
        attributes.fit(dataclasses.replace(digits, labels=digits.labels | {"train": labels}))


def test_agreement_of_samples_that_match_the_condition_and_of_those_that_do_not(scale):
    asked, labels = scale.deviations, scale.labels
    perfect = attributes.attribute_agreement(asked, asked, labels, scale)
    assert all(torch.allclose(v, torch.ones(2, dtype=torch.float64)) for v in perfect.values())
    blind = attributes.attribute_agreement(asked, torch.zeros_like(asked), labels, scale)
    assert blind["r"].abs().max() < 1e-6 and blind["r2"].abs().max() < 0.01
    drawn = asked[torch.randperm(len(asked), generator=torch.Generator().manual_seed(0))]
    control = attributes.attribute_agreement(asked, drawn, labels, scale)
    assert control["r"].abs().max() < 0.1 and control["third"] == pytest.approx([1 / 3] * 2, abs=0.05)
    assert control["r2"] == pytest.approx([-1, -1], abs=0.2)  # 1 - 2 var / var
    r = np.corrcoef(asked[:, 0], asked[:, 0] ** 3)[0, 1]
    cubed = attributes.attribute_agreement(asked, asked**3, labels, scale)
    assert cubed["r"][0] == pytest.approx(r, abs=1e-6)


# --- captions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caption, wanted", [
    ("a thin 7 leaning right", captions.Wanted(7, slant=5 / 6, thickness=1 / 6)),
    ("Seven.", captions.Wanted(7)),
    ("a very thick zero, upright", captions.Wanted(0, slant=1 / 2, thickness=19 / 20)),
    ("an eight leaning far left", captions.Wanted(8, slant=1 / 20)),
    ("medium 3", captions.Wanted(3, thickness=1 / 2)),
])  # fmt: skip
def test_captions_mean_what_they_say(caption, wanted):
    assert captions.parse(caption) == wanted


def test_a_caption_that_cannot_be_parsed_says_which_words_are_known():
    with pytest.raises(ValueError) as error:
        captions.parse("a slim seven leaning rightwards")
    for part in ("'slim', 'rightwards'", *captions.words()):
        assert part in str(error.value)
    for bad in ("", "a thin", "7 thin", "a very medium 7", "7 leaning", "7 8", "thin thick 7", "7 leaning upright"):
        with pytest.raises(ValueError, match="cannot be parsed; its form is"):
            captions.parse(bad)
    with pytest.raises(ValueError, match="'10' is not known"):
        captions.parse("a 10")
    assert captions.parse("a 11", classes=12).label == 11
    with pytest.raises(ValueError, match="'seven' is not known"):
        captions.parse("seven", classes=3)


def test_a_notebooks_request_is_refused_by_the_names_of_its_parameters():
    captions.check(2, "a thin 1 leaning right", 3)
    for shown_class, caption, parts in (
        (7, "a thin 7 leaning right", ("shown_class = 7; choose one of the ints 0 to 2", "'7' is not known")),
        (7, "a thin 1", ("shown_class = 7",)), (2, "a slim 1", ("caption 'a slim 1': 'slim' is not known",)),
    ):  # fmt: skip
        with pytest.raises(ValueError) as error:
            captions.check(shown_class, caption, 3)
        assert all(part in str(error.value) for part in parts), error.value
        assert "shown_class = 2, caption = 'a thin 2 leaning right' would do" in str(error.value)


@given(st.integers(0, 9), st.sampled_from(["", "thin ", "medium ", "very thick "]),
       st.sampled_from(["", " upright", " leaning left", " leaning far right"]))  # fmt: skip
def test_every_caption_of_the_form_is_a_condition(digit, thick, slant):
    scale = attributes.fit(datasets.load("digits"))
    wanted = captions.parse(f"a {thick}{digit}{slant}")
    drawn = captions.conditions(wanted, scale, 50)
    assert (drawn[:, :10].argmax(1) == digit).all() and (drawn[:, :10].sum(1) == 1).all()
    for j, q in enumerate((wanted.slant, wanted.thickness)):
        values = drawn[:, 10 + j].unique()
        if q is None:
            assert len(values) > 5
        else:
            assert values.item() == pytest.approx(scale.quantile(digit, j, q), abs=1e-6)
            third = scale.third(drawn[:, 10:], torch.full((50,), digit))[0, j]
            assert third == int(3 * q)


def test_the_nearest_stored_conditions_are_found(digits, scale):
    given = attributes.conditioned(digits).conditions
    wanted = captions.parse("a thin 4 leaning right")
    rows = captions.nearest(wanted, scale, given, 5)
    goal = torch.tensor([scale.quantile(4, 0, 5 / 6), scale.quantile(4, 1, 1 / 6)])
    assert (given[rows, :10].argmax(1) == 4).all()
    of_class = given[given[:, 4] == 1][:, 10:]
    best = (of_class - goal).square().sum(1).sort().values[:5]
    assert torch.allclose((given[rows, 10:] - goal).square().sum(1), best)
    assert len(captions.nearest(wanted, scale, given[:20], 5)) <= 5
