"""How the site is made: `make docs`."""

import modlog

project = "modlog"
author = copyright = "the modlog authors"
release = version = modlog.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
# A word such as `type` in a docstring may be one of many attributes of that name.
suppress_warnings = ["ref.python"]

myst_heading_anchors = 4  # as deep as links into pages go
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"modlog {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["modlog.css"]
