"""The folder of the site, whose generators tests import."""

import sys

from recipe_fixtures import ROOT

DOCS = ROOT / "docs"
if str(DOCS) not in sys.path:
    sys.path.insert(0, str(DOCS))
