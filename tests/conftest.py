"""Fixtures that several folders of tests share."""

import http.server
import threading
from contextlib import suppress

import pytest
import torch

from ganrepro import datasets, paths, training
from ganrepro.recipes import Layer, for_dataset
from ganrepro.training.replicas import Replicas


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's 8 x 8 digits: real pictures that load at once."""
    return datasets.load("digits")


@pytest.fixture(scope="session")
def small_recipe():
    """small_recipe(**changes): the MNIST recipe with narrow layers on 8 x 8 pictures."""

    def small(**changes):
        recipe = for_dataset("digits", (1, 8, 8)).replace(
            generator=(Layer(32, "relu"), Layer(32, "relu"), Layer(64, "sigmoid", bias="marginal")),
            discriminator=(
                Layer(12, "maxout", 0.05, pieces=5),
                Layer(12, "maxout", 0.05, pieces=5),
                Layer(1, "linear", 0.05),
            ),
            z_dim=10,
            epochs=4,
        )
        return recipe.replace(**changes)

    return small


@pytest.fixture(scope="session")
def replicas_match_single_runs():
    """An epoch of two seeds as replicas over rows x ends where an epoch of each alone does, to float32's rounding."""

    def check(recipe, data, x):
        alone, group = ([training.start(recipe, data, seed) for seed in (0, 1)] for _ in range(2))
        stacked = Replicas(recipe, [(r.g, r.d) for r in group], [r.rng for r in group], x)
        training.run_epoch(group, x, stacked=stacked)
        for run, other in zip(alone, group, strict=True):
            training.run_epoch([run], x)
            for k, p in run.weights().items():
                torch.testing.assert_close(other.weights()[k], p, rtol=1e-4, atol=1e-6)

    return check


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """An empty runs folder of this test's own, few samples to score, and no repository with committed records."""
    monkeypatch.setattr(paths, "REPOSITORY", None)
    monkeypatch.setattr("ganrepro.records.write.STORED_SAMPLES", 400)
    monkeypatch.setattr("ganrepro.training.run.VALIDATION_SAMPLES", 400)
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine: server.answers[path] = (status, headers, body); server.asked lists the paths."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            status, headers, body = server.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("GANREPRO_OFFLINE", raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked, server.url = {}, [], f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
