"""Shared by the tests of the data sets."""

import pytest


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data directory, and no network."""
    monkeypatch.setenv("GANREPRO_DATA", str(tmp_path))
    monkeypatch.setenv("GANREPRO_OFFLINE", "1")
    return tmp_path


@pytest.fixture
def grey_levels():
    """The function that gives the uint8 pixels of each row as bytes."""
    def grey_levels(rows):
        return [row.tobytes() for row in (rows * 255).round().byte().numpy()]

    return grey_levels
