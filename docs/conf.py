"""How Sphinx builds the site: see docs/building.md."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

import espnet_sentiment  # noqa: E402
import generate  # noqa: E402

project = "espnet_sentiment"
author = "The espnet_sentiment authors"
copyright = "the espnet_sentiment authors, Apache-2.0"
release = version = espnet_sentiment.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
suppress_warnings = [
    # Modules that only type checkers import make short names in signatures ambiguous.
    "ref.python",
]

html_theme = "furo"
html_title = f"espnet_sentiment {release}"
html_copy_source = False
# Asks no other host for anything.
html_theme_options = {"navigation_with_keys": True}

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": True}
napoleon_numpy_docstring = False
# Else fields of named tuples and data classes stand there twice.
napoleon_use_ivar = True


def setup(app):
    """Write what is generated before Sphinx looks for pages."""
    app.connect("config-inited", lambda app, config: generate.write(Path(app.srcdir)))
