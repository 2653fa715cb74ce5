"""A plain caption, such as "a thin 7 leaning right", as a condition: a small step towards text."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from ganrepro.device import plain_torch

from .attributes import Scale
from .model import one_hot_condition

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
    digits = (*DIGITS[:classes], *map(str, range(classes)))
    return ("a", "an", "very", *THICKNESS, *digits, "leaning", "far", *SLANT)


def parse(caption: str, classes: int = len(DIGITS)) -> Wanted:
    """The caption's request, in any case, punctuation ignored. Raises ValueError for words unknown or out of order."""
    found, known = re.findall(r"[^\W_]+", caption.lower()), words(classes)
    if strange := ", ".join(repr(w) for w in found if w not in known):
        raise ValueError(f"caption {caption!r}: {strange} is not known; the words are {', '.join(known)}")
    digits = "|".join(word for word in known if word in DIGITS or word.isdigit())
    form = rf"(?:an? )?(?:(?:(very )?(thin|thick)|(medium)) )?({digits})(?: (?:leaning (far )?(left|right)|(upright)))?"
    if not (match := re.fullmatch(form, " ".join(found))):
        one_of = digits.replace("|", ", ")
        raise ValueError(f"caption {caption!r} cannot be parsed; its form is {FORM}, with DIGIT one of {one_of}")
    very, edge, medium, digit, far, side, upright = match.groups()
    slant, thickness = SLANT.get(side or upright), THICKNESS.get(edge or medium)
    label = DIGITS.index(digit) if digit in DIGITS else int(digit)
    return Wanted(label, FURTHER[slant] if slant and far else slant,
                  FURTHER[thickness] if thickness and very else thickness)  # fmt: skip


def check(shown_class: int, caption: str, classes: int) -> None:
    """Check a notebook's parameters of these names against the number of classes. Raises ValueError, with all that is
    wrong and values that would do."""
    problems = []
    for refuse in (lambda: one_hot_condition(shown_class, classes, "shown_class"), lambda: parse(caption, classes)):
        try:
            refuse()
        except ValueError as error:
            problems.append(str(error))
    if problems:
        known = f"shown_class = {classes - 1}, caption = 'a thin {classes - 1} leaning right'"
        raise ValueError("; ".join([*problems, f"with these {classes} classes, {known} would do"]))


@plain_torch
def conditions(wanted: Wanted, scale: Scale, n: int, seed: int = 0) -> Tensor:
    """(n, classes + 2) float32: the digit, named attributes at their quantiles, the others of random examples of it."""
    of_class = scale.deviations[scale.labels == wanted.label]
    drawn = of_class[torch.randint(len(of_class), (n,), generator=torch.Generator().manual_seed(seed))]
    for j, q in wanted.quantiles.items():
        drawn[:, j] = scale.quantile(wanted.label, j, q)
    return scale.conditions(drawn, torch.full((n,), wanted.label))


@plain_torch
def nearest(wanted: Wanted, scale: Scale, given: Tensor, n: int) -> Tensor:
    """(n,) row numbers of the conditions (m, classes + 2) of the digit nearest to the caption's attributes, for samples
    stored without their generator. Fewer than n if there are fewer of the digit."""
    rows = (given[:, : scale.classes].argmax(1) == wanted.label).nonzero()[:, 0]
    off = torch.zeros(len(rows))
    for j, q in wanted.quantiles.items():
        off += (given[rows, scale.classes + j] - scale.quantile(wanted.label, j, q)).square()
    return rows[off.argsort(stable=True)[:n]]
