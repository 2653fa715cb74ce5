"""`ganrepro doctor`: what is installed, which data are here, and whether the machine computes as it should."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
import time
import warnings
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ganrepro import paths

from .refusals import NOTEBOOK_PACKAGES

if TYPE_CHECKING:
    from pathlib import Path


def doctor(options: Namespace) -> int:
    """Print versions, device, folders, data sets and a self-test; status 1 where a package that the notebooks need is
    missing or the self-test fails."""
    import torch

    from ganrepro import datasets, device, records

    missing = [name for name in NOTEBOOK_PACKAGES if importlib.util.find_spec(name) is None]
    paths.require_writable(paths.runs())
    passed, tested = self_test()
    found = records.provenance.versions() | {
        "device": f"{device.torch_device('auto')} ({torch.get_num_threads()} threads)",
        "repository": str(paths.REPOSITORY or "none: installed without it"),
        "runs": f"{paths.runs()}, {free(paths.runs())} free",
        "data": f"{datasets.data_dir()}, {free(datasets.data_dir())} free",
        "notebooks": "missing: " + ", ".join(missing) if missing else "can be run",
        **dict(data_sets()),
        "self-test": tested,
    }
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print(*(f"{name:<14} {value}" for name, value in found.items()), sep="\n")
    return int(bool(missing) or not passed)


def free(folder: Path) -> str:
    """The free space of the disk that holds a folder, there or not, in GB."""
    there = next(p for p in (folder, *folder.parents) if p.is_dir())
    return f"{shutil.disk_usage(there).free / 1e9:.1f} GB"


def data_sets() -> Iterator[tuple[str, str]]:
    """Each data set and whether it is here; of one that is not, where it comes from. Nothing is downloaded."""
    from ganrepro import datasets
    from ganrepro.datasets import fetch

    with fetch.offline(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a stand-in, which its label says
        for name in datasets.NAMES:
            try:
                data = datasets.load(name)
                yield name, f"here: {data.label}" if data.stand_in_for else "here"
            except fetch.NotDownloaded:
                yield name, f"not here yet; `ganrepro data {name}` downloads it"
            except datasets.DatasetUnavailable as error:
                yield name, "not here; " + " ".join(str(error).split())


def self_test() -> tuple[bool, str]:
    """Some seconds of the real work: the Parzen window against its formula in float64, and two equal trainings."""
    import numpy as np
    import torch

    from ganrepro import datasets, parzen, recipes, training

    began = time.perf_counter()
    rng = np.random.default_rng(0)
    x, samples, sigma = rng.random((50, 784)), rng.random((200, 784)), 0.2
    kernels = -((x[:, None] - samples) ** 2).sum(2) / (2 * sigma**2)
    expected = np.logaddexp.reduce(kernels, 1) - np.log(200) - 392 * np.log(2 * np.pi * sigma**2)
    worst = float(np.abs(parzen.log_likelihood(samples, x, sigma) - expected).max())
    data = datasets.load("ring")
    data = dataclasses.replace(data, train=data.train[:1000])
    recipe = recipes.for_dataset(data.name, data.shape)
    one, other = (training.train(recipe, data, epochs=1, device="cpu", show_progress=False)[0] for _ in range(2))
    same = all(torch.equal(p, other.weights()[name]) for name, p in one.weights().items())
    seconds = time.perf_counter() - began
    if worst > 1e-3:
        return False, f"failed: the Parzen window is off by {worst:.2g} nats; at most 0.001 was expected"
    if not same:
        return False, "failed: two trainings with one seed differ; runs on this machine cannot be repeated to the bit"
    return True, f"passed in {seconds:.1f} s: the Parzen window within {worst:.0e} nats, two trainings to the same bits"
