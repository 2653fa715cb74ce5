"""The exercises at the end of each notebook: three, each with a folded answer, whose numbers are those of the solution
in notebooks/solutions/."""

import ast
import importlib.util
import re
from types import ModuleType

import nbformat
import numpy as np
import pytest
import torch

from ganrepro import datasets, records, theory
from ganrepro.diagnostics import dynamics
from ganrepro.extensions import inference, semisupervised
from ganrepro.extensions.conditional import attributes
from ganrepro.report import claims, notebooks

ALL = [p.stem for p in notebooks.find()]
FOLDER = notebooks.find()[0].parent
KINDS = ["Explain", "Predict, then run", "Write"]
LENGTH = 5, 15  # lines of the solution in code, its docstring not counted


def exercises(name: str) -> list[tuple[str, str, str]]:
    """Kind, question and answer of each exercise in the last cell of a notebook."""
    cell = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells[-1]
    assert cell.cell_type == "markdown" and cell.source.startswith("## Exercises\n")
    form = r"\*\*(\d)\. ([^*]+)\.\*\* (.+?)\n\n<details>\n<summary>Answer</summary>\n\n(.+?)\n\n</details>"
    found = re.findall(form, cell.source, re.DOTALL)
    assert [int(number) for number, *_ in found] == list(range(1, len(found) + 1))
    assert cell.source.count("<details>") == len(found)
    return [tuple(rest) for _, *rest in found]


def solution(number: str) -> tuple[ModuleType, list[str]]:
    """The solutions of a notebook, and its three answers as they are printed."""
    (name,) = (n for n in ALL if n.startswith(number))
    spec = importlib.util.spec_from_file_location(f"solutions_{number}", FOLDER / f"solutions/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, [answer for _, _, answer in exercises(name)]


def says(text: str, *numbers: str) -> bool:
    """Are all these numbers in the text, and not as a part of longer ones?"""
    plain = text.replace("{,}", ",")
    return all(re.search(rf"(?<![\d.]){re.escape(n)}(?![\d]|\.\d)", plain) for n in numbers)


@pytest.mark.parametrize("name", ALL)
def test_a_notebook_ends_with_three_exercises_and_folded_answers(name):
    found = exercises(name)
    assert [kind for kind, _, _ in found] == KINDS
    assert all("?" in question for _, question, _ in found)
    assert all(len(part) > 100 for _, *parts in found for part in parts)
    source = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells[-1].source
    assert f"](solutions/{name}.py)" in source and f"%run solutions/{name}.py" in source


@pytest.mark.parametrize("name", ALL)
def test_solutions_have_a_function_for_each_exercise_and_the_written_one_is_short(name):
    tree = ast.parse((FOLDER / f"solutions/{name}.py").read_text())
    functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
    assert {"exercise_1", "exercise_2", "exercise_3"} <= functions.keys()
    assert all(ast.get_docstring(f) for n, f in functions.items() if n.startswith("exercise"))
    body = functions["exercise_3"].body[1:]
    assert LENGTH[0] <= 1 + body[-1].end_lineno - body[0].lineno + 1 <= LENGTH[1]


def test_no_solutions_without_a_notebook():
    assert sorted(p.stem for p in (FOLDER / "solutions").glob("*.py")) == ALL


def test_01():
    code, (explain, predict, write) = solution("01")
    minimax, other, mean = code.exercise_1()
    assert minimax + other == pytest.approx(6) and minimax == pytest.approx(0.0125, abs=5e-5)
    assert says(explain, f"{minimax:.4f}", f"{mean:.4f}")
    for rate in (0.2, 1.0, 3.0, 5.0):
        assert code.exercise_2(rate)[:3] == pytest.approx(abs(1 - rate / 2), abs=0.01)
    assert code.exercise_2(1.0, away=1.0) == pytest.approx(0.5) and says(predict, "0.9", "0.5")
    rng = np.random.default_rng(0)
    for p_data, p_g in rng.dirichlet(np.ones(20), size=(1000, 2)):
        assert np.subtract(*code.exercise_3(p_data, p_g, rng.random(20))) == pytest.approx(0, abs=1e-12)
    assert "10^{-12}" in write
    assert code.exercise_3(p_data, p_g, np.full(20, 0.5))[1] == pytest.approx(2 * theory.jsd(p_data, p_g))


def test_02():
    code, (explain, _, write) = solution("02")
    assert code.exercise_1() == pytest.approx(-2.0794, abs=1e-3) and says(explain, "-2.08", "-1.39")
    without, twice = code.exercise_2().values()
    assert without[1:] == pytest.approx(twice[1:], abs=1e-4) and without[0] == pytest.approx(2 * twice[0], rel=1e-4)
    off, cosines = code.exercise_3()
    assert len(cosines) == 10 and off < 1e-5 and 0.97 < min(cosines) < max(cosines) < 1
    assert says(write, "0.97") and "10^{-5}" in write


@pytest.mark.slow
def test_03():
    code, (explain, predict, write) = solution("03")
    squared = code.exercise_1()
    assert says(explain, f"{squared:.1f}", f"{squared / (2 * 0.2783**2):.1f}")
    data = datasets.load("mnist")
    real = ((data.test - data.train.mean(0)) ** 2).sum(1).mean()
    assert squared == pytest.approx(float(real), abs=0.1)
    result = code.exercise_2()
    assert says(predict, f"{result.mean:.1f}", f"{result.sigma:.4f}", f"{241.2 - result.mean:.0f}")
    plain, means = code.exercise_3()
    assert says(write, f"{means - plain:.0f}")


@pytest.mark.slow
def test_04():
    code, (explain, predict, write) = solution("04")
    assert code.exercise_1() == pytest.approx(1 / 32) and says(explain, "0.03125")
    few, many = code.exercise_2(500), code.exercise_2(2000)
    assert says(predict, *(f"{median:.1f}" for median in (*few, *many)))
    found = code.exercise_3()
    assert [verdict for _, verdict in found.values()] == ["like held-out data", "copies"]
    assert says(write, *(f"{nearness:.2f}" for nearness, _ in found.values()))


def test_05():
    code, (_, predict, write) = solution("05")
    with_c, without = code.exercise_1()
    assert without < with_c and (f"{with_c:.6f}", f"{without:.6f}") == ("-1.102832", "-1.247960")
    with_c, without = code.exercise_2()
    assert without == pytest.approx(-np.log(4))
    assert says(predict, f"{with_c:.4f}", f"{without:.4f}", f"{with_c - without:.4f}")
    shares, correlation = code.exercise_3(attributes.fit(datasets.load("mnist")))
    assert shares.argmin() == 2 and shares.argmax() == 0  # thin and leaning right; thin and leaning left
    assert says(write, f"{shares.min():.3f}", f"{shares.max():.3f}", f"{correlation:.2f}")


@pytest.mark.slow
def test_06():
    """Of the committed G and inferer, whose numbers a longer training moves a little."""
    code, (explain, predict, _) = solution("06")
    follows, printed = code.exercise_1()
    assert follows == pytest.approx(0.925, abs=0.01) and printed == pytest.approx(follows, abs=0.01)
    assert says(explain, "0.925", "0.930")
    best = code.exercise_2()
    assert [round(error, 2) for error in best.values()] == [0.06, 0.04, 0.03] and says(predict, "0.06", "0.03")
    assert (best[10_000] / best[100]) ** 0.5 == pytest.approx(0.7, abs=0.05)
    G = records.get_with_weights("mnist").generator()
    file = claims.stored("06_inference", "mnist", "paper").committed_file.with_suffix(".safetensors")
    if (stored := inference.load(file, G)) is None:
        pytest.skip("the committed inferer is of another G")
    moved = code.exercise_3(stored["network"], datasets.load("mnist").test[:200])
    assert (np.diff(moved) < 0).all() and moved[-1] > 0.005 and moved[1] < 2 / 3 * moved[0]


def test_07():
    code, (_, predict, write) = solution("07")
    jumps = {name: f"{jump:.1f}" for name, jump in code.exercise_1().items()}
    question = exercises("07_subsets")[0][1]
    assert jumps["right half"] == jumps["left half"] == "59.2" and jumps["bottom half"] == jumps["top half"] == "29.1"
    assert says(question, "59.2", "29.1")
    assert says(predict, *(f"{value:.2f}" for value in code.exercise_2()))
    nats = code.exercise_3()
    assert max(nats, key=nats.get) == 16 and says(write, f"{nats[16] - nats[1]:.0f}")


@pytest.mark.slow
def test_08():
    code, (explain, _, write) = solution("08")
    assert says(explain, f"{code.exercise_1(3) / code.exercise_1(10):.1f}")
    before, after = code.exercise_2()
    assert after == pytest.approx(before, abs=0.6)  # of 1,000 pictures; other principal components of equal pictures
    data = datasets.load("mnist")
    D = records.get_with_weights("mnist").discriminator()
    pixels, of_d = (np.mean([code.exercise_3(features, data, draw=r) for r in range(3)])
                    for features in (lambda x: x, semisupervised.hidden_layers(D, 1, 2)))  # fmt: skip
    assert says(write, f"{pixels:.0f}") and of_d > pixels + 5


def test_09():
    code, (_, predict, write) = solution("09")
    t = code.exercise_2()
    assert round(t["as it is"]) == 31 and says(predict, f"{t['24 comparisons']:.0f}", f"{t['5 seeds']:.1f}")
    mean, deviation, share = code.exercise_3()
    assert mean == pytest.approx(0, abs=0.03) and deviation == pytest.approx(1, abs=0.03)
    assert says(write, f"{share:.2f}", "0.03")


def test_10():
    code, (explain, predict, write) = solution("10")
    for eta in (0.2, 1.0, 1.9):
        assert code.exercise_1(eta) == pytest.approx((1, 1))
    assert says(explain, f"{code.exercise_1(2.1)[1]:.2f}")
    assert says(predict, *(f"{code.exercise_2(gamma):.0f}" for gamma in (0.5, 1.0, 2.0)))
    observed, predicted = code.exercise_3()
    assert observed == pytest.approx(predicted, abs=1e-4)
    extragradient = dynamics.predicted_rate(dynamics.bilinear(), "extragradient", code.ZERO, 0.2)
    assert says(write, f"{observed:.4f}", f"{extragradient:.4f}")


@pytest.mark.slow
def test_11():
    code, (explain, predict, write) = solution("11")
    expected, mean, deviation = code.exercise_1()
    assert mean == pytest.approx(expected, abs=1) and says(explain, f"{expected:.2f}", f"{deviation:.0f}.1")
    (few, p_few), (many, p_many) = code.exercise_2(400), code.exercise_2(2000)
    assert says(predict, f"{few:.1f}", f"{p_few:.1f}", f"{many:.1f}") and p_few > 0.05 and p_many < 1e-5
    data = datasets.load("mnist")
    held_out, others = data.test[::2][:1000], data.test[1::2][:1000]
    ten = data.train[:10].repeat(100, 1)
    ten = ten + 0.01 * torch.randn(ten.shape, generator=torch.Generator().manual_seed(0))
    made = torch.from_numpy(records.get_or_train("mnist").samples)[:1000]
    assert says(write, f"{code.exercise_3(held_out, others):.2f}")
    assert code.exercise_3(ten, held_out) > 0.99 and code.exercise_3(made, held_out) > 0.55


@pytest.mark.slow
def test_12():
    code, (explain, predict, write) = solution("12")
    black, shared = code.exercise_1()
    assert says(explain, str(black), str(shared)) and 784 - 653 - black == 10
    assert says(predict, *(f"{code.exercise_2(k):.0f}" for k in (100, 1000, 5000)))
    assert says(write, f"{code.exercise_3():.1f}")
