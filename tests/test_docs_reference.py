"""The generated reference: options, keys of configs, formats: none without a line."""

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from docs_fixtures import DOCS
from recipe_fixtures import ROOT, Recipe

pytestmark = pytest.mark.espnet


@pytest.fixture(scope="module")
def commands():
    from generators import commands

    return commands


def test_every_option_of_every_command_and_program_has_a_row(commands):
    pages = commands.pages()
    for parsers, page in [
        (commands.subcommands(), pages["espnet_sentiment.md"]),
        (commands.programs(), pages["programs.md"]),
    ]:
        parts = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
        assert len(parsers) > 10
        for name, parser in parsers.items():
            rows = re.findall(r"^\| `(.*?)` \|.*\| (.*?) \|$", parts[name], re.M)
            told = {word.strip(",") for row, _ in rows for word in row.split()}
            for action in commands.shown(parser):
                assert {*action.option_strings} <= told, (name, action.dest)
            assert parser.description


def test_the_help_of_every_recipe_is_on_a_page(commands):
    page = commands.pages()["run_sh.md"]
    recipes = sorted(path.parent.name for path in ROOT.glob("egs/*/run.sh"))
    assert len(recipes) > 8
    for name in recipes:
        assert f"## egs/{name}\n\n```text\nUsage: ./run.sh" in page


def keys(value, prefix=""):
    """Give the keys of a config, those of mappings of arguments with their part's."""
    for key, item in value.items():
        yield prefix + key
        if isinstance(item, dict) and (key.endswith("_conf") or key == "options"):
            yield from keys(item, f"{prefix}{key}.")


def test_every_key_of_every_config_has_a_line_with_its_meaning():
    from generators import configs

    pages = configs.pages()
    for kind in ("encoder", "sentiment", "asr", "tune", "cluster"):
        rows = re.findall(
            r"^\| `([^`]+)` \| .*? \| .*? \| .*? \| .*? \|$",
            pages[f"conf_{kind}.md"],
            re.M,
        )
        for path in sorted((ROOT / "conf" / kind).glob("*.yaml")):
            found = set(keys(yaml.safe_load(path.read_text())))
            if kind == "tune":
                found = {key for key in found if "." in key}
            assert sorted(found - {*rows}) == [], path


def test_parts_that_configs_may_name_have_their_tables():
    from espnet_sentiment.encoder.kinds import KINDS
    from espnet_sentiment.model.build import CLASS_PATHS
    from generators import configs

    pages = configs.pages()
    for name in KINDS:
        assert f"## encoder: {name}\n" in pages["conf_encoder.md"]
    for part, name in CLASS_PATHS:
        if part != "frontend":
            assert f"### {part}: {name}\n" in pages["conf_sentiment.md"]


def test_arguments_of_our_own_parts_are_explained():
    from generators import configs

    pages = configs.pages()
    rows = [
        row
        for page in pages.values()
        for row in re.findall(
            r"^\| `\w+_conf\.\w+` \|.*espnet_sentiment\..*$", page, re.M
        )
    ]
    assert len(rows) > 60
    cells = [re.split(r"(?<!\\)\|", row) for row in rows]
    assert [row[1].strip() for row in cells if not row[4].strip()] == []


def schema(name):
    found = json.loads((DOCS / "schemas" / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def check_experiment(folder: Path) -> None:
    schema("results").validate(json.loads((folder / "results.json").read_text()))
    lines = [
        line
        for path in folder.glob("fold*/decode/predictions.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert lines
    for line in lines:
        schema("predictions").validate(json.loads(line))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    recipe = Recipe(tmp_path_factory.mktemp("docs_formats"), an4_wavs[:16])
    recipe.run(1, 6)
    return recipe


def test_results_and_predictions_of_a_run_are_as_their_schemas_say(finished):
    check_experiment(finished.exp)
    broken = json.loads((finished.exp / "results.json").read_text())
    broken["pooled"]["wa"] = 71
    with pytest.raises(jsonschema.ValidationError):
        schema("results").validate(broken)


def test_an_answer_is_as_its_schema_says(finished, an4_wavs):
    from espnet_sentiment import Speech2Sentiment

    model = Speech2Sentiment.from_pretrained(finished.exp)
    answer = model(an4_wavs[0]).as_dict(attention=True)
    schema("answer").validate(json.loads(json.dumps(answer)))
    assert "attention" in answer
    with pytest.raises(jsonschema.ValidationError):
        schema("answer").validate({"label": "x"})


def test_links_of_the_readme_hold_on_pypi():
    import importlib.util

    path = ROOT / "local" / "absolute_links.py"
    spec = importlib.util.spec_from_file_location("absolute_links", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "README.md").read_text()
    made = module.absolute(text, "https://example.org/us/it/", "v1")
    targets = re.findall(r"\]\(([^)]+)\)", made)
    assert len(targets) > 20
    for target in targets:
        assert target.startswith("https://")
        _, inside, name = target.partition("https://example.org/us/it/")
        if inside:
            kind, revision, rest = name.split("/", 2)
            assert kind == ("raw" if rest.endswith(".png") else "blob")
            assert revision == "v1" and os.path.exists(ROOT / rest)
    assert len(text.splitlines()) <= 120
