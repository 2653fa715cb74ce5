"""Section 7's second extension, learned approximate inference: a network trained after G that predicts z from x.

Pairs (G(z), z) with z ~ p_z are free and endless, so this is plain regression, and scikit-learn does it. Its optimum is
E[z | x] under the model: the mean of p(z | x), which G alone does not give. As in the start that the authors' code made
(P: Section 7; C: an inferer on z or on a layer of G), `layer` says what is predicted: 0 is z itself, k > 0 the
activations of G's k-th layer, from which the rest of G makes the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPRegressor
from torch import Tensor

from ganrepro.networks import Generator

BATCH = 200  # pairs in one step of Adam
RANGE = {"relu": (0.0, math.inf), "sigmoid": (0.0, 1.0)}  # what a layer's activation can be; of others, anything


def check_layer(generator_layers: int, layer: int) -> None:
    """Refuse a layer that is neither 0, for z, nor one of G's hidden ones, 1 to generator_layers - 1. ValueError."""
    if type(layer) is not int or not 0 <= layer < generator_layers:
        raise ValueError(f"layer = {layer!r}; choose 0 for z, or a hidden layer of G, 1 to {generator_layers - 1}")


def check_pairs(n: int) -> None:
    """Refuse a number of pairs that is no int of at least 200, those of one step. ValueError."""
    if type(n) is not int or n < BATCH:
        raise ValueError(f"pairs = {n!r}; an inferer needs an int of at least {BATCH}, those of one step")


@torch.no_grad()
def activations(generator: Generator, z: Tensor, layer: int) -> Tensor:
    """What G's layer `layer` (0: z itself) is at z (n, z_dim): (n, width) float32, on the CPU."""
    check_layer(len(generator.layers), layer)
    for module in generator.layers[:layer]:
        z = module(z.to(_device(generator)))
    return z.cpu()


@torch.no_grad()
def onward(generator: Generator, h: Tensor, layer: int) -> Tensor:
    """The rest of G behind its layer `layer`: h (n, width) -> x (n, d) float32, on the CPU. With layer 0 this is G."""
    check_layer(len(generator.layers), layer)
    for module in generator.layers[layer:]:
        h = module(h.to(_device(generator)))
    return h.cpu()


@dataclass(frozen=True)
class Inferer:
    """A regression from x to z, or to the activations of one of G's layers.

    model: anything with scikit-learn's `predict`, fitted to targets less their mean (width,), divided by one `spread`.
    """

    generator: Generator
    layer: int
    model: Ridge | MLPRegressor
    mean: Tensor
    spread: float

    def predict(self, x: Tensor) -> Tensor:
        """x (n, d) -> the estimate of E[z | x], or of a layer's activations kept in their range; (n, width) float32."""
        h = torch.as_tensor(self.model.predict(x.numpy())).float() * self.spread + self.mean
        if self.layer == 0:
            return h
        kind = getattr(self.generator.layers[self.layer - 1], "layer", None)
        return h.clamp(*RANGE.get(getattr(kind, "activation", ""), (-math.inf, math.inf)))

    def reconstruct(self, x: Tensor) -> Tensor:
        """What G makes of the inferred z (or activations): (n, d) -> (n, d) float32."""
        return onward(self.generator, self.predict(x), self.layer)


def fit_network(
    generator: Generator, x: Tensor, z: Tensor, layer: int = 0, *,
    hidden: tuple[int, ...] = (400, 400), passes: int = 2, seed: int = 0,
) -> Inferer:  # fmt: skip
    """A ReLU network, trained by Adam on the squared error, `passes` times over the pairs x (n, d), z (n, z_dim).

    seed: of its initial weights and of the order of the pairs. Raises ValueError for fewer than 200 pairs (one step's),
    shapes that do not agree, a layer that is not there, passes below 1, and widths that are none.
    """
    if type(passes) is not int or passes < 1:
        raise ValueError(f"passes = {passes!r}; it must be an int of at least 1")
    if not hidden or any(type(width) is not int or width < 1 for width in hidden):
        raise ValueError(f"hidden = {hidden!r}; it must be the widths of one layer or more, ints of at least 1")
    target, mean, spread = _target(generator, x, z, layer)
    model = MLPRegressor(hidden_layer_sizes=hidden, alpha=0.0, batch_size=BATCH, random_state=seed)
    for _ in range(passes):
        model.partial_fit(x.numpy(), target)
    return Inferer(generator, layer, model, mean, spread)


def fit_linear(generator: Generator, x: Tensor, z: Tensor, layer: int = 0) -> Inferer:
    """The control: ridge regression (penalty 1) on the same pairs. Raises ValueError as `fit_network` does."""
    target, mean, spread = _target(generator, x, z, layer)
    return Inferer(generator, layer, Ridge(1.0).fit(x.numpy(), target), mean, spread)


def relative_error(predicted: Tensor, target: Tensor) -> float:
    """The squared error of (n, width) predictions over that of always predicting the targets' mean: 0 is exact, 1 as
    good as knowing nothing."""
    return 1 - float(r2_score(target.numpy(), predicted.numpy(), multioutput="variance_weighted"))


def per_pixel(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error per pixel of each row of a (n, d) against b (n, d): (n,) float64."""
    return (a.double() - b.double()).square().mean(1)


def optimise(generator: Generator, x: Tensor, z: Tensor, steps: int = 60, rate: float = 0.1) -> tuple[Tensor, Tensor]:
    """Inference by optimisation: each z (n, z_dim) moved by Adam to lessen ||G(z) - x||^2, inside the support of p_z.

    x (n, d). Returns z (n, z_dim) float32 and the errors per pixel after 0, …, `steps` steps, (steps + 1, n) float64.
    G's weights stay. Raises ValueError for fewer than 0 steps and shapes that do not agree.
    """
    if type(steps) is not int or steps < 0:
        raise ValueError(f"steps = {steps!r}; it must be an int of at least 0")
    recipe, where = generator.recipe, _device(generator)
    if x.shape != (len(z), recipe.dim) or z.shape[1:] != (recipe.z_dim,):
        raise ValueError(f"x {tuple(x.shape)} and z {tuple(z.shape)}; expected (n, {recipe.dim}), (n, {recipe.z_dim})")
    edge = math.sqrt(3) if recipe.noise == "uniform" else math.inf
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


@dataclass(frozen=True)
class Directions:
    """How G(z) answers to each direction of z, strongest first.

    gain (n, z_dim): singular values of the Jacobian dG/dz at each z; basis (n, z_dim, z_dim): the directions, in rows.
    float64.
    """

    gain: Tensor
    basis: Tensor

    def squared_error(self, predicted: Tensor, z: Tensor) -> Tensor:
        """(n, z_dim): the squared error of predictions (n, z_dim) along each direction of its z (n, z_dim)."""
        return torch.einsum("nkj,nj->nk", self.basis, (predicted - z).double()).square()


def directions(generator: Generator, z: Tensor) -> Directions:
    """Singular values and right singular vectors of the Jacobian of G at each z (n, z_dim)."""
    jacobian = torch.func.vmap(torch.func.jacfwd(generator))(z.to(_device(generator))).detach().cpu().double()
    squared, vectors = torch.linalg.eigh(jacobian.mT @ jacobian)  # ascending
    return Directions(squared.clamp(min=0).sqrt().flip(1), vectors.mT.flip(1))


def _target(generator: Generator, x: Tensor, z: Tensor, layer: int) -> tuple[NDArray[np.float32], Tensor, float]:
    """What is to be predicted from x, (n, width), at mean 0 and variance 1 on average; its own mean and deviation.

    Raises ValueError for too few pairs and shapes that do not agree.
    """
    check_pairs(len(z))
    recipe = generator.recipe
    if x.shape != (len(z), recipe.dim) or z.shape[1:] != (recipe.z_dim,):
        raise ValueError(f"x {tuple(x.shape)} and z {tuple(z.shape)}; expected (n, {recipe.dim}), (n, {recipe.z_dim})")
    target = activations(generator, z, layer)
    mean, spread = target.mean(0), float(target.var(0).mean().sqrt()) or 1.0
    if layer == 0:  # p_z's own
        mean, spread = torch.zeros_like(mean), 1.0
    return ((target - mean) / spread).numpy(), mean, spread


def _device(generator: Generator) -> torch.device:
    return next(generator.parameters()).device
