"""A plain caption, such as "a thin 7 leaning right", as a condition: a small step towards text."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from .attributes import Scale

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
THICKNESS = {"thin": 1 / 6, "medium": 1 / 2, "thick": 5 / 6}  # the middle of a third of the digit's own examples
SLANT = {"left": 1 / 6, "upright": 1 / 2, "right": 5 / 6}
FURTHER = {1 / 6: 1 / 20, 5 / 6: 19 / 20}  # with "very" or "far"
FORM = "[a] [[very] thin | medium | thick] DIGIT [leaning [far] left | leaning [far] right | upright]"


@dataclass(frozen=True)
class Wanted:
    """A caption's request: a class, and for slant and thickness a quantile of its training examples, or None."""

    label: int
    slant: float | None = None
    thickness: float | None = None

    @property
    def quantiles(self) -> dict[int, float]:
        """The quantiles that the caption names, by their attribute's place in attributes.NAMES."""
        return {j: q for j, q in enumerate((self.slant, self.thickness)) if q is not None}


def words(classes: int = len(DIGITS)) -> tuple[str, ...]:
    """All words of a caption."""
    return ("a", "an", "very", *THICKNESS, *_digits(classes), "leaning", "far", *SLANT)


def _digits(classes: int) -> tuple[str, ...]:
    return DIGITS[:classes] + tuple(map(str, range(classes)))


def parse(caption: str, classes: int = len(DIGITS)) -> Wanted:
    """The caption's request, in any case; punctuation is ignored.

    Raises ValueError for an unknown word, with a list of the known ones; and for known words in another order.
    """
    found, known = re.findall(r"[^\W_]+", caption.lower()), words(classes)
    if strange := [w for w in found if w not in known]:
        raise ValueError(f"caption {caption!r}: {', '.join(map(repr, strange))} is not known; the words are "
                         f"{', '.join(known)}")  # fmt: skip
    digits = "|".join(_digits(classes))
    form = rf"(?:an? )?(?:(?:(very )?(thin|thick)|(medium)) )?({digits})(?: (?:leaning (far )?(left|right)|(upright)))?"
    if not (match := re.fullmatch(form, " ".join(found))):
        raise ValueError(f"caption {caption!r} cannot be parsed; its form is {FORM}, with DIGIT one of "
                         f"{', '.join(_digits(classes))}")  # fmt: skip
    very, edge, medium, digit, far, side, upright = match.groups()
    slant, thickness = SLANT.get(side or upright), THICKNESS.get(edge or medium)
    label = DIGITS.index(digit) if digit in DIGITS else int(digit)
    if slant and far:
        slant = FURTHER[slant]
    if thickness and very:
        thickness = FURTHER[thickness]
    return Wanted(label, slant, thickness)


def conditions(wanted: Wanted, scale: Scale, n: int, seed: int = 0) -> Tensor:
    """(n, classes + 2) float32: the digit, the attributes that the caption names at their quantiles, and the others as
    some training example of the digit has them."""
    of_class = scale.deviations[scale.labels == wanted.label]
    drawn = of_class[torch.randint(len(of_class), (n,), generator=torch.Generator().manual_seed(seed))]
    for j, q in wanted.quantiles.items():
        drawn[:, j] = scale.quantile(wanted.label, j, q)
    return torch.cat([one_hot(torch.full((n,), wanted.label), scale.classes).float(), drawn], 1)


def nearest(wanted: Wanted, scale: Scale, given: Tensor, n: int) -> Tensor:
    """(n,) row numbers of those conditions (m, classes + 2) of the digit that lie nearest to the caption's attributes.

    It serves where samples are stored and their generator is not. Fewer than n if there are fewer of the digit.
    """
    rows = (given[:, : scale.classes].argmax(1) == wanted.label).nonzero()[:, 0]
    off = torch.zeros(len(rows))
    for j, q in wanted.quantiles.items():
        off += (given[rows, scale.classes + j] - scale.quantile(wanted.label, j, q)).square()
    return rows[off.argsort(stable=True)[:n]]
