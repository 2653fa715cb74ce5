"""Damage to a file of a record or to a checkpoint is noticed when it is read: one line that names the file."""

import json
import random
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from ganrepro import paths, records, training
from ganrepro.diagnostics import ablations
from ganrepro.extensions import subsets
from ganrepro.records import evidence
from ganrepro.training import checkpoints

READ = {
    "record.json": lambda record: record.meta,
    "curves.csv": lambda record: record.curves,
    "samples.npz": lambda record: record.samples,
    "ll.npz": lambda record: record.ll,
    "weights.safetensors": lambda record: record.generator(),
}


@pytest.fixture(scope="module")
def trained(digits, small_recipe, tmp_path_factory):
    """A record and the checkpoint of its training: (folder, checkpoint's folder, recipe)."""
    place, recipe = tmp_path_factory.mktemp("damage"), small_recipe(epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganrepro.records.write.STORED_SAMPLES", 300)
        patch.setattr("ganrepro.training.run.VALIDATION_SAMPLES", 300)
        (run,) = training.train(recipe, digits, device="cpu", checkpoint_dir=place / "checkpoints", validate_every=1)
        records.write_record(run, digits, "paper", place / "record")
    return place / "record", place / "checkpoints", recipe


def harms(raw, rng, n):
    """n damaged copies of some bytes, in turn with a flipped bit, cut short, and with a stretch overwritten; each
    region of the file has its share."""
    for i in range(n):
        at, length = (i * len(raw)) // n + rng.randrange(max(1, len(raw) // n)), rng.choice([1, 4, 512])
        at = min(at, len(raw) - 1)
        harmed = bytearray(raw)
        if i % 3 == 0:
            harmed[at] ^= 1 << rng.randrange(8)
        elif i % 3 == 1:
            del harmed[at:]
        else:
            stretch = bytes(rng.randrange(256) for _ in range(min(length, len(raw) - at)))
            harmed[at : at + len(stretch)] = stretch
        if bytes(harmed) != raw:
            yield bytes(harmed)


def is_noticed(read, path):
    """Whether reading ends in one line that names the file; else the exception, or None."""
    try:
        read()
    except ValueError as error:
        return path.name in str(error) and "\n" not in str(error) or repr(error)
    except Exception as error:
        return repr(error)
    return "used unnoticed"


def through(path, read, rng, n):
    """How many harms a file was put through, and what was said of those that were not noticed."""
    raw, unnoticed, tried = path.read_bytes(), [], 0
    try:
        for harmed in harms(raw, rng, n):
            path.write_bytes(harmed)
            tried += 1
            if (found := is_noticed(read, path)) is not True:
                unnoticed.append(found)
    finally:
        path.write_bytes(raw)
    return tried, unnoticed


def harm_everything(trained, digits, tmp_path, promise, n):
    folder, checkpoint_dir, recipe = trained
    shutil.copytree(folder, tmp_path / "record")
    shutil.copytree(checkpoint_dir, tmp_path / "checkpoints")
    assert sorted(p.name for p in folder.iterdir()) == sorted(READ)
    rng, tried, unnoticed = random.Random(n), 0, []
    for name, read in READ.items():
        file = tmp_path / "record" / name
        one, bad = through(file, lambda read=read: read(records.Record(tmp_path / "record")), rng, n)
        tried, unnoticed = tried + one, unnoticed + bad
    promise("damage to a record's files is noticed", tried, unnoticed)
    file = tmp_path / "checkpoints/seed0.safetensors"
    tried, unnoticed = through(file, lambda: checkpoints.load(file, training.start(recipe, digits, 0), digits), rng, n)
    promise("damage to a checkpoint is noticed", tried, unnoticed)


def test_damage_is_noticed(trained, digits, tmp_path, promise):
    harm_everything(trained, digits, tmp_path, promise, 102)


@pytest.mark.slow
def test_much_damage_is_noticed(trained, digits, tmp_path, promise):
    harm_everything(trained, digits, tmp_path, promise, 3000)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_to_any_file_is_noticed(trained, tmp_path, data):
    folder, _, _ = trained
    name = data.draw(st.sampled_from(sorted(READ)))
    raw = (folder / name).read_bytes()
    at = data.draw(st.integers(0, len(raw) - 1))
    new = data.draw(st.binary(max_size=20).filter(lambda b: raw[at : at + len(b)] != b))
    shutil.copytree(folder, tmp_path / "record", dirs_exist_ok=True)
    file = tmp_path / "record" / name
    file.write_bytes(raw[:at] + new + raw[at + len(new) :])
    assert is_noticed(lambda: READ[name](records.Record(tmp_path / "record")), file) is True


# ------------------------------------------------------------------------------- earlier versions


def test_a_record_without_checksums_loads_and_is_said_to_have_none(trained, tmp_path, capsys, runs):
    shutil.copytree(trained[0], runs / "paper/x/seed0")
    record = records.Record(runs / "paper/x/seed0")
    earlier = {k: v for k, v in record.meta.items() if k not in ("files", "record_sha256")}
    (record.path / "record.json").write_text(json.dumps(earlier, indent=1) + "\n")
    record = records.Record(record.path)
    assert not record.is_sealed and record.meta == earlier and len(record.samples) == 300
    from ganrepro.cli import main

    assert main(["records", "check"]) == 0
    assert "readable; without checksums, since an earlier version wrote it" in capsys.readouterr().out
    records.seal(record.path, record.meta)
    assert main(["records", "check"]) == 0 and capsys.readouterr().out.endswith(": whole\n")
    (record.path / "ll.npz").write_bytes(b"")
    assert main(["records", "check"]) == 1 and "ll.npz is missing or damaged" in capsys.readouterr().out


def test_a_checkpoint_without_a_checksum_loads_and_says_so(trained, tmp_path, digits, capsys):
    _, folder, recipe = trained
    file = tmp_path / "seed0.safetensors"
    metadata = {"ganrepro": json.dumps(checkpoints.read_metadata(folder / file.name))}
    save_file(load_file(folder / file.name), file, metadata)
    one, other = (training.start(recipe, digits, 0) for _ in range(2))
    checkpoints.load(folder / file.name, one, digits)
    assert capsys.readouterr().out == ""
    checkpoints.load(file, other, digits)
    assert f"{file} has no checksum" in capsys.readouterr().out
    assert all(torch.equal(p, other.weights()[name]) for name, p in one.weights().items())
    assert other.rows[0] == one.rows[0] and type(other.rows[0]["epoch"]) is int


def test_committed_records_are_whole(promise):
    found, damaged = records.below(paths.results(), "paper"), []
    for record in found:
        try:
            evidence.check_whole(record)
        except ValueError as error:
            damaged.append(str(error))
    promise("committed records are whole", len(found), damaged)
    assert any(record.is_sealed for record in found)


# -------------------------------------------------------------------- well-formed, and yet wrong


def forged(path, change):
    """A checkpoint as `checkpoints.write` would make it, of changed content."""
    tensors, metadata = checkpoints.read(path)
    change(tensors, metadata)
    checkpoints.write(path, tensors, metadata)


def set_state(**changes):
    return lambda tensors, metadata: metadata["state"].update(changes)


FORGERIES = {
    "no state": lambda t, m: m.pop("state"),
    "a list for a state": lambda t, m: m.update(state=[]),
    "epoch -5": set_state(epoch=-5),
    "a text for an epoch": set_state(epoch="2"),
    "more epochs than rows": set_state(epoch=3),
    "rows of text": set_state(rows=["a", "b"]),
    "best epoch beyond": set_state(best_epoch=7),
    "codes of numbers": set_state(codes=[1]),
    "weights that are not finite": lambda t, m: t["generator.theta.layers.0.weight"].fill_(float("nan")),
    "a tensor too few": lambda t, m: t.pop("generator.theta.layers.0.weight"),
    "another shape": lambda t, m: t.update({"discriminator.velocity.layers.0.weight": torch.zeros(2)}),
    "another shape of progress": lambda t, m: t.update(progress=torch.zeros(2, 3)),
    "no random state": lambda t, m: t.pop("rng"),
    "a short random state": lambda t, m: t.update(rng=t["rng"][:7]),
    "a random state of zeros": lambda t, m: t["rng"].zero_(),
    "no recipe": lambda t, m: m.pop("recipe"),
    "a recipe of one word": lambda t, m: m.update(recipe={"name": "x"}),
    "no seed": lambda t, m: m.pop("seed"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_checkpoint_that_says_what_cannot_be_is_refused(trained, tmp_path, digits, forgery):
    _, folder, recipe = trained
    file = tmp_path / "seed0.safetensors"
    shutil.copyfile(folder / file.name, file)
    forged(file, FORGERIES[forgery])
    with pytest.raises(ValueError, match=str(file)) as caught:
        training.train(recipe, digits, device="cpu", epochs=3, checkpoint_dir=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metadata", ["[]", "3", "{", '"x"', "null", "[" * 10**5])
def test_metadata_of_another_make_are_refused(trained, tmp_path, metadata):
    file = tmp_path / "seed0.safetensors"
    for stored in ({"ganrepro": metadata}, {"other": metadata}, None):
        save_file({"a": torch.zeros(2)}, file, stored)
        with pytest.raises(ValueError, match="is damaged or no checkpoint"):
            checkpoints.read(file)


@pytest.mark.parametrize("text", ["{}", "[]", "3", "null", '{"recipe": 1}', "\xff", "", "[" * 10**5])
def test_a_record_of_something_else_is_one_line(tmp_path, text):
    (tmp_path / "record.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match="record.json is missing or damaged"):
        _ = records.Record(tmp_path).meta


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x,y\n1,2\n", b'"arm\n1', b"arm,seed\n1\n1,2,3,4,5\n"])
def test_a_damaged_table_is_one_line(runs, content):
    file = ablations.SCORES.file
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"the table {file} is (missing or )?damaged"):
        ablations.table()


# ------------------------------------------------------------------------------------- publishing


@pytest.fixture
def record(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "paper/mnist@digits/seed0")
    return records.Record(tmp_path / "paper/mnist@digits/seed0")


def resealed(record, **changes):
    records.seal(record.path, record.meta | changes)
    return records.Record(record.path)


def test_whole_evidence_passes(record):
    evidence.check(record)


def test_evidence_that_was_changed_and_sealed_again_is_refused(record, promise):
    """By someone who recomputes all checksums."""
    meta, refused, raw = record.meta, [], {p.name: p.read_bytes() for p in record.path.iterdir()}
    scores = meta["scores"]
    wrong = {
        "a score": {"scores": scores | {"last": scores["last"] | {"mean": scores["last"]["mean"] + 1}}},
        "an error": {"scores": scores | {"last": scores["last"] | {"se_examples": 0.01}}},
        "a sigma": {"scores": scores | {"fine": scores["fine"] | {"sigma": [0.11]}}},
        "a score of the best": {"scores": scores | {"best": scores["best"] | {"mean": 0.0}}},
        "no fold means": {"scores": scores | {"last": {"epoch": 2}}},
        "the epochs": {"epochs": 9999},
        "the epochs of its progress": {"progress_epochs": meta["progress_epochs"][1:]},
        "other data": {"dataset": meta["dataset"] | {"sha256": {"x": "0"}}},
    }
    tried = {name: (lambda c=change: resealed(record, **c)) for name, change in wrong.items()}

    def rewritten(name, content):
        def change():
            (record.path / name).write_bytes(content)
            return resealed(record)

        return change

    lines = raw["curves.csv"].splitlines(keepends=True)
    tried |= {
        "half of the curves": rewritten("curves.csv", b"".join(lines[:2])),
        "a curve of nan": rewritten("curves.csv", b"".join([*lines[:-1], lines[-1].replace(b".", b"x")])),
        "half of ll.npz": rewritten("ll.npz", raw["ll.npz"][: len(raw["ll.npz"]) // 2]),
    }

    def other_ll():
        arrays = record.read_npz("ll.npz")
        records.write_npz(record.path / "ll.npz", arrays | {"ll": arrays["ll"] + 1})
        return resealed(record)

    def other_samples():
        arrays = record.read_npz("samples.npz")
        records.write_npz(record.path / "samples.npz", arrays | {"samples": arrays["samples"] // 2})
        return resealed(record)

    def other_weights():
        weights = {k: w + 1 for k, w in record.weights().items()}
        checkpoints.save_tensors(weights, record.path / "weights.safetensors")
        return resealed(record)

    tried |= {"log-likelihoods": other_ll, "samples": other_samples, "weights": other_weights}
    for name, change in tried.items():
        try:
            evidence.check(change())
            refused.append(name)
        except ValueError as error:
            if "\n" in str(error):
                refused.append((name, str(error)))
        for file, content in raw.items():
            (record.path / file).write_bytes(content)
    promise("changed evidence is not published", len(tried), refused)


def test_nothing_is_published_where_one_record_is_wrong(trained, tmp_path, monkeypatch, capsys):
    from ganrepro.cli import main

    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "repo")
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path / "runs"))
    for seed in (0, 1):
        shutil.copytree(trained[0], tmp_path / f"runs/paper/mnist@digits/seed{seed}")
    curves = tmp_path / "runs/paper/mnist@digits/seed1/curves.csv"
    curves.write_bytes(curves.read_bytes()[:100])
    assert main(["results"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{curves} is missing or damaged" in line
    assert not (tmp_path / "repo").exists()


def test_damaged_completions_are_one_line(record):
    (record.path / subsets.FILE).write_bytes(b"")
    with pytest.raises(ValueError, match=f"{subsets.FILE} is missing or damaged"):
        subsets.completion.read(record)
