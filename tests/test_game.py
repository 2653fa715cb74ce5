"""The two players' objectives against their naive formulas, their gradients, and extreme logits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import game

logits = st.lists(st.floats(-20, 20), min_size=1, max_size=20)
OBJECTIVES = ("non-saturating", "minimax", "blend")


def outputs(values):
    """D in float64, as the paper writes it."""
    return 1 / (1 + np.exp(-np.asarray(values, dtype=np.float64)))


def negated(values):
    """1 - D has the logits -l: so taken, it keeps the digits that 1 - D(l) loses where D is near 1."""
    return [-l for l in values]


def double(values):
    return torch.tensor(values, dtype=torch.float64)


@given(logits, logits)
def test_value_is_equation_1(real, fake):
    expected = np.log(outputs(real)).mean() + np.log(outputs(negated(fake))).mean()
    assert float(game.value(double(real), double(fake))) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(logits, logits, st.sampled_from([0.5, 1.0, 2.0]))
def test_discriminator_descends_minus_its_share_of_the_value(real, fake, scale):
    expected = -scale * (np.log(outputs(real)).mean() + np.log(outputs(negated(fake))).mean())
    found = game.discriminator_loss(double(real), double(fake), scale)
    assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_authors_discriminator_cost_is_the_mean_of_its_halves():
    real, fake = double([1.0, -2.0]), double([0.5])
    assert float(game.discriminator_loss(real, fake)) == pytest.approx(-0.5 * float(game.value(real, fake)), rel=1e-15)


@given(logits)
def test_generator_objectives_are_their_formulas(fake):
    d, one_minus_d = outputs(fake), outputs(negated(fake))
    expected = {"non-saturating": -np.log(d).mean(), "minimax": np.log(one_minus_d).mean()}
    expected["blend"] = (expected["non-saturating"] + expected["minimax"]) / 2
    for objective, value in expected.items():
        assert float(game.generator_loss(double(fake), objective)) == pytest.approx(value, rel=1e-6, abs=1e-9)


def test_non_saturating_is_the_default():
    fake = double([0.3, -1.0])
    assert float(game.generator_loss(fake)) == float(game.generator_loss(fake, "non-saturating"))


def slope(objective, logit):
    fake = double([logit]).requires_grad_()
    game.generator_loss(fake, objective).backward()
    return float(fake.grad)


@pytest.mark.parametrize("logit", [-30.0, -10.0, -1.0, 0.0, 1.0, 10.0])
def test_gradients_are_those_of_the_formulas(logit):
    d = 1 / (1 + math.exp(-logit))
    assert slope("minimax", logit) == pytest.approx(-d, rel=1e-9)
    assert slope("non-saturating", logit) == pytest.approx(-1 / (1 + math.exp(logit)), rel=1e-9)
    assert slope("blend", logit) == pytest.approx(-0.5, rel=1e-9)  # -(D + (1 - D)) / 2


def test_while_d_rejects_every_sample_only_the_non_saturating_gradient_lives():
    """Section 3: as D(G(z)) -> 0, log(1 - D(G(z))) saturates and -log D(G(z)) does not."""
    rejected = -15.0  # D(G(z)) = 3e-7
    assert -1e-6 < slope("minimax", rejected) < 0
    assert slope("non-saturating", rejected) == pytest.approx(-1, abs=1e-6)
    fooled = 15.0
    assert slope("minimax", fooled) == pytest.approx(-1, abs=1e-6)
    assert -1e-6 < slope("non-saturating", fooled) < 0


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_pulls_samples_towards_what_d_takes_for_data(objective):
    assert all(slope(objective, logit) < 0 for logit in np.linspace(-20, 20, 41))


@pytest.mark.parametrize("size", [100.0, 1e4, 1e30])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_have_finite_losses_and_gradients(size, sign, dtype):
    """A product of probabilities would be log 0 here."""
    real = torch.tensor([sign * size, -sign * size], dtype=dtype, requires_grad=True)
    fake = torch.tensor([-sign * size, sign * size / 2], dtype=dtype, requires_grad=True)
    losses = [game.value(real, fake), game.discriminator_loss(real, fake)]
    losses += [game.generator_loss(fake, objective) for objective in OBJECTIVES]
    for loss in losses:
        assert torch.isfinite(loss)
        gradients = torch.autograd.grad(loss, [real, fake], allow_unused=True, retain_graph=True)
        assert all(torch.isfinite(g).all() for g in gradients if g is not None)


def test_value_of_the_equilibrium_is_minus_log_4():
    undecided = torch.zeros(7, dtype=torch.float64)
    assert float(game.value(undecided, undecided)) == pytest.approx(-math.log(4), rel=1e-15)
    assert float(game.discriminator_loss(undecided, undecided)) == pytest.approx(math.log(2), rel=1e-15)


@given(logits)
def test_mean_output_is_the_mean_output(values):
    assert float(game.mean_output(double(values))) == pytest.approx(outputs(values).mean(), rel=1e-12)


def test_stacks_of_minibatches_keep_their_axes():
    real, fake = torch.randn(3, 4, 10, dtype=torch.float64), torch.randn(3, 4, 6, dtype=torch.float64)
    found = [game.value(real, fake), game.discriminator_loss(real, fake), game.mean_output(real)]
    found += [game.generator_loss(fake, objective) for objective in OBJECTIVES]
    assert {tuple(f.shape) for f in found} == {(3, 4)}
    assert float(found[0][1, 2]) == pytest.approx(float(game.value(real[1, 2], fake[1, 2])), rel=1e-12)


@pytest.mark.parametrize("objective", ["saturating", "", "Minimax"])
def test_an_unknown_objective_is_refused_with_the_choices(objective):
    with pytest.raises(ValueError, match=f"objective = '{objective}'; choose one of {', '.join(OBJECTIVES)}"):
        game.generator_loss(torch.zeros(2), objective)


@pytest.mark.parametrize("logit", [-30.0, -90.0, -200.0, -1e4])
def test_generator_keeps_its_slope_in_float32_where_d_has_none_left(logit):
    """D's own slope there is sigmoid(l), 0 in float32 below -104: G must not depend on it."""
    fake = torch.tensor([logit], requires_grad=True)
    (of_g,) = torch.autograd.grad(game.generator_loss(fake), fake)
    (of_d,) = torch.autograd.grad(game.discriminator_loss(torch.zeros(1), fake), fake)
    assert float(of_g) == -1
    assert float(of_d) == pytest.approx(0.5 * math.exp(max(logit, -103.0)), abs=1e-9)
