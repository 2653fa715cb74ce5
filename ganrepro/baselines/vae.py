"""A variational autoencoder whose decoder is the GAN's G (Kingma and Welling, 2014).

The model: z ~ N(0, I), x | z ~ N(G(z), sigma^2 I), with one learned sigma. log p(x) is an integral over z that has no
closed form. An encoder q(z | x) = N(mu(x), diag exp(log sigma^2(x))) gives a lower bound,

    log p(x) >= E_q log p(x | z) - KL(q(z | x) || N(0, I)),

whose gradient flows through z = mu + exp(log sigma^2 / 2) eps with eps ~ N(0, I): the reparametrisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganrepro import progress
from ganrepro.device import plain_torch
from ganrepro.networks import Dense, Generator, count_parameters, generate
from ganrepro.parameters import expect, expect_number
from ganrepro.recipes import Layer, Recipe

from .fitted import expect_draw, expect_examples, generator_of

ROWS = 500  # of examples at once in `bound`
LOG_2PI = math.log(2 * math.pi)


def reparametrise(mean: Tensor, log_variance: Tensor, epsilon: Tensor) -> Tensor:
    """z = mean + exp(log_variance / 2) epsilon: a draw of N(mean, exp log_variance) through which gradients flow."""
    return mean + (0.5 * log_variance).exp() * epsilon


def kl_to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp log_variance) || N(0, I)) in nats, summed over the last axis: (n, z) -> (n,)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)


def log_normal(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(x; mean, diag exp log_variance) in nats, summed over the last axis."""
    return -0.5 * ((x - mean).square() / log_variance.exp() + log_variance + LOG_2PI).sum(-1)


@dataclass(frozen=True)
class VAE:
    """encoder (n, d) -> (n, 2 z), mean beside log variance; decoder (n, z) -> (n, d), a Module; and the logarithm of
    the pixels' variance sigma^2, a tensor of one number."""

    encoder: Callable[[Tensor], Tensor]
    decoder: nn.Module
    z_dim: int
    log_variance: Tensor

    @property
    def sigma(self) -> float:
        """The standard deviation of the pixels' noise."""
        return float((0.5 * self.log_variance).exp())

    @property
    def parameters(self) -> int:
        """Encoder, decoder and sigma; `count_parameters(model.decoder)` draws the samples."""
        encoder = count_parameters(self.encoder) if isinstance(self.encoder, nn.Module) else 0
        return encoder + count_parameters(self.decoder) + 1

    @plain_torch
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples (n, d) float32 in [0, 1]: the decoder's pictures, without the pixels' noise."""
        z = torch.randn(n, self.z_dim, generator=expect_draw(n, seed))
        return generate(self.decoder, z).clamp(0, 1)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), (n, z) each."""
        mean, log_variance = self.encoder(x).chunk(2, -1)
        return mean, log_variance

    @plain_torch
    @torch.no_grad()
    def bound(self, x: Tensor, draws: int = 1, sigma: float | None = None, seed: int = 0) -> Tensor:
        """A lower bound of log p(x) of x (n, d) in nats, (n,) float64: log (1/k) sum_i p(x, z_i) / q(z_i | x), z_i ~ q.

        One draw is an unbiased estimate of the bound above; more of them tighten it in the mean (Burda, Grosse and
        Salakhutdinov, 2016). sigma: of the pixels, in place of the learned one, which the encoder was trained for.
        Raises ValueError for draws below 1 and a sigma not above 0.
        """
        expect_number("draws", draws, 1, 10**6)
        if sigma is not None:
            expect_number("sigma", sigma, 1e-6, 1e6, float)
        rng = generator_of(seed)
        noise = self.log_variance if sigma is None else torch.tensor(2 * math.log(sigma))
        found = []
        for rows in x.split(ROWS):
            mean, log_variance = self.encode(rows)
            weights = []
            for _ in range(draws):
                epsilon = torch.randn(mean.shape, generator=rng, dtype=mean.dtype)
                z = reparametrise(mean, log_variance, epsilon)
                joint = log_normal(rows, self.decoder(z), noise.expand(rows.shape)) + log_normal(
                    z, torch.zeros_like(z), torch.zeros_like(z)
                )
                weights.append((joint - log_normal(z, mean, log_variance)).double())
            found.append(torch.logsumexp(torch.stack(weights), 0) - math.log(draws))
        return torch.cat(found)


@plain_torch
def fit(
    train: Tensor, recipe: Recipe, epochs: int = 10, batch: int = 100, rate: float = 1e-3, seed: int = 0
) -> VAE:  # fmt: skip
    """Maximise the bound on train (m, d) in [0, 1] by Adam. The decoder is the recipe's G; the encoder has its hidden
    layers' widths in reverse, with ReLU. The rate falls linearly to 0.

    Raises ValueError where the recipe's samples do not have d numbers, for fewer examples than a minibatch, and for
    equal examples.
    """
    expect(Recipe, recipe=recipe)
    expect_number("epochs", epochs, 1, 10**6)
    expect_number("batch", batch, 1, 10**6)
    expect_number("rate", rate, 1e-9, 1e3, float)
    expect_examples(train, max(2, batch))
    if train.shape[1] != recipe.dim or recipe.task.columns:
        raise ValueError(f"the recipe {recipe.name} makes {recipe.dim} numbers, and an example of train has "
                         f"{train.shape[1]}; a VAE needs a plain recipe for these pictures")  # fmt: skip
    rng, data = generator_of(seed), train.float()
    decoder = Generator(recipe, rng, data.mean(0))
    widths = [recipe.dim, *(layer.units for layer in reversed(recipe.generator[:-1]))]
    layers = [
        Dense(a, Layer(b, "relu", math.sqrt(6 / a)), rng) for a, b in zip(widths[:-1], widths[1:], strict=True)
    ]
    encoder = nn.Sequential(*layers, Dense(widths[-1], Layer(2 * recipe.z_dim, "linear", 0.01), rng))
    log_variance = nn.Parameter(data.var(0, correction=0).mean().log())
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters(), log_variance], lr=rate)
    model = VAE(encoder, decoder, recipe.z_dim, log_variance)
    steps, order = epochs * (len(data) // batch), torch.empty(0, dtype=torch.long)
    for step in progress.bar(range(steps), desc="variational autoencoder", unit="step"):
        if len(order) < batch:
            order = torch.randperm(len(data), generator=rng)
        x, order = data[order[:batch]], order[batch:]
        adam.param_groups[0]["lr"] = rate * (1 - step / steps)
        mean, spread = model.encode(x)
        z = reparametrise(mean, spread, torch.randn(mean.shape, generator=rng))
        bound = log_normal(x, decoder(z), log_variance.expand(x.shape)) - kl_to_prior(mean, spread)
        adam.zero_grad()
        (-bound.mean() / recipe.dim).backward()
        adam.step()
    return VAE(encoder.eval(), decoder.eval(), recipe.z_dim, log_variance.detach())
