"""The site: it builds without a warning, and every public name has its place in it."""

import os
import re
import subprocess
import sys

import pytest
from docs_fixtures import DOCS
from recipe_fixtures import ROOT
from sphinx.util.inventory import InventoryFile

from generators.public import modules, public_names

# The build takes two minutes of one core, which other tests may share.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the built site; a proxy that is not there is its network."""
    out = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
        + ["-d", str(out / "doctrees"), str(DOCS), str(out / "html")],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return out / "html"


def test_the_site_builds_without_warnings_and_has_every_public_name(site):
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    told = {
        name
        for kind, objects in inventory.data.items()
        if kind.startswith("py:")
        for name in objects
    }
    names = [
        f"{module}.{name}"
        for module, path in modules().items()
        for name in public_names(path)
    ]
    assert len(names) > 500
    assert sorted(set(names) - told) == []
    assert sorted(set(modules()) - told) == []


def test_no_page_asks_another_host_for_anything(site):
    outside = re.compile(
        r"<(?:script|img|iframe|link(?=[^>]*rel=\"(?:stylesheet|preload)\"))[^>]*"
        r"(?:src|href)=\"(?:https?:)?//"
    )
    asking = [
        page.name for page in site.rglob("*.html") if outside.search(page.read_text())
    ]
    assert asking == []


def test_anchors_and_pictures_within_the_site_are_there(site):
    """Sphinx checks what MyST links; this checks all, as a browser finds it."""
    ids = {}
    faults = []
    pages = {page.resolve(): page.read_text() for page in site.rglob("*.html")}
    for path, text in pages.items():
        ids[path] = set(re.findall(r'\bid="([^"]+)"', text))
    for path, text in pages.items():
        named = r'<(?:a [^>]*href|img [^>]*src)="([^"]+)"'
        for target in re.findall(named, text):
            if re.match(r"\w+:", target):
                continue
            file, _, anchor = target.partition("#")
            other = (path.parent / file).resolve() if file else path
            lost = anchor and other in ids and anchor not in ids[other]
            if lost or not other.exists():
                faults.append(f"{path.name}: {target}")
    assert faults == []


def test_pages_of_the_repository_link_to_what_is_there():
    """Where the repository itself is read, as on its host."""
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("egs/*/*.md")]
    faults = []
    for file in [*files, *DOCS.glob("*/*.md"), *DOCS.glob("*.md")]:
        if file.parent.name == "generated":
            continue
        prose = re.sub(r"```.*?```", "", file.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s#]+)", prose):
            elsewhere = re.match(r"\w+:", target) or "generated/" in target
            if not elsewhere and not (file.parent / target).exists():
                faults.append(f"{file.relative_to(ROOT)}: {target}")
    assert faults == []
