"""The committed evidence: what the tables say can be recomputed from it, and the README says what they say."""

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ganrepro import load_generator, parzen, paths, records
from ganrepro.report import documents, tables

ROOT = Path(__file__).parents[2]
MNIST = records.read(ROOT / "results/paper/mnist/seed0")
OTHER_DATA = {  # a record, and how its line in docs/data.md begins
    "mnist@fashion-mnist": "- **Fashion-MNIST**", "cifar10-fc-small": "- **CIFAR-10, `cifar10-fc-small`.**",
    "cifar10-conv-small": "- **CIFAR-10, `cifar10-conv-small`.**",
}  # fmt: skip


def pixels(name: str) -> np.ndarray:
    raw = gzip.decompress((ROOT / "ganrepro/datasets/files/mnist" / name).read_bytes())
    return np.frombuffer(raw[16:], np.uint8).reshape(-1, 784) / 255


def plain_log_likelihood(samples: np.ndarray, x: np.ndarray, sigma: float) -> np.ndarray:
    """The Parzen window in float64 numpy, with no code of the package."""
    out = []
    for block in np.array_split(x, 40):
        d2 = (block**2).sum(1)[:, None] - 2 * block @ samples.T + (samples**2).sum(1)
        e = -d2 / (2 * sigma**2)
        top = e.max(1, keepdims=True)
        out.append(top[:, 0] + np.log(np.exp(e - top).mean(1)))
    return np.concatenate(out) - 784 * np.log(sigma * np.sqrt(2 * np.pi))


def test_score_recomputed_from_the_stored_samples_is_the_records():
    """By float64 numpy, on every third test picture."""
    with np.load(MNIST.path / "samples.npz") as stored, np.load(MNIST.path / "ll.npz") as ll:
        samples, sigma, kept = stored["samples"] / 255, ll["sigma"][0], ll["ll"]
    assert samples.shape == (10_000, 784)
    again = plain_log_likelihood(samples, pixels("t10k-images-idx3-ubyte.gz")[::3], sigma)
    np.testing.assert_allclose(again, kept[::3], atol=1e-3)
    assert MNIST.meta["scores"]["last"]["mean"] == pytest.approx(kept.mean(), abs=1e-3)


@pytest.mark.parametrize("rule", [pytest.param(r, marks=[pytest.mark.slow] * (r != "last")) for r in tables.RULES])
def test_rows_of_table_1_recomputed_from_the_stored_samples(rule):
    """Every row of ours on MNIST: its mean and its error over seeds, from committed samples and sigma alone. Of the
    last epoch, a fifth of the committed log-likelihoods is recomputed; where the best was an earlier one, none can."""
    test = torch.from_numpy(pixels("t10k-images-idx3-ubyte.gz"))
    of_length: dict[int, list[float]] = {}
    for record in records.below(paths.results(), "paper"):
        if record.path.parent == MNIST.path.parent:
            scores = record.meta["scores"][rule]
            if len(record.samples) < 10_000:  # those of a fourth seed
                assert record.path.name == "seed3"
                found = record.ll.mean() if rule == "last" else scores["mean"]
            elif rule == "last":
                again = parzen.log_likelihood(record.samples, test[::5], scores["sigma"][0])
                np.testing.assert_allclose(again, record.ll[::5], atol=0.01)
                found = record.ll.mean()
            elif scores["epoch"] == record.meta["epochs"]:
                found = parzen.log_likelihood(record.samples, test, scores["sigma"][0]).mean()
            else:
                with np.load(record.path / "ll.npz") as ll:
                    found = ll["best_ll"].mean()
            of_length.setdefault(record.meta["epochs"], []).append(found)
    table = pd.read_csv(ROOT / "results/table1.csv", dtype={"epochs": str})
    ours = table[(table.recipe == "mnist") & (table.rule == tables.RULES[rule]) & (table.dataset == "mnist")]
    lengths = sorted(of_length, reverse=True)
    assert ours.n_seeds.to_list() == [len(of_length[n]) for n in lengths]
    for (_, row), n in zip(ours.iterrows(), lengths, strict=True):
        assert row["mean"] == pytest.approx(np.mean(of_length[n]), abs=0.1)
        if row.n_seeds > 1:
            assert row.se_seeds == pytest.approx(parzen.standard_error(of_length[n]), abs=0.1)


def test_weights_on_the_stored_noise_give_the_stored_samples():
    with torch.no_grad():
        made = load_generator("mnist")(torch.from_numpy(MNIST.z)).numpy()
    assert np.abs(made - MNIST.samples[:64]).max() <= 0.51 / 255  # stored as the nearest of 256 levels


def test_record_says_how_it_came_to_be():
    meta = MNIST.meta
    assert len(meta["git"]["commit"]) == 40
    assert meta["epochs"] == len(MNIST.curves) >= 50
    assert meta["steps"] == 500 * meta["epochs"] == MNIST.curves.step.iloc[-1]
    assert {"torch", "numpy", "python"} <= set(meta["versions"])
    assert meta["hardware"]["cpu"] and meta["training_seconds"] > 0
    assert meta["dataset"]["label"] == "MNIST" and len(meta["dataset"]["sha256"]) == 4


@pytest.mark.parametrize("name", documents.PARTS)
def test_generated_parts_are_not_stale(name):
    text = (ROOT / documents.PARTS[name]).read_text()
    assert documents.replaced(text, name, documents.parts()[name], documents.PARTS[name]) == text, "run `make results`"


def test_table_is_made_from_the_records():
    fresh = tables.table1(records.below(paths.results(), "paper"))
    stored = pd.read_csv(ROOT / "results/table1.csv", dtype={"epochs": str})
    assert stored.columns.tolist() == fresh.columns.tolist()
    assert stored.model.tolist() == fresh.model.tolist()
    np.testing.assert_allclose(stored["mean"], fresh["mean"].astype(float), rtol=1e-6)


@pytest.mark.parametrize("name", OTHER_DATA)
def test_docs_say_how_far_other_data_have_been_trained(name):
    record = records.read(ROOT / f"results/paper/{name}/seed0")
    (line,) = [x for x in (ROOT / "docs/data.md").read_text().splitlines() if x.startswith(OTHER_DATA[name])]
    best, epochs = record.meta["scores"]["best"], record.meta["epochs"]
    last = "last epoch is the best on validation" if best["epoch"] == epochs else f"on validation is {best['epoch']}."
    assert f" {epochs} " in line and last in line
    assert f"{best['mean']:.1f} ± {best['se_examples']:.1f} nats" in line


def test_the_papers_rows_stand_in_the_table_once():
    table = pd.read_csv(ROOT / "results/table1.csv")
    papers = table[table.source == "paper, Table 1"]
    assert not papers.duplicated(["dataset", "model"]).any() and set(papers.dataset) >= {"mnist", "tfd"}


@pytest.mark.slow
def test_lines_for_recomputing_our_row_work(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/results.md").read_text(), re.S)
    exec(code, {})
    assert float(capsys.readouterr().out) == pytest.approx(MNIST.meta["scores"]["last"]["mean"], abs=0.1)


def test_readme_lines_for_the_pretrained_model_work():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    scope: dict = {}
    exec(code, scope)
    assert scope["images"].shape == (16, 784)
    assert 0 <= scope["images"].min() and scope["images"].max() <= 1
