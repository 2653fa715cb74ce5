"""What notebook 09 changes in a training: the margins, Adam, D's own rate, moves of G, schedules of k, and noise."""

import json
import math

import pytest
import torch
from torch.nn.functional import softplus

from benchmarks import limit
from ganrepro import game, networks, training
from ganrepro.recipes import Recipe
from ganrepro.training import Player, tasks

VARIANTS = {  # fields of the recipe, and of its coordination
    "adam": ({"learning_rate": 1e-3}, {"optimizer": "adam", "d_learning_rate": 4e-3}),
    "schedule": ({"update": "alternating"}, {"k_schedule": ((1, 3), (2, 1), (3, 2))}),
    "lazy": ({"update": "alternating"}, {"g_moves": 2, "d_margin": 0.1, "g_margin": 0.0}),
    "mixture": ({"noise": "spherical"}, {"mixture": 4, "g_margin": 0.25}),
}


def variant(recipe, name):
    changes, coordination = VARIANTS[name]
    return recipe.replace(**changes).coordinate(**coordination)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def one_step(recipe, digits, players=None, seed=0):
    """One step in float64 on the first examples; the players after it, and what it was given."""
    run = training.start(recipe, digits, seed=3)
    g, d = players or (Player.of(net.double(), recipe) for net in (run.generator, run.discriminator))
    batches = [digits.train[20 * i : 20 * i + 20].double() for i in range(recipe.at(1).k)]
    task = tasks.of(recipe)
    draws = task.draw([20] * len(batches), rng(seed), torch.float64)
    rates = training.rates_at(recipe, 1, 0)
    training.STEPS[recipe.update](task, g, d, batches, draws, rates)
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


# ------------------------------------------------------------------------------------------- steps


def test_adam_is_torchs_with_the_momentum_as_beta_1(digits, small_recipe):
    recipe = small_recipe(learning_rate=2e-3, learning_rate_decay=1.0, momentum=(0.5, 0.5)).coordinate(optimizer="adam")
    player = Player.of(training.start(recipe, digits, seed=0).discriminator.double(), recipe)
    theirs = [p.detach().clone().requires_grad_() for p in player.theta.values()]
    reference = torch.optim.Adam(theirs, lr=2e-3, betas=(0.5, 0.999), eps=1e-8)
    for i in range(30):
        gradients = [torch.randn(p.shape, generator=rng(i), dtype=torch.float64) * 10 ** (-i % 3) for p in theirs]
        player.descend(gradients, training.rates_at(recipe, 1, i))
        for p, gradient in zip(theirs, gradients, strict=True):
            p.grad = gradient.clone()
        reference.step()
    for p, q in zip(player.theta.values(), theirs, strict=True):
        torch.testing.assert_close(p.detach(), q.detach(), rtol=1e-10, atol=1e-12)


def test_ds_own_rate_moves_d_alone_and_by_as_much(digits, small_recipe):
    alike, faster = small_recipe(), small_recipe().coordinate(d_learning_rate=0.3)
    (g, d, *_), (g2, d2, *_) = one_step(alike, digits), one_step(faster, digits)
    for k in g.theta:
        assert torch.equal(g.theta[k], g2.theta[k])
    for k in d.theta:  # from a velocity of 0 the first move is the rate times the gradient
        torch.testing.assert_close(d2.velocity[k], 3 * d.velocity[k])
    assert any(v.any() for v in d.velocity.values())


def test_two_moves_of_g_are_two_steps_of_g_on_one_d(digits, small_recipe):
    recipe = small_recipe(update="alternating").coordinate(g_moves=2)
    g, d, _, draws, rates = one_step(recipe, digits)
    assert [(len(t.dropout_real), len(t.dropout_fake[0])) for t in draws] == [(3, 20), (0, 20), (0, 20)]
    run = training.start(recipe, digits, seed=3)
    slow = Player.of(run.generator.double(), recipe)
    for t in draws[1:]:
        loss = softplus(-d(slow(t.z), t.dropout_fake)).mean()
        slow.descend(slow.gradients(loss), rates)
    for k in g.theta:
        torch.testing.assert_close(slow.theta[k], g.theta[k], rtol=1e-12, atol=1e-14)
    ratio = limit.operations(recipe) / limit.operations(small_recipe(update="alternating"))
    assert 1.3 < ratio < 1.7


def test_schedule_of_k_decides_steps_and_length(digits, small_recipe, tmp_path):
    recipe = variant(small_recipe(epochs=4), "schedule")
    assert [recipe.at(e).k for e in (1, 2, 3, 9)] == [3, 1, 2, 2] and recipe.at(1).coordination.k_schedule is None
    options = {"device": "cpu", "show_progress": False}
    (run,) = training.train(recipe, digits, **options)  # 12 minibatches an epoch
    assert run.curves.step.tolist() == [4, 16, 22, 28]
    assert training.steps_in_all(recipe, len(digits.train), 4) == 28
    (plain,) = training.train(small_recipe(epochs=4, update="alternating", k=3), digits, epochs=1, **options)
    (first,) = training.train(recipe, digits, epochs=1, **options)
    assert all(torch.equal(p, q) for p, q in zip(plain.weights().values(), first.weights().values(), strict=True))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_resumes_to_the_same_bits_and_trains_as_replicas(digits, small_recipe, tmp_path, name):
    recipe = variant(small_recipe(epochs=4), name)
    options = {"seeds": [0, 5], "device": "cpu", "show_progress": False}
    whole = training.train(recipe, digits, **options)
    for epochs in (1, 3, 4):
        parts = training.train(recipe, digits, epochs=epochs, checkpoint_dir=tmp_path / "a", **options)
    for epochs in (2, 4):
        together = training.train(
            recipe, digits, epochs=epochs, checkpoint_dir=tmp_path / "b", replicas=True, **options
        )
    for one, again, other in zip(whole, parts, together, strict=True):
        assert one.g.state().keys() == again.g.state().keys() == other.g.state().keys()
        for k, t in one.d.state().items():
            assert torch.equal(t, again.d.state()[k]), k
            torch.testing.assert_close(other.d.state()[k], t, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(other.sample(50), one.sample(50), rtol=2e-3, atol=1e-3)
        assert other.curves.step.tolist() == one.curves.step.tolist()
    assert ("beta_powers" in whole[0].g.state()) == (name == "adam")


# ------------------------------------------------------------------------------------------- noise


def test_spherical_noise_lies_on_its_sphere_and_has_no_direction(small_recipe):
    z = networks.draw_noise(small_recipe(noise="spherical", z_dim=20), 4000, rng()).double()
    assert z.norm(dim=1).sub(math.sqrt(20)).abs().max() < 1e-5
    assert z.mean(0).abs().max() < 0.06 and z.square().mean(0).sub(1).abs().max() < 0.1
    assert (z[:, 0] ** 4).mean() == pytest.approx(3 * 20 / 22, abs=0.15)  # 3 d / (d + 2), below a normal's 3


def test_mixture_noise_is_a_choice_and_the_rest(small_recipe):
    recipe = small_recipe(z_dim=10).coordinate(mixture=4)
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
    ("change", "coordination", "said"),
    [
        ({}, {"optimizer": "sgd"}, "optimizer\n  Input should be 'adam'"),
        ({}, {"mixture": 1}, "mixture\n  Input should be greater than or equal to 2"),
        ({}, {"mixture": 10}, "recipe mnist: mixture = 10; it must be below z_dim = 10"),
        ({}, {"d_learning_rate": 0.0}, "d_learning_rate\n  Input should be greater than 0"),
        ({"update": "alternating"}, {"g_moves": 0}, "g_moves\n  Input should be greater than or equal to 1"),
        ({}, {"g_moves": 2}, "recipe mnist: g_moves needs update = 'alternating'"),
        ({}, {"d_margin": 0.1}, "recipe mnist: d_margin needs update = 'alternating'"),
        ({"update": "alternating"}, {"d_margin": 0.5}, "d_margin\n  Input should be less than 0.5"),
        ({}, {"g_margin": -0.1}, "g_margin\n  Input should be greater than or equal to 0"),
        ({}, {"k_schedule": ((1, 2),)}, "k_schedule needs update = 'alternating'"),
        ({"update": "alternating"}, {"k_schedule": ((2, 2),)}, "k_schedule = ((2, 2),): epochs must rise from 1"),
        ({"update": "alternating"}, {"k_schedule": ((1, 2), (1, 3))}, "epochs must rise from 1"),
        ({"update": "alternating"}, {"k_schedule": ((1, 0),)}, "k_schedule.0.1\n  Input should be greater"),
        ({"update": "alternating"}, {"k_schedule": ()}, "k_schedule = (): epochs must rise from 1"),
        ({}, {"rate": 1.0}, "rate\n  Unexpected keyword argument"),
    ],
)
def test_a_bad_value_is_refused_by_name(small_recipe, change, coordination, said):
    with pytest.raises(ValueError, match="validation error") as caught:
        small_recipe(**change).coordinate(**coordination)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", VARIANTS)
def test_fields_survive_json_and_are_absent_where_they_are_none(small_recipe, name):
    recipe = variant(small_recipe(), name)
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe and hash(again) == hash(recipe) and again.checksum() == recipe.checksum()
    assert set(recipe.to_dict()["coordination"]) == {"g_moves", *VARIANTS[name][1]}
