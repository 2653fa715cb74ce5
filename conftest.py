"""The whole test run, notebooks included: nothing is written to the reader's runs/, and Hypothesis repeats itself."""

import os
import shutil
import tempfile

import hypothesis
import pytest

RUNS = pytest.StashKey[str]()

hypothesis.settings.register_profile("ganrepro", deadline=None, database=None)
hypothesis.settings.register_profile("ci", deadline=None, database=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "ganrepro")


def pytest_configure(config: pytest.Config) -> None:
    """One runs folder a worker, named before any test or notebook kernel starts: kernels inherit the environment."""
    config.stash[RUNS] = tempfile.mkdtemp(prefix="ganrepro-runs-")
    os.environ["GANREPRO_RUNS"] = config.stash[RUNS]
    os.environ["GANREPRO_PROGRESS"] = "0"  # text progress bars would fail the strict comparison of outputs


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[RUNS], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _figures_without_a_screen() -> None:
    """In this process; notebooks show their figures whatever the backend."""
    import matplotlib

    matplotlib.use("Agg")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each promise of tests/faults that this run tested (see docs/reliability.md)."""
    reports = [r for found in terminalreporter.stats.values() for r in found if getattr(r, "when", "") == "call"]
    counts: dict[str, list[int]] = {}
    for text, tried, lost in (v for report in reports for name, v in report.user_properties if name == "promise"):
        of_text = counts.setdefault(text, [0, 0])
        of_text[0], of_text[1] = of_text[0] + tried, of_text[1] + lost
    for text, (tried, lost) in sorted(counts.items()):
        terminalreporter.write_line(f"{text}: tried {tried}, survived {tried - lost}, lost {lost}")
