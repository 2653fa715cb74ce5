"""The site: README, pages, notebooks with their committed outputs, and the interface from its docstrings."""

import importlib.util
import sys
from pathlib import Path

from docutils import nodes

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

project = "ganrepro"
author = "The ganrepro developers"
copyright = author
root_doc = "docs/site/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**", "notebooks/[0-9]*.ipynb"]
exclude_patterns = ["docs/README.md"]
html_extra_path = ["index.html"]  # leads from the root to the index

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
nb_execution_mode = "off"  # what is committed is shown; tests hold it to the code
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
myst_update_mathjax = False  # for a later MathJax
suppress_warnings = ["myst.header", "myst.xref_missing", "misc.highlighting_failure"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
python_use_unqualified_type_names = True
autodoc_default_options = {"members": True, "undoc-members": False}

# MathJax comes from a package, so that formulas are set without a network, too.
(mathjax,) = importlib.util.find_spec("jupyter_server_mathjax").submodule_search_locations
html_static_path = ["static", f"{mathjax}/static"]
html_js_files = ["figures.js"]
mathjax_path = "MathJax.js?config=TeX-AMS-MML_HTMLorMML-full"
mathjax2_config = {"tex2jax": {"inlineMath": [["\\(", "\\)"]], "displayMath": [["\\[", "\\]"]],
                               "processClass": "math|tex2jax_process", "ignoreClass": "document"}}  # fmt: skip

html_theme = "furo"
html_title = "Generative Adversarial Nets, reproduced"
html_show_sphinx = False


def without_links_to_folders(app, doctree, docname):
    """A link to a folder of the repository is its text alone: the site has no folders to show."""
    for link in list(doctree.findall(nodes.reference)):
        if link.get("refuri", "").startswith("#../") or link.get("refid", "").startswith("../"):
            link.replace_self(link.children)


def setup(app):
    app.set_html_assets_policy("always")  # formulas stand in the sidebar of every page
    app.connect("doctree-resolved", without_links_to_folders)
