"""One recipe: everything that decides a training, apart from the data, the seed and the device. Data only.

Sources: P = the paper; C = the authors' code (`goodfeli/adversarial`, commit 1720041), by file name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, Self

from ganrepro import layers
from ganrepro.layers import AnyLayer, Layer

QUICK_STEPS = 500
QUICK_IRANGE = 0.02


@dataclass(frozen=True)
class SecondStage:
    """A second training that goes on from the first: fresh layers in front of the trained G, whose z is their output,
    and D, momentum and all schedules anew (C: tfd's second file).

    after: epochs of the first training; front: what is put before G's layers.
    """

    after: int
    front: tuple[Layer, ...]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training, apart from the data, the seed and the device."""

    name: str
    shape: tuple[int, int, int]  # (channels, height, width) of what G makes
    generator: tuple[AnyLayer, ...]
    discriminator: tuple[AnyLayer, ...]
    epochs: int  # of both stages, where there are two; P and C leave it open for MNIST and CIFAR-10: see the README
    z_dim: int = 100  # C: mnist.yaml
    noise: Literal["uniform", "gaussian", "spherical"] = "uniform"  # C: U(-sqrt 3, sqrt 3); N(0, 1); see draw_noise
    keep_input: float = 0.8  # C: probability of keeping a pixel at D's input, in training
    keep_hidden: float = 0.5  # C: and of keeping any other input of a layer of D
    batch_size: int = 100
    learning_rate: float = 0.1  # C: mnist.yaml
    learning_rate_decay: float = 1.000004  # C: divides the rate after every batch
    learning_rate_floor: float = 1e-6
    momentum: tuple[float, float] = (0.5, 0.7)  # C: in epoch 1, and from epoch `momentum_epochs` on
    momentum_epochs: int = 250
    max_col_norm: float | None = None  # C: tfd only
    update: Literal["simultaneous", "alternating"] = "simultaneous"  # C trains so; P's Algorithm 1 alternates
    k: int = 1  # P: Algorithm 1's steps of D for one of G
    objective: Literal["non-saturating", "minimax", "blend"] = "non-saturating"  # P: section 3, last paragraph
    d_loss_scale: float = 0.5  # C: D's cost is the mean of its real and its fake half
    contrast: float | None = None  # C: cifar10 only: each picture less its mean, at this L2 norm (datasets/contrast.py)
    second_stage: SecondStage | None = None  # C: tfd only
    condition: int | None = None  # P: section 7, 1: numbers that each example carries, given to both players
    loudness: float | None = None  # ours: both nets read a condition multiplied by it, None is 1; see `voiced`
    subsets: bool | None = None  # P: section 7, 3: G completes what a random mask leaves open (conditions.py)
    classes: int | None = None  # P: section 7, 4: D's outputs, a logit a class; each row carries its label, or zeros
    products: Literal["tf32", "bfloat16"] | None = None  # ours: float32 products from rounded numbers, faster ones
    mixture: int | None = None  # ours: z begins with a one-hot choice among so many, so that G learns a mixture's means
    optimizer: Literal["adam"] | None = None  # ours: Kingma and Ba (2015), beta_1 being the momentum; None: momentum
    d_learning_rate: float | None = None  # ours: D's rate, falling as G's does; two time scales as Heusel et al. (2017)
    k_schedule: tuple[tuple[int, int], ...] | None = None  # ours: (from epoch, k) pairs in place of one k
    g_moves: int | None = None  # ours: G's moves in a step, each on fresh z; 2: D is moved half as often as G
    d_margin: float | None = None  # C: LazyAdversaryCost's d_eps: D leaves out what it has right by so much
    g_margin: float | None = None  # C: its g_eps, 0 in ThresholdedAdversaryCost: G leaves out what passes by so much

    def __post_init__(self) -> None:
        choices = {
            "noise": ("uniform", "gaussian", "spherical"),
            "update": ("simultaneous", "alternating"),
            "objective": ("non-saturating", "minimax", "blend"),
            "products": (None, "tf32", "bfloat16"),
            "optimizer": (None, "adam"),
        }
        for field, allowed in choices.items():
            if (found := getattr(self, field)) not in allowed:
                named = ", ".join(map(str, allowed))
                raise ValueError(f"recipe {self.name}: {field} = {found!r}; choose one of {named}")
        for field in ("epochs", "z_dim", "batch_size", "k", "momentum_epochs"):
            found = getattr(self, field)
            if type(found) is not int or found < 1:
                raise ValueError(f"recipe {self.name}: {field} = {found!r}; it must be an int of at least 1")
        for field in ("condition", "subsets", "classes"):
            found = getattr(self, field)
            if found is not None and (found is False or type(found) not in (int, bool) or found < 1):
                raise ValueError(f"recipe {self.name}: {field} = {found!r}; leave it None where there is none")
        if sum(map(bool, (self.condition, self.subsets, self.classes, self.second_stage))) > 1:
            raise ValueError(f"recipe {self.name}: choose one of condition, subsets, classes and second_stage")
        if (loud := self.loudness) is not None and not ((self.condition or self.subsets) and 0 < loud < math.inf):
            raise ValueError(f"recipe {self.name}: loudness = {loud!r}; above 0, where there is a condition or subsets")
        for field in ("keep_input", "keep_hidden"):
            if not 0 < (found := getattr(self, field)) <= 1:
                raise ValueError(f"recipe {self.name}: {field} = {found!r}; it must lie in (0, 1]")
        if not self.learning_rate > 0:
            raise ValueError(f"recipe {self.name}: learning_rate = {self.learning_rate!r}; it must be above 0")
        if self.update == "simultaneous" and self.k != 1:
            raise ValueError(f"recipe {self.name}: k = {self.k} needs update='alternating'; simultaneous has k = 1")
        self._check_sizes()
        self._check_coordination()

    def _check_coordination(self) -> None:
        """Refuse rates, margins and schedules of the two players that nothing could be done with."""

        def refuse(field: str, asked: str) -> None:
            raise ValueError(f"recipe {self.name}: {field} = {getattr(self, field)!r}; {asked}")

        if (n := self.mixture) is not None and (type(n) is not int or not 2 <= n < self.z_dim):
            refuse("mixture", f"it must be an int of at least 2 and below z_dim = {self.z_dim}")
        if (rate := self.d_learning_rate) is not None and not rate > 0:
            refuse("d_learning_rate", "it must be above 0")
        if (n := self.g_moves) is not None and (type(n) is not int or n < 1):
            refuse("g_moves", "it must be an int of at least 1")
        for field in ("d_margin", "g_margin"):
            if (margin := getattr(self, field)) is not None and not 0 <= margin < 0.5:
                refuse(field, "it must lie in [0, 0.5)")
        if (schedule := self.k_schedule) is not None:
            starts, ks = [start for start, _ in schedule], [k for _, k in schedule]
            rising = starts[:1] == [1] and starts == sorted(set(starts))
            if not rising or any(type(k) is not int or k < 1 for k in ks):
                refuse("k_schedule", "it must be (epoch, k) pairs, epochs rising from 1, each k at least 1")
        for field in ("k_schedule", "g_moves", "d_margin"):  # simultaneous moves share D's one way back to x
            if getattr(self, field) is not None and self.update == "simultaneous":
                refuse(field, "it needs update='alternating'")

    def _check_sizes(self) -> None:
        """Refuse layers that do not fit each other, the sample or the norm constraint."""
        if self.generator[-1].units != self.dim:
            raise ValueError(
                f"recipe {self.name}: G's last layer has {self.generator[-1].units} units, a sample of shape "
                f"{self.shape} has {self.dim} numbers"
            )
        if self.discriminator[-1].units != (self.classes or 1):
            raise ValueError(
                f"recipe {self.name}: D's last layer has {self.discriminator[-1].units} units, and needs "
                + (f"one for each of {self.classes} classes" if self.classes else "one; with more, say classes")
            )
        for player, inputs, own in (("G", self.g_inputs, self.generator), ("D", self.d_inputs, self.discriminator)):
            before = [inputs] + [layer.units for layer in own]
            for i, (units, layer) in enumerate(zip(before, own, strict=False)):
                if isinstance(layer, Layer):
                    continue
                if math.prod(layer.inputs) != units:
                    raise ValueError(
                        f"recipe {self.name}: {player}'s layer {i} takes inputs of shape {layer.inputs}, "
                        f"{math.prod(layer.inputs)} numbers, but is given {units}"
                    )
                if self.max_col_norm is not None:
                    raise ValueError(
                        f"recipe {self.name}: max_col_norm = {self.max_col_norm} bounds the rows of fully connected "
                        f"layers only, and {player}'s layer {i} is a convolution; leave it None"
                    )
        if (stage := self.second_stage) is not None:
            if type(stage.after) is not int or stage.after < 1:
                raise ValueError(f"recipe {self.name}: second_stage.after = {stage.after!r}; an int of at least 1")
            if not stage.front or stage.front[-1].units != self.z_dim:
                raise ValueError(
                    f"recipe {self.name}: second_stage.front must end in {self.z_dim} units, the z_dim of G behind it"
                )

    @property
    def dim(self) -> int:
        """Numbers in one sample."""
        c, h, w = self.shape
        return c * h * w

    @property
    def told(self) -> int:
        """Numbers that D is shown besides a sample: its condition, or the mask of what is observed."""
        return self.dim if self.subsets else self.condition or 0

    @property
    def carried(self) -> int:
        """Numbers that each training row carries behind its pixels: its condition, or its label."""
        return self.condition or self.classes or 0

    @property
    def g_inputs(self) -> int:
        """Numbers that G is given: z, and the condition, or the mask and what it lets through."""
        return self.z_dim + (2 * self.dim if self.subsets else self.told)

    @property
    def d_inputs(self) -> int:
        """Numbers that D is given."""
        return self.dim + self.told

    def at(self, epoch: int) -> Self:
        """The recipe as it is in epoch `epoch` (from 1): plain, with that epoch's k, and with the second stage's layers
        in G once it has begun."""
        found = self
        if (schedule := self.k_schedule) is not None:
            k = [k for start, k in schedule if start <= epoch][-1]
            found = found.replace(k=k, k_schedule=None)
        if (stage := self.second_stage) is not None:
            front = stage.front if epoch > stage.after else ()
            found = found.replace(generator=(*front, *self.generator), second_stage=None)
        return found

    def replace(self, **changes: object) -> Self:
        """A copy with some fields changed; an unknown field is a TypeError that lists the known ones."""
        known = [f.name for f in dataclasses.fields(self)]
        if unknown := sorted(set(changes) - set(known)):
            raise TypeError(f"recipe has no field {', '.join(unknown)}; its fields are {', '.join(known)}")
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def quick(self, examples: int) -> Self:
        """The same recipe at sizes that train in seconds on two CPU cores: narrower nets, and the whole number of
        epochs that comes nearest to QUICK_STEPS minibatches of this many examples. D's weights start wider: at the
        recipe's own width it would take most of these steps until D leaves 1/2. A convolution's step takes longer, so
        it gets half as many."""
        steps = QUICK_STEPS if all(isinstance(x, Layer) for x in self.discriminator) else QUICK_STEPS // 2
        epochs = max(1, round(steps / math.ceil(examples / self.batch_size)))
        stage = self.second_stage
        if stage is not None:
            after = max(1, round(epochs * stage.after / self.epochs))
            stage = SecondStage(after, tuple(dataclasses.replace(x, units=min(x.units, 256)) for x in stage.front))
        return self.replace(
            generator=layers.narrowed(self.generator, 256, 8),
            discriminator=layers.narrowed(self.discriminator, 64, 4, QUICK_IRANGE),
            epochs=epochs,
            second_stage=stage,
        )

    def to_dict(self) -> dict[str, object]:
        """Plain JSON-ready values, for records and checkpoints.

        What is None is left out, but for the first of such fields: what was made before the others still agrees.
        """
        values = dataclasses.asdict(self)
        return {k: v for k, v in values.items() if v is not None or k == "max_col_norm"}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`, also after a trip through JSON."""
        players = ("generator", "discriminator")
        found: dict[str, Any] = {p: tuple(map(layers.from_dict, values[p])) for p in players}
        if stage := values.get("second_stage"):
            found["second_stage"] = SecondStage(stage["after"], tuple(Layer(**layer) for layer in stage["front"]))
        if schedule := values.get("k_schedule"):
            found["k_schedule"] = tuple((start, k) for start, k in schedule)
        return cls(**values | found | {"shape": tuple(values["shape"]), "momentum": tuple(values["momentum"])})

    def checksum(self) -> str:
        """Eight hexadecimal digits that name this very recipe."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:8]

    def same_but_length(self, other: Recipe) -> bool:
        """Whether two recipes agree in all but their epochs: a training of the one may go on as the other."""
        return self.replace(epochs=other.epochs) == other

    def difference(self, other: Recipe) -> str:
        """The fields in which two recipes differ, for a message."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return ", ".join(f"{k} is {mine[k]!r} there and {theirs[k]!r} here" for k in mine if mine[k] != theirs[k])
