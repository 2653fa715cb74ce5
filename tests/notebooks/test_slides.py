"""The talks of notebooks 01 and 02: what `metadata.slideshow` says, and that re-running a notebook keeps it."""

import importlib.util
import re

import nbformat
import pytest

from ganrepro import paths
from ganrepro.report import notebooks

ROOT = paths.repository()
spec = importlib.util.spec_from_file_location("slides", ROOT / "tools/slides.py")
slides = importlib.util.module_from_spec(spec)
spec.loader.exec_module(slides)

SLIDES = 15, 25  # of a talk
WORDS = 60  # on a slide, formulas counted
LINES, COLUMNS = 24, 135  # of a listing, code or printed output: more would be too small to read


def talk(name):
    return slides.talk(nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)).cells


def listing(text):
    """Does it fit onto a slide?"""
    lines = text.rstrip().splitlines()
    return len(lines) <= LINES and max(map(len, lines), default=0) <= COLUMNS


@pytest.mark.parametrize("name", slides.TALKS)
def test_a_talk_has_a_title_and_some_twenty_slides_with_little_on_each(name):
    cells = talk(name)
    starts = [cell for cell in cells if cell.metadata.slideshow.slide_type == "slide"]
    assert SLIDES[0] <= len(starts) <= SLIDES[1]
    assert starts[0].source.startswith("# ") and all(cell.source.startswith("## ") for cell in starts[1:])
    for cell in starts:
        (*fenced,) = re.findall(r"```.*?```", cell.source, re.DOTALL)
        assert all(map(listing, fenced)), cell.source
        assert len(re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL).split()) <= WORDS, cell.source
    for cell in cells:
        if cell.cell_type == "code":
            assert cell.metadata.transient.remove_source or listing(cell.source), cell.source
            assert all(listing(out.text) for out in cell.outputs if out.output_type == "stream"), cell.source
            assert cell.outputs or not cell.metadata.transient.remove_source, cell.source  # it shows something


def test_a_slideshow_with_an_unknown_key_or_without_a_title_is_refused():
    for about in ({"slide_type": "slide", "title": "A", "txt": "b"}, {"slide_type": "slide"}, {"title": "A"}):
        cell = nbformat.v4.new_markdown_cell("# A", id="some", metadata={"slideshow": about})
        with pytest.raises(ValueError, match="slideshow of cell some has .*; expected slide_type, title and some of"):
            slides.slide(cell)


def test_formulas_listings_and_tables_are_found_in_order():
    source = "a $b$\n\n$$c\n= d$$\n\n| e | f |\n| --- | --- |\n| 1 | 2 |\n\n```text\n$$g$$\n```\nh"
    assert slides.blocks(source) == ["$$c\n= d$$", "| e | f |\n| --- | --- |\n| 1 | 2 |", "```text\n$$g$$\n```"]


def test_the_template_loads_nothing_from_the_network():
    assert not re.search(r"https?://", (ROOT / "docs/slides/index.html.j2").read_text())


def test_executing_a_notebook_anew_keeps_tags_and_slideshow_and_nothing_else(tmp_path, monkeypatch):
    kept = {"slideshow": {"slide_type": "slide", "title": "A"}, "tags": ["one"]}
    cell = nbformat.v4.new_code_cell("1", metadata=kept | {"execution": {"iopub.status.busy": "now"}})
    executed = tmp_path / "runs/01_first.ipynb"
    executed.parent.mkdir()
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), executed)
    monkeypatch.setattr(notebooks, "run", lambda only: iter([notebooks.Executed("01_first", executed, 1.0)]))
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    assert len(list(notebooks.refresh())) == 1
    (refreshed,) = nbformat.read(tmp_path / "notebooks/01_first.ipynb", as_version=4).cells
    assert refreshed.metadata == kept
