"""Gradient play against closed forms: eigenvalues of the bilinear game and Dirac-GAN, and the rates they predict."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ganrepro import game as objectives
from ganrepro.diagnostics import dynamics

START, ZERO = torch.tensor([1.0, 0.5], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
NEAR = 0.01 * START


def by_real_and_imaginary(values):
    return sorted(np.round(values, 10), key=lambda v: (v.real, v.imag))


@pytest.mark.parametrize("function", dynamics.DIRAC_FUNCTIONS)
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 3.0])
def test_eigenvalues_of_dirac_gan_are_the_closed_form(function, gamma):
    found = dynamics.eigenvalues(dynamics.dirac_gan(function, gamma), ZERO)
    expected = dynamics.dirac_eigenvalues(function, gamma)
    slope = 1.0 if function == "Wasserstein" else 0.5
    assert np.sum(expected) == pytest.approx(-gamma) and np.prod(expected) == pytest.approx(slope**2)
    np.testing.assert_allclose(by_real_and_imaginary(found), by_real_and_imaginary(expected), atol=1e-7)


def test_the_losses_of_dirac_gan_are_the_paper_s_value():
    """V = log D(0) + log(1 - D(theta)), D(x) = 1 / (1 + exp(-phi x)); R1 is the squared slope of the logit."""
    theta, phi = torch.tensor([0.7], dtype=torch.float64), torch.tensor([-1.3], dtype=torch.float64)
    value = math.log(0.5) + math.log(1 - 1 / (1 + math.exp(0.7 * 1.3)))
    game = dynamics.dirac_gan("minimax", 0.4)
    assert game.d_loss(theta, phi).item() == pytest.approx(-value + 0.2 * 1.3**2)
    assert game.g_loss(theta, phi).item() == pytest.approx(value - math.log(0.5))
    saturating = dynamics.dirac_gan("non-saturating").g_loss(theta, phi).item()
    assert saturating == pytest.approx(-math.log(1 / (1 + math.exp(0.7 * 1.3))))


@pytest.mark.parametrize("eta", [0.05, 0.2, 1.0])
def test_simultaneous_play_leaves_the_bilinear_equilibrium_at_root_one_plus_eta_squared(eta):
    game = dynamics.bilinear()
    found = dynamics.play(game, "simultaneous", START, eta, 50)
    rate = math.sqrt(1 + eta**2)
    np.testing.assert_allclose(found.norm(dim=1), START.norm().item() * rate ** np.arange(51), rtol=1e-12)
    assert dynamics.predicted_rate(game, "simultaneous", ZERO, eta) == pytest.approx(rate, rel=1e-12)
    assert dynamics.observed_rate(found, ZERO) == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize("eta", [0.1, 0.5, 1.5])
def test_alternating_play_cycles_on_an_ellipse(eta):
    """theta^2 + phi^2 - eta theta phi keeps its value: the orbit is closed for eta below 2."""
    game = dynamics.bilinear()
    theta, phi = dynamics.play(game, "alternating", START, eta, 500).T
    kept = theta**2 + phi**2 - eta * theta * phi
    np.testing.assert_allclose(kept, kept[0].expand_as(kept), rtol=1e-9)
    assert dynamics.predicted_rate(game, "alternating", ZERO, eta) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "rule, gamma, rate",
    [
        ("extragradient", 0.0, math.sqrt((1 - 0.3**2) ** 2 + 0.3**2)),
        ("consensus", 0.5, math.sqrt((1 - 0.3 * 0.5) ** 2 + 0.3**2)),
        ("consensus", 2.0, math.sqrt((1 - 0.3 * 2.0) ** 2 + 0.3**2)),
    ],
)
def test_extragradient_and_consensus_arrive_at_their_closed_rates(rule, gamma, rate):
    game = dynamics.bilinear()
    found = dynamics.play(game, rule, START, 0.3, 60, gamma)
    np.testing.assert_allclose(found.norm(dim=1), START.norm().item() * rate ** np.arange(61), rtol=1e-10)
    assert rate < 1
    assert dynamics.predicted_rate(game, rule, ZERO, 0.3, gamma) == pytest.approx(rate, rel=1e-12)
    assert dynamics.observed_rate(found, ZERO) == pytest.approx(rate, rel=1e-10)


@pytest.mark.parametrize("gamma", [0.5, 3.0])  # complex and real eigenvalues
def test_the_r1_penalty_makes_simultaneous_play_arrive(gamma):
    eta, game = 0.2, dynamics.bilinear(gamma)
    rate = float(np.abs(1 + eta * dynamics.dirac_eigenvalues("Wasserstein", gamma)).max())
    assert rate < 1
    assert dynamics.predicted_rate(game, "simultaneous", ZERO, eta) == pytest.approx(rate, rel=1e-9)
    found = dynamics.play(game, "simultaneous", START, eta, 600)
    assert dynamics.observed_rate(found, ZERO) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("function", ["minimax", "non-saturating"])
@pytest.mark.parametrize(
    "rule, gamma, r1, arrives",
    [("simultaneous", 0, 0, False), ("extragradient", 0, 0, True), ("consensus", 1.0, 0, True),
     ("simultaneous", 0, 0.6, True), ("alternating", 0, 0.6, True)],
)  # fmt: skip
def test_dirac_gan_near_its_equilibrium_moves_at_the_predicted_rate(function, rule, gamma, r1, arrives):
    game = dynamics.dirac_gan(function, r1)
    predicted = dynamics.predicted_rate(game, rule, ZERO, 0.2, gamma)
    observed = dynamics.observed_rate(dynamics.play(game, rule, NEAR, 0.2, 500, gamma), ZERO)
    assert (predicted < 1) == (observed < 1) == arrives
    assert observed == pytest.approx(predicted, abs=1e-3)


def test_alternating_play_of_dirac_gan_cycles():
    found = dynamics.play(dynamics.dirac_gan(), "alternating", START, 0.2, 1200)
    away = found.norm(dim=1)
    for extreme in (torch.amin, torch.amax):
        assert 0.8 < extreme(away[-200:], 0) / extreme(away[:200], 0) < 1.25


def small_nets():
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    discriminator = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    z, x = torch.randn(2, 16, 2, dtype=torch.float64)
    return generator, discriminator, z, x


@pytest.mark.parametrize("objective", ["minimax", "non-saturating"])
def test_the_field_of_networks_is_minus_their_gradients(objective):
    generator, discriminator, z, x = small_nets()
    game, w = dynamics.of_networks(generator, discriminator, z, x, objective)
    assert len(w) == sum(game.sizes) == 17 + 17
    real, fake = discriminator(x).flatten(), discriminator(generator(z)).flatten()
    d_loss, g_loss = objectives.discriminator_loss(real, fake, 1.0), objectives.generator_loss(fake, objective)
    by_hand = [*torch.autograd.grad(g_loss, list(generator.parameters()), retain_graph=True),
               *torch.autograd.grad(d_loss, list(discriminator.parameters()))]  # fmt: skip
    torch.testing.assert_close(dynamics.field(game, w), -torch.cat([g.flatten() for g in by_hand]))


def test_the_jacobian_of_networks_is_that_of_differences():
    game, w = dynamics.of_networks(*small_nets())
    found, step = dynamics.jacobian(game, w), 1e-5
    for i in (0, 9, 20, 33):
        there = torch.zeros_like(w)
        there[i] = step
        by_hand = (dynamics.field(game, w + there) - dynamics.field(game, w - there)) / (2 * step)
        torch.testing.assert_close(found[:, i], by_hand, rtol=1e-6, atol=1e-8)
    values = dynamics.eigenvalues(game, w)
    assert values.sum().real == pytest.approx(found.trace().item()) and (np.diff(values.real) <= 0).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: dynamics.play(dynamics.bilinear(), "both", START, 0.1, 5), "rule = 'both'; choose one of simul"),
        (lambda: dynamics.play(dynamics.bilinear(), "alternating", START, 0.0, 5), "eta = 0.0"),
        (lambda: dynamics.play(dynamics.bilinear(), "alternating", START, 0.1, 0), "steps = 0"),
        (lambda: dynamics.play(dynamics.bilinear(), "consensus", START, 0.1, 5, -1.0), "gamma = -1.0"),
        (lambda: dynamics.play(dynamics.bilinear(), "consensus", START[:1], 0.1, 5), r"expected \(2,\)"),
        (lambda: dynamics.play(dynamics.bilinear(), "consensus", START * math.nan, 0.1, 5), "not finite"),
        (lambda: dynamics.dirac_gan("least squares"), "function = 'least squares'; choose one of minimax"),
        (lambda: dynamics.dirac_eigenvalues("minimax", -1.0), "gamma = -1.0"),
        (lambda: dynamics.bilinear(math.nan), "gamma = nan"),
        (lambda: dynamics.observed_rate(torch.ones(3, 2), ZERO), "four points or more"),
        (lambda: dynamics.observed_rate(torch.zeros(9, 2), ZERO), "distances above 0"),
        (lambda: dynamics.of_networks(nn.Linear(70, 70), nn.Linear(70, 1), torch.ones(2, 70), torch.ones(2, 70)),
         "5041 weights"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
