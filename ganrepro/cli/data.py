"""`ganrepro data list|add|show|remove|status`."""

from __future__ import annotations

import errno
import json
import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganrepro import parameters, paths
from ganrepro.parameters import FIGURES

if TYPE_CHECKING:
    from ganrepro.datasets import Dataset


def show_data(options: Namespace) -> int:
    from ganrepro import datasets

    missing = False
    for name in options.names or datasets.NAMES:
        try:
            print(datasets.load(name, **size_of(options)))
        except datasets.DatasetUnavailable as error:
            print(f"{name}: not available. {error}")
            missing = True
    return int(missing and bool(options.names))


def add_data(options: Namespace) -> None:
    from ganrepro import datasets

    datasets.kept.check_name(options.name, datasets.NAMES)
    channels = 1 if options.grey else None
    pictures, _, _ = datasets.own_pictures(options.path, options.size, channels, options.skip_broken)
    datasets.kept.add(options.name, pictures)
    print(pictures.dataset(options.name))
    print(f"It can be used as `-p dataset {options.name}`. Contact sheet: {_sheet(pictures.dataset(options.name))}")


def show_sheet(options: Namespace) -> None:
    from ganrepro import datasets

    print(_sheet(datasets.load(options.name, **size_of(options)), options.out))


def _sheet(data: Dataset, out: str = "") -> Path:
    """Write a data set's contact sheet, under runs/figures unless `out` says where. Returns its path."""
    from ganrepro.report import figures

    parameters.refuse_suffix("out", out, FIGURES)
    path = paths.absolute(out) if out else paths.runs() / "figures" / f"contact_{data.name}.png"
    with figures.style():
        return figures.save(figures.sprite(data.training[:100], data.shape, 10, data.label), path)


def remove_data(options: Namespace) -> None:
    from ganrepro import datasets

    datasets.kept.remove(options.name)
    print(f"{options.name} is removed; the pictures that it was made from are where they were")


def data_status(options: Namespace) -> None:
    """The sets that were added, a line each, or with --json as an object; and the data directory."""
    from ganrepro import datasets

    if (folder := datasets.data_dir()).exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    named = {name: datasets.load(name) for name in paths.named_sets()}
    if options.json:
        sets = {name: {"shape": data.shape, "train": len(data.train), "valid": len(data.valid), "test": len(data.test)}
                for name, data in named.items()}  # fmt: skip
        print(json.dumps({"data": str(folder), "sets": sets}, indent=1))
        return
    print(f"data directory: {folder}")
    for name, data in named.items():
        print(f"{name}: {data}")
    if not named:
        print("no sets of your own; `ganrepro data add FOLDER --name NAME` adds one")


def size_of(options: Namespace) -> dict[str, Any]:
    return {"size": options.size} if options.size else {}
