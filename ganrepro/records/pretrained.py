"""The committed generator, in one call."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from ganrepro import networks, paths
from ganrepro.device import plain_torch
from ganrepro.recipes import RECIPES

SHIPPED = paths.PACKAGE / "pretrained_weights"  # where a wheel carries what a checkout has under results/


@plain_torch
def load_generator(name: str = "mnist") -> networks.Generator:
    """The pretrained generator of a committed record, on the CPU: z (n, 100) -> images (n, 784) in [0, 1].

    Draw z with `networks.draw_noise(generator.recipe, n, torch.Generator())`, or see `networks.sample`.
    Raises ValueError for a name without committed weights, and for damaged ones.
    """
    if name not in (available := weights()):
        raise ValueError(f"no pretrained generator {name!r}; there are: {', '.join(sorted(available)) or 'none'}")
    try:
        return networks.with_weights(networks.Generator, RECIPES[name], load_file(available[name]))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ValueError(f"{available[name]} is damaged ({error}); restore it, or reinstall the package") from error


def weights() -> dict[str, Path]:
    """The weight files at hand, by recipe name."""
    found = {p.stem: p for p in SHIPPED.glob("*.safetensors")}
    if paths.REPOSITORY is not None:
        found |= {p.parts[-3]: p for p in paths.results().glob("paper/*/seed0/weights.safetensors")}
    return {name: path for name, path in found.items() if name in RECIPES}
