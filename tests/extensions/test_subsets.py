"""Subsets: masks, fills and their scores, against closed forms and the Parzen window; what is stored comes back."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganrepro import datasets, networks, parzen, records
from ganrepro.datasets import Dataset
from ganrepro.extensions import subsets
from ganrepro.extensions.subsets import completion, fills
from ganrepro.recipes import Layer, for_dataset

SHAPE = (1, 6, 4)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 60) -> Dataset:
    x = torch.rand(n, 24, generator=rng(5))
    return Dataset(name="tiny", label="tiny", shape=SHAPE, train=x, valid=x[:20], test=x[20:40])


def narrow(shape=SHAPE):
    c, h, w = shape
    return for_dataset("tiny", shape, "subsets").replace(
        generator=(Layer(9, "relu", 0.5), Layer(c * h * w, "sigmoid", 0.5)), z_dim=5, batch_size=20, epochs=1,
        discriminator=(Layer(6, "maxout", 0.5, pieces=2), Layer(1, "linear", 0.5)),
    )  # fmt: skip


# --- masks ---------------------------------------------------------------------------------------------


def test_the_fixed_masks_hide_what_they_say():
    found = {k: m.view(8, 6) for k, m in subsets.masks((1, 8, 6)).items()}
    assert (found["right half"][:, :3] == 1).all() and (found["right half"][:, 3:] == 0).all()
    assert torch.equal(found["left half"], 1 - found["right half"])
    assert (found["bottom half"][:4] == 1).all() and torch.equal(found["top half"], 1 - found["bottom half"])
    assert found["middle"].sum() == 48 - 4 * 2 and (found["middle"][2:6, 2:4] == 0).all()  # 1.5 to 4.5 of 6 columns
    assert subsets.masks((1, 60, 60))["3 of 4 pixels"].mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("shape", [(3, 8, 6), (1, 28, 28), (1, 8, 8)])
def test_all_channels_hide_the_same(shape):
    for mask in subsets.masks(shape).values():
        planes = mask.view(shape[0], -1)
        assert mask.shape == (np.prod(shape),) and (planes == planes[:1]).all()


@given(*(st.floats(0, 1) for _ in range(4)))
def test_a_rectangle_hides_a_rectangle_or_is_refused(top, left, height, width):
    rows = range(round(10 * top), min(10, round(10 * (top + height))))
    columns = range(round(12 * left), min(12, round(12 * (left + width))))
    if len(rows) * len(columns) in (0, 120):
        with pytest.raises(ValueError, match="full" if len(rows) * len(columns) == 0 else "empty"):
            subsets.rectangle((1, 10, 12), top, left, height, width)
        return
    mask = subsets.rectangle((1, 10, 12), top, left, height, width).view(10, 12)
    hidden = {(i, j) for i in range(10) for j in range(12) if mask[i, j] == 0}
    assert hidden == {(i, j) for i in rows for j in columns}


@pytest.mark.parametrize(
    "mask, message",
    [
        (torch.zeros(6, 4), "empty"),
        (torch.ones(24), "full"),
        (torch.ones(4, 6), r"shape \(4, 6\); expected \(6, 4\) or \(24,\)"),
        (torch.rand(6, 4, generator=rng()), "other than 0 and 1"),
        (torch.full((6, 4), torch.nan), "other than 0 and 1"),
    ],
)
def test_masks_that_mean_nothing_are_refused(tmp_path, mask, message):
    generator = networks.Generator(narrow(), rng())
    with pytest.raises(ValueError, match=message):
        subsets.check_mask(mask, SHAPE)
    with pytest.raises(ValueError, match=message):
        subsets.complete(generator, torch.rand(3, 24), mask)
    np.save(tmp_path / "mask.npy", mask.numpy())
    with pytest.raises(ValueError, match=message):
        subsets.read_mask(tmp_path / "mask.npy", SHAPE)


def test_a_mask_file_is_read_and_what_is_none_is_refused(tmp_path):
    mask = (torch.rand(6, 4, generator=rng()) < 0.5).float()
    np.save(tmp_path / "mask.npy", mask.numpy() == 1)
    assert torch.equal(subsets.read_mask(tmp_path / "mask.npy", SHAPE), mask.view(-1))
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name in ("text.npy", "objects.npy", "nowhere.npy"):
        with pytest.raises(ValueError, match=f"{name}.*cannot be read"):
            subsets.read_mask(tmp_path / name, SHAPE)


# --- fills ---------------------------------------------------------------------------------------------


def test_completions_keep_what_is_observed_and_differ():
    generator, data = networks.Generator(narrow(), rng()), pictures()
    for mask in subsets.masks(SHAPE).values():
        whole = subsets.complete(generator, data.test, mask, 4)
        seen = mask == 1
        assert whole.shape == (20, 4, 24) and torch.equal(whole[:, :, seen], data.test[:, None, seen].expand(-1, 4, -1))
        assert (whole[:, 0, ~seen] != whole[:, 1, ~seen]).any(1).all()
        hidden_elsewhere = torch.where(seen, data.test, 0.5)
        assert torch.equal(subsets.complete(generator, hidden_elsewhere, mask, 4), whole)  # it cannot see the rest
    with pytest.raises(ValueError, match=r"x has shape \(2, 5\); expected \(n, 24\)"):
        subsets.complete(generator, torch.rand(2, 5), mask)


def test_nearest_fill_is_that_of_a_search_by_hand():
    data, mask = pictures(), subsets.masks(SHAPE)["right half"]
    x, seen = data.train[:7] + 0.01, mask == 1
    found = subsets.nearest_fill(x, mask, data.train, 5)
    for row, fill in zip(x, found, strict=True):
        order = (data.train[:, seen].double() - row[seen].double()).square().sum(1).argsort()[:5]
        assert torch.equal(fill, data.train[order][:, ~seen])
    assert torch.equal(subsets.nearest_fill(data.train[:7], mask, data.train, 1)[:, 0], data.train[:7, ~seen])


def test_mean_fill_is_the_training_mean():
    data, mask = pictures(), subsets.masks(SHAPE)["middle"]
    found = subsets.mean_fill(data.test, mask, data.train)
    assert found.shape == (20, 1, int((mask == 0).sum()))
    torch.testing.assert_close(found[3, 0], data.train.mean(0)[mask == 0])


def test_fills_are_pasted_where_pixels_are_hidden():
    data, mask = pictures(), subsets.masks(SHAPE)["top half"]
    whole = subsets.paste(data.test, mask, data.test[:, None, mask == 0].repeat(1, 3, 1))
    assert torch.equal(whole, data.test[:, None].expand(-1, 3, -1))


@pytest.mark.parametrize("channels", [1, 3])
def test_hidden_pixels_are_shown_in_one_colour(channels):
    shape = (channels, 4, 5)
    x, mask = torch.rand(2, channels * 20, generator=rng()), subsets.masks(shape)["left half"]
    rgb = subsets.coloured(x, shape, mask).view(2, 3, 20)
    hidden = mask[:20] == 0
    colour = torch.tensor(completion.HIDDEN_COLOUR)[None, :, None].expand(2, 3, hidden.sum())
    torch.testing.assert_close(rgb[:, :, hidden], colour)
    torch.testing.assert_close(rgb[:, :, ~hidden], x.view(2, channels, 20)[:, :, ~hidden].expand(2, 3, -1))


# --- scores --------------------------------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(1, 9), st.floats(0.03, 1), st.integers(0, 1000))
def test_the_score_is_a_parzen_window_on_each_picture_s_own_fills(m, h, sigma, seed):
    s, x = torch.rand(4, m, h, generator=rng(seed)), torch.rand(4, h, generator=rng(seed + 1))
    found = fills.log_likelihood(fills.measure(s, x), np.array([sigma, 2 * sigma]))
    for i in range(4):
        expected = parzen.log_likelihood(s[i], x[i : i + 1], [sigma, 2 * sigma])[:, 0]
        np.testing.assert_allclose(found[:, i], expected, rtol=1e-6, atol=1e-6)
    assert fills.log_likelihood(fills.measure(s, x), sigma).shape == (4,)


def test_distances_are_those_of_plain_loops():
    s, x = torch.rand(3, 4, 7, generator=rng(1)).double(), torch.rand(3, 7, generator=rng(2)).double()
    found = fills.measure(s, x)
    for i in range(3):
        pairs = [(s[i, a] - s[i, b]).square().sum() for a in range(4) for b in range(a)]
        assert found.pairwise[i] == pytest.approx(float(np.mean(pairs)))
        assert found.truth[i] == pytest.approx([float((s[i, a] - x[i]).square().sum()) for a in range(4)])
        assert found.mean[i] == pytest.approx(float((s[i].mean(0) - x[i]).square().mean()))
        assert found.best[i] == pytest.approx(min(float((s[i, a] - x[i]).square().mean()) for a in range(4)))
    assert found.first(2).truth.shape == (2, 4) and found.hidden == 7
    with pytest.raises(ValueError, match="expected"):
        fills.measure(s, x[:, :5])


def test_diversity_is_one_for_draws_from_the_truth_s_own_law_and_zero_for_one_fill():
    draws = torch.rand(3000, 9, 5, generator=rng(3)) ** 2
    assert fills.measure(draws[:, :8], draws[:, 8]).diversity == pytest.approx(1, abs=0.02)
    one = fills.measure(draws[:, :1].expand(-1, 8, -1), draws[:, 8])
    assert one.diversity == pytest.approx(0, abs=1e-12)


def test_the_ratio_s_error_is_that_of_resampled_pictures():
    rng_ = np.random.default_rng(0)
    draws = torch.rand(300, 9, 5, generator=rng(4)) ** 2
    found = fills.measure(draws[:, :8] * torch.rand(300, 1, 1, generator=rng(6)), draws[:, 8])
    values = found.diversity_by_picture
    assert values.mean() == pytest.approx(found.diversity)
    again = [found.pairwise[i].mean() / found.truth[i].mean() for i in rng_.integers(300, size=(2000, 300))]
    assert parzen.standard_error(values) == pytest.approx(np.std(again), rel=0.1)


def test_the_mean_of_the_fills_is_one_centre():
    s, x = torch.rand(3, 4, 7, generator=rng(1)), torch.rand(3, 7, generator=rng(2))
    one, expected = fills.measure(s, x).centre, fills.measure(s.double().mean(1, keepdim=True), x)
    np.testing.assert_allclose(one.truth, expected.truth, rtol=1e-6)
    np.testing.assert_array_equal(one.pairwise, expected.pairwise)


def test_sigma_is_chosen_on_validation_pictures():
    truth = torch.rand(400, 30, generator=rng(1))
    near = (truth + 0.1 * torch.randn(400, 30, generator=rng(2)))[:, None]
    far = (truth + 0.3 * torch.randn(400, 30, generator=rng(3)))[:, None]
    score = fills.evaluate(fills.measure(near, truth), fills.measure(far, truth))
    assert score.sigma == pytest.approx(0.1, rel=0.04)  # that of the validation fills, not of the test ones
    expected = -np.mean(30 * np.log(score.sigma * np.sqrt(2 * np.pi)) + 30 * 0.09 / (2 * score.sigma**2))
    assert score.mean == pytest.approx(expected, rel=0.05)
    assert score.se == pytest.approx(score.ll.std() / 20) and not score.at_edge


# --- the border ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_the_jump_is_that_of_plain_loops(channels):
    shape = (channels, 6, 5)
    x, masks = torch.rand(2, 3, channels * 30, generator=rng(7)), subsets.masks(shape)
    masks |= {"a rectangle": subsets.rectangle(shape, 0.2, 0.3, 0.5, 0.4)}
    for mask in masks.values():
        plane, seen = x.double().view(2, 3, channels, 6, 5), mask.view(shape)[0]
        pairs = [((i, j), (i + a, j + b)) for i in range(6) for j in range(5) for a, b in ((0, 1), (1, 0))
                 if i + a < 6 and j + b < 5 and seen[i, j] != seen[i + a, j + b]]  # fmt: skip
        expected = sum((plane[..., *p] - plane[..., *q]).square().mean(-1) for p, q in pairs) / len(pairs)
        torch.testing.assert_close(subsets.border_jump(x, mask, shape), expected)


def test_the_jump_of_known_pictures():
    mask = subsets.masks((1, 4, 6))["right half"]
    flat, step = torch.full((24,), 0.3), (1 - mask) * 0.5
    jumps = subsets.border_jump(torch.stack([flat, flat + step, step]), mask, (1, 4, 6))
    assert jumps.tolist() == pytest.approx([0, 0.25, 0.25], abs=1e-7)
    with pytest.raises(ValueError, match=r"pictures have shape \(2, 5\); expected \(\.\.\., 24\)"):
        subsets.border_jump(torch.rand(2, 5), mask, (1, 4, 6))


# --- several trainings ---------------------------------------------------------------------------------


def test_quick_trainings_are_scored_together(tmp_path, monkeypatch):
    monkeypatch.setattr("ganrepro.recipes.small.QUICK_STEPS", 50)
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    found = subsets.trainings(datasets.load("digits"), "quick", range(3, 5), "cpu", 20)
    assert list(found.records) == list(found.evidence) == [3, 4] and not found.missing and found.profile == "quick"


def test_profiles_and_lengths_are_never_scored_together(tmp_path, monkeypatch):
    """Beside the committed record of seed 0: none of seed 1, a shorter one of seed 2, one of its length of seed 3."""
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    data = datasets.load("mnist")
    committed = records.get_or_train(data, "paper", 0, "cpu", recipe="subsets", train=False)
    length = committed.meta["epochs"]
    for seed, epochs in ((2, length - 10), (3, length)):
        copied = tmp_path / f"paper/subsets/seed{seed}"
        shutil.copytree(committed.path, copied)
        records.seal(copied, committed.meta | {"epochs": epochs, "seed": seed})
    found = subsets.trainings(data, "auto", range(4), "cpu")
    assert list(found.records) == list(found.evidence) == [0, 3] and found.profile == "paper"
    assert found.missing == {
        1: f"it has no paper record of {length} epochs",
        2: f"its record has {length - 10} epochs, that of seed 0 {length}",
    }
    assert not (tmp_path / "quick").exists()  # nothing was trained in their place


# --- evidence ------------------------------------------------------------------------------------------


def test_what_is_stored_beside_a_record_comes_back(tmp_path, monkeypatch):
    monkeypatch.setenv("GANREPRO_RUNS", str(tmp_path))
    data = datasets.load("digits")
    record = records.get_or_train(data, "quick", device="cpu", recipe=narrow(data.shape))
    assert completion.read(record) is None
    made = subsets.evidence(record, data, 50)
    assert not made.stored and subsets.write(record, data, 50) == record.path / "completions.npz"
    assert [p.name for p in record.path.iterdir() if p.name.startswith(".")] == []
    (record.path / "weights.safetensors").unlink()
    found = subsets.evidence(record, data, 10)  # as many as are stored
    assert found.stored and list(found.masks) == list(made.masks)
    for name, mask in made.masks.items():
        assert torch.equal(found.masks[name], mask) and torch.equal(found.fills[name], made.fills[name])
        for split in subsets.SPLITS:
            one, other = found.distances[name][split], made.distances[name][split]
            np.testing.assert_allclose(one.truth, other.truth, rtol=1e-6)
            np.testing.assert_allclose(one.pairwise, other.pairwise, rtol=1e-6, atol=1e-12)
            assert one.hidden == other.hidden == int((mask == 0).sum())
        again = fills.measure(found.fills[name], data.test[:40, mask == 0])  # the pictures bear the distances out
        shown = found.distances[name]["test"].first(*subsets.SHOWN)
        assert again.truth.shape == shown.truth.shape == (40, 8)
        np.testing.assert_allclose(again.truth, shown.truth, rtol=1e-5)
    file = record.path / "completions.npz"
    whole = file.read_bytes()
    for kept in (0, len(whole) // 2):
        file.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match="completions.npz is missing or damaged"):
            subsets.evidence(record, data)
    file.unlink()
    assert subsets.evidence(record, data, 10) is None
