"""Notebooks in kernels, containers and rc files that somebody else has set up."""

import os
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from PIL import Image

from ganrepro import parameters, paths
from ganrepro.report import notebooks

ALL = [p.name for p in notebooks.find()]


@pytest.mark.parametrize("notebook", ALL)
def test_a_path_of_the_wrong_kind_is_met_before_any_work(notebook, tmp_path):
    """By the check of the first cell, which `ganrepro reproduce` makes before it runs anything."""
    path = paths.repository() / "notebooks" / notebook
    known = notebooks.parameter_list(path)
    figure = ".png" in known["out"].comment
    for name, value, message in (
        ("out", "x.txt", "must end in .png or .svg or .pdf" if figure else "must end in .csv"),
        ("out", "x.csv" if figure else "x.png", "must end in"), ("out", "x", "must end in"),
        ("out", f"/dev/null/x.{'png' if figure else 'csv'}", "cannot be written"),
        ("mask", "m.csv", "must end in .npy"), ("mask", str(tmp_path / "m.npy"), "there is no such file"),
        ("dataset", f"{tmp_path}/faces/", "there is no such folder"), ("dataset", "faces.npy", "there is no such file"),
        ("size", -1, "at least 0"),
    ):  # fmt: skip
        if name in known and (name != "dataset" or parameters.NPZ in known["dataset"].rule.choices):
            with pytest.raises(parameters.ParameterError, match=message):
                notebooks.assign([path], {name: value})


@pytest.mark.parametrize("notebook", ALL)
def test_every_notebook_takes_a_size_and_shows_figures_as_objects(notebook):
    """A size, where it takes pictures of the reader's own."""
    path = paths.repository() / "notebooks" / notebook
    cells = [c.source for c in nbformat.read(path, as_version=4).cells]
    assert not [c for c in cells if "plt.show()" in c]
    if parameters.NPZ in notebooks.parameter_list(path)["dataset"].rule.choices:
        assert [c for c in cells if "datasets.load(dataset, strict=strict, size=size)" in c]


@pytest.mark.slow
def test_figures_are_shown_under_the_backend_of_a_container(papermill, tmp_path):
    done = papermill("04_samples.ipynb", {"dataset": "digits"}, MPLBACKEND="Agg")
    assert done.returncode == 0, done.stderr[-3000:]
    usual = nbformat.read(paths.repository() / "notebooks/04_samples.ipynb", as_version=4)
    shown = [o for cell in usual.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    assert done.pictures == len(shown) >= 4


@pytest.mark.slow
def test_a_matplotlibrc_changes_nothing(papermill, tmp_path):
    """usetex would need LaTeX; the file that is written is the same, whatever the reader's rc file says."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red\nsavefig.dpi: 30\nfont.size: 3\n")
    files = []
    for environment in ({"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}, {}):
        out = tmp_path / f"{len(files)}.png"
        done = papermill("04_samples.ipynb", {"dataset": "digits", "out": out}, **environment)
        assert done.returncode == 0, done.stderr[-3000:]
        files.append(out.read_bytes())
    assert files[0] == files[1]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", ["03_parzen", "04_samples"])
def test_a_notebook_runs_as_a_script(notebook, tmp_path):
    source = paths.repository() / "notebooks" / f"{notebook}.ipynb"
    convert = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "script", source, "--output-dir", tmp_path]
    subprocess.run(convert, check=True, capture_output=True)
    script = tmp_path / f"{notebook}.py"
    script.write_text(script.read_text().replace('dataset: str = "mnist"', 'dataset: str = "digits"'))
    env = os.environ | {"GANREPRO_RUNS": str(tmp_path / "runs")}
    env.pop("MPLBACKEND", None)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert list((tmp_path / "runs").glob("tables/*.csv" if notebook == "03_parzen" else "figures/*.png"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", ["03_parzen.ipynb", "04_samples.ipynb"])
def test_500_photographs_of_mixed_sizes_by_one_command(papermill, clean_tree, tmp_path, notebook):
    rng = np.random.default_rng(0)
    (tmp_path / "faces").mkdir()
    for i in range(500):
        h, w = rng.integers(60, 400, 2)
        low = rng.integers(0, 256, (6, 8) if i % 3 == 0 else (6, 8, 3), np.uint8)
        Image.fromarray(low).resize((int(w), int(h))).save(tmp_path / "faces" / f"{i}.{'png' if i % 2 else 'jpg'}")
    data = {"GANREPRO_DATA": str(tmp_path / "data")}
    refused = papermill(notebook, {"dataset": f"{tmp_path}/faces/"}, **data)
    assert "smallest" in refused.stderr and "such as 48: `--size 48`" in refused.stderr
    done = papermill(notebook, {"dataset": f"{tmp_path}/faces/", "size": 48}, **data)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "500 pictures, 48x48 colour" in done.text and "faces" in done.text and done.pictures
