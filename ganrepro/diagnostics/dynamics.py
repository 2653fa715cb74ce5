"""Two players who each follow a gradient: where do they go, and do the eigenvalues at an equilibrium predict it?

w = [theta, phi] holds both players' parameters, in float64. Each descends her own loss, so that w follows the field
v(w) = -[grad_theta L_G, grad_phi L_D], whose Jacobian v' is not symmetric: its eigenvalues may be complex, and then
play turns about the equilibrium.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev
from torch.nn.functional import softplus

from ganrepro import game as objectives
from ganrepro.device import plain_torch
from ganrepro.parameters import expect_number

if TYPE_CHECKING:
    from jaxtyping import Float64

    Point = Float64[Tensor, "n"]

MOST_WEIGHTS = 4000  # of both players together: the Jacobian holds the square of it
DIRAC_FUNCTIONS = ("minimax", "non-saturating", "Wasserstein")
CHUNK = 128  # rows of a Jacobian that are computed at once


@dataclass(frozen=True)
class Game:
    """Two differentiable losses of (theta (p,), phi (q,)), each a number; `sizes` is (p, q)."""

    g_loss: Callable[[Tensor, Tensor], Tensor]
    d_loss: Callable[[Tensor, Tensor], Tensor]
    sizes: tuple[int, int]

    def split(self, w: Point) -> tuple[Tensor, Tensor]:
        """theta and phi. Raises ValueError for a point of another length."""
        if w.shape != (sum(self.sizes),):
            raise ValueError(f"w has shape {tuple(w.shape)}; expected ({sum(self.sizes)},), both players' parameters")
        theta, phi = w.split(list(self.sizes))
        return theta, phi


def bilinear(gamma: float = 0.0) -> Game:
    """L_G = theta phi, L_D = -theta phi + gamma phi^2 / 2: with gamma the R1 penalty of a linear D (see `dirac_gan`).
    Its equilibrium is 0."""
    expect_number("gamma", gamma, 0, 1e6, float)
    return Game(lambda t, p: (t * p).sum(), lambda t, p: _penalty(p, gamma) - (t * p).sum(), (1, 1))


def dirac_gan(function: str = "minimax", gamma: float = 0.0) -> Game:
    """Data at 0, G at theta, and D with the logit phi x (Mescheder, Geiger and Nowozin, 2018, definition 2.1). Its
    equilibrium is 0.

    - function: one of DIRAC_FUNCTIONS. For "Wasserstein" phi x is D's output itself.
    - gamma: of the R1 penalty (gamma / 2) E |grad_x D(x)|^2 on data, here gamma phi^2 / 2 (the same, section 4.1).
    """
    expect_number("gamma", gamma, 0, 1e6, float)
    if function not in DIRAC_FUNCTIONS:
        raise ValueError(f"function = {function!r}; choose one of {', '.join(DIRAC_FUNCTIONS)}")

    def d_loss(theta: Tensor, phi: Tensor) -> Tensor:
        logit = theta * phi  # of the sample; that of data is 0
        gain = logit.sum() if function == "Wasserstein" else softplus(logit).sum() + math.log(2)
        return gain + _penalty(phi, gamma)

    def g_loss(theta: Tensor, phi: Tensor) -> Tensor:
        logit = theta * phi
        if function == "Wasserstein":
            return -logit.sum()
        return objectives.generator_loss(logit, function)

    return Game(g_loss, d_loss, (1, 1))


def dirac_eigenvalues(function: str = "minimax", gamma: float = 0.0) -> NDArray[np.complex128]:
    """Those of v' at the equilibrium of `dirac_gan`: -gamma / 2 ± sqrt(gamma^2 / 4 - s^2), s the slope of the function
    at 0, 1/2 for logits and 1 for Wasserstein's (Mescheder et al., 2018, sections 2.2 and 3.3)."""
    dirac_gan(function, gamma)  # refuses what it does
    root = np.sqrt(complex(gamma**2 / 4 - (1.0 if function == "Wasserstein" else 0.5) ** 2))
    return np.array([-gamma / 2 + root, -gamma / 2 - root])


@plain_torch
def of_networks(
    generator: nn.Module, discriminator: nn.Module, z: Tensor, x: Tensor, objective: str = "minimax"
) -> tuple[Game, Point]:
    """The paper's game on fixed noise z (n, z_dim) and examples x (m, d), as a function of all weights, and the weights
    as they are. objective: of G, as in `game.generator_loss`. The nets are of layers that torch.func can differentiate
    twice, and smooth ones (tanh, say) if the Jacobian is to see all curvature.

    Raises ValueError for more than MOST_WEIGHTS weights.
    """
    nets = generator, discriminator
    named = [{name: p.detach().double() for name, p in net.named_parameters()} for net in nets]
    w = torch.cat([p.flatten() for own in named for p in own.values()])
    if len(w) > MOST_WEIGHTS:
        raise ValueError(f"the players have {len(w)} weights; their Jacobian is computed for {MOST_WEIGHTS} at most")
    z, x = z.detach().double(), x.detach().double()

    def call(i: int, flat: Tensor, inputs: Tensor) -> Tensor:
        parts = flat.split([p.numel() for p in named[i].values()])
        own = {name: part.view(p.shape) for (name, p), part in zip(named[i].items(), parts, strict=True)}
        return functional_call(nets[i], own, (inputs,))

    def g_loss(theta: Tensor, phi: Tensor) -> Tensor:
        return objectives.generator_loss(call(1, phi, call(0, theta, z)).flatten(), objective)

    def d_loss(theta: Tensor, phi: Tensor) -> Tensor:
        real, fake = call(1, phi, x).flatten(), call(1, phi, call(0, theta, z)).flatten()
        return objectives.discriminator_loss(real, fake, scale=1.0)

    p, q = (sum(t.numel() for t in own.values()) for own in named)
    return Game(g_loss, d_loss, (p, q)), w


@plain_torch
def field(game: Game, w: Point) -> Point:
    """v(w): minus each player's gradient of her own loss."""
    theta, phi = game.split(w)
    return -torch.cat([grad(game.g_loss, 0)(theta, phi), grad(game.d_loss, 1)(theta, phi)])


@plain_torch
def jacobian(game: Game, w: Point) -> Float64[Tensor, "n n"]:
    """v'(w)."""
    return jacrev(partial(field, game), chunk_size=CHUNK)(w)


@plain_torch
def eigenvalues(game: Game, w: Point) -> NDArray[np.complex128]:
    """Those of v'(w) (n,), by falling real part."""
    found = np.linalg.eigvals(jacobian(game, w).numpy())
    return found[np.argsort(-found.real, kind="stable")]


def simultaneous(game: Game, w: Point, eta: float, gamma: float = 0.0) -> Point:
    """Both move at once: w + eta v(w). gamma is not used."""
    return w + eta * field(game, w)


def alternating(game: Game, w: Point, eta: float, gamma: float = 0.0) -> Point:
    """G moves, then D on what G has become. gamma is not used."""
    theta, phi = game.split(w)
    theta = theta - eta * grad(game.g_loss, 0)(theta, phi)
    return torch.cat([theta, phi - eta * grad(game.d_loss, 1)(theta, phi)])


def extragradient(game: Game, w: Point, eta: float, gamma: float = 0.0) -> Point:
    """Both move by the field where a first step would lead (Korpelevich, 1976). gamma is not used."""
    return w + eta * field(game, simultaneous(game, w, eta))


def consensus(game: Game, w: Point, eta: float, gamma: float = 0.0) -> Point:
    """Both also descend gamma |v(w)|^2 / 2 (Mescheder, Nowozin and Geiger, 2017)."""
    return w + eta * (field(game, w) - gamma * grad(lambda u: field(game, u).square().sum() / 2)(w))


RULES = {"simultaneous": simultaneous, "alternating": alternating, "extragradient": extragradient,
         "consensus": consensus}  # fmt: skip


@plain_torch
def play(game: Game, rule: str, start: Point, eta: float, steps: int, gamma: float = 0.0) -> Float64[Tensor, "t n"]:
    """The points of so many steps (steps + 1, n), the start first. rule: one of RULES; gamma: of consensus.

    Raises ValueError for an unknown rule, values out of range, and a start that is not finite or of another length.
    """
    w = _checked(game, rule, start, eta, gamma)
    expect_number("steps", steps, 1, 10**7)
    found = [w]
    for _ in range(steps):
        found.append(RULES[rule](game, found[-1], eta, gamma))
    return torch.stack(found)


@plain_torch
def predicted_rate(game: Game, rule: str, at: Point, eta: float, gamma: float = 0.0) -> float:
    """The spectral radius of the update's Jacobian at an equilibrium: near it, the distance to it is multiplied by
    about so much a step. Below 1 play arrives; above 1 it leaves; at 1 the eigenvalues do not decide."""
    w = _checked(game, rule, at, eta, gamma)
    update = jacrev(lambda u: RULES[rule](game, u, eta, gamma), chunk_size=CHUNK)(w)
    return float(np.abs(np.linalg.eigvals(update.numpy())).max())


def observed_rate(trajectory: Float64[Tensor, "t n"], equilibrium: Point) -> float:
    """The factor a step of the distance to an equilibrium: exp of the slope of the line through its logarithm, in the
    second half. Raises ValueError for fewer than four points, or a distance of 0."""
    away = (trajectory - equilibrium).norm(dim=1)[len(trajectory) // 2 :].numpy()
    if len(trajectory) < 4 or not (away > 0).all() or not np.isfinite(away).all():
        raise ValueError(f"a rate needs four points or more at finite distances above 0; got {len(trajectory)}, from "
                         f"{away.min() if len(away) else math.nan:g}")  # fmt: skip
    return math.exp(np.polyfit(np.arange(len(away)), np.log(away), 1)[0])


def _penalty(phi: Tensor, gamma: float) -> Tensor:
    return 0.5 * gamma * phi.square().sum()


def _checked(game: Game, rule: str, w: Point, eta: float, gamma: float) -> Point:
    """w in float64, once everything is right."""
    if rule not in RULES:
        raise ValueError(f"rule = {rule!r}; choose one of {', '.join(RULES)}")
    expect_number("eta", eta, 1e-12, 1e6, float)
    expect_number("gamma", gamma, 0, 1e6, float)
    w = torch.as_tensor(w).detach().double()
    game.split(w)
    if not w.isfinite().all():
        raise ValueError(f"the point {w.tolist()} is not finite")
    return w
