"""One recipe: everything that decides a training, apart from the data, the seed and the device. Data only.

Sources: P = the paper; C = the authors' code (`goodfeli/adversarial`, commit 1720041), by file name.
"""

import dataclasses
import hashlib
import json
import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from .layers import STRICT, AnyLayer, Count, Layer, Name, Positive, Shape

Keep = Annotated[float, Field(gt=0, le=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Margin = Annotated[float, Field(ge=0, lt=0.5)]


@dataclass(frozen=True, config=STRICT)
class Plain:
    """The paper's game: p(x). Other tasks differ in sizes, given here, and in a step (training/tasks.py)."""

    kind: Literal["plain"] = "plain"

    def factors(self, dim: int) -> tuple[float, ...]:
        """The factor by which G scales each number of its condition; empty without a condition."""
        return ()

    def d_condition(self, dim: int) -> int:
        """Numbers of the condition that D is given too: its first ones."""
        return 0

    @property
    def columns(self) -> int:
        """Numbers that each training row carries behind its pixels."""
        return 0

    @property
    def d_outputs(self) -> int:
        """Outputs of D."""
        return 1


@dataclass(frozen=True, config=STRICT)
class Conditional(Plain):
    """P: section 7, item 1: p(x | c). Both players are given c, so many numbers, times condition_scale (ours)."""

    kind: Literal["conditional"] = "conditional"  # type: ignore[assignment]
    numbers: Count = 10
    condition_scale: Positive = 1.0

    def factors(self, dim: int) -> tuple[float, ...]:
        return (self.condition_scale,) * self.numbers

    def d_condition(self, dim: int) -> int:
        return self.numbers

    @property
    def columns(self) -> int:
        return self.numbers


@dataclass(frozen=True, config=STRICT)
class Subsets(Plain):
    """P: section 7, item 3: p(x_S | x_rest). G completes the pixels that a random mask m hides. G is conditioned on
    m‖m x, D on m. Observed pixels are multiplied by condition_scale and the mask is divided by it (ours): m alone, of
    length sqrt(d) and mostly noise to the first layer, would drown the pixels."""

    kind: Literal["subsets"] = "subsets"  # type: ignore[assignment]
    condition_scale: Positive = 1.0

    def factors(self, dim: int) -> tuple[float, ...]:
        return (1 / self.condition_scale,) * dim + (self.condition_scale,) * dim

    def d_condition(self, dim: int) -> int:
        return dim


@dataclass(frozen=True, config=STRICT)
class Classes(Plain):
    """P: section 7, item 4: D has an output for each class; rows carry a one-hot label, or zeros for none."""

    kind: Literal["classes"] = "classes"  # type: ignore[assignment]
    classes: Count = 10

    @property
    def columns(self) -> int:
        return self.classes

    @property
    def d_outputs(self) -> int:
        return self.classes


Task = Annotated[Plain | Conditional | Subsets | Classes, Field(discriminator="kind")]


@dataclass(frozen=True, config=STRICT)
class Coordination:
    """P: section 7, item 5: how the players take turns and how they move, beyond the recipe of the paper."""

    optimizer: Literal["adam"] | None = None  # Kingma and Ba (2015), beta_1 being the momentum; None is momentum
    d_learning_rate: Positive | None = None  # D's own, which falls as G's does (two time scales, Heusel et al., 2017)
    k_schedule: tuple[tuple[Count, Count], ...] | None = None  # (from epoch, k) pairs in place of one k
    g_moves: Count = 1  # moves of G in a step, each on fresh z
    d_margin: Margin | None = None  # examples beyond it are ignored (C: d_eps of LazyAdversaryCost, in no recipe)
    g_margin: Margin | None = None  # the same for G (C: g_eps of ThresholdedAdversaryCost, in no recipe)
    mixture: Annotated[int, Field(ge=2)] | None = None  # z starts with a one-hot choice: G learns a mixture's means

    @model_validator(mode="after")
    def _schedule_rises(self) -> Self:
        if self.k_schedule is not None:
            starts = [start for start, _ in self.k_schedule]
            if starts[:1] != [1] or starts != sorted(set(starts)):
                raise ValueError(f"k_schedule = {self.k_schedule}: epochs must rise from 1")
        return self


@dataclass(frozen=True, config=STRICT)
class SecondStage:
    """A second training that goes on from the first: new layers in front of the trained G, whose z is their output,
    and a new D; momentum and all schedules start again (C: tfd's second file)."""

    after: Count  # epochs of the first training
    front: Annotated[tuple[Layer, ...], Field(min_length=1)]  # layers put in front of G's


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Everything that decides a training, apart from the data, the seed and the device."""

    name: Name
    shape: Shape  # (channels, height, width) of a sample
    generator: Annotated[tuple[AnyLayer, ...], Field(min_length=1)]
    discriminator: Annotated[tuple[AnyLayer, ...], Field(min_length=1)]
    epochs: Count  # of both stages, where there are two; P and C leave it open for MNIST and CIFAR-10
    z_dim: Count = 100  # C: mnist.yaml
    noise: Literal["uniform", "gaussian", "spherical"] = "uniform"  # C: U(-sqrt 3, sqrt 3); N(0, 1); see draw_noise
    keep_input: Keep = 0.8  # C: probability of keeping a pixel at D's input, in training
    keep_hidden: Keep = 0.5  # C: and of keeping any other input of a layer of D
    batch_size: Count = 100
    epoch_batches: Count | None = None  # ours: as many passes make an epoch as come nearest to so many; None: one
    learning_rate: Positive = 0.1  # C: mnist.yaml
    learning_rate_decay: Decay = 1.000004  # C: divides the rate after every batch
    learning_rate_floor: Positive = 1e-6
    momentum: tuple[Momentum, Momentum] = (0.5, 0.7)  # C: in epoch 1, and from epoch `momentum_epochs` on
    momentum_epochs: Count = 250
    max_col_norm: Positive | None = None  # C: tfd only
    update: Literal["simultaneous", "alternating"] = "simultaneous"  # C: simultaneous; P: Algorithm 1 alternates
    k: Count = 1  # P: Algorithm 1's steps of D for one of G
    objective: Literal["non-saturating", "minimax", "blend"] = "non-saturating"  # P: section 3, last paragraph
    d_loss_scale: Positive = 0.5  # C: D's cost is the mean of its real and its fake half
    stopping: Literal["best"] | None = None  # ours: a record keeps the best epoch by validation score; None: the last
    input_scale: Positive | None = None  # ours: D sees x times this; see for_dataset
    contrast: Positive | None = None  # C: cifar10 only: the L2 norm of each picture less its mean
    products: Literal["tf32", "bfloat16"] | None = None  # ours: matrix products from rounded numbers, faster ones
    second_stage: SecondStage | None = None  # C: tfd only
    task: Task = dataclasses.field(default_factory=Plain)  # P: section 7, items 1, 3 and 4
    coordination: Coordination = dataclasses.field(default_factory=Coordination)  # P: section 7, item 5

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse sizes that do not fit each other, and options that exclude each other."""
        own, stage = self.coordination, self.second_stage
        g_units, d_units, wanted = self.generator[-1].units, self.discriminator[-1].units, self.task.d_outputs
        later = {"k": self.k > 1, "k_schedule": own.k_schedule is not None, "g_moves": own.g_moves > 1,
                 "d_margin": own.d_margin is not None}  # fmt: skip
        problems = {
            f"G's last layer has {g_units} units, a sample of shape {self.shape} has {self.dim} numbers":
                g_units != self.dim,
            f"D's last layer has {d_units} units; the task {self.task.kind} needs {wanted}": d_units != wanted,
            f"second_stage.front must end in {self.z_dim} units, the z_dim of G behind it":
                stage is not None and stage.front[-1].units != self.z_dim,
            f"task = {self.task.kind} cannot have a second_stage": stage is not None and self.task.kind != "plain",
            f"mixture = {own.mixture}; it must be below z_dim = {self.z_dim}": (own.mixture or 0) >= self.z_dim,
        }  # fmt: skip
        problems |= {f"{k} needs update = 'alternating'": v and self.update == "simultaneous" for k, v in later.items()}
        for player, inputs, layers in (("G", self.g_inputs, self.generator), ("D", self.d_inputs, self.discriminator)):
            before = [inputs] + [layer.units for layer in layers]
            for i, (units, layer) in enumerate(zip(before, layers, strict=False)):
                if isinstance(layer, Layer):
                    continue
                needed = math.prod(layer.inputs)
                problems[f"{player}'s layer {i} takes inputs of shape {layer.inputs}, {needed} numbers, but is given "
                         f"{units}"] = needed != units  # fmt: skip
                problems[f"max_col_norm = {self.max_col_norm} is for fully connected layers only, and {player}'s layer "
                         f"{i} is a convolution"] = self.max_col_norm is not None  # fmt: skip
        if found := [problem for problem, holds in problems.items() if holds]:
            raise ValueError(f"recipe {self.name}: {found[0]}")
        return self

    @property
    def dim(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.shape)

    @property
    def g_inputs(self) -> int:
        """Inputs of G: z and its condition."""
        return self.z_dim + len(self.task.factors(self.dim))

    @property
    def d_inputs(self) -> int:
        """Inputs of D: x and its condition."""
        return self.dim + self.task.d_condition(self.dim)

    def at(self, epoch: int) -> Self:
        """The recipe in epoch `epoch` (from 1): that epoch's k, and the second stage's layers in G once it began."""
        found = self
        if (schedule := self.coordination.k_schedule) is not None:
            k = [k for start, k in schedule if start <= epoch][-1]
            found = found.replace(k=k, coordination=dataclasses.replace(self.coordination, k_schedule=None))
        if (stage := self.second_stage) is not None:
            front = stage.front if epoch > stage.after else ()
            found = found.replace(generator=(*front, *self.generator), second_stage=None)
        return found

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated as a new one is. Raises ValueError, also for unknown fields."""
        return dataclasses.replace(self, **changes)

    def coordinate(self, **changes: Any) -> Self:
        """A copy with some fields of `coordination` changed."""
        return self.replace(coordination=dataclasses.replace(self.coordination, **changes))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, for records and checkpoints."""
        return _ADAPTER.dump_python(self, mode="json", exclude_none=True)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """The inverse of `to_dict`, also after a trip through JSON and for the flat form of earlier records."""
        if not isinstance(values, dict):
            raise TypeError(f"a recipe is a dict of its fields, not {values!r:.80}")
        return _ADAPTER.validate_json(json.dumps(_nested(values)))

    def checksum(self) -> str:
        """Eight hexadecimal digits that name this very recipe."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:8]

    def same_but_length(self, other: Self) -> bool:
        """Whether two recipes agree in all but their epochs: a training of one may go on as the other."""
        return self.replace(epochs=other.epochs) == other

    def difference(self, other: Self) -> str:
        """The fields in which two recipes differ, for a message."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return ", ".join(f"{k} is {mine[k]!r} there and {theirs[k]!r} here" for k in mine if mine[k] != theirs[k])


_ADAPTER: TypeAdapter[Recipe] = TypeAdapter(Recipe)
_COORDINATION = {field.name for field in dataclasses.fields(Coordination)}


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe's fields in today's form. Earlier records hold those of `task` and `coordination` beside the others."""
    flat = {k: v for k, v in values.items() if k not in _COORDINATION}
    scale = {"condition_scale": flat.pop("loudness", None) or 1.0}
    if numbers := flat.pop("condition", None):
        flat["task"] = {"kind": "conditional", "numbers": numbers} | scale
    if flat.pop("subsets", None):
        flat["task"] = {"kind": "subsets"} | scale
    if classes := flat.pop("classes", None):
        flat["task"] = {"kind": "classes", "classes": classes}
    if moved := {k: values[k] for k in _COORDINATION & values.keys()}:
        flat["coordination"] = moved
    return flat
