"""Several trainings of one recipe, to be taken as seeds: those of one profile and one length, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ganrepro import records
from ganrepro.datasets import Dataset
from ganrepro.progress import say
from ganrepro.recipes import for_dataset
from ganrepro.records import Record

from .completion import PICTURES, Evidence, evidence


@dataclass(frozen=True)
class Trainings:
    """Records of one profile and one number of epochs, with their completions; and why other seeds were left out."""

    records: dict[int, Record] = field(default_factory=dict)
    evidence: dict[int, Evidence] = field(default_factory=dict)
    missing: dict[int, str] = field(default_factory=dict)

    @property
    def profile(self) -> str:
        """The profile of them all."""
        return next(iter(self.records.values())).meta["profile"]


def trainings(
    data: Dataset, profile: str, seeds: Sequence[int], device: str = "auto", pictures: int = PICTURES,
    learning_rate: float | None = None, recipe: str = "subsets",
) -> Trainings:  # fmt: skip
    """The records of the seeds, the first as `get_or_train` has it, the others of its profile and length.

    A paper record without weights and completions gives way to a quick one. A later seed's paper record is trained only
    where profile is "paper" and the first one has the recipe's full length: any other would not be comparable.
    """
    found, (first, *later) = Trainings(), seeds
    asked: dict[str, Any] = {"recipe": recipe, "learning_rate": learning_rate}
    record = records.get_or_train(data, profile, first, device, **asked)
    if (made := evidence(record, data, pictures)) is None:
        say(f"the paper record of seed {first} has neither weights nor completions: a quick one is used instead")
        record = records.get_or_train(data, "quick", first, device, **asked)
        made = evidence(record, data, pictures)
    assert made is not None  # a quick record has its weights
    found.records[first], found.evidence[first] = record, made
    kind, length = record.meta["profile"], record.meta["epochs"]
    full = for_dataset(data.name, data.shape, recipe).epochs
    train = kind == "quick" or (profile == "paper" and length == full)
    for seed in later:
        try:
            other = records.get_or_train(data, kind, seed, device, **asked, train=train)
        except FileNotFoundError:
            found.missing[seed] = f"it has no {kind} record of {length} epochs"
            continue
        made = evidence(other, data, pictures)
        if (epochs := other.meta["epochs"]) != length:
            found.missing[seed] = f"its record has {epochs} epochs, that of seed {first} {length}"
        elif made is None:
            found.missing[seed] = "its record has neither weights nor stored completions"
        else:
            found.records[seed], found.evidence[seed] = other, made
    return found
