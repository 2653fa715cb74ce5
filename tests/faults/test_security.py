"""Hostile files: nothing is unpickled, nothing leaves its folder, no memory is taken for a claim."""

import ast
import gzip
import io
import json
import pickle
import resource
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from ganrepro import datasets, load_generator, paths, recipes, records
from ganrepro.datasets import cifar10, fer2013, fetch, idx, kept, npz, tfd
from ganrepro.extensions import inference, subsets
from ganrepro.recipes import Recipe, for_dataset
from ganrepro.training import checkpoints

PACKAGE = sorted(paths.PACKAGE.rglob("*.py"))


class Evil:
    """What leaves a mark when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("unpickled"),)


@pytest.fixture
def no_pickle(monkeypatch, tmp_path):
    """Every way to unpickle is a failure that no `except` of a loader hides: it is noted."""
    used = []

    def refuse(*_, **__):
        used.append("unpickled")
        raise AssertionError("something was unpickled")

    class Unpickler:
        __init__ = refuse

    monkeypatch.chdir(tmp_path)
    for name in ("load", "loads", "_load", "_loads"):
        monkeypatch.setattr(pickle, name, refuse)
    for name in ("Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, Unpickler)
    monkeypatch.setattr(torch, "load", refuse)
    yield used
    assert used == [] and not (tmp_path / "unpickled").exists()


def objects() -> bytes:
    """An .npz whose arrays hold pickles."""
    content = io.BytesIO()
    evil = np.array([Evil()], dtype=object)
    names = ("images", "labels", "split", "samples", "z", "progress", "ll", "sigma", "votes", "names", "subject")
    np.savez(content, **dict.fromkeys(names, evil))
    return content.getvalue()


def test_no_line_of_the_package_can_unpickle(promise):
    """No import of pickle and its like, no eval, exec or torch.load, and of numpy's loaders those without a pickle."""
    wrong, never = [], {"pickle", "dill", "marshal", "shelve", "cloudpickle", "joblib"}
    for file in PACKAGE:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ()) if isinstance(node, ast.Import)]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & never:
                wrong.append((file.name, names))
            if isinstance(node, ast.Call):
                called, given = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
                if called in ("eval", "exec", "torch.load", "pd.read_pickle", "compile"):
                    wrong.append((file.name, called))
                if called in ("np.load", "np.lib.format.read_array") and given.get("allow_pickle") != "False":
                    wrong.append((file.name, called))
    promise("files of the package that could unpickle or evaluate", len(PACKAGE), wrong)


LOADERS = {
    "datasets.load": lambda path: datasets.load(str(path)),
    "kept.read": kept.read,
    "npz.read": lambda path: npz.read(path.read_bytes(), "x", ("images",), None),
    "fer2013": lambda path: fer2013._from_npz(path.read_bytes(), path),
    "tfd": tfd.from_mat,
    "cifar10": lambda path: cifar10.unpack(path.read_bytes(), "x"),
    "idx": lambda path: idx.parse(idx.gunzip(path.read_bytes(), "x"), "x", 3),
    "mask": lambda path: subsets.read_mask(path, (1, 8, 8)),
    "checkpoint": checkpoints.read,
    "inferers": lambda path: inference.load(path, None),
    "table": lambda path: records.read_table(path, ["arm"]),
    "record": lambda path: records.Record(path.parent).meta,
    "samples": lambda path: npz.read(path.read_bytes(), "x", ("samples",)),
}


def test_no_loader_unpickles(no_pickle, tmp_path, promise):
    content = {"objects.npz": objects(), "pickle.pkl": pickle.dumps(Evil()), "x.pt": b""}
    array = io.BytesIO()
    np.lib.format.write_array(array, np.array([Evil()], dtype=object), allow_pickle=True)
    content |= {"objects.npy": array.getvalue(), "gz.gz": gzip.compress(content["pickle.pkl"])}
    ran, tried = [], 0
    for name, raw in content.items():
        for ending in ("", ".npz", ".mat", ".safetensors", ".csv"):
            file = tmp_path / "in" / (name + ending)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(raw)
            (file.parent / "record.json").write_bytes(raw)
            for loader, load in LOADERS.items():
                tried += 1
                with suppress(ValueError):
                    ran.append((name, loader, load(file)))
    ran = [found for found in ran if found[1] != "table" or "Evil" in str(found[2])]
    promise("loaders given pickles open none", tried, ran + no_pickle)


def test_the_committed_and_shipped_files_load_without_a_pickle(no_pickle):
    for name in ("mnist", "att"):
        datasets.load(name)
    load_generator("mnist")
    record = records.read(paths.results() / "paper/mnist/seed0")
    assert len(record.samples) and len(record.ll) and len(record.curves)
    record.generator()


# ------------------------------------------------------------------------------- memory for claims


@pytest.fixture
def little_memory():
    """No more than 1.5 GiB on top of what is there: a claim of more would be a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 3 * 2**29, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def header(shape, dtype="|u1"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def zipped(path, **entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in entries.items():
            archive.writestr(f"{name}.npy", raw)
    return path


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """A gzip and an .npz of a few MB that unpack, or say that they unpack, to 3 GiB of zeros."""
    folder, start = tmp_path_factory.mktemp("bomb"), header((3 * 2**30, 1, 1))
    (folder / "f.gz").write_bytes(192 * gzip.compress(bytes(2**24)))
    with (folder / "f.npy").open("wb") as file:
        file.write(start)
        file.truncate(len(start) + 3 * 2**30)
    with zipfile.ZipFile(folder / "f.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", start + bytes(2**24))
        archive.filelist[0].file_size = len(start) + 3 * 2**30
    return folder


def claims_much(folder):
    """Files that claim far more than they hold, by name, with their readers."""
    huge = 2**40
    record = folder / "record"
    record.mkdir(exist_ok=True)
    recipe = for_dataset("digits", (1, 8, 8)).to_dict()
    meta = {"recipe": recipe, "profile": "paper", "seed": 0, "epochs": 1, "dataset": {}, "scores": {}}
    (record / "record.json").write_text(json.dumps(meta))
    zipped(record / "samples.npz", samples=header((huge, 784)) + b"x", z=header((1,)) + b"x", progress=header((1,)))
    zipped(record / "ll.npz", ll=header((huge,), "<f8") + b"x", sigma=header((1,), "<f8"))
    zipped(folder / "pictures.npz", images=header((huge, 28, 28)) + bytes(100))
    zipped(folder / "negative.npz", images=header((-5, 28, 28)) + bytes(100))
    of_faces = {"images": header((huge, 48, 48)), "split": header((huge,)), "votes": header((huge, 10))}
    faces = zipped(folder / "fer2013.npz", **of_faces)
    (folder / "pictures.npy").write_bytes(header((huge, 28, 28)) + bytes(100))
    zipped(folder / "kept.npz", **dict.fromkeys(kept.KEYS, header((huge, 28, 28, 1)) + bytes(100)))
    (folder / "mask.npy").write_bytes(header((huge, 8), "<f4"))
    (folder / "idx").write_bytes(bytes((0, 0, 8, 3)) + b"\xff\xff\xff\xff" * 3 + bytes(16))
    (folder / "long.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    lying = json.dumps({"a": {"dtype": "F32", "shape": [huge], "data_offsets": [0, 4 * huge]}}).encode()
    (folder / "lying.safetensors").write_bytes(len(lying).to_bytes(8, "little") + lying + bytes(8))
    from scipy.io import savemat

    mat = folder / "TFD_48x48.mat"
    savemat(mat, {"images": np.zeros((3, 48, 48), np.uint8)})
    raw = mat.read_bytes()
    at = raw.index((3).to_bytes(4, "little") + (48).to_bytes(4, "little") * 2)
    mat.write_bytes(raw[:at] + (2**31 - 1).to_bytes(4, "little") + raw[at + 4 :])
    found = {
        "samples": lambda: records.Record(record).samples, "ll": lambda: records.Record(record).ll,
        "pictures": lambda: datasets.load(str(folder / "pictures.npz")),
        "negative": lambda: datasets.load(str(folder / "negative.npz")),
        "one array": lambda: datasets.load(folder / "pictures.npy"), "kept": lambda: kept.read(folder / "kept.npz"),
        "fer2013": lambda: fer2013._from_npz(faces.read_bytes(), faces), "tfd": lambda: tfd.from_mat(mat),
        "mask": lambda: subsets.read_mask(folder / "mask.npy", (1, 8, 8)),
        "idx": lambda: idx.parse((folder / "idx").read_bytes(), "idx", 3),
        "long header": lambda: checkpoints.read(folder / "long.safetensors"),
        "lying header": lambda: checkpoints.read(folder / "lying.safetensors"),
    }  # fmt: skip
    with suppress(ImportError):
        import h5py

        with h5py.File(folder / "hdf5.mat", "w") as file:
            file.create_dataset("images", (48, 48, huge), "u1", chunks=(48, 48, 16))
        found["hdf5"] = lambda: tfd.from_mat(folder / "hdf5.mat")
    return found


def refused(readers):
    wrong = []
    for name, read in readers.items():
        try:
            wrong.append((name, read()))
        except ValueError as error:
            if "Unable to allocate" in str(error) or isinstance(error.__cause__, MemoryError):
                wrong.append((name, error))
        except Exception as error:
            wrong.append((name, repr(error)))
    return wrong


def test_a_header_that_lies_takes_no_memory(tmp_path, little_memory, promise):
    readers = claims_much(tmp_path)
    promise("files that claim more than they hold are refused before memory is taken", len(readers), refused(readers))


def test_bombs_are_refused(bomb, little_memory, promise):
    readers = {
        "gzip": lambda: idx.gunzip((bomb / "f.gz").read_bytes(), "f.gz"),
        "pictures": lambda: datasets.load(str(bomb / "f.npz")), "one array": lambda: datasets.load(bomb / "f.npy"),
        "record": lambda: npz.read((bomb / "f.npz").read_bytes(), "f.npz", ("samples",)),
        "all of a record": lambda: npz.read((bomb / "f.npz").read_bytes(), "f.npz", (), None),
    }
    promise("archives of 3 GiB in a few MB are refused", len(readers), refused(readers))


# ----------------------------------------------------------------------------- out of the folder


NAMES = ["../../../escaped", "/etc/escaped", "..", ".", "", "a/b", "a\\b", "/dev/zero", "a\0b", "a\nb", "x" * 300, "~",
         "C:\\x", "-x", ".hidden", "mnist/../../x", "ä", "a b"]  # fmt: skip


def test_no_name_leads_out_of_the_folder(tmp_path, digits, promise):
    import dataclasses

    recipe, accepted = for_dataset("digits", (1, 8, 8)), []
    for name in NAMES:
        for make in (
            lambda name=name: recipe.replace(name=name),
            lambda name=name: Recipe.from_dict(recipe.to_dict() | {"name": name}),
            lambda name=name: dataclasses.replace(digits, name=name),
        ):
            with suppress(ValueError):
                accepted.append((name, make()))
    promise("names that would lead out of a folder", 3 * len(NAMES), accepted)
    for name in recipes.RECIPES:
        assert recipe.replace(name=name).name == name


def test_nothing_climbs_out_of_an_archive(tmp_path, monkeypatch, promise):
    """CIFAR-10's archive is read in place, and only after its checksum: here that is the hostile one's."""
    import hashlib

    climbed = []
    for name, kind in [("../escaped", None), (str(tmp_path / "escaped"), None), ("link", tarfile.SYMTYPE),
                       ("hard", tarfile.LNKTYPE), ("device", tarfile.CHRTYPE)]:  # fmt: skip
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for member in (name, *(f"{cifar10.FOLDER}/{batch}" for batch in cifar10.BATCHES)):
                info = tarfile.TarInfo(member)
                info.type, info.linkname, info.size = kind or tarfile.REGTYPE, "/etc/passwd", 0 if kind else 4
                archive.addfile(info, None if kind else io.BytesIO(b"evil"))
        raw = content.getvalue()
        monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", hashlib.sha256(raw).hexdigest())
        with pytest.raises(ValueError, match="x"):
            cifar10.unpack(raw, "x")
        climbed += list(tmp_path.iterdir())
    promise("archives with .., absolute names, links and devices", 5, climbed)


def test_a_notebook_parameter_is_never_evaluated(tmp_path):
    from ganrepro.cli.notebooks import literal

    for text in ("__import__('os').system('touch x')", "[x for x in ()]", "lambda: 1", "{'a': 1}", "open('x')"):
        assert literal(text) == text


# ------------------------------------------------------------------------------------- the network


def test_only_https_is_asked(server, tmp_path, promise):
    server.answers["/f"] = (200, {"Content-Length": "4"}, b"good")
    (tmp_path / "f").write_bytes(b"good")
    urls = [f"{server.url}/f", f"file://{tmp_path}/f", "ftp://127.0.0.1/f", "data:,good", "//127.0.0.1/f", "f"]
    for url in urls:
        with pytest.raises(datasets.DatasetUnavailable, match="is not taken: only https is"):
            fetch.fetch(tmp_path / "target", [url], lambda raw, _: raw)
    promise("mirrors by another scheme than https are not asked", len(urls), server.asked)


def test_a_redirect_to_another_scheme_is_not_followed(server, tmp_path, monkeypatch):
    """The scheme of this server stands for https, and ftp, file and a relative address for what it may redirect to."""
    monkeypatch.setattr(fetch, "SCHEMES", ("http",))
    for target in ("ftp://127.0.0.1/f", "https://127.0.0.1/f", "file:///etc/passwd"):
        server.answers["/r"] = (302, {"Location": target, "Content-Length": "0"}, b"")
        with pytest.raises(datasets.DatasetUnavailable, match="is not taken: only http is"):
            fetch.fetch(tmp_path / "target", [f"{server.url}/r"], lambda raw, _: raw)
    server.answers |= {"/r": (302, {"Location": "/f", "Content-Length": "0"}, b""),
                       "/f": (200, {"Content-Length": "4"}, b"good")}  # fmt: skip
    assert fetch.fetch(tmp_path / "target", [f"{server.url}/r"], lambda raw, _: raw) == b"good"


@pytest.mark.parametrize("length", [str(2**40), "0", None])
def test_a_download_without_a_reasonable_length_is_refused(server, tmp_path, monkeypatch, length):
    monkeypatch.setattr(fetch, "SCHEMES", ("http",))
    server.answers["/f"] = (200, {} if length is None else {"Content-Length": length}, b"good")
    with pytest.raises(datasets.DatasetUnavailable, match="states a length of .* bytes; expected 1 to"):
        fetch.fetch(tmp_path / "target", [f"{server.url}/f"], lambda raw, _: raw)
    assert not any(tmp_path.iterdir())


def test_every_mirror_is_https():
    sources = "".join(file.read_text(encoding="utf-8") for file in sorted((paths.PACKAGE / "datasets").glob("*.py")))
    found = [line for line in sources.splitlines() if "http://" in line]
    assert found == ['"""The IDX format of MNIST and Fashion-MNIST (described at http://yann.lecun.com/exdb/mnist/)."""']
