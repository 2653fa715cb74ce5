"""Section 7, extension 2, learned approximate inference: a network trained after G that predicts z from x.

Pairs (G(z), z) with z ~ p_z are free, so this is plain regression, by scikit-learn. Its optimum is E[z | x] under the
model, the mean of p(z | x), which G alone does not give. `layer` says what is predicted: 0 is z itself, k > 0 the
activations of G's k-th layer, from which the rest of G makes the picture. The authors' code began such an inferer.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from torch import Tensor, nn

from ganrepro import paths
from ganrepro.device import plain_torch
from ganrepro.networks import Generator

BATCH = 200  # pairs in one step of Adam
RANGE = {"relu": (0.0, math.inf), "sigmoid": (0.0, 1.0)}  # of a layer's activations; others have none


def check_layer(generator_layers: int, layer: int) -> None:
    """Raise ValueError unless the layer is 0, for z, or a hidden one of G, 1 to generator_layers - 1."""
    if type(layer) is not int or not 0 <= layer < generator_layers:
        raise ValueError(f"layer = {layer!r}; choose 0 for z, or a hidden layer of G, 1 to {generator_layers - 1}")


def check_pairs(n: int) -> None:
    """Raise ValueError unless the number of pairs is an int of at least 200, those of one step."""
    _check_int("pairs", n, BATCH)


def _check_int(name: str, value: int, least: int) -> None:
    if type(value) is not int or value < least:
        raise ValueError(f"{name} = {value!r}; it must be an int of at least {least}")


def _check_shapes(generator: Generator, x: Tensor, z: Tensor) -> None:
    d, z_dim = generator.recipe.dim, generator.recipe.z_dim
    if x.shape != (len(z), d) or z.shape[1:] != (z_dim,):
        raise ValueError(f"x {tuple(x.shape)} and z {tuple(z.shape)}; expected (n, {d}), (n, {z_dim})")


def _device(generator: Generator) -> torch.device:
    return next(generator.parameters()).device


@plain_torch
@torch.no_grad()
def activations(generator: Generator, z: Tensor, layer: int) -> Tensor:
    """The activations of G's layer `layer` (0: z itself) at z (n, z_dim): (n, width) float32, on the CPU."""
    check_layer(len(generator.layers), layer)
    return nn.Sequential(*generator.layers[:layer])(z.to(_device(generator))).cpu()


@plain_torch
@torch.no_grad()
def onward(generator: Generator, h: Tensor, layer: int) -> Tensor:
    """The rest of G behind its layer `layer`: h (n, width) -> x (n, d) float32, on the CPU. With layer 0 this is G."""
    check_layer(len(generator.layers), layer)
    return nn.Sequential(*generator.layers[layer:])(h.to(_device(generator))).cpu()


@dataclass(frozen=True)
class Inferer:
    """A regression from x to z, or to the activations of one of G's layers."""

    generator: Generator
    layer: int
    model: Ridge | MLPRegressor  # fitted to the targets, less their mean and divided by one spread
    mean: Tensor  # (width,)
    spread: float

    @plain_torch
    def predict(self, x: Tensor) -> Tensor:
        """x (n, d) -> the estimate of E[z | x], or of a layer's activations kept in their range; (n, width) float32."""
        h = torch.as_tensor(self.model.predict(x.numpy())).float() * self.spread + self.mean
        if self.layer == 0:
            return h
        activation = getattr(self.generator.layers[self.layer - 1].layer, "activation", "linear")
        return h.clamp(*RANGE.get(activation, (-math.inf, math.inf)))

    @plain_torch
    def reconstruct(self, x: Tensor) -> Tensor:
        """G's picture of the inferred z (or activations): (n, d) -> (n, d) float32."""
        return onward(self.generator, self.predict(x), self.layer)


@plain_torch
def fit_network(
    generator: Generator, x: Tensor, z: Tensor, layer: int = 0, *,
    hidden: tuple[int, ...] = (400, 400), passes: int = 2, seed: int = 0,
) -> Inferer:  # fmt: skip
    """A ReLU network, trained by Adam on the squared error, `passes` times over the pairs x (n, d), z (n, z_dim).

    hidden: the widths of its layers; seed: of its initial weights and the order of the pairs. Raises ValueError for
    fewer than 200 pairs, shapes that do not agree, an unknown layer, passes or widths below 1, and no width.
    """
    _check_int("passes", passes, 1)
    if not hidden or any(type(width) is not int or width < 1 for width in hidden):
        raise ValueError(f"hidden = {hidden!r}; it must be the widths of one layer or more, ints of at least 1")
    target, mean, spread = _standardised(generator, x, z, layer)
    model = MLPRegressor(hidden_layer_sizes=hidden, alpha=0.0, batch_size=BATCH, random_state=seed)
    for _ in range(passes):
        model.partial_fit(x.numpy(), target)
    return Inferer(generator, layer, model, mean, spread)


@plain_torch
def fit_linear(generator: Generator, x: Tensor, z: Tensor, layer: int = 0) -> Inferer:
    """The control: ridge regression (penalty 1) on the same pairs. Raises ValueError as `fit_network` does."""
    target, mean, spread = _standardised(generator, x, z, layer)
    return Inferer(generator, layer, Ridge(1.0).fit(x.numpy(), target), mean, spread)


def _standardised(generator: Generator, x: Tensor, z: Tensor, layer: int) -> tuple[NDArray, Tensor, float]:
    """The targets (n, width) less their mean, over their spread, so that the average variance is 1; mean and spread."""
    check_pairs(len(z))
    _check_shapes(generator, x, z)
    target = activations(generator, z, layer)
    if layer == 0:  # p_z has mean 0 and variance 1
        return target.numpy(), torch.zeros(target.shape[1]), 1.0
    mean, spread = target.mean(0), float(target.var(0).mean().sqrt()) or 1.0
    return ((target - mean) / spread).numpy(), mean, spread


def relative_error(predicted: Tensor, target: Tensor) -> Tensor:
    """The squared error of each prediction (n, width), over the mean one of predicting the targets' mean: (n,) float64.
    A mean of 0 is exact, of 1 is knowing nothing."""
    target = target.double()
    return (predicted - target).square().sum(1) / (target - target.mean(0)).square().sum(1).mean()


def per_pixel(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error per pixel of each row of a (n, d) against b (n, d): (n,) float64."""
    return (a.double() - b.double()).square().mean(1)


@plain_torch
def optimise(generator: Generator, x: Tensor, z: Tensor, steps: int = 60, rate: float = 0.1) -> tuple[Tensor, Tensor]:
    """Inference by optimisation: Adam moves each z (n, z_dim) to lessen ||G(z) - x||^2, inside the support of p_z.

    x (n, d). Returns z (n, z_dim) float32 and the errors per pixel after 0, …, `steps` steps, (steps + 1, n) float64.
    G's weights stay. Raises ValueError for fewer than 0 steps and shapes that do not agree.
    """
    _check_int("steps", steps, 0)
    _check_shapes(generator, x, z)
    where, edge = _device(generator), math.sqrt(3) if generator.recipe.noise == "uniform" else math.inf
    x, found = x.to(where), z.to(where).clamp(-edge, edge).requires_grad_()
    adam, errors = torch.optim.Adam([found], lr=rate), []
    for step in range(steps + 1):
        error = (generator(found) - x).square().mean(1)
        errors.append(error.detach())
        if step < steps:
            (found.grad,) = torch.autograd.grad(error.sum(), found)
            adam.step()
            found.data.clamp_(-edge, edge)
    return found.detach().cpu(), torch.stack(errors).double().cpu()


@plain_torch
def search(generator: Generator, x: Tensor, starts: Tensor, steps: int, rate: float = 0.1) -> tuple[Tensor, Tensor]:
    """`optimise` from several starts (s, n, z_dim) of each picture x (n, d): the best z (n, z_dim) that any start
    reaches, and the errors per pixel on the way, (steps + 1, s, n) float64."""
    s, n = starts.shape[:2]
    z, errors = optimise(generator, x.repeat(s, 1), starts.flatten(0, 1), steps, rate)
    errors = errors.unflatten(1, (s, n))
    return z.unflatten(0, (s, n))[errors[-1].argmin(0), torch.arange(n)], errors


@dataclass(frozen=True)
class Directions:
    """How strongly G(z) changes along each direction of z, strongest first; float64."""

    gain: Tensor  # (n, z_dim): singular values of the Jacobian dG/dz at each z
    basis: Tensor  # (n, z_dim, z_dim): the directions, in rows

    def squared_error(self, predicted: Tensor, z: Tensor) -> Tensor:
        """(n, z_dim): the squared error of predictions (n, z_dim) along each direction of its z (n, z_dim)."""
        return torch.einsum("nkj,nj->nk", self.basis, (predicted - z).double()).square()

    def redraw(self, z: Tensor, other: Tensor, chosen: slice) -> Tensor:
        """z (n, z_dim) with its components along the chosen directions, by rank, replaced by those of other."""
        some = self.basis[:, chosen]
        return (z + torch.einsum("nkj,nki,ni->nj", some, some, (other - z).double())).float()


@plain_torch
def directions(generator: Generator, z: Tensor) -> Directions:
    """Singular values and right singular vectors of the Jacobian of G at each z (n, z_dim)."""
    jacobian = torch.func.vmap(torch.func.jacfwd(generator))(z.to(_device(generator))).detach().cpu().double()
    squared, vectors = torch.linalg.eigh(jacobian.mT @ jacobian)  # ascending
    return Directions(squared.clamp(min=0).sqrt().flip(1), vectors.mT.flip(1))


def _checksum(generator: Generator) -> str:
    """A SHA-256 of G's weights: an inferer is that of one G."""
    parts = (f"{name}{p.detach().cpu().numpy().tobytes().hex()}" for name, p in generator.state_dict().items())
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def save(path: Path, inferers: Mapping[str, Inferer]) -> Path:
    """Store inferers of one G by name, their weights in float16, whole or not at all. Returns the path."""
    arrays: dict[str, NDArray] = {}
    about = {}
    for name, f in inferers.items():
        layers = [(f.model.coef_.T, f.model.intercept_)] if isinstance(f.model, Ridge) else list(
            zip(f.model.coefs_, f.model.intercepts_, strict=True))  # fmt: skip
        for i, (weight, bias) in enumerate(layers):
            arrays |= {f"{name}.weight{i}": weight, f"{name}.bias{i}": bias}
        arrays[f"{name}.mean"] = f.mean.numpy()
        about[name] = {"layer": f.layer, "spread": f.spread, "depth": len(layers), "linear": isinstance(f.model, Ridge)}
    (generator,) = {id(f.generator): f.generator for f in inferers.values()}.values()
    metadata = {"inferers": json.dumps(about), "generator": _checksum(generator)}
    with paths.atomic_file(path) as unfinished:
        halves = {k: np.ascontiguousarray(v, np.float16) for k, v in arrays.items()}
        unfinished.write_bytes(safetensors.numpy.save(halves, metadata))  # a file with everyone's usual permissions
    return path


@plain_torch
def load(path: Path, generator: Generator) -> dict[str, Inferer] | None:
    """What `save` stored, for this G; None if there is no file, or one made for another G. A damaged one raises
    ValueError."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
            arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); restore it, or make it anew with profile paper") from error
    if metadata["generator"] != _checksum(generator):
        return None
    found = {}
    for name, about in json.loads(metadata["inferers"]).items():
        weights, biases = ([arrays[f"{name}.{kind}{i}"] for i in range(about["depth"])] for kind in ("weight", "bias"))
        model, mean = _model(weights, biases, about["linear"]), torch.from_numpy(arrays[f"{name}.mean"])
        found[name] = Inferer(generator, about["layer"], model, mean, about["spread"])
    return found


def _model(weights: list[NDArray], biases: list[NDArray], linear: bool) -> Ridge | MLPRegressor:
    """A fitted regression with these weights (inputs, outputs): scikit-learn makes one by fitting, here to zeros."""
    x, y = (np.zeros((1, k), np.float32) for k in (len(weights[0]), len(biases[-1])))
    if linear:
        model = Ridge(1.0).fit(x, y)
        model.coef_, model.intercept_ = weights[0].T, biases[0]
        return model
    model = MLPRegressor(hidden_layer_sizes=tuple(len(b) for b in biases[:-1]), random_state=0).partial_fit(x, y)
    model.coefs_, model.intercepts_ = weights, biases
    return model
