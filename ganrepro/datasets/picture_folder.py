"""A folder of picture files as a data set."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganrepro.paths import absolute
from ganrepro.progress import bar, say

from . import kept, npz, picture_file
from .arrays import SPLIT_CODES
from .dataset import shortened
from .labels import UNLABELLED
from .own import FEWEST, SPLIT_NAMES, Pictures, check_size, refuse_alike, with_channels
from .picture_file import BrokenPicture
from .split import by_content

READER = 1  # changes with what is read from the same files: older cached pictures are then decoded again
SHOWN = 5  # names in a message
USUAL, LARGEST = 48, 256  # the side that is proposed, and the largest that is taken without being asked for


@dataclass(frozen=True)
class File:
    """One picture file: its place below the folder, and the digest of its content."""

    name: str
    path: Path
    sha256: str


def load(folder: str | Path, size: int = 0, channels: int | None = None, skip_broken: bool = False) -> Pictures:
    """The pictures below a folder: PNG, JPEG, WebP, BMP, TIFF and GIF (first frame); see `picture_file.read`.

    - Sub-folders are classes, numbered in the order of their names; sub-folders train, valid or val, and test are the
      split, with classes below them if there are any. A part that is missing, and without such folders both of the
      held-out ones, is drawn from train by the content of the pictures (`split.by_content`).
    - Within a part, pictures stand in the order of a hash of their content: names decide nothing but classes.
    - size, channels, skip_broken: as in `datasets.load`.

    Decoded pictures are kept in the data directory, by the content of the files. Hidden files are ignored, links that
    leave the folder are not followed. Raises FileNotFoundError without the folder, ValueError for what is described in
    `datasets.load`.
    """
    check_size(size, channels)
    root = absolute(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"data set {str(folder)!r}: there is no folder {root}")
    files, others = _find(root)
    if len(files) < FEWEST:
        raise ValueError(f"{root}: found {len(files)} picture(s) ({', '.join(picture_file.FORMATS)}), expected at "
                         f"least {FEWEST}{_others(others)}")  # fmt: skip
    parts, labels, classes = _layout([file.name for file in files], root)
    asked = [READER, size, channels, skip_broken, [[file.name, file.sha256] for file in files]]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    if (found := kept.cached(key)) is None:
        found = _decoded(root, files, parts, labels, classes, (size, channels, skip_broken))
        kept.store(found, key)
    found.details["other_files"] = dict(others)
    say(_summary(root, found))
    return found


def _find(root: Path) -> tuple[list[File], Counter[str]]:
    """The picture files below a folder, by name, and how many others there are of each ending."""
    found, others, inside = [], Counter[str](), root.resolve()

    def refuse(error: OSError) -> None:
        raise error

    for place, below, names in os.walk(root, onerror=refuse):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for path in (Path(place, name) for name in sorted(names) if not name.startswith(".")):
            if not path.resolve().is_relative_to(inside) or not path.is_file():
                others["link"] += 1
            elif picture_file.is_picture(path):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found.append(File(path.relative_to(root).as_posix(), path, digest))
            else:
                others[path.suffix.lower() or "no ending"] += 1
    return sorted(found, key=lambda file: file.name), others


def _others(others: Counter[str]) -> str:
    """What to say of files that are no pictures."""
    if not others:
        return ""
    kinds = shortened([f"{n} {kind}" for kind, n in others.most_common()], SHOWN)
    more = "; save .heic pictures as JPEG or PNG" * any(kind in others for kind in (".heic", ".heif", ".avif"))
    return f"; {sum(others.values())} other file(s) were not read ({kinds}){more}"


def _layout(
    names: Sequence[str], root: Path
) -> tuple[list[str | None], list[int] | None, tuple[str, ...] | None]:  # fmt: skip
    """The part of each file, or None for all; its label; and the classes' names, from the folders that files lie in."""
    folders = [name.split("/")[:-1] for name in names]
    tops = {place[0].lower() if place else "" for place in folders}
    reserved = tops & set(SPLIT_NAMES)
    is_split = bool(reserved) and tops <= set(SPLIT_NAMES)
    if not is_split and (len(reserved) > 1 or ("train" in reserved and "" in tops)):
        rest = next(name for name, place in zip(names, folders, strict=True)
                    if not place or place[0].lower() not in SPLIT_NAMES)  # fmt: skip
        raise ValueError(f"{root}: the folders {', '.join(sorted(reserved))} are a split, but {rest} lies beside them; "
                         "move it into one of them, or rename them if they are classes")  # fmt: skip
    if is_split and {"val", "valid"} <= reserved:
        raise ValueError(f"{root}: there are folders 'val' and 'valid', which mean the same; keep one of them")
    if is_split and "train" not in reserved:
        raise ValueError(f"{root}: there are folders {', '.join(sorted(reserved))}, but none named 'train'")
    parts = [SPLIT_CODES[SPLIT_NAMES[place[0].lower()]] if is_split else None for place in folders]
    owners = [place[is_split] if len(place) > is_split else None for place in folders]
    classes = sorted({owner for owner in owners if owner is not None})
    if len(classes) < 2:  # one folder around all pictures tells nothing apart
        return parts, None, None
    number = {name: i for i, name in enumerate(classes)}
    return parts, [UNLABELLED if owner is None else number[owner] for owner in owners], tuple(classes)


def _decoded(
    root: Path, files: Sequence[File], parts: Sequence[str | None], labels: Sequence[int] | None,
    classes: tuple[str, ...] | None, asked: tuple[int, int | None, bool],
) -> Pictures:  # fmt: skip
    """Read, reduce and arrange the pictures of these files."""
    size, channels, skip_broken = asked
    broken: dict[str, str] = {}
    sizes = {}
    for file in bar(files, desc=f"sizes in {root.name}", unit="file"):
        try:
            sizes[file.name] = picture_file.size(file.path)
        except BrokenPicture as error:
            broken[file.name] = str(error)
    _refuse_broken(root, broken, skip_broken, len(files))
    _check_sizes(root, sizes, size)
    _refuse_many(root, sizes, size, channels)
    rows, images, content = [], [], []
    for row, file in enumerate(bar(files, desc=f"reading {root.name}", unit="picture")):
        if file.name in broken:
            continue
        try:
            picture = picture_file.read(file.path)
        except BrokenPicture as error:
            broken[file.name] = str(error)
            continue
        rows.append(row)
        content.append(hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest())
        images.append(picture_file.reduced(picture, size) if size else picture)
    _refuse_broken(root, broken, skip_broken, len(files))
    wanted = channels or (3 if any(image.ndim == 3 for image in images) else 1)
    stacked = _stacked(images, wanted)
    refuse_alike(stacked, str(root))
    split = _split(root, [parts[row] for row in rows], content)
    order = sorted(range(len(rows)), key=lambda i: (split[i], content[i]))
    ordered = None if labels is None else np.array([labels[rows[i]] for i in order], np.int64)
    details: dict[str, Any] = {
        "size": size or list(stacked.shape[1:3]), "from": _span([sizes[files[row].name] for row in rows]),
        "duplicates": len(content) - len(set(content)), "in_train_too": _leaked(split, content),
        "skipped": broken, "classes": list(classes or ()),
    }  # fmt: skip
    stacked, split = stacked[order], split[order]
    digest = hashlib.sha256(repr((stacked.shape, classes)).encode() + stacked.tobytes() + split.tobytes())
    digest.update(b"" if ordered is None else ordered.tobytes())
    return Pictures(stacked, ordered, split, classes, digest.hexdigest(), details)


def _refuse_broken(root: Path, broken: dict[str, str], skip: bool, n: int) -> None:
    if broken and not skip:
        named = shortened([f"{name} ({why})" for name, why in broken.items()], SHOWN)
        raise ValueError(f"{root}: {len(broken)} of {n} picture files cannot be read: {named}. Mend or remove them, or "
                         "leave them out: skip_broken=True, `ganrepro data add --skip-broken`")  # fmt: skip
    if n - len(broken) < FEWEST:
        raise ValueError(f"{root}: {n - len(broken)} pictures can be read, expected at least {FEWEST}")


def _check_sizes(root: Path, sizes: dict[str, tuple[int, int]], size: int) -> None:
    """Raise ValueError for pictures of mixed sizes, or too large ones, without a size; and for one that enlarges."""
    smallest = min(sizes, key=lambda name: min(sizes[name]))
    side = min(sizes[smallest])
    fits = "choose a size that fits, such as {0}: `--size {0}`, or `-p size {0}` in a notebook".format(min(USUAL, side))
    if size > side:
        raise ValueError(f"{root}: size = {size}, but {smallest} is {_x(sizes[smallest])}, and no picture is enlarged; "
                         f"choose a size of at most {side}, or remove the smaller pictures")  # fmt: skip
    if size == 0 and len(set(sizes.values())) > 1:
        raise ValueError(f"{root}: the pictures have {len(set(sizes.values()))} sizes: {_span(list(sizes.values()))}; "
                         f"{fits}")  # fmt: skip
    if size == 0 and max(sizes[smallest]) > LARGEST:
        raise ValueError(f"{root}: the pictures are {_x(sizes[smallest])}, more than {LARGEST} a side is too large for "
                         f"these nets; {fits}")  # fmt: skip


def _refuse_many(root: Path, sizes: dict[str, tuple[int, int]], size: int, channels: int | None) -> None:
    """Raise ValueError for pictures that would take more memory in all than one array is read of."""
    w, h = (size, size) if size else next(iter(sizes.values()))
    if (total := len(sizes) * w * h * (channels or 3)) > npz.LARGEST:
        raise ValueError(f"{root}: {len(sizes)} pictures of {w}x{h} take up to {total} bytes, of which at most "
                         f"{npz.LARGEST} are read; choose a smaller size, or channels=1, `ganrepro data add --grey`")


def _x(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _span(sizes: Sequence[tuple[int, int]]) -> str:
    """Pictures' sizes in words, by their number of pixels."""
    if len(set(sizes)) == 1:
        return _x(sizes[0])
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return f"smallest {_x(ordered[0])}, median {_x(median_low(ordered))}, largest {_x(ordered[-1])}"


def _stacked(images: Sequence[NDArray[np.uint8]], channels: int) -> NDArray[np.uint8]:
    """(N, h, w, c) of pictures (h, w) and (h, w, 3)."""
    found = np.empty((len(images), *images[0].shape[:2], channels), np.uint8)
    for place, image in zip(found, images, strict=True):
        image = image[..., None] if image.ndim == 2 else image
        place[...] = with_channels(image[None], channels)[0]
    return found


def _split(root: Path, parts: Sequence[str | None], content: Sequence[str]) -> NDArray[np.uint8]:
    """The split codes (N,) that folders give; what they do not give is drawn from train by content."""
    codes = {name: code for code, name in SPLIT_CODES.items()}
    split = np.array([codes[part or "train"] for part in parts], np.uint8)
    missing = [name for name in ("valid", "test") if codes[name] not in split]
    if missing and len(missing) == 1:
        say(f"{root.name}: there is no folder {missing[0]}; a tenth of train stands in for it")
    if missing:
        here = np.flatnonzero(split == 0).tolist()
        try:
            split[here] = by_content([content[i] for i in here], missing)
        except ValueError as error:
            raise ValueError(f"{root}: of {len(here)} pictures, {error}") from None
    return split


def _leaked(split: NDArray[np.uint8], content: Sequence[str]) -> int:
    """How many held-out pictures stand in train, too."""
    train = {digest for digest, part in zip(content, split, strict=True) if part == 0}
    return sum(digest in train for digest, part in zip(content, split, strict=True) if part)


def _summary(root: Path, found: Pictures) -> str:
    """A line on what was read."""
    n, h, w, c = found.images.shape
    details, counts = found.details, np.bincount(found.split, minlength=3)
    from_size = f", from {details['from']}" * (details["from"] != f"{w}x{h}")
    said = [f"{root.name}: {n} pictures, {w}x{h} {'colour' if c == 3 else 'grey'}{from_size}",
            ", ".join(f"{count} {name}" for name, count in zip(SPLIT_CODES.values(), counts, strict=True))]
    if found.classes and found.labels is not None:
        said.append(f"{len(found.classes)} classes: {shortened(found.classes)}")
        if loose := int((found.labels == UNLABELLED).sum()):
            said.append(f"{loose} beside the folders of classes have no label")
    if details["duplicates"]:
        said.append(f"{details['duplicates']} exact duplicates")
    if details["in_train_too"]:
        said.append(f"{details['in_train_too']} held-out pictures stand in train, too")
    if details["skipped"]:
        named = shortened(list(details["skipped"]), SHOWN)
        said.append(f"{len(details['skipped'])} broken files left out: {named}")
    return "; ".join(said) + _others(Counter(details["other_files"]))
