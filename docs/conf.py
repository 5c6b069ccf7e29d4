"""How the site is made: `make docs`."""

import re

import modlog

project = "modlog"
author = copyright = "the modlog authors"
release = version = modlog.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
default_role = "py:obj"  # what docstrings have in ticks is a link where there is such a name
# A word such as `type` may be one of many attributes of that name.
suppress_warnings = ["ref.python"]

myst_heading_anchors = 4  # as deep as links into pages go
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"modlog {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["modlog.css"]

PRIVATE = re.compile(r"\b(Reverting|Sweeps|Work)\b")


def _without_private(app, what, name, thing, options, signature, returns):  # noqa: PLR0917
    """Who gets an object from its ledger need not know what it is made of."""
    return ("()" if PRIVATE.search(signature or "") else signature), returns


def setup(app):
    app.connect("autodoc-process-signature", _without_private)
