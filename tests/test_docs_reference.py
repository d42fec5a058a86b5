"""The generated reference: options, keys of configs, formats: none without a line."""

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
import soundfile
import yaml
from call_fixture import make_call
from docs_fixtures import DOCS
from recipe_fixtures import ROOT, Recipe
from referencing import Registry, Resource

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
    found = {
        path.name: json.loads(path.read_text())
        for path in (DOCS / "schemas").glob("*.schema.json")
    }
    one = found[f"{name}.schema.json"]
    jsonschema.Draft202012Validator.check_schema(one)
    # Those that name one another lie side by side.
    registry = Registry().with_resources(
        (path, Resource.from_contents(other)) for path, other in found.items()
    )
    return jsonschema.Draft202012Validator(one, registry=registry)


def lines_of(text: str) -> list[dict]:
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines
    return lines


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
    for row in lines_of((folder / "regression.jsonl").read_text()):
        schema("regression").validate(row)


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


@pytest.fixture(scope="module")
def call(tmp_path_factory, an4_wavs):
    """Return a recording of two people, and its turns in a file."""
    folder = tmp_path_factory.mktemp("call")
    rows, wav = make_call(folder, an4_wavs, turns=4)
    turns = [
        {key: row[key] for key in ("start", "end", "speaker", "channel", "text")}
        for row in rows["turns"]
    ]
    path = folder / "call.jsonl"
    path.write_text("".join(json.dumps(turn) + "\n" for turn in turns))
    return wav, path


def test_a_conversation_is_as_its_schemas_say(finished, call, tmp_path, capsys):
    from espnet_sentiment.cli.main import main
    from espnet_sentiment.inference.result import Word

    wav, turns = map(str, call)
    command = ["predict", "--model", str(finished.exp), wav]
    outs = [tmp_path / "a.json", tmp_path / "b.jsonl"]
    asked = [word for out in outs for word in ("--out", str(out))]
    assert main([*command, "--turns", turns, *asked]) == 0
    given, lines = json.loads(outs[0].read_text()), lines_of(outs[1].read_text())
    capsys.readouterr()
    assert main([*command, "--channel", "each", "--json"]) == 0
    schema("conversation").validate(given)
    found = lines_of(capsys.readouterr().out)
    for line in [*lines, *found, *given["turns"]]:
        schema("turn").validate(line)
    told = {key for turn in [*lines, *found] for key in turn}
    assert {"path", "speaker", "channel", "text"} <= told
    word = vars(Word("yes", 0.5, 0.75, 1.5, 3))
    given["turns"][0]["words"] = [word]
    schema("conversation").validate(given)
    given["turns"][0]["words"] = [{**word, "level": 4}]
    with pytest.raises(jsonschema.ValidationError, match="maximum of 3"):
        schema("conversation").validate(given)


def test_lines_of_a_stream_are_as_their_schema_says(finished, call):
    from espnet_sentiment import Speech2Sentiment

    samples, rate = soundfile.read(call[0], dtype="float32")
    model = Speech2Sentiment.from_pretrained(finished.exp)
    stream = model.stream(rate=rate, partial=0.5, channel="mix")
    turns = [
        turn.as_dict()
        for first in range(0, len(samples), 1600)
        for turn in stream.push(samples[first : first + 1600])
    ]
    turns += [turn.as_dict() for turn in stream.close()]
    assert {turn["final"] for turn in turns} == {True, False}
    for turn in turns:
        schema("turn").validate(json.loads(json.dumps(turn)))


def test_the_lines_of_many_calls_are_as_their_schemas_say(finished, call, tmp_path):
    from espnet_sentiment.cli.main import main

    (tmp_path / "broken.wav").write_bytes(b"no sound")
    (tmp_path / "calls.scp").write_text(
        f"good {call[0]}\nbroken {tmp_path / 'broken.wav'}\n"
    )
    out = tmp_path / "answers"
    command = ["predict", "--model", str(finished.exp), str(tmp_path / "calls.scp")]
    assert main([*command, "--channel", "each", "--out", str(out)]) == 1
    good, broken = lines_of((out / "calls.jsonl").read_text())
    schema("calls").validate(good)
    schema("calls").validate(broken)
    assert "error" in broken
    with pytest.raises(jsonschema.ValidationError):
        schema("calls").validate({"call": "a", "path": "a.wav"})
    for line in lines_of((out / good["files"][0]).read_text()):
        schema("turn").validate(line)


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
