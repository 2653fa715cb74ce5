"""The public functions, each argument in turn replaced by what it should not be: refused clearly, or answered rightly.

Clearly: ValueError or TypeError (OSError for a path), one line. Nothing hangs, and no file appears or changes.
"""

import dataclasses
import math
import resource
import signal
from collections import Counter
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from ganrepro import datasets, game, networks, parameters, parzen, paths, recipes, records, theory, training
from ganrepro.datasets.toys import TOYS
from ganrepro.diagnostics import (
    data_copying,
    games,
    modes,
    neighbours,
    oscillation,
    precision_recall,
    support,
    transport,
    two_sample,
)
from ganrepro.recipes import Layer, for_dataset
from ganrepro.report import figures, notebooks

RECIPE = for_dataset("digits", (1, 8, 8)).replace(
    generator=(Layer(8, "relu"), Layer(64, "sigmoid")),
    discriminator=(Layer(4, "maxout", pieces=2), Layer(1, "linear")), epochs=1, z_dim=5, batch_size=30,
)  # fmt: skip


PENNIES = [[1, -1], [-1, 1]]


class Strange:
    """Of no use to anyone."""


def junk():
    """What may be given in place of any argument."""
    return {
        "None": None, "True": True, "0": 0, "-1": -1, "2**70": 2**70, "-2**70": -(2**70), "1.5": 1.5, "-0.5": -0.5,
        "nan": math.nan, "inf": math.inf, "-inf": -math.inf, "1e-10": 1e-10, "1e-300": 1e-300, "1e300": 1e300,
        "1j": 1j, "''": "", "text": "text", "\\0": "a\0b", "long": "x" * 5000, "..": "../../escaped", "/dev/zero":
        "/dev/zero", "ünïcode": "ünïcode 漢字 \U0001f600", "surrogate": "\udcff", "bytes": b"x", "[]": [], "[nan]":
        [math.nan], "[[]]": [[]], "nested": [[1.0], [2.0, 3.0]], "{}": {}, "set": {1}, "strange": Strange(), "type":
        int, "function": len, "range": range(3), "0-d array": np.array(3.0), "empty array": np.zeros((0, 3)), "1-d":
        np.zeros(3), "4-d": np.zeros((1, 2, 3, 4)), "nan array": np.full((3, 3), np.nan), "inf array":
        np.full((3, 3), np.inf), "1e11": np.full((3, 3), 1e11), "1e200": np.full((3, 3), 1e200), "complex":
        np.zeros((3, 3), complex), "text array": np.array([["a"]]), "objects": np.array([[None]], object), "dates":
        np.zeros((3, 3), "datetime64[s]"), "bools": np.zeros((3, 3), bool), "ints": np.zeros((3, 3), np.int64),
        "other width": np.zeros((3, 7)), "0-d tensor": torch.tensor(1.0), "no rows": torch.zeros(0, 3), "int tensor":
        torch.zeros(3, 3, dtype=torch.int64), "half": torch.zeros(3, 3, dtype=torch.float16), "complex tensor":
        torch.zeros(3, 3, dtype=torch.complex64), "nan tensor": torch.full((3, 3), math.nan), "sparse":
        torch.eye(3).to_sparse(), "meta": torch.zeros(3, 3, device="meta"), "quantized":
        torch.quantize_per_tensor(torch.zeros(3, 3), 0.1, 0, torch.quint8), "wide tensor": torch.zeros(3, 7),
        "dataset": datasets.load("digits"), "recipe": RECIPE, "path": Path("nowhere.npz"),
    }  # fmt: skip


def functions(folder):
    """Each public function with arguments that it takes."""
    digits = datasets.load("digits")
    few = dataclasses.replace(digits, train=digits.train[:60])
    x, y, p = torch.rand(6, 3), torch.rand(4, 3), np.full(4, 0.25)
    many = torch.rand(120, 3, generator=torch.Generator().manual_seed(0))
    g = networks.Generator(RECIPE, torch.Generator().manual_seed(0)).eval()
    logits, rng = torch.randn(5), torch.Generator()
    wanted = parameters.declared("seed: int = 0  # which [at least 0]")["seed"]
    quiet = {"device": "cpu", "show_progress": False}
    return {
        "parzen.log_likelihood": (parzen.log_likelihood, {"samples": x, "data": y, "sigma": 0.2}),
        "parzen.choose_sigma": (parzen.choose_sigma, {"samples": x, "valid": y, "sigmas": [0.1, 0.2, 0.3]}),
        "parzen.evaluate": (parzen.evaluate, {"samples": x, "valid": y, "test": y, "sigmas": [0.1, 0.2]}),
        "theory.kl": (theory.kl, {"p": p, "q": p, "dx": None}),
        "theory.jsd": (theory.jsd, {"p": p, "q": p, "dx": None}),
        "theory.total_variation": (theory.total_variation, {"p": p, "q": p, "dx": None}),
        "theory.optimal_discriminator": (theory.optimal_discriminator, {"p_data": p, "p_g": p, "dx": None}),
        "theory.value": (theory.value, {"p_data": p, "p_g": p, "d": p, "dx": None}),
        "theory.criterion": (theory.criterion, {"p_data": p, "p_g": p, "dx": None}),
        "theory.descend": (theory.descend, {"p_data": p, "p_g": p, "steps": 2, "rate": 0.5, "dx": None}),
        "game.value": (game.value, {"l_real": logits, "l_fake": logits}),
        "game.discriminator_loss": (
            game.discriminator_loss, {"l_real": logits, "l_fake": logits, "scale": 0.5, "margin": None}
        ),
        "game.generator_loss": (game.generator_loss, {"l_fake": logits, "objective": "minimax", "margin": 0.1}),
        "game.mean_output": (game.mean_output, {"logits": logits}),
        "datasets.load": (datasets.load, {"name": "digits", "strict": False}),
        "Dataset": (datasets.Dataset, {"name": "x", "label": "x", "shape": (1, 1, 3), "train": x, "valid": y,
                                       "test": y}),
        "Dataset.fold": (datasets.load("att").fold, {"k": 1}),
        "recipes.for_dataset": (recipes.for_dataset, {"name": "digits", "shape": (1, 8, 8), "recipe": "own"}),
        "Recipe.replace": (RECIPE.replace, {"name": "x", "learning_rate": 0.1, "momentum": (0.5, 0.7), "epochs": 2,
                                            "shape": (1, 8, 8), "noise": "gaussian", "learning_rate_decay": 1.0,
                                            "max_col_norm": 1.0, "keep_input": 0.5, "generator": RECIPE.generator}),
        "Recipe.from_dict": (recipes.Recipe.from_dict, {"values": RECIPE.to_dict()}),
        "Recipe.at": (RECIPE.at, {"epoch": 1}),
        "networks.noise": (networks.noise, {"recipe": RECIPE, "n": 3, "seed": 0}),
        "networks.draw_noise": (networks.draw_noise, {"recipe": RECIPE, "n": 3, "rng": rng}),
        "networks.sample": (networks.sample, {"generator": g, "recipe": RECIPE, "n": 2, "seed": 0, "condition": None}),
        "networks.generate": (networks.generate, {"generator": g, "z": torch.zeros(2, 5), "condition": None}),
        "networks.walk": (networks.walk, {"generator": g, "ends": torch.zeros(1, 2, 5), "steps": 3}),
        "training.train": (training.train, {"recipe": RECIPE, "data": few, "seeds": [0], "epochs": 1,
                                            "validate_every": 0, **quiet}),
        "training.start": (training.start, {"recipe": RECIPE, "data": few, "seed": 0, "device": "cpu"}),
        "training.rates_at": (training.rates_at, {"recipe": RECIPE, "epoch": 1, "batch": 0}),
        "records.get_or_train": (records.get_or_train, {"dataset": "digits", "profile": "quick", "seed": 0,
                                                        "device": "cpu", "recipe": RECIPE, "train": False,
                                                        "learning_rate": 0.1}),
        "records.folder": (records.folder, {"recipe": RECIPE, "data": few, "profile": "quick", "seed": 0}),
        "records.read": (records.read, {"path": folder}),
        "load_generator": (records.load_generator, {"name": "mnist"}),
        "parameters.value_of": (parameters.value_of, {"parameter": wanted, "value": 3}),
        "figures.mosaic": (figures.mosaic, {"pictures": torch.rand(4, 9), "shape": (1, 3, 3), "columns": 2}),
        "figures.save": (figures.save, {"figure": figures.plt.figure(figsize=(1, 1)), "path": folder / "f.png"}),
        "paths.slug": (paths.slug, {"text": "a b"}),
        "games.zero_sum": (games.zero_sum, {"gains": PENNIES, "other_gains": -np.array(PENNIES)}),
        "games.mixed": (games.mixed, {"gains": PENNIES}),
        "games.duality_gap": (games.duality_gap, {"gains": PENNIES, "row": [0.5, 0.5], "column": [1, 0]}),
        "modes.coverage": (modes.coverage, {"samples": torch.zeros(5, 2), "toy": TOYS["ring"], "sds": 3.0}),
        "precision_recall.prdc": (precision_recall.prdc, {"real": many, "samples": many[9:], "k": 3}),
        "data_copying": (data_copying.data_copying, {"training": many, "held_out": many[:40], "samples": many[20:],
                                                     "cells": 1}),
        "support.birthday": (support.birthday, {"partners": np.arange(60) % 2}),
        "support.radius": (support.radius, {"pictures": many, "support": 100}),
        "two_sample.mmd": (two_sample.mmd, {"x": many[:60], "y": many[60:], "permutations": 20, "seed": 0}),
        "two_sample.classifier_test": (two_sample.classifier_test, {"x": many[:60], "y": many[60:], "seed": 0}),
        "transport.wasserstein": (transport.wasserstein, {"samples": x, "others": x}),
        "oscillation.turning_points": (oscillation.turning_points, {"series": np.arange(30.0)}),
        "neighbours.nearest": (neighbours.nearest, {"queries": x, "candidates": y}),
        "neighbours.nearest_other": (neighbours.nearest_other, {"pictures": x}),
    }  # fmt: skip


REFUSED = (ValueError, TypeError, OSError, datasets.DatasetUnavailable)
ANY_VALUE = {("figures.save", "path"), ("records.read", "path")}  # a path may be any text
LONG = {("training.train", "epochs"): "2**70", ("Recipe.replace", "epochs"): "2**70",
        ("records.get_or_train", "train"): "True"}  # what is meant: a training, of any length
NOT_THERE = ("records.get_or_train", "load_generator")  # nothing is stored here
PATIENCE = 5.0  # seconds


def outcome(call):
    """How a call ends: accepted, refused, or lost, with what is wrong. One that goes on for seconds hangs."""
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        return "accepted", call()
    except REFUSED as error:
        return "refused", error
    except BaseException as error:
        return "lost", error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture
def bounded():
    """Calls that hang are ended, and a claim of more than 4 GiB is a MemoryError."""

    def ring(*_):
        raise KeyboardInterrupt("it hangs")

    before, limit = signal.signal(signal.SIGALRM, ring), resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 4 * 2**30, limit[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limit)
    signal.signal(signal.SIGALRM, before)


def test_wrong_arguments_are_refused_clearly(tmp_path, monkeypatch, promise, bounded):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(paths, "REPOSITORY", None)
    counts, lost = Counter(), []
    for name, (function, arguments) in functions(tmp_path).items():
        assert outcome(lambda f=function, a=arguments: f(**a))[0] == "accepted" or name in NOT_THERE, name
        before = sorted(tmp_path.rglob("*"))
        for argument in arguments:
            for what, value in junk().items():
                if (name, argument) in ANY_VALUE or LONG.get((name, argument)) == what:
                    continue
                how, found = outcome(lambda f=function, a=arguments | {argument: value}: f(**a))
                counts[how] += 1
                if how == "lost":
                    lost.append(f"{name}({argument}={what}): {type(found).__name__}: {str(found)[:60]!r}")
                if how == "accepted" and name.startswith("parzen.") and not np.isfinite(np.asarray(
                        getattr(found, "mean_ll", getattr(found, "ll", found)), float)).all():  # fmt: skip
                    lost.append(f"{name}({argument}={what}) = {found}")
        if new := set(tmp_path.rglob("*")) - set(before):
            lost.append(f"{name} wrote {new}")
    promise("calls with wrong arguments are refused by ValueError or TypeError, or answered", counts.total(), lost)


# ------------------------------------------------------------------------ parameters of notebooks


def check_with(source, name, value):
    """A notebook's parameter after the check in its kernel, given as papermill injects it."""
    namespace = {}
    exec(source, namespace)
    namespace |= {name: value, "In": ["", source, f"# Parameters\n{name} = 0"]}
    parameters.check(namespace)
    return namespace[name]


def test_wrong_parameters_of_every_notebook_are_refused_by_name(tmp_path, monkeypatch, promise, bounded):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GANREPRO_DATA", str(tmp_path / "data"))
    counts, lost = Counter(), []
    for notebook in notebooks.find():
        cells = nbformat.read(notebook, as_version=4).cells
        source = next(c.source for c in cells if "parameters" in c.metadata.get("tags", []))
        for name, parameter in parameters.declared(source).items():
            for what, value in junk().items():
                how, found = outcome(lambda s=source, n=name, v=value: check_with(s, n, v))
                counts[how] += 1
                if how == "refused" and (not isinstance(found, parameters.ParameterError) or f"{name} = " not in
                                         str(found) or "\n" in str(found)):  # fmt: skip
                    lost.append(f"{notebook.stem}({name}={what}): {type(found).__name__}: {str(found)[:60]!r}")
                if how == "lost" or (how == "accepted" and type(found) is not type(parameter.default)):
                    lost.append(f"{notebook.stem}({name}={what}): {how}, {found!r}")
    assert counts["refused"] > counts["accepted"] and not list(tmp_path.iterdir())
    promise("wrong parameters of notebooks are refused by name, in one line", counts.total(), lost)


# ----------------------------------------------------------------------------- the Parzen window


def by_differences(samples, data, sigma):
    """The same in long double, from the differences themselves."""
    s, x, sigma = (np.asarray(a, np.longdouble) for a in (samples, data, sigma))
    a = -((x[:, None] - s) ** 2).sum(-1) / (2 * sigma**2)
    top = a.max(1)
    kernels = np.log(np.exp(a - top[:, None]).sum(1))
    return (top + kernels - np.log(len(s)) - x.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))).astype(float)


def right_or_refused(samples, data, sigma):
    try:
        found = parzen.log_likelihood(samples, data, sigma)
    except ValueError:
        return True
    return np.allclose(found, by_differences(samples, data, sigma), rtol=2e-3, atol=2e-3)


def test_the_parzen_window_is_right_or_refuses(promise):
    """From the smallest to the largest numbers, sigmas from 1e-200 to 1e20, with data on samples and far from them."""
    rng, wrong, tried = np.random.default_rng(0), [], 0
    for size in 10.0 ** np.arange(-60, 160, 4):
        for sigma in (1e-200, 1e-30, 1e-10, 1e-5, 0.01, 0.1, 1.0, 1e5, 1e20):
            for offset in (0, size):
                samples, data = (rng.random((n, 3)) * size + offset for n in (20, 7))
                data[0], tried = samples[0], tried + 1
                if not right_or_refused(samples, data, sigma):
                    wrong.append((size, sigma, offset))
    promise("log-likelihoods are right or refused, |x| to 1e156", tried, wrong)


@given(
    of_numpy.arrays(np.float64, (4, 2), elements=st.floats(-1e30, 1e30)),
    of_numpy.arrays(np.float64, (3, 2), elements=st.floats(-1e30, 1e30)),
    st.floats(1e-20, 1e20),
)
@settings(max_examples=300)
def test_any_numbers_are_scored_rightly_or_refused(samples, data, sigma):
    assert right_or_refused(samples, data, sigma)


@given(st.text(max_size=300))
@settings(max_examples=300)
def test_any_text_is_a_name_within_its_folder_or_refused(name):
    try:
        recipe = RECIPE.replace(name=name)
    except ValueError:
        return
    root = Path("/runs")
    place = (root / records.folder(recipe, datasets.load("digits"), "paper", 0)).resolve()
    assert root in place.parents and len(place.relative_to(root).parts) == 3
