"""What two arms' samples show after the training: which of them D keeps, and what the mixture's choice decides."""

import pandas as pd
import torch
from torch import Tensor

from ganrepro import networks, parzen
from ganrepro.device import plain_torch
from ganrepro.records import StoredTable
from ganrepro.training import Run

from . import rejection
from .variants import RECIPE

COLUMNS = ["arm", "seed", "measure", "value"]
WAYS = {"as they come": RECIPE, "rejection": "samples kept by rejection", "best": "samples with the highest D"}
SCORE, MEAN_D, SHARE = "score: ", "mean D: ", "share of variance between choices"
EACH = 200  # samples of each choice


@plain_torch
def by_choice(run: Run, seed: int) -> Tensor:
    """(choices, EACH, d): samples of a mixture, the choice fixed in a row."""
    choices = run.recipe.coordination.mixture or 0
    z = networks.noise(run.recipe, EACH * choices, seed)
    z[:, :choices] = choices**0.5 * torch.eye(choices).repeat_interleave(EACH, 0)
    return networks.generate(run.generator, z).unflatten(0, (choices, EACH))


@plain_torch
def share(x: Tensor) -> float:
    """The share of the variance of x (choices, n, d) that lies between the means of the choices."""
    between, total = x.mean(1).var(0, correction=0).sum(), x.flatten(0, 1).var(0, correction=0).sum()
    return float(between / total)


def kept(run: Run, seed: int, valid: Tensor, n: int, device: torch.device) -> dict[str, float]:
    """For each of WAYS to choose n of 5 n samples by D: their Parzen score on validation data in nats, at the sigma
    that is best for them, and D's mean output."""
    x, logits = rejection.with_logits(run, 5 * n, 1_000 + seed)
    found: dict[str, float] = {}
    for how in WAYS:
        rng = torch.Generator().manual_seed(seed)
        index = torch.arange(n) if how == "as they come" else rejection.kept(logits, n, how, rng)
        score = parzen.log_likelihood(x[index], valid, parzen.DEFAULT_GRID, device=device).mean(1).max()
        found |= {SCORE + how: float(score), MEAN_D + how: float(torch.sigmoid(logits[index]).mean())}
    return found


def measure(arm: str, seed: int, run: Run, valid: Tensor, n: int, device: torch.device) -> pd.DataFrame:
    """The rows of COLUMNS that one training gives: `kept` for the recipe, `share` for a mixture, none for others."""
    found: dict[str, float] = {}
    if arm == RECIPE:
        found = kept(run, seed, valid, n, device)
    elif run.recipe.coordination.mixture:
        found = {SHARE: share(by_choice(run, seed))}
    return pd.DataFrame([(arm, seed, *item) for item in found.items()], columns=COLUMNS)


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """The scores of the ways to choose samples as `comparison.compare` takes them: arm, seed, score."""
    rows = table[table.measure.str.startswith(SCORE)]
    arm = rows.measure.str.removeprefix(SCORE).map(WAYS)
    return pd.DataFrame({"arm": arm, "seed": rows.seed, "score": rows.value})


def stored(data: str, profile: str) -> StoredTable:
    """The table of these rows: made under runs/, the paper profile's committed."""
    return StoredTable("coordination", f"{data}_{profile}_samples")
