"""What the base installation lacks is refused with the command that brings it."""

import ast
import configparser
import contextlib
import re
import sys
from importlib import metadata

import pytest
from recipe_fixtures import ROOT, recipe_module

from espnet_sentiment.cli.main import main
from espnet_sentiment.cluster.client import open_cluster
from espnet_sentiment.cluster.config import check_cluster
from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.extras import EXTRAS, check_extra

LOCAL = ROOT / "conf" / "cluster" / "local.yaml"
INSTALL = "run pip install 'espnet_sentiment[{}]'"


def names(text):
    """Return the packages that a part of setup.cfg names."""
    return {re.split(r"[\[<>=!~;]", line)[0] for line in text.split("\n") if line}


@pytest.fixture(scope="module")
def parts():
    config = configparser.ConfigParser(inline_comment_prefixes="#")
    config.read(ROOT / "setup.cfg")
    return dict(config["options.extras_require"]) | {
        "": config["options"]["install_requires"]
    }


@pytest.fixture
def absent(monkeypatch):
    """Make modules look as if they were not installed."""

    def hide(*modules):
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)

    return hide


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_holds_what_it_is_seen_by_and_the_base_does_not(extra, parts):
    packages = {module.replace("_", "-") for module in EXTRAS[extra]}
    assert packages == names(parts[extra])
    assert not packages & names(parts[""])


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_module_of_an_extra_is_looked_for(extra, absent):
    absent(*EXTRAS[extra])
    with pytest.raises(UserError) as refused:
        check_extra(extra, "this")
    assert str(refused.value).endswith(INSTALL.format(extra))
    assert all(name.replace("_", "-") in str(refused.value) for name in EXTRAS[extra])


def brought_by(wanted, parts):
    """Return what lines of setup.cfg install, and what that needs, by pip's names."""
    found, waiting = set(), [line for text in wanted for line in text.split("\n")]
    while waiting:
        line = waiting.pop()
        if own := re.fullmatch(r"espnet_sentiment\[(.*)\]", line):
            waiting += [
                one
                for extra in own[1].split(",")
                for one in parts[extra.strip()].split("\n")
            ]
            continue
        name = re.split(r"[\[<>=!~; (]", line)[0].lower().replace("_", "-")
        if name and name not in found and "extra ==" not in line:
            found.add(name)
            with contextlib.suppress(metadata.PackageNotFoundError):
                waiting += metadata.requires(name) or []
    return found


def test_the_site_brings_what_the_modules_import_that_it_documents(parts):
    brought = brought_by([parts["docs"], parts[""]], parts)
    packages = metadata.packages_distributions()
    lacking = {}
    for path in (ROOT / "espnet_sentiment").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            else:
                continue
            for module in modules:
                root = module.split(".")[0]
                if root in sys.stdlib_module_names or root == "espnet_sentiment":
                    continue
                names_of = {
                    name.lower().replace("_", "-") for name in packages.get(root, ())
                }
                if not names_of & brought:
                    lacking[root] = path.name
    assert not lacking


def test_tests_and_env_sh_know_which_extras_the_tests_bring(parts):
    (brought,) = re.findall(r"^espnet_sentiment\[(.*)\]$", parts["test"], re.MULTILINE)
    script = (ROOT / "local" / "env.sh").read_text()
    (known,) = re.findall(r"@\((.*)\) \]\]", script)
    assert known.split("|") == brought.split(",")
    # What builds the site is asked for by local/docs.sh, and by no command.
    assert {*brought.split(",")} - {"docs"} < {*EXTRAS}


@pytest.mark.parametrize("module", EXTRAS["cluster"])
def test_a_cluster_without_dask_is_refused_in_a_line(module, absent, tmp_path, capsys):
    absent(module)
    message = f"needs {module.replace('_', '-')}: {INSTALL.format('cluster')}"
    for begin in (check_cluster, lambda path: open_cluster(path).__enter__()):
        with pytest.raises(UserError) as refused:
            begin(LOCAL)
        assert str(refused.value) == f"--cluster {LOCAL} {message}"
    (tmp_path / "corpus").mkdir()
    work = tmp_path / "work"
    for argv in (
        ["train", str(tmp_path / "corpus"), "--out", str(work), "--cluster", "local"],
        ["predict", "-m", "m", "list.txt", "--out", str(work), "--cluster", str(LOCAL)],
    ):
        assert main(argv) == 2
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith("error: --cluster ") and said.endswith(message)
        assert not work.exists()
    check_cluster(None)


def test_a_cluster_file_that_is_wrong_is_named_first(absent, tmp_path):
    absent("dask")
    path = tmp_path / "wrong.yaml"
    path.write_text("env: nowhere\nn_workers: 2\n")
    with pytest.raises(UserError, match="env is 'nowhere'"):
        check_cluster(path)


def test_egs_mini_without_voices_is_refused_before_it_speaks(absent, tmp_path):
    absent("espeakng_loader")
    with recipe_module("mini") as prepare, pytest.raises(UserError) as refused:
        prepare.main(["--data", str(tmp_path / "data")])
    assert str(refused.value).endswith(INSTALL.format("mini"))
    assert not (tmp_path / "data").exists()
