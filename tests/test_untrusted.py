"""YAML and JSON that somebody made to hang or to break who reads them."""

import json

import pytest
import yaml

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.pack.layout import read_description


def config(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def bomb(levels, first="[x]", form="[{}]"):
    """Return lists of nine aliases of lists of nine aliases ..."""
    lines = [f"a0: &a0 {first}\n"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} {form.format(aliases)}\n")
    return "".join(lines)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (bomb(9), "more than 1000000 values"),
        (bomb(9, "{x: 1}", "{{<<: [{}]}}"), "more than 1000000 values"),
        ("a: &a [*a]\n", "an alias of what it stands in"),
        ("a: &a {b: {c: *a}}\n", "an alias of what it stands in"),
        ("a: " + "[" * 150 + "]" * 150, "nested more than 100 deep"),
        ("a: " + "[" * 100_000, "nest"),
        ("a: 1" + ":1" * 200, "a number of 401 digits"),
        ("a: 1" + ":1" * 200 + ".5", "a number of 403 digits"),
        ("a: !!int ''", ""),
        ("a: !!float ''", ""),
        ("a: !!bool x", ""),
        ("a: !!timestamp x", ""),
        ("a: |\n  " + "x" * (4 << 20), "more than 4 MB"),
    ],
)
def test_yaml_that_would_hang_or_break_its_reader_is_refused_by_name(
    tmp_path, text, why
):
    path = config(tmp_path, text)
    with pytest.raises(DataError, match=rf"(?s)cannot be read as YAML .*{why}.*: "):
        read_config(path)


def test_anchors_aliases_and_merges_of_a_users_own_config_work(tmp_path):
    text = bomb(4) + (
        "base: &base {lr: 0.1, betas: [0.9, 0.98]}\n"
        "optim_conf: {<<: *base, lr: 1.0e-4}\n"
        "when: 2026-11-25\nhex: 0xff\nname: é 语\n'yes': no\n"
    )
    path = config(tmp_path, text)
    assert read_config(path) == yaml.safe_load(text)
    assert read_config(path)["optim_conf"] == {"lr": 1e-4, "betas": [0.9, 0.98]}


def test_a_long_config_of_plain_lists_is_read(tmp_path):
    words = [f"word{i}" for i in range(100_000)]
    path = config(tmp_path, yaml.safe_dump({"text_token_list": words}))
    assert read_config(path)["text_token_list"] == words


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", "nested more than 100 deep"),
        ("[" * 300_000, "nested more than 100 deep"),
        (json.dumps({"a": "x" * (4 << 20)}), "more than 4 MB"),
    ],
)
def test_a_card_too_deep_or_too_large_is_refused_by_name(tmp_path, text, why):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"{path} is not valid JSON .*{why}.*anew"):
        read_description(path)


def test_json_of_a_models_own_files_that_is_nested_too_deep_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("[" * 300_000)
    with pytest.raises(DataError, match=f"{path} is not valid JSON"):
        read_json(path)
