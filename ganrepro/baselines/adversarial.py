"""Adversarial nets of a recipe's shapes, trained by another measuring function than the paper's: Wasserstein with a
gradient penalty (Gulrajani et al., 2017), least squares (Mao et al., 2017), or log D itself as their control."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ganrepro import networks
from ganrepro.device import plain_torch
from ganrepro.parameters import expect, expect_number
from ganrepro.recipes import Recipe

from . import measuring
from .fitted import expect_draw, expect_examples, generator_of


@dataclass(frozen=True)
class Adversarial:
    """The trained G of a recipe."""

    generator: nn.Module
    recipe: Recipe

    @property
    def parameters(self) -> int:
        """G's."""
        return networks.count_parameters(self.generator)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n samples (n, d) float32 in [0, 1], of the recipe's noise."""
        expect_draw(n, seed)
        return networks.sample(self.generator, self.recipe, n, seed)[0].clamp(0, 1)


@plain_torch
def fit(
    train: Tensor, recipe: Recipe, function: str, steps: int = 1000, batch: int = 100, d_steps: int = 1,
    rate: float = 2e-4, beta1: float = 0.5, seed: int = 0,
) -> Adversarial:  # fmt: skip
    """Train the recipe's G and D on train (m, d) in [0, 1] by `measuring.train`, without dropout: so many steps of G,
    each after d_steps steps of D, by Adam.

    function: one of `measuring.FUNCTIONS`. Raises ValueError where the recipe's samples do not have d numbers, for
    fewer examples than a minibatch, and for equal examples.
    """
    expect(Recipe, recipe=recipe)
    expect_number("batch", batch, 1, 10**6)
    expect_examples(train, max(2, batch))
    if train.shape[1] != recipe.dim or recipe.task.columns:
        raise ValueError(f"the recipe {recipe.name} makes {recipe.dim} numbers, and an example of train has "
                         f"{train.shape[1]}; expected a plain recipe for these pictures")  # fmt: skip
    rng, data = generator_of(seed), train.float()
    g, d = networks.Generator(recipe, rng, data.mean(0)), networks.Discriminator(recipe, rng)
    measuring.train(function, g, d, data, steps=steps, batch_size=batch, seed=seed, learning_rate=rate,
                    d_steps=d_steps, beta1=beta1)  # fmt: skip
    return Adversarial(g, recipe)
