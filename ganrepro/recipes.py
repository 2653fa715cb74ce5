"""The paper's hyper-parameters: data only, each field with its source.

Sources: P = the paper; C = the authors' code (`goodfeli/adversarial`, commit 1720041), by file name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, Self

Activation = Literal["relu", "sigmoid", "linear", "maxout"]
MARGINAL: Literal["marginal"] = "marginal"


@dataclass(frozen=True)
class Layer:
    """One fully connected layer, `activation(W x + b)`.

    units: outputs, after the maximum over pieces where there are any.
    irange: weights start as U(-irange, irange); unused where `sparse` is set.
    bias: its start value; "marginal" is the logit of the training mean (C: `init_bias_target_marginals`).
    pieces: linear pieces that a maxout unit takes its maximum over.
    sparse: if positive, exactly that many incoming N(0, 1) weights a unit and zeros elsewhere (C: `sparse_init`).
    """

    units: int
    activation: Activation
    irange: float = 0.05
    bias: float | Literal["marginal"] = 0.0
    pieces: int = 1
    sparse: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training, apart from the data, the seed and the device."""

    name: str
    shape: tuple[int, int, int]  # (channels, height, width) of what G makes
    generator: tuple[Layer, ...]
    discriminator: tuple[Layer, ...]
    epochs: int  # P and C leave it open for MNIST: see the README's open questions
    z_dim: int = 100  # C: mnist.yaml
    noise: Literal["uniform", "gaussian"] = "uniform"  # C: uniform is U(-sqrt 3, sqrt 3), gaussian N(0, 1)
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

    def __post_init__(self) -> None:
        choices = {
            "noise": ("uniform", "gaussian"),
            "update": ("simultaneous", "alternating"),
            "objective": ("non-saturating", "minimax", "blend"),
        }
        for field, allowed in choices.items():
            if (found := getattr(self, field)) not in allowed:
                raise ValueError(f"recipe {self.name}: {field} = {found!r}; choose one of {', '.join(allowed)}")
        for field in ("epochs", "z_dim", "batch_size", "k", "momentum_epochs"):
            found = getattr(self, field)
            if type(found) is not int or found < 1:
                raise ValueError(f"recipe {self.name}: {field} = {found!r}; it must be an int of at least 1")
        for field in ("keep_input", "keep_hidden"):
            if not 0 < (found := getattr(self, field)) <= 1:
                raise ValueError(f"recipe {self.name}: {field} = {found!r}; it must lie in (0, 1]")
        if not self.learning_rate > 0:
            raise ValueError(f"recipe {self.name}: learning_rate = {self.learning_rate!r}; it must be above 0")
        if self.update == "simultaneous" and self.k != 1:
            raise ValueError(f"recipe {self.name}: k = {self.k} needs update='alternating'; simultaneous has k = 1")
        if self.generator[-1].units != self.dim:
            raise ValueError(
                f"recipe {self.name}: G's last layer has {self.generator[-1].units} units, a sample of shape "
                f"{self.shape} has {self.dim} numbers"
            )

    @property
    def dim(self) -> int:
        """Numbers in one sample."""
        c, h, w = self.shape
        return c * h * w

    def replace(self, **changes: object) -> Self:
        """A copy with some fields changed; an unknown field is a TypeError that lists the known ones."""
        known = [f.name for f in dataclasses.fields(self)]
        if unknown := sorted(set(changes) - set(known)):
            raise TypeError(f"recipe has no field {', '.join(unknown)}; its fields are {', '.join(known)}")
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def quick(self, examples: int) -> Self:
        """The same recipe at sizes that train in seconds on two CPU cores: narrower nets, and the whole number of
        epochs that comes nearest to QUICK_STEPS minibatches of this many examples. D's weights start wider: at the
        recipe's own width it would take most of these steps until D leaves 1/2."""
        batches = math.ceil(examples / self.batch_size)
        g = tuple(dataclasses.replace(x, units=min(x.units, 256)) for x in self.generator[:-1])
        d = [dataclasses.replace(x, irange=max(x.irange, QUICK_IRANGE)) for x in self.discriminator]
        d[:-1] = [dataclasses.replace(x, units=min(x.units, 64)) for x in d[:-1]]
        return self.replace(
            generator=g + self.generator[-1:],
            discriminator=tuple(d),
            epochs=max(1, round(QUICK_STEPS / batches)),
        )

    def to_dict(self) -> dict[str, object]:
        """Plain JSON-ready values, for records and checkpoints."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`, also after a trip through JSON."""
        layers = {p: tuple(Layer(**layer) for layer in values[p]) for p in ("generator", "discriminator")}
        return cls(**values | layers | {"shape": tuple(values["shape"]), "momentum": tuple(values["momentum"])})

    def checksum(self) -> str:
        """Eight hexadecimal digits that name this very recipe."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:8]

    def same_but_length(self, other: Recipe) -> bool:
        """Whether two recipes agree in all but their epochs: a training of the one may go on as the other."""
        return self.replace(epochs=other.epochs) == other

    def difference(self, other: Recipe) -> str:
        """The fields in which two recipes differ, for a message."""
        mine, theirs = self.to_dict(), other.to_dict()
        return ", ".join(f"{k} is {mine[k]!r} there and {theirs[k]!r} here" for k in mine if mine[k] != theirs[k])


QUICK_STEPS = 500
QUICK_IRANGE = 0.02
SINGLE_LOGIT = Layer(1, "linear", 0.005)  # the sigmoid is part of the loss, which works on logits


def _mnist(name: str, shape: tuple[int, int, int]) -> Recipe:
    c, h, w = shape
    return Recipe(
        name=name,
        shape=shape,
        generator=(Layer(1200, "relu"), Layer(1200, "relu"), Layer(c * h * w, "sigmoid", bias=MARGINAL)),
        discriminator=(
            Layer(240, "maxout", 0.005, pieces=5),
            Layer(240, "maxout", 0.005, pieces=5),
            SINGLE_LOGIT,
        ),
        epochs=2000,
    )


def _tfd(name: str, shape: tuple[int, int, int]) -> Recipe:
    c, h, w = shape
    return Recipe(
        name=name,
        shape=shape,
        noise="gaussian",
        generator=(
            Layer(8000, "relu"),
            Layer(8000, "sigmoid", bias=-2.0),
            Layer(c * h * w, "sigmoid", bias=MARGINAL, sparse=100),
        ),
        discriminator=(
            Layer(1200, "maxout", 0.005, pieces=5),
            Layer(1200, "maxout", 0.005, pieces=5),
            SINGLE_LOGIT,
        ),
        epochs=50,
        learning_rate=0.05,
        max_col_norm=1.9365,
    )


def _toy(name: str, shape: tuple[int, int, int]) -> Recipe:
    """Ours, not the paper's: a small net for points on a line or in a plane, whose samples are unbounded."""
    c, h, w = shape
    return Recipe(
        name=name,
        shape=shape,
        z_dim=8,
        noise="gaussian",
        generator=(Layer(64, "relu", 0.3), Layer(64, "relu", 0.3), Layer(c * h * w, "linear", 0.3)),
        discriminator=(Layer(32, "maxout", 0.3, pieces=5), Layer(32, "maxout", 0.3, pieces=5), SINGLE_LOGIT),
        epochs=40,
        keep_input=1.0,
        keep_hidden=1.0,
        learning_rate=0.02,
    )


RECIPES: dict[str, Recipe] = {
    "mnist": _mnist("mnist", (1, 28, 28)),
    "tfd": _tfd("tfd", (1, 48, 48)),
    "toy": _toy("toy", (1, 1, 2)),
}

_FAMILY = {
    "tfd": "tfd", "fer2013": "tfd", "att": "tfd",
    "gaussian1d": "toy", "ring": "toy", "grid": "toy",
}  # fmt: skip
_BUILD = {"mnist": _mnist, "tfd": _tfd, "toy": _toy}


def for_dataset(name: str, shape: tuple[int, int, int]) -> Recipe:
    """The recipe for a data set: its own where the paper has one, else the MNIST recipe at the data's size.

    name: as in `datasets.load`, or `Dataset.name`; shape: (c, h, w) of one example.
    """
    if len(shape) != 3 or any(type(s) is not int or s < 1 for s in shape):
        raise ValueError(f"shape = {shape!r}; expected three ints of at least 1: (channels, height, width)")
    family = _FAMILY.get(name, "mnist")
    return _BUILD[family](family, shape)
