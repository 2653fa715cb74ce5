"""Generative Adversarial Nets (Goodfellow et al., 2014, arXiv 1406.2661), reproduced section by section.

Modules are imported by name: `from ganrepro import datasets, parzen, records, training`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganrepro.records.pretrained import load_generator

__all__ = ["load_generator"]


def __getattr__(name: str) -> Any:
    if name == "load_generator":  # imported when asked for: `import ganrepro` alone stays light
        from ganrepro.records.pretrained import load_generator

        return load_generator
    raise AttributeError(f"module 'ganrepro' has no attribute {name!r}")
