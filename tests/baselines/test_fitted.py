"""Every model by one interface: samples in [0, 1] that a seed decides, parameters counted, bad input refused."""

import math

import pytest
import torch

from ganrepro import recipes
from ganrepro.baselines import adversarial, dcgan, denoising, gaussian, kmeans, mixture, rbm, vae
from ganrepro.baselines.measuring import PENALISED
from ganrepro.recipes import Layer

SHAPE = (1, 8, 8)
RECIPE = recipes.for_dataset("digits", SHAPE).replace(
    z_dim=4, keep_input=1.0, generator=(Layer(16, "relu"), Layer(64, "sigmoid", bias="marginal")),
    discriminator=(Layer(8, "maxout", 0.05, pieces=2), Layer(1, "linear", 0.05)),
)  # fmt: skip
FITS = {
    "gaussian": lambda x, seed=0: gaussian.fit(x),
    "mixture": lambda x, seed=0: mixture.fit(x, 3, 5, 10, seed),
    "kmeans": lambda x, seed=0: kmeans.fit(x, 20, seed=seed),
    "rbm": lambda x, seed=0: rbm.fit(x, (12, 8), epochs=1, batch=50, seed=seed),
    "denoising": lambda x, seed=0: denoising.fit(x, (16,), epochs=1, batch=50, seed=seed),
    "vae": lambda x, seed=0: vae.fit(x, RECIPE, epochs=1, batch=50, seed=seed),
    "dcgan": lambda x, seed=0: dcgan.fit(x, SHAPE, 2, 4, 20, seed),
    "wasserstein": lambda x, seed=0: adversarial.fit(x, RECIPE, PENALISED, 2, 20, 2, seed=seed),
}
PARAMETERS = {  # counted by hand
    "gaussian": 64 + 64 * 65 // 2,
    "mixture": 2 + 3 * (5 + 15) + 64 + 5 * 64,
    "kmeans": 20 * 64,
    "rbm": (64 * 12 + 64 + 12) + (12 * 8 + 12 + 8),
    "denoising": (64 * 16 + 16) + (16 * 64 + 64) + 1,
    "vae": (64 * 16 + 16) + (16 * 8 + 8) + (4 * 16 + 16) + (16 * 64 + 64) + 1,
    "dcgan": 100 * 32 + 2 * 32 + 8 * 4 * 16 + 2 * 4 + 4 * 16 + 1,
    "wasserstein": (4 * 16 + 16) + (16 * 64 + 64),
}


@pytest.fixture(scope="module")
def train(digits):
    return digits.train[:200]


@pytest.mark.parametrize("name", FITS)
def test_samples_are_pictures_that_the_seed_decides(name, train):
    model = FITS[name](train)
    x = model.sample(130, seed=1)
    assert x.shape == (130, 64) and x.dtype == torch.float32
    assert x.min() >= 0 and x.max() <= 1 and not torch.equal(x[0], x[1])
    assert torch.equal(x, model.sample(130, seed=1))
    assert not torch.equal(x, model.sample(130, seed=2))
    assert model.parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", [name for name in FITS if name != "gaussian"])
def test_a_fit_is_decided_by_its_seed_and_leaves_the_global_stream_alone(name, train):
    before = torch.get_rng_state()
    first, again, other = (FITS[name](train, seed).sample(20) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize(
    "bad, message",
    [
        (torch.full((200, 64), 0.3), "equal examples only"),
        (torch.rand(1, 64), "1 examples"),
        (torch.linspace(-1, 2, 200 * 64).view(200, 64), "numbers from -1 to 2"),
        (torch.full((200, 64), math.nan), "numbers from nan"),
        (torch.rand(200, 8, 8), "expected floats"),
        (torch.zeros(200, 64, dtype=torch.uint8), "expected floats"),
    ],
)
def test_bad_examples_are_refused(name, bad, message):
    with pytest.raises(ValueError, match=message):
        FITS[name](bad)


@pytest.mark.parametrize("name", FITS)
def test_a_draw_of_nothing_or_by_no_seed_is_refused(name, train):
    model = FITS[name](train)
    with pytest.raises(ValueError, match="n = 0"):
        model.sample(0)
    with pytest.raises(ValueError, match="seed = -1"):
        model.sample(5, seed=-1)


@pytest.mark.parametrize(
    "fit, message",
    [
        (lambda x: mixture.fit(x, 101), "200 examples of 64 numbers; this model needs at least 202"),
        (lambda x: mixture.fit(x, 0), "components = 0"),
        (lambda x: kmeans.fit(x, 201), "needs at least 201"),
        (lambda x: rbm.fit(x, ()), r"hidden = \(\)"),
        (lambda x: rbm.fit(x, batch=201), "needs at least 201"),
        (lambda x: denoising.fit(x, ()), r"hidden = \(\)"),
        (lambda x: denoising.fit(x, noise=0.0), "noise = 0.0"),
        (lambda x: denoising.fit(x, walkback=0), "walkback = 0"),
        (lambda x: vae.fit(x[:, :60], RECIPE), "makes 64 numbers, and an example of train has 60"),
        (lambda x: vae.fit(x, RECIPE, epochs=0), "epochs = 0"),
        (lambda x: adversarial.fit(x, RECIPE, "logs"), "function = 'logs'; choose one of minimax"),
        (lambda x: adversarial.fit(x[:, :60], RECIPE, PENALISED), "makes 64 numbers"),
        (lambda x: dcgan.fit(x, (1, 8, 9)), "multiples of 4"),
        (lambda x: dcgan.fit(x, (1, 8, 12)), "has 96 numbers, and an example of train 64"),
    ],
)
def test_what_a_model_is_not_for_is_refused(fit, message, train):
    with pytest.raises(ValueError, match=message):
        fit(train)


@pytest.mark.parametrize("bad", [torch.rand(5, 63), torch.rand(64), torch.full((5, 64), math.nan), torch.zeros(0, 64)])
def test_densities_of_other_shapes_are_refused(bad, train):
    for model in (FITS["gaussian"](train), FITS["mixture"](train)):
        with pytest.raises(ValueError, match=r"expected finite floats \(n, 64\)"):
            model.log_density(bad, 0.2)
    with pytest.raises(ValueError, match="sigma = 0"):
        FITS["vae"](train).bound(train, sigma=0.0)


AMBIENT = {
    "float64": lambda: torch.set_default_dtype(torch.float64),
    "no gradients": lambda: torch.set_grad_enabled(False),
    "meta": lambda: torch.set_default_device("meta"),
}


@pytest.mark.parametrize("state", AMBIENT)
@pytest.mark.parametrize("name", FITS)
def test_the_bits_do_not_depend_on_what_the_process_has_set_in_torch(name, state, train):
    plain = FITS[name](train).sample(20, 1)
    try:
        AMBIENT[state]()
        other = FITS[name](train).sample(20, 1)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        torch.set_default_device(None)
    assert torch.equal(plain, other)
