"""Has a model copied its training data, or collapsed? Distances, decided against held-out data, with broken models as
controls; and pictures along lines in z.

Either distance alone misleads. A model that makes one blurred picture can lie as near to the training data as held-out
pictures do, or nearer; a model that copies its training data is as varied as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganrepro.device import plain_torch

from .neighbours import nearest, nearest_other

TOO_NEAR, TOO_FAR, TOO_ALIKE = 0.5, 2.0, 0.5  # medians of squared distances over held-out data's; a convention
LIKE_DATA, COPIES, OFF, ALIKE, OPEN = "like held-out data", "copies", "off the data", "too alike", "undecided"


@dataclass(frozen=True)
class Distances:
    """Squared L2 distances (n,) float64 of n pictures: to the nearest training example, and to the nearest other of
    the n."""

    to_training: Tensor
    to_another: Tensor

    def ratios(self, held_out: Distances) -> tuple[float, float]:
        """The medians over those of as many held-out pictures: nearness and spread, both near 1 for a perfect model.
        NaN where held-out pictures equal training examples, or each other. Raises ValueError for other numbers of
        pictures: the nearest of more is nearer."""
        if len(self.to_another) != len(held_out.to_another):
            raise ValueError(f"{len(self.to_another)} pictures against {len(held_out.to_another)} held-out ones; "
                             "the nearest of more is nearer, so take as many of both")  # fmt: skip
        pairs = ((self.to_training, held_out.to_training), (self.to_another, held_out.to_another))
        nearness, spread = (float(a.median() / b.median()) if b.median() > 0 else float("nan") for a, b in pairs)
        return nearness, spread

    def verdict(self, held_out: Distances) -> str:
        """Decided by both ratios: ALIKE if the pictures differ too little, else COPIES or OFF if they lie too near to
        the training examples or too far, else LIKE_DATA; OPEN where a ratio is not a number."""
        nearness, spread = self.ratios(held_out)
        if nearness != nearness or spread != spread:
            return OPEN
        if spread < TOO_ALIKE:
            return ALIKE
        return COPIES if nearness < TOO_NEAR else OFF if nearness > TOO_FAR else LIKE_DATA


def distances(pictures: Tensor, training: Tensor, device: torch.device | str | None = None) -> Distances:
    """Of pictures (n, d), n at least 2, to training examples (m, d)."""
    return Distances(nearest(pictures, training, device).squared_distance, nearest_other(pictures))


@plain_torch
def broken_models(training: Tensor, n: int, squared_noise: float, seed: int = 0) -> dict[str, Tensor]:
    """n pictures (n, d) of each of three models that should fail: copies of training examples, the mean picture alone,
    and ten training examples again and again. Each picture has Gaussian noise of that mean squared length."""
    rng = torch.Generator().manual_seed(seed)
    chosen = training[torch.randperm(len(training), generator=rng)[: min(n, len(training))]]
    mean = training.mean(0, keepdim=True)
    made = {"training copies": chosen, "one blurred picture": mean, "ten pictures": chosen[:10]}
    scale = (squared_noise / training.shape[1]) ** 0.5
    return {name: x[torch.arange(n) % len(x)] + scale * torch.randn(n, x.shape[1], generator=rng)
            for name, x in made.items()}  # fmt: skip


class Memoriser(nn.Module):
    """A G that has only stored pictures: the mean of pictures (m, d), weighted by softmax(-|z - z_j|^2 / width) of
    their noise z (m, z_dim). Continuous in z; with width 0 the picture of the nearest z_j, which jumps."""

    def __init__(self, z: Tensor, pictures: Tensor, width: float) -> None:
        super().__init__()
        self.z, self.pictures, self.width = z, pictures, width

    def forward(self, z: Tensor) -> Tensor:
        squared = torch.cdist(z, self.z).square()
        if self.width == 0:
            return self.pictures[squared.argmin(-1)]
        return torch.softmax(-squared / self.width, -1) @ self.pictures


def ends_apart(lines: Tensor) -> float:
    """The median squared distance between the first and the last picture of lines (rows, steps, d)."""
    return float((lines[:, -1] - lines[:, 0]).square().sum(-1).median())


def largest_step(lines: Tensor) -> float:
    """The largest distance between neighbours on a line, as a share of its length; median over lines (rows, steps, d).
    1 / (steps - 1) if all steps are equal, 1 for one jump; a line of equal pictures counts as even."""
    step = (lines[:, 1:] - lines[:, :-1]).double().square().sum(-1).sqrt()
    length = step.sum(1, keepdim=True)
    share = torch.where(length > 0, step / length, 1 / step.shape[1])
    return float(share.max(1).values.median())
