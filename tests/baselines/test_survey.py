"""All models by the same questions, on small pictures; the claims that are made of the answers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from ganrepro import parzen, paths
from ganrepro.baselines import gaussian, survey
from ganrepro.diagnostics import precision_recall
from ganrepro.report import baselines, claims


@pytest.fixture(scope="module")
def results(digits):
    """Each model in its short fit, by name."""
    data = survey.reduced(digits, 400, 200)
    features = precision_recall.features(data)
    fits = {survey.REAL: lambda: survey.Real(data.train), **survey.fits(data, long=False)}
    found = {name: survey.measure(name, fit, data, features, long=False) for name, fit in fits.items()}
    binary = survey.Binary(found[survey.BELIEF].model)
    return found | {survey.BINARY: survey.measure(survey.BINARY, lambda: binary, data, features, False)}


def test_every_model_has_its_row(results):
    rows = survey.table(list(results.values()))
    assert list(rows.columns) == survey.COLUMNS
    assert len(rows) == 12 and rows.model.is_unique
    assert rows[["seconds", "sampling", "parameters", "sigma", "mean", "se", "coverage"]].notna().all(axis=None)
    assert rows[["precision", "recall", "coverage"]].stack().between(0, 1).all()
    assert set(rows.model[rows.exact.notna()]) == {survey.GAUSSIAN, survey.MIXTURE, survey.VARIATIONAL}
    assert set(rows.model[rows.tau.notna()]) == {survey.BELIEF, survey.WALKBACK}
    assert (rows.tau.dropna() >= 1).all() and (rows.step.dropna() > 0).all()


def test_a_row_is_the_papers_rule_on_the_models_samples(results, digits):
    data = survey.reduced(digits, 400, 200)
    found = results[survey.GAUSSIAN]
    score = parzen.evaluate(gaussian.fit(data.train).sample(1000, 0), data.valid, data.test)
    assert (found.row["mean"], found.row["sigma"]) == pytest.approx((score.mean, score.sigma), abs=1e-6)
    np.testing.assert_allclose(found.ll, score.ll)
    np.testing.assert_allclose(found.own, found.model.log_density(data.test, score.sigma))


def test_binary_draws_have_the_models_means(results):
    x = results[survey.BINARY].model.sample(1000, 3)
    assert set(x.unique().tolist()) == {0.0, 1.0}
    np.testing.assert_allclose(x.mean(0), results[survey.BELIEF].model.sample(1000, 3).mean(0), atol=0.07)


def test_the_window_says_less_than_the_density_that_it_estimates(results):
    """With 1,000 samples it is far from its limit, and the claims say so."""
    found = {c.text: c for c in baselines.listed(results)}
    for name in (survey.GAUSSIAN, survey.MIXTURE):
        claim = found[f"{name}: its own log p(x) at the same sigma above the Parzen score (paired)"]
        assert claim.holds and len(claim.values) == 200
        np.testing.assert_allclose(claim.values, results[name].own - results[name].ll)


def test_claims_are_those_of_the_results(results):
    found = claims.table(baselines.listed(results)).set_index("claim").measured
    assert found[f"Parzen score: {survey.KMEANS}"] == pytest.approx(results[survey.KMEANS].row["mean"])
    rows = survey.table([r for name, r in results.items() if name != survey.REAL])
    expected = spearmanr(rows["mean"], rows.coverage).statistic
    assert found["rank correlation of Parzen score and coverage, over 11 models"] == pytest.approx(expected)
    assert found[f"{survey.BELIEF}: steps to an independent sample"] == results[survey.BELIEF].row["tau"]


def test_a_claim_holds_only_beyond_two_standard_errors():
    for shift, holds in ((0.1, False), (0.3, True)):
        claim = baselines._above("x", np.array([-1.0, 1.0] * 50) + shift)  # the error is .1
        assert claim.holds is holds


def test_rows_and_samples_are_written_side_by_side(results, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    assert survey.committed("digits") is None
    few = list(results.values())[:3]
    path = survey.write(few, digits.shape, "digits", "paper")
    (tmp_path / "results").mkdir()
    path.parent.rename(tmp_path / "results/baselines")
    rows, pictures = survey.committed("digits")
    pd.testing.assert_frame_equal(rows[["model", "mean"]], survey.table(few)[["model", "mean"]], rtol=1e-5)
    assert pictures.shape == (3, survey.KEPT, *digits.shape) and pictures.dtype == np.uint8
    np.testing.assert_allclose(pictures[1].reshape(survey.KEPT, -1) / 255, few[1].pictures, atol=1 / 255)


def test_pictures_of_other_sides_have_no_dcgan(digits):
    cut = dataclasses.replace(digits, shape=(1, 7, 8), train=digits.train[:, :56])
    assert survey.CONVOLUTIONAL in survey.fits(digits, False)
    assert survey.CONVOLUTIONAL not in survey.fits(cut, False)


def test_too_few_examples_are_refused_before_any_fit(digits):
    with pytest.raises(ValueError, match="examples = 99 of .*; the comparison needs at least 100"):
        survey.reduced(digits, 99, 50)


def test_the_nets_of_the_vae_and_of_the_gans_have_the_same_decoder(results):
    decoders = [results[survey.VARIATIONAL].model.decoder, results[survey.LOG].model.generator]
    shapes = [[p.shape for p in d.parameters()] for d in decoders]
    assert shapes[0] == shapes[1]
    assert torch.isfinite(results[survey.WASSERSTEIN].pictures).all()
