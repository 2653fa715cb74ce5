"""One picture file, read by Pillow as 8-bit grey or colour; and the way to a smaller square."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif")
DAMAGED_EXIF = (SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error)  # then there is no orientation
ORIENTATION = 0x0112  # the EXIF tag; from 5 on, width and height are exchanged
Picture = NDArray[Any]  # (h, w) or (h, w, c)


class BrokenPicture(ValueError):
    """A file with a picture's ending or first bytes that is no whole picture."""


def is_picture(path: Path) -> bool:
    """Whether a file is to be read as a picture: by its ending, else by its first bytes."""
    if path.suffix.lower() in SUFFIXES:
        return True
    with suppress(BrokenPicture), _opened(path):
        return True
    return False


def size(path: Path) -> tuple[int, int]:
    """(width, height) as it is shown, from the file's header. Raises BrokenPicture."""
    with _opened(path) as file:
        turned = None
        with suppress(*DAMAGED_EXIF):
            turned = file.getexif().get(ORIENTATION)
        if turned in range(5, 9) and file.format == "TIFF":  # Pillow's versions differ in which size they say
            h, w = read(path).shape[:2]
            return w, h
        return (file.height, file.width) if turned in range(5, 9) else (file.width, file.height)


def read(path: Path) -> NDArray[np.uint8]:
    """The first frame as it is shown: (h, w) where it is grey, else (h, w, 3).

    EXIF orientation is applied, transparency is laid over white, 16 bits are scaled to 8, and colours of equal channels
    count as grey. Raises BrokenPicture for a file that is damaged, cut short, larger than Pillow's limit, or of numbers
    whose white is not defined (32 bits).
    """
    from PIL import Image, ImageOps

    with _opened(path) as file:
        file.load()
        if file.mode == "F" or (file.mode == "I" and file.format != "PNG"):
            raise BrokenPicture("it holds 32-bit numbers, whose white is not defined; save it with 8 or 16 bits")
        picture: Image.Image = file
        with suppress(*DAMAGED_EXIF):
            picture = ImageOps.exif_transpose(file)
        if picture.mode.startswith("I"):  # 16 bits, of which 65535 is white
            deep = np.asarray(picture).astype(np.uint32).clip(0, 65535)
            return ((deep * 255 + 32767) // 65535).astype(np.uint8)
        if picture.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        if picture.mode in ("1", "L"):
            return np.array(picture.convert("L"))
        colour = np.array(picture.convert("RGB"))
    return colour[..., 0].copy() if (colour == colour[..., :1]).all() else colour


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file in Pillow. Whatever this process has set, a file that is cut short is an error."""
    from PIL import Image, ImageFile

    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, which is not used
            with Image.open(path, formats=FORMATS) as file:
                yield file
    except BrokenPicture:
        raise
    except Image.UnidentifiedImageError:
        empty = path.stat().st_size == 0
        raise BrokenPicture("it is empty" if empty else f"it is none of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise BrokenPicture(f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, "
                            "Pillow's limit against files made to fill the memory") from None  # fmt: skip
    except Exception as error:  # Pillow raises many types on a damaged file
        raise BrokenPicture(str(error) or type(error).__name__) from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def reduced(picture: Picture, side: int) -> Picture:
    """The square in the middle of a picture (h, w[, c]) of uint8 or float32, reduced to side x side by averaging over
    boxes. A picture of that size is returned as it is. Its shorter side must be at least `side`."""
    h, w = picture.shape[:2]
    if h == w == side:
        return picture
    short = min(h, w)
    top, left = (h - short) // 2, (w - short) // 2
    square = picture[top : top + short, left : left + short]
    if picture.ndim == 3 and not (picture.dtype == np.uint8 and picture.shape[2] == 3):
        return np.stack([_boxes(square[..., c], side) for c in range(picture.shape[2])], axis=-1)
    return _boxes(square, side)


def _boxes(plane: NDArray[Any], side: int) -> NDArray[Any]:
    from PIL import Image

    small: Image.Image = Image.fromarray(np.ascontiguousarray(plane)).resize((side, side), Image.Resampling.BOX)
    return np.array(small)
