"""A plain caption, such as "a thin 7 leaning right", as the condition that it asks for: a small step towards text."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganrepro.extensions.attributes import Scale

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
THICKNESS = {"thin": 1 / 6, "medium": 1 / 2, "thick": 5 / 6}  # the middle of a third of the digit's own examples
SLANT = {"left": 1 / 6, "upright": 1 / 2, "right": 5 / 6}
FURTHER = {1 / 6: 1 / 20, 5 / 6: 19 / 20}  # what "very" and "far" make of it
FORM = "[a] [[very] thin | medium | thick] DIGIT [leaning [far] left | leaning [far] right | upright]"


@dataclass(frozen=True)
class Wanted:
    """What a caption asks for: a class, and for slant and thickness a quantile of its training examples, or nothing."""

    label: int
    slant: float | None = None
    thickness: float | None = None

    @property
    def quantiles(self) -> tuple[float | None, float | None]:
        """In the order of attributes.NAMES."""
        return self.slant, self.thickness


def words(classes: int = len(DIGITS)) -> tuple[str, ...]:
    """All that a caption may consist of."""
    names = DIGITS[:classes] + tuple(map(str, range(classes)))
    return ("a", "an", "very", *THICKNESS, *names, "leaning", "far", *SLANT)


def parse(caption: str, classes: int = len(DIGITS)) -> Wanted:
    """What the caption asks for, in any case; punctuation is passed over.

    Raises ValueError for a word that it does not know, and lists those it knows; and for known words in another order.
    """
    found, known = re.findall(r"[^\W_]+", caption.lower()), words(classes)
    if strange := [w for w in found if w not in known]:
        raise ValueError(f"caption {caption!r}: {', '.join(map(repr, strange))} is not known; the words are "
                         f"{', '.join(known)}")  # fmt: skip
    names = "|".join([*DIGITS[:classes], *map(str, range(classes))])
    form = rf"(?:an? )?(?:(?:(very )?(thin|thick)|(medium)) )?({names})(?: (?:leaning (far )?(left|right)|(upright)))?"
    if not (match := re.fullmatch(form, " ".join(found))):
        raise ValueError(f"caption {caption!r} cannot be parsed; its form is {FORM}, with DIGIT one of "
                         f"{', '.join(names.split('|'))}")  # fmt: skip
    very, edge, medium, digit, far, side, upright = match.groups()
    label = DIGITS.index(digit) if digit in DIGITS else int(digit)
    return Wanted(label, _quantile(SLANT, side or upright, far), _quantile(THICKNESS, edge or medium, very))


def _quantile(words: dict[str, float], word: str | None, further: str | None) -> float | None:
    if word is None:
        return None
    return FURTHER[words[word]] if further else words[word]


def conditions(wanted: Wanted, scale: Scale, n: int, seed: int = 0) -> Tensor:
    """(n, classes + 2) float32: the digit, the attributes that the caption names at their quantiles, and the others as
    some training example of the digit has them."""
    of_class = scale.deviations[scale.labels == wanted.label]
    drawn = of_class[torch.randint(len(of_class), (n,), generator=torch.Generator().manual_seed(seed))]
    for j, q in enumerate(wanted.quantiles):
        if q is not None:
            drawn[:, j] = scale.quantile(wanted.label, j, q)
    return torch.cat([one_hot(torch.full((n,), wanted.label), scale.classes).float(), drawn], 1)


def nearest(wanted: Wanted, scale: Scale, told: Tensor, n: int) -> Tensor:
    """(n,) row numbers of those conditions (m, classes + 2) of the digit that lie nearest to what the caption names.

    It serves where samples are stored and their generator is not. Fewer than n where fewer are of the digit.
    """
    rows = (told[:, : scale.classes].argmax(1) == wanted.label).nonzero()[:, 0]
    off = torch.zeros(len(rows))
    for j, q in enumerate(wanted.quantiles):
        if q is not None:
            off += (told[rows, scale.classes + j] - scale.quantile(wanted.label, j, q)).square()
    return rows[off.argsort(stable=True)[:n]]
