"""What notebook 09 changes in a training: the margins, Adam, D's own rate, moves of G, schedules of k, and noise."""

import dataclasses
import json
import math

import pytest
import torch
from test_training import small
from torch.nn.functional import softplus

from ganrepro import algorithm1, datasets, game, networks, speed, training
from ganrepro.recipe import LATER
from ganrepro.recipes import Recipe

VARIANTS = {
    "adam": {"optimizer": "adam", "learning_rate": 1e-3, "d_learning_rate": 4e-3},
    "schedule": {"update": "alternating", "k_schedule": ((1, 3), (2, 1), (3, 2))},
    "lazy": {"update": "alternating", "g_moves": 2, "d_margin": 0.1, "g_margin": 0.0},
    "mixture": {"noise": "spherical", "mixture": 4, "g_margin": 0.25},
}


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def one_step(recipe, digits, players=None, seed=0):
    """One step in float64 on the first examples; the players after it, and what it was given."""
    run = training.start(recipe, digits, seed=3)
    make = algorithm1.Player.of
    g, d = players or (make(net.double(), recipe.optimizer) for net in (run.generator, run.discriminator))
    batches = [digits.train[20 * i : 20 * i + 20].double() for i in range(recipe.at(1).k)]
    draws = algorithm1.draw(recipe, [20] * len(batches), rng(seed), torch.float64)
    rates = algorithm1.rates_at(recipe, 1, 0)
    algorithm1.step(recipe, g, d, batches, draws, rates)
    return g, d, batches, draws, rates


# --------------------------------------------------------------------------------- losses by margin


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.45])
@pytest.mark.parametrize("objective", ["non-saturating", "minimax", "blend"])
def test_margins_leave_out_what_is_already_right(margin, objective):
    l_real, l_fake = 3 * torch.randn(2, 4, 50, generator=rng(), dtype=torch.float64)
    wrong_real, wrong_fake = torch.sigmoid(l_real) < 0.5 + margin, torch.sigmoid(l_fake) > 0.5 - margin
    by_hand = [
        sum((-torch.log(torch.sigmoid(l))) for l in real[wrong]) / 50 + sum(softplus(l) for l in fake[off]) / 50
        for real, wrong, fake, off in zip(l_real, wrong_real, l_fake, wrong_fake, strict=True)
    ]
    found = game.discriminator_loss(l_real, l_fake, 0.5, margin)
    torch.testing.assert_close(found, 0.5 * torch.stack(by_hand))
    left = torch.sigmoid(l_fake) < 0.5 + margin
    whole = torch.stack([game.generator_loss(l.unsqueeze(-1), objective) for l in l_fake])
    torch.testing.assert_close(game.generator_loss(l_fake, objective, margin), (whole * left).mean(-1))
    assert 0 < int(wrong_fake.sum()) < 200 and 0 < int(left.sum()) < 200


def test_without_a_margin_all_losses_are_as_before():
    l_real, l_fake = torch.randn(2, 30, generator=rng())
    assert game.discriminator_loss(l_real, l_fake) == -0.5 * game.value(l_real, l_fake)
    assert game.generator_loss(l_fake) == softplus(-l_fake).mean()


@pytest.mark.parametrize("objective", ["non-saturating", "minimax", "blend"])
def test_exchange_is_the_ratio_of_the_two_slopes_under_gs_margin(objective):
    l = (2 * torch.randn(40, generator=rng(), dtype=torch.float64)).requires_grad_()
    (of_g,) = torch.autograd.grad(game.generator_loss(l, objective, 0.1), l)
    (of_d,) = torch.autograd.grad(game.discriminator_loss(l.detach(), l), l)
    torch.testing.assert_close(game.exchange(l.detach(), objective, margin=0.1), of_g / of_d)
    assert (of_g == 0).any() and (of_g != 0).any()


# ------------------------------------------------------------------------------------------- steps


def test_adam_is_torchs_with_the_momentum_as_beta_1(digits):
    recipe = small(optimizer="adam", learning_rate=2e-3, learning_rate_decay=1.0, momentum=(0.5, 0.5))
    player = algorithm1.Player.of(training.start(recipe, digits, seed=0).discriminator.double(), "adam")
    theirs = [p.detach().clone().requires_grad_() for p in player.theta.values()]
    judge = torch.optim.Adam(theirs, lr=2e-3, betas=(0.5, 0.999), eps=1e-8)
    for i in range(30):
        gradients = [torch.randn(p.shape, generator=rng(i), dtype=torch.float64) * 10 ** (-i % 3) for p in theirs]
        algorithm1.descend_(recipe, player, gradients, algorithm1.rates_at(recipe, 1, i))
        for p, gradient in zip(theirs, gradients, strict=True):
            p.grad = gradient.clone()
        judge.step()
    for p, q in zip(player.theta.values(), theirs, strict=True):
        torch.testing.assert_close(p.detach(), q.detach(), rtol=1e-10, atol=1e-12)


def test_ds_own_rate_moves_d_alone_and_by_as_much(digits):
    alike, faster = small(), small(d_learning_rate=0.3)
    (g, d, *_), (g2, d2, *_) = one_step(alike, digits), one_step(faster, digits)
    for k in g.theta:
        assert torch.equal(g.theta[k], g2.theta[k])
    for k in d.theta:  # from a velocity of 0 the first move is the rate times the gradient
        torch.testing.assert_close(d2.velocity[k], 3 * d.velocity[k])
    assert any(v.any() for v in d.velocity.values())
    late = algorithm1.rates_at(faster, 1, 100_000)
    assert float(late.of_d(faster).lr) == pytest.approx(3 * float(late.lr)) and late.of_d(alike) is late


def test_two_moves_of_g_are_two_steps_of_g_on_one_d(digits):
    recipe = small(update="alternating", g_moves=2)
    g, d, _, draws, rates = one_step(recipe, digits)
    assert [len(t.masks[0]) for t in draws] == [40, 20, 20]
    run = training.start(recipe, digits, seed=3)
    slow = algorithm1.Player.of(run.generator.double())
    for t in draws[1:]:
        loss = softplus(-d(slow(t.z), t.masks)).mean()
        algorithm1.descend_(recipe, slow, slow.gradients(loss), rates)
    for k in g.theta:
        torch.testing.assert_close(slow.theta[k], g.theta[k], rtol=1e-12, atol=1e-14)
    ratio = speed.operations(recipe) / speed.operations(small(update="alternating"))
    assert 1.3 < ratio < 1.7


def test_schedule_of_k_decides_steps_and_length(digits, tmp_path):
    recipe = small(epochs=4, **VARIANTS["schedule"])
    assert [recipe.at(e).k for e in (1, 2, 3, 9)] == [3, 1, 2, 2] and recipe.at(1).k_schedule is None
    options = {"device": "cpu", "show_progress": False}
    (run,) = training.train(recipe, digits, **options)  # 12 minibatches an epoch
    assert run.curves.step.tolist() == [4, 16, 22, 28]
    assert algorithm1.steps_in_all(recipe, len(digits.train), 4) == 28
    (plain,) = training.train(small(epochs=4, update="alternating", k=3), digits, epochs=1, **options)
    (first,) = training.train(recipe, digits, epochs=1, **options)
    assert all(torch.equal(p, q) for p, q in zip(plain.weights().values(), first.weights().values(), strict=True))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_resumes_to_the_same_bits_and_moves_in_lockstep(digits, tmp_path, name):
    recipe = small(epochs=4, **VARIANTS[name])
    options = {"seeds": [0, 5], "device": "cpu", "show_progress": False}
    whole = training.train(recipe, digits, **options)
    for epochs in (1, 3, 4):
        parts = training.train(recipe, digits, epochs=epochs, checkpoint_dir=tmp_path / "a", **options)
    for epochs in (2, 4):
        together = training.train(
            recipe, digits, epochs=epochs, checkpoint_dir=tmp_path / "b", lockstep=True, **options
        )
    for one, again, other in zip(whole, parts, together, strict=True):
        assert one.g.state().keys() == again.g.state().keys() == other.g.state().keys()
        for k, t in one.d.state().items():
            assert torch.equal(t, again.d.state()[k]), k
            torch.testing.assert_close(other.d.state()[k], t, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(other.sample(50), one.sample(50), rtol=2e-3, atol=1e-3)
        assert other.curves.step.tolist() == one.curves.step.tolist()
    assert ("decayed" in whole[0].g.state()) == (name == "adam")


# ------------------------------------------------------------------------------------------- noise


def test_spherical_noise_lies_on_its_sphere_and_has_no_direction():
    z = networks.draw_noise(small(noise="spherical", z_dim=20), 4000, rng()).double()
    assert z.norm(dim=1).sub(math.sqrt(20)).abs().max() < 1e-5
    assert z.mean(0).abs().max() < 0.06 and z.square().mean(0).sub(1).abs().max() < 0.1
    assert (z[:, 0] ** 4).mean() == pytest.approx(3 * 20 / 22, abs=0.15)  # 3 d / (d + 2), below a normal's 3


def test_mixture_noise_is_a_choice_and_the_rest():
    recipe = small(mixture=4, z_dim=10)
    z = networks.draw_noise(recipe, 4000, rng()).double()
    choice, rest = z[:, :4], z[:, 4:]
    assert ((choice == 0).sum(1) == 3).all() and choice.amax(1).sub(2).abs().max() < 1e-6  # sqrt(4)
    assert (choice > 0).double().mean(0).sub(0.25).abs().max() < 0.03
    assert z.square().mean(0).sub(1).abs().max() < 0.1 and rest.abs().max() <= math.sqrt(3) + 1e-6
    first = networks.Generator(recipe, rng()).layers[0]
    means = 2 * first.weight[:, :4].T  # mu_c
    expected = means[choice.argmax(1)] + rest.float() @ first.weight[:, 4:].T + first.bias
    torch.testing.assert_close(first(z.float()), expected.relu(), rtol=1e-4, atol=1e-5)


# ----------------------------------------------------------------------------------- fields as data


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"noise": "round"}, "noise = 'round'; choose one of uniform, gaussian, spherical"),
        ({"optimizer": "sgd"}, "optimizer = 'sgd'; choose one of None, adam"),
        ({"mixture": 1}, "mixture = 1; it must be an int of at least 2 and below z_dim = 10"),
        ({"mixture": 10}, "mixture = 10; it must be"),
        ({"d_learning_rate": 0.0}, "d_learning_rate = 0.0; it must be above 0"),
        ({"g_moves": 0, "update": "alternating"}, "g_moves = 0; it must be an int of at least 1"),
        ({"g_moves": 2}, "g_moves = 2; it needs update='alternating'"),
        ({"d_margin": 0.1}, "d_margin = 0.1; it needs update='alternating'"),
        ({"d_margin": 0.5, "update": "alternating"}, "d_margin = 0.5; it must lie in [0, 0.5)"),
        ({"g_margin": -0.1}, "g_margin = -0.1; it must lie in [0, 0.5)"),
        ({"k_schedule": ((1, 2),)}, "needs update='alternating'"),
        ({"k_schedule": ((2, 2),), "update": "alternating"}, "k_schedule = ((2, 2),); it must be (epoch, k) pairs"),
        ({"k_schedule": ((1, 2), (1, 3)), "update": "alternating"}, "epochs rising from 1"),
        ({"k_schedule": ((1, 0),), "update": "alternating"}, "each k at least 1"),
        ({"k_schedule": (), "update": "alternating"}, "k_schedule = ()"),
    ],
)
def test_a_bad_value_is_refused_by_name(change, said):
    with pytest.raises(ValueError, match="recipe mnist: ") as caught:
        small(**change)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", VARIANTS)
def test_fields_survive_json_and_are_absent_where_they_are_none(name):
    recipe = small(**VARIANTS[name])
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe and hash(again) == hash(recipe) and again.checksum() == recipe.checksum()
    assert not set(LATER) & set(small().to_dict())  # records and checkpoints made before still agree
    assert set(LATER) <= {f.name for f in dataclasses.fields(Recipe)}
