"""Notebook parameters: what a list declares, and what `check` refuses before any work."""

import math
import os
import stat

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import datasets, parameters
from ganrepro.device import torch_device
from ganrepro.parameters import ParameterError
from ganrepro.report import notebooks

LIST = """\
dataset: str = "mnist"  # [one of mnist, digits, or a path to an .npz]
profile: str = "auto"  # the committed record, seconds, full length [one of auto, quick, paper]
seed: int = 0  # which training of the recipe [at least 0]
device: str = "auto"  # auto, cpu, cuda or cuda:1
n_samples: int = 10000  # samples that make the window [at least 1]
rate: float = 0.1  # learning rate [above 0]
share: float = 0.5  # of the pixels that are kept [0 to 1]
strict: bool = False  # True: refuse a stand-in
ks: list = [1, 3]  # steps of D before each of G [at least 1]
out: str = ""  # file for the rows
"""


def kernel(injected="", **given):
    """A kernel's globals() as ipykernel has them when the second cell runs: In[0] is empty, then one entry a cell.

    injected: the cell that papermill adds, if any; given: values assigned in it.
    """
    namespace = {"In": ["", LIST] + ([injected] if injected else []) + ["parameters.check(globals())"]}
    exec(LIST, namespace)
    return namespace | given


def papermill(**given):
    """The same after `papermill -p`: with the very cell that papermill writes."""
    translators = pytest.importorskip("papermill.translators", reason="papermill is not installed")
    cell = translators.PythonTranslator.codify(given, "Parameters")
    assert cell.startswith(parameters.INJECTED)
    return kernel(cell, **given)


def message(**given):
    with pytest.raises(ParameterError) as caught:
        parameters.check(papermill(**given))
    return str(caught.value)


# -------------------------------------------------------------------------------- declarations


def test_a_list_declares_names_defaults_and_comments():
    found = parameters.declared(LIST)
    assert list(found) == ["dataset", "profile", "seed", "device", "n_samples", "rate", "share", "strict", "ks", "out"]
    assert found["seed"] == parameters.Parameter("seed", 0, "which training of the recipe [at least 0]")
    assert found["ks"].default == [1, 3]
    assert type(found["strict"].default) is bool and type(found["rate"].default) is float


def test_only_literals_are_declared():
    lines = ["import os", "a = -1", "b: float = 1e-3  # small", "c = os.sep", "d: int", "e, f = 1, 2"]
    found = parameters.declared("\n".join([*lines, 'g = ["#"]  # a "#" in quotes']))
    assert {name: (p.default, p.comment) for name, p in found.items()} == {
        "a": (-1, ""),
        "b": (1e-3, "small"),
        "g": (["#"], 'a "#" in quotes'),
    }


def test_a_comment_behind_letters_that_are_no_ascii_is_whole():
    found = parameters.declared('name: str = "Schrödinger, 2 µm"  # a name [one of a, b]')
    assert found["name"].comment == "a name [one of a, b]"


@pytest.mark.parametrize(
    ("comment", "rule"),
    [
        ("no bounds, at least 1", None),
        ("one of [one of a, b-c, or a path to an .npz]", {"choices": ("a", "b-c", "or a path to an .npz")}),
        ("[at least -2]", {"least": -2}),
        ("[above 0.5]", {"above": 0.5}),
        ("where [0 to 4]", {"least": 0, "most": 4}),
    ],
)
def test_a_rule_is_read_from_brackets(comment, rule):
    found = parameters.Rule.parse(comment)
    assert found == (rule and parameters.Rule(comment.partition("[")[2].rstrip("]"), **rule))


@pytest.mark.parametrize(
    "comment",
    ["[at last 40]", "[at least]", "[at least x]", "[0 - 4]", "[one of ]", "[]", "[at least 1] of them", "[at least 1",
     "at least 1]", "[at least 1] [above 0]", "in [0, 1] [above 0]"],
)  # fmt: skip
def test_brackets_that_hold_no_rule_are_refused(comment):
    with pytest.raises(ValueError, match="must end in one rule"):
        parameters.Rule.parse(comment)


@pytest.mark.parametrize("source", ["%matplotlib inline\nseed = 1", "!ls", "def f(:", ""])
def test_a_cell_that_is_no_plain_python_declares_nothing(source):
    assert parameters.declared(source) == {}


# -------------------------------------------------------------------------------- what passes


def test_defaults_pass_unchanged():
    namespace = kernel()
    before = dict(namespace)
    parameters.check(namespace)
    assert namespace == before


def test_good_values_pass_unchanged(tmp_path):
    given = {"dataset": "digits", "seed": 3, "device": "cpu", "rate": 0.5, "share": 1.0, "strict": True, "ks": [2]}
    given["out"] = str(tmp_path / "new" / "row.csv")
    namespace = papermill(**given)
    parameters.check(namespace)
    assert {k: namespace[k] for k in given} == given
    assert not list(tmp_path.iterdir())  # looking writes nothing


@pytest.mark.parametrize(("text", "value"), [(1e3, 1000), (5.0, 5), (0.0, 0)])
def test_a_float_that_is_a_whole_number_becomes_an_int(text, value):
    namespace = papermill(seed=text)
    parameters.check(namespace)
    assert namespace["seed"] == value and type(namespace["seed"]) is int


def test_an_int_becomes_a_float_where_one_is_meant():
    namespace = papermill(rate=1, share=0)
    parameters.check(namespace)
    assert (namespace["rate"], type(namespace["rate"])) == (1.0, float) and type(namespace["share"]) is float


def test_a_path_to_an_npz_passes_where_the_list_says_so(tmp_path):
    path = tmp_path / "faces.npz"
    np.savez(path, images=np.zeros((10, 8, 8), np.uint8))
    namespace = papermill(dataset=str(path))
    parameters.check(namespace)
    assert namespace["dataset"] == str(path)


@pytest.mark.parametrize("start", ["", "./", "~/"])
@pytest.mark.parametrize(("name", "file"), [("dataset", "faces.npz"), ("dataset", "FACES.NPZ"), ("out", "new/row.CSV")])
def test_a_path_is_absolute_behind_the_check(tmp_path, monkeypatch, start, name, file):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    if name == "dataset":
        (tmp_path / file).touch()
    namespace = papermill(**{name: start + file})
    parameters.check(namespace)
    assert namespace[name] == str(tmp_path / file)


def test_a_name_and_an_empty_path_stay_what_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").touch()
    namespace = papermill(dataset="digits", out="")
    parameters.check(namespace)
    assert (namespace["dataset"], namespace["out"]) == ("digits", "")


def test_check_holds_when_the_cells_of_a_session_have_grown():
    """In JupyterLab the list is one of many cells, some run twice, some with a magic."""
    namespace = kernel()
    namespace["In"] = ["", "%matplotlib inline", "x = 1", LIST, "parameters.check(globals())", LIST, "y = 2"]
    namespace["seed"] = -1
    with pytest.raises(ParameterError, match="seed = -1"):
        parameters.check(namespace)


# ------------------------------------------------------------------------------- what does not


def test_an_unknown_name_is_refused_with_what_was_meant_and_all_there_are():
    said = message(sed=3)
    assert "no parameter 'sed' (did you mean seed?)" in said
    assert all(name in said for name in parameters.declared(LIST))
    assert "did you mean" not in message(zzzzzz=3)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("value", [NAN, INF, -INF, [1.0, NAN], {"a": NAN}, None, 10**30])
def test_an_unknown_name_is_refused_whatever_its_value(value):
    """papermill writes nan as float('nan'), which is no literal."""
    assert "no parameter 'sede' (did you mean seed?)" in message(sede=value)


@pytest.mark.parametrize("value", [3, "", "abc", {}])
def test_the_kernels_own_list_of_cells_cannot_be_replaced(value):
    assert "there is no parameter 'In'" in message(In=value)


@pytest.mark.parametrize("text", ["true", "false", "yes"])
def test_text_for_a_bool_is_refused_with_the_spelling_that_works(text):
    assert f"strict = {text!r} is of type str; expected bool" in message(strict=text)
    assert "True or False" in message(strict=text)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": 1.5}, "seed = 1.5 is of type float; expected int, such as 0"),
        ({"seed": True}, "seed = True is of type bool; expected int"),
        ({"seed": "1"}, "seed = '1' is of type str; expected int"),
        ({"seed": float("inf")}, "seed = inf is of type float; expected int"),
        ({"seed": float("nan")}, "seed = nan is of type float; expected int"),
        ({"seed": None}, "seed = None is of type NoneType; expected int"),
        ({"strict": 1}, "strict = 1 is of type int; expected bool"),
        ({"rate": "0.1"}, "rate = '0.1' is of type str; expected float"),
        ({"rate": float("nan")}, "rate = nan"),
        ({"rate": float("inf")}, "rate = inf"),
        ({"rate": False}, "rate = False is of type bool; expected float"),
        ({"dataset": 3}, "dataset = 3 is of type int; expected str"),
        ({"ks": 3}, "ks = 3 is of type int; expected list, such as [1, 3]"),
        ({"ks": ["3"]}, "ks = '3' is of type str; expected int"),
        ({"ks": [1.5]}, "ks = 1.5 is of type float; expected int"),
        ({"seed": -1}, "seed = -1; it must be at least 0"),
        ({"seed": -1.0}, "seed = -1; it must be at least 0"),
        ({"seed": 2**31}, "seed = 2147483648; it must be from 0 to 2147483647"),
        ({"seed": 1e300}, "it must be from -2**63 to 2**63 - 1"),
        ({"n_samples": 2**63}, "n_samples = 9223372036854775808; it must be from -2**63 to 2**63 - 1"),
        ({"rate": 10**400}, "it must be from -2**63 to 2**63 - 1"),
        ({"ks": [1, 2**63]}, "ks = 9223372036854775808; it must be from"),
        ({"ks": [1.0, float("nan")]}, "ks = nan is of type float; expected int"),
        ({"n_samples": 0}, "n_samples = 0; it must be at least 1"),
        ({"rate": 0.0}, "rate = 0.0; it must be above 0"),
        ({"rate": -0.1}, "rate = -0.1; it must be above 0"),
        ({"share": 1.01}, "share = 1.01; it must be 0 to 1"),
        ({"share": -0.01}, "share = -0.01; it must be 0 to 1"),
        ({"ks": [3, 0]}, "ks = [3, 0]; it must be at least 1"),
        ({"profile": "Quick"}, "profile = 'Quick'; choose one of auto, quick, paper"),
        ({"profile": ""}, "profile = ''; choose one of auto, quick, paper"),
        ({"dataset": "minst"}, "dataset = 'minst'; choose one of mnist, digits, or a path to an .npz"),
        ({"dataset": "pictures.zip"}, "dataset = 'pictures.zip'; choose one of"),
        ({"dataset": "absent.npz"}, "dataset = 'absent.npz'; there is no such file"),
        ({"profile": "some.npz"}, "profile = 'some.npz'; choose one of auto, quick, paper"),
        ({"device": "tpu"}, "device = 'tpu' is not there; choose one of auto, cpu"),
        ({"device": "cuda:99"}, "device = 'cuda:99' is not there; choose one of auto, cpu"),
        ({"device": ""}, "device = '' is not there"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_the_choices(given, said):
    assert said in message(**given)


@given(st.integers() | st.floats(allow_nan=False) | st.text() | st.booleans() | st.none() | st.lists(st.integers()))
def test_whatever_passes_for_a_seed_is_an_int_that_every_generator_takes(value):
    namespace = kernel(seed=value)
    whole = type(value) in (int, float) and math.isfinite(value) and value == int(value)
    if whole and 0 <= value <= parameters.LARGEST_FIRST_SEED:
        parameters.check(namespace)
        assert type(namespace["seed"]) is int and namespace["seed"] == value
    else:
        with pytest.raises(ParameterError, match="^seed = "):
            parameters.check(namespace)
        assert namespace["seed"] is value


def test_numbers_may_be_one_of_a_few():
    parameter = parameters.Parameter("k", 1, "steps of D [one of 1, 3]")
    assert parameters.value_of(parameter, 3) == 3
    with pytest.raises(ParameterError, match="k = 2; choose one of 1, 3"):
        parameters.value_of(parameter, 2)


def test_all_problems_are_told_at_once():
    said = message(seed=-1, strict="true", profile="fast", sed=3).split("; ")
    assert sum(part.startswith(("seed = ", "strict = ", "profile = ", "there is no parameter")) for part in said) == 4


def test_nothing_is_written_back_when_anything_is_wrong():
    namespace = papermill(seed=1e3, n_samples=0)
    with pytest.raises(ParameterError):
        parameters.check(namespace)
    assert type(namespace["seed"]) is float


def test_a_kernel_that_keeps_no_history_can_have_had_nothing_injected():
    for cells in ([], [""]):  # as under nbval
        parameters.check({"In": cells})


def test_without_its_list_a_check_says_which_cell_to_run():
    injected = parameters.INJECTED + '\ndataset, seed = "mnist", 1\n' + LIST  # all of them, but no list
    for cells in (["", "x = 1"], ["", "# Parameters\nseed = 1\n"], ["", injected]):
        with pytest.raises(ParameterError, match="run the notebook's first cell, which assigns dataset, profile, seed"):
            parameters.check({"In": cells})
    with pytest.raises(ParameterError, match="no parameter list"):
        parameters.check({})


# ----------------------------------------------------------------------------------------- out


def test_out_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("kept")
    assert "cannot be written" in message(out=str(tmp_path / "file" / "row.csv"))
    assert (tmp_path / "file").read_text() == "kept"


def test_out_that_is_a_folder_is_refused(tmp_path):
    assert "give a file path" in message(out=str(tmp_path))


def test_out_in_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write anywhere")
        assert "cannot be written" in message(out=str(tmp_path / "row.csv"))
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_out_may_replace_a_file(tmp_path):
    (tmp_path / "row.csv").write_text("old")
    parameters.check(papermill(out=str(tmp_path / "row.csv")))
    assert (tmp_path / "row.csv").read_text() == "old"


def test_a_runs_folder_that_cannot_be_written_to_is_refused_unless_out_is_given(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "file" / "runs"))
    said = message(seed=0)
    assert f"the runs folder {tmp_path / 'file' / 'runs'} cannot be written to" in said and "GANREPRO_RUNS" in said
    parameters.check(papermill(out=str(tmp_path / "row.csv")))
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "new" / "runs"))
    parameters.check(papermill(seed=0))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# -------------------------------------------------------------------------------------- device


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert torch_device("auto") == torch_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="device = 'cuda' is not there; choose one of auto, cpu$"):
        torch_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert torch_device("auto") == torch_device("cuda") == torch.device("cuda:0")
    assert torch_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="choose one of auto, cpu, cuda:0, cuda:1$"):
        torch_device("cuda:2")


# -------------------------------------------------------------------- the notebooks' own lists


@pytest.fixture(params=notebooks.find(), ids=lambda p: p.stem)
def own_list(request):
    return notebooks.parameter_list(request.param)


def test_a_notebooks_list_is_complete_explained_and_passes_its_own_check(own_list):
    assert set(parameters.STANDARD) <= set(own_list)
    for parameter in own_list.values():
        assert parameter.comment, f"{parameter.name} has no comment for papermill --help-notebook"
        assert parameters.value_of(parameter, parameter.default) == parameter.default
    assert own_list["profile"].default == "auto" and own_list["device"].default == "auto"


def test_a_notebook_takes_data_sets_that_exist_and_refuses_others(own_list, tmp_path):
    rule = own_list["dataset"].rule
    assert rule is not None and rule.choices and set(rule.choices) <= {*datasets.NAMES, parameters.NPZ}
    with pytest.raises(ParameterError, match="dataset = 'minst'; choose one of"):
        parameters.value_of(own_list["dataset"], "minst")


@pytest.mark.parametrize(
    ("name", "value"), [("seed", -1), ("seed", 0.5), ("profile", "fast"), ("device", "tpu"), ("out", 3)]
)
def test_a_notebook_refuses_bad_standard_values(own_list, name, value):
    with pytest.raises(ParameterError, match=f"{name} = "):
        parameters.value_of(own_list[name], value)


# ------------------------------------------------------------------------- paths, and pictures of one's own

@pytest.mark.parametrize(("comment", "given", "message"), [
    ('file for the figure; "" is runs/figures/x.png', "x.csv", "out = 'x.csv'; it must end in .png or .svg or .pdf"),
    ('file for the figure; "" is runs/figures/x.png', "x", "must end in .png"),
    ('file for the rows; "" is runs/tables/x.csv', "x.png", "out = 'x.png'; it must end in .csv"),
    ('file for the rows; "" is runs/tables/x.csv', "x.CSV", ""),
    ('file for the figure; "" is runs/figures/x.png', "x.PDF", ""),
])
def test_the_ending_of_out_is_the_one_that_its_comment_names(tmp_path, monkeypatch, comment, given, message):
    monkeypatch.chdir(tmp_path)
    out = parameters.Parameter("out", "", comment)
    if not message:
        assert parameters.value_of(out, given) == str(tmp_path / given)
        return
    with pytest.raises(parameters.ParameterError, match=message):
        parameters.value_of(out, given)


def test_a_mask_is_a_file_that_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mask = parameters.Parameter("mask", "", 'or an .npy of the picture; "" is the rectangle')
    for value, message in (("m.png", "mask = 'm.png'; it must end in .npy"), ("m.npy", "there is no such file")):
        with pytest.raises(parameters.ParameterError, match=message):
            parameters.value_of(mask, value)
    (tmp_path / "m.npy").touch()
    assert parameters.value_of(mask, "m.npy") == str(tmp_path / "m.npy")


def test_a_folder_an_npy_and_a_named_set_pass_where_an_npz_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANREPRO_DATA", str(tmp_path / "data"))
    dataset = parameters.Parameter("dataset", "mnist", "[one of mnist, digits, or a path to an .npz]")
    for value, message in (("faces/", "no such folder"), ("x.npy", "no such file"), ("faces", "a folder of pictures"),
                           ("", "choose one of mnist")):  # fmt: skip
        with pytest.raises(parameters.ParameterError, match=message):
            parameters.value_of(dataset, value)
    (tmp_path / "x.npy").touch()
    (tmp_path / "faces").mkdir()
    for value in ("faces/", "faces", "./faces", "x.npy"):
        assert parameters.value_of(dataset, value) == str(tmp_path / value)
    (tmp_path / "data/named").mkdir(parents=True)
    (tmp_path / "data/named/cats.npz").touch()
    assert parameters.value_of(dataset, "cats") == "cats"
    with pytest.raises(parameters.ParameterError, match="choose one of auto, quick"):
        parameters.value_of(parameters.Parameter("profile", "auto", "[one of auto, quick]"), "faces")


def test_a_script_is_checked_by_the_list_above_the_call(tmp_path):
    script = tmp_path / "x.py"
    for change, message in (("", ""), ("seed = -1\n", "seed = -1; it must be from 0")):
        script.write_text("#!/usr/bin/env python\n" + LIST + change + "\nfrom ganrepro import parameters\n"
                          "parameters.check(globals())\nother = 3\n")  # fmt: skip
        code = compile(script.read_text(), str(script), "exec")
        if not message:
            exec(code, {"__file__": str(script)})
            continue
        with pytest.raises(parameters.ParameterError, match=message):
            exec(code, {"__file__": str(script)})
