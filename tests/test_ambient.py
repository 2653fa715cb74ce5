"""Anyone's kernel: whatever a process has set in torch, every public function gives the bits of a plain process."""

import contextlib
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

import ganrepro
from ganrepro import datasets, networks, parzen, recipes, records, training
from ganrepro.baselines import measuring, measuring_on_toys
from ganrepro.device import plain_torch
from ganrepro.diagnostics import (
    capacity,
    data_copying,
    duality_gap,
    dynamics,
    likelihood,
    memorisation,
    neighbours,
    spectrum,
    support,
    two_sample,
)
from ganrepro.extensions import conditional, inference, semisupervised, subsets
from ganrepro.extensions.conditional import attributes, density, evaluation
from ganrepro.extensions.coordination import rejection
from ganrepro.extensions.semisupervised import classes
from ganrepro.extensions.subsets import completion, fills


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(name):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def grad_disabled():
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


AMBIENT = {
    "float64": lambda: default_dtype(torch.float64), "float16": lambda: default_dtype(torch.float16),
    "set_default_device": lambda: default_device("meta"), "with device": lambda: torch.device("meta"),
    "no_grad": torch.no_grad, "inference_mode": torch.inference_mode, "set_grad_enabled": grad_disabled,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}  # fmt: skip


def state():
    return (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"))  # fmt: skip


@pytest.fixture(scope="module")
def made(small_recipe):
    """What the functions below are given: data, a run, samples."""
    data = datasets.load("digits")
    data = replace(data, train=data.train[:200], valid=data.valid[:50], test=data.test[:50],
                   labels={part: y[: 200 if part == "train" else 50] for part, y in data.labels.items()})  # fmt: skip
    recipe = small_recipe(epochs=1)
    (run,) = training.train(recipe, data, device="cpu", show_progress=False)
    z = networks.noise(recipe, 300, 0)
    return {"data": data, "recipe": recipe, "run": run, "g": run.generator, "z": z, "x": run.sample(300),
            "rows": torch.arange(100)}  # fmt: skip


def trained(m):
    (run,) = training.train(m["recipe"], m["data"], device="cpu", validate_every=1, show_progress=False)
    return [run.weights(), run.sample(20), run.curves.drop(columns="seconds").to_numpy()]


def own_arrays(m):
    return datasets.from_arrays(np.arange(720).reshape(20, 6, 6) % 251 / 251, [i % 2 for i in range(20)])


def of_dataset(data):
    return [data.train, data.valid, data.test, data.labels["train"]]


def record_of(data, recipe):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of so short a training
        return records.get_or_train(data, "quick", device="cpu", recipe=recipe)


def recorded(m):
    record = record_of(m["data"], m["recipe"])
    fewer = records.Record(record.path)
    vars(fewer)["arrays"] = record.arrays | {"samples": record.arrays["samples"][:50]}
    return [record.samples, record.z, record.ll, record.both_players(), list(record.curves.d_loss), fewer.all_samples,
            record.generator().state_dict(), record.discriminator().state_dict()]  # fmt: skip


def classified(m):
    data = m["data"]
    found = classes.few_labels(data, m["rows"], 10)
    return [found.train, evaluation.classifier(data).predict(data.test)]


def attributed(m):
    data = m["data"]
    scale = attributes.fit(data)
    return [attributes.measure(data.test, data.shape), attributes.conditioned(data, scale).conditions]


def subset(m):
    data, found = m["data"], subsets.masks((1, 8, 8))
    return [found, subsets.rectangle((1, 8, 8), 0.25, 0.25, 0.5, 0.5), completion.coloured(data.test[:3], data.shape),
            completion.mean_fill(data.test, next(iter(found.values())), data.train)]  # fmt: skip


def inferred(m):
    found = inference.fit_linear(m["g"], m["x"], m["z"], 1)
    optimised = inference.optimise(m["g"], m["x"][:20], m["z"][:20], steps=3)
    return [found.predict(m["x"][:9]), found.reconstruct(m["x"][:9]), *optimised,
            inference.activations(m["g"], m["z"], 1)]  # fmt: skip


def annealed(m):
    decoder, few = likelihood.gaussian_decoder(m["g"]), {"z_dim": 10, "sigma": 0.2, "temperatures": 3, "leapfrog": 2}
    found, limits = likelihood.log_likelihood(decoder, m["x"][:3], **few), likelihood.bounds(decoder, 3, **few)
    return [found.ll, limits.lower, limits.upper]


def told_apart(m):
    parts = m["x"][:50], m["x"][100:200], m["x"][200:], m["data"].train
    return vars(capacity.neural_distance(*parts, lambda: torch.nn.Linear(64, 1), steps=5))


def played(m):
    toy, start = dynamics.dirac_gan("minimax", 0.3), m["z"][0, :2]
    rates = [dynamics.predicted_rate(toy, rule, start, 0.1, 0.5) for rule in dynamics.RULES]
    return [*(dynamics.play(toy, rule, start, 0.1, 2, 0.5) for rule in dynamics.RULES), rates]


def measured(m):
    g, d = (net(m["recipe"], torch.Generator().manual_seed(0)) for net in (networks.Generator, networks.Discriminator))
    given = {"steps": 2, "batch_size": 8, "seed": 0, "learning_rate": 1e-3}
    curves = measuring.train("Wasserstein, gradient penalty", g, d, m["data"].train, **given)
    gap = duality_gap.duality_gap(g, d, m["data"].train, m["data"].train, steps=2, seed=0)
    return [curves.to_numpy(), g.state_dict(), gap.gap, measuring_on_toys.measure(m["z"][:, :2], datasets.load("ring"))]


PUBLIC = {
    "dynamics": played,
    "measuring": measured,
    "datasets.load": lambda m: [of_dataset(datasets.load(name)) for name in ("digits", "ring", "att", "mnist")],
    "Dataset.fold": lambda m: of_dataset(datasets.load("att").fold(1)),
    "datasets.from_arrays": lambda m: of_dataset(own_arrays(m)),
    "datasets.prepare": lambda m: datasets.prepare(m["data"], m["recipe"].replace(contrast=5.0)).train,
    "datasets.normalised": lambda m: datasets.normalised(m["data"], m["recipe"].replace(contrast=5.0)).train,
    "training.train": trained,
    "training.start": lambda m: training.start(m["recipe"], m["data"], 3).weights(),
    "training.estimate_seconds": lambda m: training.estimate_seconds(m["recipe"], m["data"], "cpu") > 0,
    "Run.sample": lambda m: m["run"].sample(30, 1),
    "records.get_or_train": recorded,
    "records.evidence": lambda m: records.evidence.check(record_of(datasets.load("digits"), m["recipe"])),
    "load_generator": lambda m: dict(ganrepro.load_generator().state_dict()),
    "networks.sample": lambda m: networks.sample(m["g"], m["recipe"], 30, 2),
    "networks.walk": lambda m: networks.walk(m["g"], m["z"][:8].view(4, 2, -1), 5),
    "Generator": lambda m: networks.Generator(m["recipe"], torch.Generator().manual_seed(0)).state_dict(),
    "Discriminator": lambda m: networks.Discriminator(m["recipe"], torch.Generator().manual_seed(0)).state_dict(),
    "G(z)": lambda m: m["g"](m["z"]).detach(),
    "D(x)": lambda m: m["run"].discriminator(m["x"]).detach(),
    "parzen.log_likelihood": lambda m: parzen.log_likelihood(m["x"], m["data"].test, [0.1, 0.2]),
    "parzen.evaluate": lambda m: parzen.evaluate(m["x"], m["data"].valid, m["data"].test).ll,
    "parzen.score": lambda m: parzen.score(m["x"], m["data"]).ll,
    "parzen.controls": lambda m: [parzen.controls.kmeans_centroids(m["data"].train, 20),
                                  parzen.controls.mean_image(m["data"].train),
                                  parzen.controls.gaussian(m["data"].train, 20)],  # fmt: skip
    "neighbours": lambda m: [(n := neighbours.nearest(m["x"], m["data"].train)).index, n.squared_distance,
                             neighbours.nearest_other(m["x"])],  # fmt: skip
    "spectrum": lambda m: [*spectrum.channel_moments(m["x"], (1, 8, 8)), spectrum.power_spectrum(m["x"], (1, 8, 8)),
                           spectrum.scrambled(m["x"], (1, 8, 8))],  # fmt: skip
    "memorisation": lambda m: memorisation.broken_models(m["data"].train, 20, 0.1),
    "data_copying": lambda m: vars(data_copying.data_copying(m["data"].train, m["data"].test, m["x"], cells=2)),
    "support": lambda m: [r := support.radius(m["x"], 100), support.partners_within(m["x"], r),
                          *support.closest_pairs(m["x"], 3)],  # fmt: skip
    "two_sample": lambda m: [vars(test(m["x"][:150], m["x"][150:])) for test in
                             (two_sample.mmd, two_sample.classifier_test)],  # fmt: skip
    "capacity": told_apart,
    "likelihood": annealed,
    "inference": inferred,
    "conditional": lambda m: [conditional.one_hot_condition([1, 2], 10),
                              density.medoids(m["data"].train, m["data"].labels["train"])],  # fmt: skip
    "attributes": attributed,
    "classes": classified,
    "features": lambda m: semisupervised.features.hidden(m["run"].discriminator, m["x"]),
    "rejection": lambda m: rejection.with_logits(m["run"], 40, 0),
    "masks and fills": subset,
    "fills.measure": lambda m: vars(fills.measure(m["data"].test[:6].expand(4, 6, 64).transpose(0, 1).contiguous(),
                                                  m["data"].test[:6])),  # fmt: skip
}


def bits(found):
    """Everything in a result, as bytes with its type and shape."""
    if isinstance(found, dict):
        return {key: bits(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [bits(value) for value in found]
    if isinstance(found, torch.Tensor):
        assert found.device.type == "cpu"
        found = found.detach().numpy()
    if isinstance(found, np.ndarray):
        return str(found.dtype), found.shape, found.tobytes()
    return found


@pytest.mark.parametrize("function", PUBLIC)
def test_the_same_bits_whatever_the_process_has_set_in_torch(made, runs, function, monkeypatch, tmp_path):
    monkeypatch.setattr("ganrepro.paths.REPOSITORY", ganrepro.paths.checkout(ganrepro.paths.PACKAGE.parent))
    expected = bits(PUBLIC[function](made))
    for number, (name, ambient) in enumerate(AMBIENT.items()):
        monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / str(number)))
        before = state()
        with ambient():
            inside = state()
            found = PUBLIC[function](made)
            assert state() == inside, name
        assert bits(found) == expected, name
        assert state() == before, name


def test_data_loaded_in_inference_mode_can_be_trained_on(small_recipe):
    with torch.inference_mode():
        data = datasets.load("digits")
        assert not data.train.is_inference() and not data.labels["train"].is_inference()


def test_an_error_leaves_the_process_as_it_was():
    @plain_torch
    def fails():
        assert torch.get_default_dtype() == torch.float32
        raise RuntimeError("inside")

    with default_dtype(torch.float64), torch.no_grad():
        with pytest.raises(RuntimeError, match="inside"):
            fails()
        assert torch.get_default_dtype() == torch.float64 and not torch.is_grad_enabled()


@pytest.mark.parametrize("name", ["digits", "mnist", "att", "ring"])
def test_load_leaves_python_s_random_state_alone(name):
    before = random.getstate()
    datasets.load(name)
    assert random.getstate() == before


def test_the_recipes_of_the_paper_are_built_in_float32_under_float64():
    with default_dtype(torch.float64):
        net = networks.Generator(recipes.RECIPES["mnist"], torch.Generator())
    assert {p.dtype for p in net.parameters()} == {torch.float32}
