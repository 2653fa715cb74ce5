"""One progress bar for everything that may take more than two seconds."""

from __future__ import annotations

import os
from typing import Any

from tqdm import tqdm

PATIENCE = 2.0  # seconds before a bar shows: what is quicker needs none


def bar(*iterable: Any, **options: Any) -> tqdm:
    """A tqdm bar on stderr. None where GANREPRO_PROGRESS is 0, as in notebooks whose outputs are kept."""
    hidden = os.environ.get("GANREPRO_PROGRESS", "1") == "0"
    defaults = {"delay": PATIENCE, "dynamic_ncols": True, "mininterval": 0.5, "leave": False}
    return tqdm(*iterable, **defaults | options | ({"disable": True} if hidden else {}))
