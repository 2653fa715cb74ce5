"""tools/links.py, which looks through the built site."""

import importlib.util

import pytest

from ganrepro import paths

spec = importlib.util.spec_from_file_location("links", paths.repository() / "tools/links.py")
links = importlib.util.module_from_spec(spec)
spec.loader.exec_module(links)


@pytest.mark.parametrize(
    ("link", "is_there"),
    [("b.html", True), ("sub/c.html", True), ("b.html#here", True), ("#top", True), ("pic%20ture.png", True),
     ("https://example.org/x", True), ("mailto:a@example.org", True), ("b.html?q=1#here", True), ("d.html", False),
     ("b.html#gone", False), ("#gone", False), ("sub", False), ("../b.html", False)],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_found_with_its_page(tmp_path, link, is_there):
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (site / "a.html").write_text(f'<h1 id="top">A</h1><a href="{link}">x</a>')
    (site / "b.html").write_text('<a name="here"></a><img src="pic ture.png">')
    (site / "sub/c.html").write_text('<a href="../a.html#top">up</a>')
    (site / "pic ture.png").write_bytes(b"")
    assert links.broken(site) == ([] if is_there else [f"a.html: {link}"])
