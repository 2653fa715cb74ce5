"""Odd picture files, each made here: what is read as which pixels, and what is refused."""

import struct
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from ganrepro.datasets import picture_file
from ganrepro.datasets.picture_file import BrokenPicture

GREY = (np.arange(30).reshape(5, 6) * 8).astype(np.uint8)
COLOUR = np.stack([GREY, 255 - GREY, GREY[::-1]], axis=-1)


@pytest.fixture
def saved(tmp_path):
    """saved(array or picture, "x.png", **options) -> the file's path."""

    def save(picture, name="x.png", **options):
        picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tif", "x.tiff", "x.PNG"])
@pytest.mark.parametrize("array", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_formats_keep_every_pixel(saved, name, array):
    found = picture_file.read(saved(array, name))
    assert np.array_equal(found, array) and found.dtype == np.uint8


def test_webp_without_loss(saved):
    assert np.array_equal(picture_file.read(saved(COLOUR, "x.webp", lossless=True)), COLOUR)


def test_jpeg_is_near(saved):
    smooth = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8) * 3
    assert abs(picture_file.read(saved(smooth, "x.jpg", quality=95)).astype(int) - smooth).max() <= 6


def test_gif_is_its_first_frame(saved):
    frames = [Image.fromarray(np.full((4, 5), level, np.uint8)) for level in (40, 200)]
    found = picture_file.read(saved(frames[0], "x.gif", save_all=True, append_images=frames[1:]))
    assert found.shape == (4, 5) and (found == 40).all()


def test_tiff_is_its_first_page(saved):
    pages = [Image.fromarray(GREY), Image.fromarray(GREY[::-1].copy())]
    assert np.array_equal(picture_file.read(saved(pages[0], "x.tif", save_all=True, append_images=pages[1:])), GREY)


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(saved, orientation, name):
    exif = Image.Exif()
    exif[picture_file.ORIENTATION] = orientation
    path = saved(COLOUR, name, exif=exif, **({"lossless": True} if name == "x.webp" else {}))
    upright = {
        1: COLOUR, 2: COLOUR[:, ::-1], 3: COLOUR[::-1, ::-1], 4: COLOUR[::-1], 5: COLOUR.transpose(1, 0, 2),
        6: np.rot90(COLOUR, -1), 7: np.rot90(COLOUR.transpose(1, 0, 2), 2), 8: np.rot90(COLOUR),
    }[orientation]  # fmt: skip
    assert np.array_equal(picture_file.read(path), upright)
    assert picture_file.size(path) == (upright.shape[1], upright.shape[0])


def test_a_damaged_exif_is_no_orientation(saved):
    path = saved(COLOUR, "x.png", exif=b"Exif\0\0MM\0*" + b"\xff" * 20)
    assert np.array_equal(picture_file.read(path), COLOUR) and picture_file.size(path) == (6, 5)


def test_a_palette_is_its_colours(saved):
    picture = Image.fromarray(np.arange(30, dtype=np.uint8).reshape(5, 6) % 3, "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 9, 9, 9])
    found = picture_file.read(saved(picture))
    assert np.array_equal(found[0, :3], [[255, 0, 0], [0, 255, 0], [9, 9, 9]])


def test_a_palette_with_transparency_lies_over_white(saved):
    picture = Image.fromarray(np.arange(30, dtype=np.uint8).reshape(5, 6) % 2, "P")
    picture.putpalette([10, 10, 10, 0, 0, 200])
    found = picture_file.read(saved(picture, transparency=0))
    assert np.array_equal(found[0, :2], [[255, 255, 255], [0, 0, 200]])


def test_one_bit_is_black_and_white(saved):
    found = picture_file.read(saved(Image.fromarray(GREY > 100).convert("1")))
    assert np.array_equal(found, (GREY > 100) * np.uint8(255))


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_16_bits_of_grey_are_scaled(saved, name):
    deep = np.array([[0, 128, 129, 257, 32896, 65535]] * 5, np.uint16)
    assert picture_file.read(saved(deep, name))[0].tolist() == [0, 0, 1, 1, 128, 255]


def test_16_bits_of_the_other_byte_order(tmp_path):
    deep = np.arange(0, 30000, 1000, dtype=">u2").reshape(5, 6)
    entries = [(256, 6), (257, 5), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 5), (279, 60)]
    table = struct.pack(">H", len(entries)) + b"".join(struct.pack(">HHIHH", tag, 3, 1, v, 0) for tag, v in entries)
    (tmp_path / "x.tif").write_bytes(b"MM\0*" + struct.pack(">I", 68) + deep.tobytes() + table + bytes(4))
    assert np.array_equal(picture_file.read(tmp_path / "x.tif"), np.rint(deep.astype(float) / 257))


def test_cmyk_is_converted(saved):
    picture = Image.new("CMYK", (4, 3), (0, 255, 255, 0))
    assert picture_file.read(saved(picture, "x.tif"))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_over_white(saved, mode):
    alpha = np.array([[0, 128, 255]] * 3, np.uint8)
    channels = [np.zeros_like(alpha)] * (len(mode) - 1)
    found = picture_file.read(saved(Image.merge(mode, [Image.fromarray(c) for c in [*channels, alpha]])))
    assert found.ndim == 2 and found[0].tolist() == [255, 127, 0]


def test_a_transparent_colour_is_white(saved):
    found = picture_file.read(saved(COLOUR, transparency=tuple(int(v) for v in COLOUR[0, 0])))
    assert found[0, 0].tolist() == [255, 255, 255] and np.array_equal(found[0, 1], COLOUR[0, 1])


def test_colours_of_equal_channels_are_grey(saved):
    assert np.array_equal(picture_file.read(saved(np.stack([GREY] * 3, axis=-1))), GREY)


def test_a_wrong_ending_is_no_matter(saved, tmp_path):
    saved(COLOUR, "x.png").rename(tmp_path / "x.jpg")
    assert np.array_equal(picture_file.read(tmp_path / "x.jpg"), COLOUR)


def test_what_a_picture_is(saved, tmp_path):
    saved(GREY).rename(tmp_path / "no_ending")
    (tmp_path / "note.txt").write_text("no picture")
    (tmp_path / "torn.jpg").write_bytes(b"no picture")
    assert [picture_file.is_picture(tmp_path / n) for n in ("no_ending", "note.txt", "torn.jpg")] == [True, False, True]


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.bmp", "x.tif", "x.gif"])
@pytest.mark.parametrize("ambient", [False, True])
def test_a_file_that_is_cut_short_is_broken(saved, name, ambient, monkeypatch):
    """Also where the process has told Pillow to fill up what is missing; and it stays told."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", ambient)
    path = saved(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8), name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BrokenPicture):
        picture_file.read(path)
    assert ambient == ImageFile.LOAD_TRUNCATED_IMAGES


def test_other_broken_files(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("<html>404</html>")
    with pytest.raises(BrokenPicture, match="it is empty"):
        picture_file.read(tmp_path / "empty.png")
    with pytest.raises(BrokenPicture, match="it is none of PNG, JPEG"):
        picture_file.size(tmp_path / "text.jpg")


def test_numbers_without_a_white_are_refused(saved):
    for picture in (GREY.astype(np.float32), GREY.astype(np.int32)):
        with pytest.raises(BrokenPicture, match="32-bit numbers"):
            picture_file.read(saved(picture, "x.tif"))


def test_pillows_limit_against_bombs_stays_on(saved, monkeypatch):
    path = saved(COLOUR)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(BrokenPicture, match="more than 20 pixels, Pillow's limit"):
        picture_file.size(path)


def test_no_warning_of_pillow_is_passed_on(saved):
    picture = Image.fromarray(GREY % 2, "P")
    picture.putpalette([10, 10, 10, 0, 0, 200])
    path = saved(picture, transparency=b"\0\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture_file.read(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_reduction_is_the_mean_over_boxes_of_the_middle_square(dtype, channels):
    shape = (8, 12) if channels is None else (8, 12, channels)
    whole = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    whole = whole / np.float32(255) if dtype == np.float32 else whole
    found = picture_file.reduced(whole, 4)
    middle = whole[:, 2:10].astype(float).reshape(4, 2, 4, 2, -1).mean((1, 3)).reshape(found.shape)
    assert found.dtype == dtype and abs(found - middle).max() <= (1 if dtype == np.uint8 else 1e-6)
    assert picture_file.reduced(found, 4) is found
