"""The talks in the notebooks as slides without a network: `python tools/slides.py build/slides`.

A cell is in the talk if its metadata has a `slideshow`: {"slide_type": "slide", "title": ..., "text": ...}. Title and
text (Markdown) are those of the slide. Below them stands what the cell shows: the output of a code cell, its code too
with "code": true, and of a Markdown cell the displayed formula, listing or table number `keep`, from 0. Needs
sphinx-revealjs for reveal.js and jupyter_server_mathjax for MathJax; nothing of either is executed here.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
TALKS = ["01_theory", "02_algorithm1"]
KEYS = {"slide_type", "title", "text", "keep", "code"}
BLOCK = re.compile(r"^\$\$.+?\$\$|^```.+?^```|(?:^\|[^\n]+\n?)+", re.DOTALL | re.MULTILINE)
WIDTH, HEIGHT = 1280, 720  # of a slide, in CSS pixels


def blocks(source: str) -> list[str]:
    """The displayed formulas, listings and tables of a Markdown cell, in order."""
    return [found.strip() for found in BLOCK.findall(source)]


def slide(cell: NotebookNode) -> list[NotebookNode]:
    """The cells of one slide: its words, and what the cell shows. Raises ValueError for unknown keys and no title."""
    about: dict[str, Any] = cell.metadata["slideshow"]
    if not {"slide_type", "title"} <= about.keys() <= KEYS:
        raise ValueError(f"the slideshow of cell {cell.id} has {', '.join(about)}; expected slide_type, title and some "
                         f"of {', '.join(sorted(KEYS - {'slide_type', 'title'}))}")  # fmt: skip
    first = "#" if cell.cell_type == "markdown" and cell.source.startswith("# ") else "##"
    words = [f"{first} {about['title']}", about.get("text", "")]
    if "keep" in about:
        words.append(blocks(cell.source)[about["keep"]])
    start = {"slideshow": {"slide_type": about["slide_type"]}}
    found = [nbformat.v4.new_markdown_cell("\n\n".join(filter(None, words)), metadata=start)]
    if cell.cell_type == "code":
        hidden = {"slideshow": {"slide_type": "-"}, "transient": {"remove_source": not about.get("code", False)}}
        shown = nbformat.from_dict(cell | {"metadata": hidden, "execution_count": None})
        found.append(shown)
    return found


def talk(notebook: NotebookNode) -> NotebookNode:
    """The notebook of a talk alone."""
    cells = [part for cell in notebook.cells if "slideshow" in cell.metadata for part in slide(cell)]
    return nbformat.from_dict(notebook | {"cells": cells})


def package(name: str) -> Path:
    """The folder of an installed package, without importing it. Raises ModuleNotFoundError."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{name} is missing; `make slides` installs it into build/slides-packages")
    return Path(spec.submodule_search_locations[0])


def build(folder: Path) -> list[Path]:
    """Write a page for each talk into the folder, with reveal.js and MathJax beside them."""
    from nbconvert import SlidesExporter  # takes a second

    parts = {"reveal.js/dist": package("sphinx_revealjs") / "_static/revealjs/dist",
             "mathjax": package("jupyter_server_mathjax") / "static"}  # fmt: skip
    for name, source in parts.items():
        shutil.copytree(source, folder / name, dirs_exist_ok=True)
    exporter = SlidesExporter(template_name="slides", extra_template_basedirs=[str(ROOT / "docs")],
                              reveal_url_prefix="reveal.js", reveal_theme="white", reveal_transition="none",
                              reveal_width=str(WIDTH), reveal_height=str(HEIGHT))  # fmt: skip
    pages = []
    for name in TALKS:
        notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
        page, _ = exporter.from_notebook_node(talk(notebook), {"metadata": {"name": name}})
        pages.append(folder / f"{name}.html")
        pages[-1].write_text(page, encoding="utf-8")
    return pages


if __name__ == "__main__":
    for page in build(Path(sys.argv[1])):
        print(f"Open {page}; ? shows the keys.")
