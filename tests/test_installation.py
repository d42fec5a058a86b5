"""The constraints file fits setup.cfg; the Dockerfile names what there is."""

import argparse
import configparser
import json
import re
import shlex

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from recipe_fixtures import ROOT

from espnet_sentiment.cli import demo
from espnet_sentiment.cli.main import COMMANDS

PACKAGE = "espnet-sentiment"


def setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def requirements():
    """Return what setup.cfg asks for, all extras included."""
    config = setup_cfg()
    parts = [config["options"]["install_requires"]]
    parts += config["options.extras_require"].values()
    lines = [line for part in parts for line in part.splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return [one for one in found if canonicalize_name(one.name) != PACKAGE]


def constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize("asked", requirements(), ids=str)
def test_a_constraint_names_every_requirement_within_its_bounds(asked):
    version = constraints().get(canonicalize_name(asked.name))
    assert version, f"make constraints.txt anew: it lacks {asked.name}"
    assert asked.specifier.contains(version, prereleases=True)


def test_constraints_name_each_package_once_and_not_this_one():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    named = [line for line in lines if not line.startswith("#")]
    assert len(named) == len(constraints()) > len(requirements())
    assert PACKAGE not in constraints()


@pytest.fixture(scope="module")
def steps():
    """Return the Dockerfile's instructions, as pairs of a word and the rest."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line]


def of(steps, word):
    return [rest for name, rest in steps if name == word]


def test_what_the_image_copies_is_there_and_is_sent_to_the_builder(steps):
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied = {name for rest in of(steps, "COPY") for name in rest.split()[:-1]}
    assert copied == sent
    assert "*" in ignore
    for name in copied:
        assert (ROOT / name).exists(), name
    config = setup_cfg()
    assert {"README.md", config["metadata"]["license_files"]} <= copied


def test_what_the_image_installs_are_extras_and_constraints_that_there_are(steps):
    (install,) = [rest for rest in of(steps, "RUN") if "uv pip install" in rest]
    words = shlex.split(install)
    (target,) = [word for word in words if word.startswith(".[")]
    asked = target.removeprefix(".[").removesuffix("]").split(",")
    assert {*asked} <= {*setup_cfg()["options.extras_require"]}
    assert words[words.index("-c") + 1] == "constraints.txt"
    assert words[words.index("--torch-backend") + 1] == "cpu"


def test_the_image_serves_where_it_is_looked_for_as_no_root(steps):
    from espnet_sentiment.demo.health import ROUTE

    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    (entry,), (command,) = of(steps, "ENTRYPOINT"), of(steps, "CMD")
    name, *options = json.loads(command)
    assert json.loads(entry) == ["espnet-sentiment"] and name in COMMANDS
    args = parser.parse_args(options)
    assert (args.host, [str(args.port)]) == ("0.0.0.0", of(steps, "EXPOSE"))
    (check,) = of(steps, "HEALTHCHECK")
    assert f"http://127.0.0.1:{args.port}{ROUTE}" in check
    compile(json.loads(check.partition("CMD ")[2])[2], "HEALTHCHECK", "exec")
    (user,) = of(steps, "USER")
    assert any(rest.startswith("useradd") and user in rest for rest in of(steps, "RUN"))
    order = [word for word, _ in steps]
    assert order.index("USER") < order.index("ENTRYPOINT")


def test_the_variables_of_the_image_are_read_by_the_package(steps):
    (line,) = of(steps, "ENV")
    code = "".join(
        path.read_text() for path in (ROOT / PACKAGE.replace("-", "_")).rglob("*.py")
    )
    for pair in line.split():
        assert f'"{pair.split("=")[0]}"' in code
