"""The languages of the report: every file is complete, and a page has one only."""

import json
import re
from collections.abc import Mapping

import pytest
from report_experiment import Scored

from espnet_sentiment.bin import report
from espnet_sentiment.report.call_page import CALL_SCRIPTS, INDEX_SCRIPTS
from espnet_sentiment.report.languages import language_names, language_path, read_texts
from espnet_sentiment.report.page import SCRIPTS, TEMPLATE

ENGLISH = read_texts("en")


def unlike_english(texts: Mapping[str, str]) -> list[str]:
    """Say what is wrong with a language's keys and placeholders, a key a line."""
    missing = [f"{key}: is missing" for key in ENGLISH if key not in texts]
    unknown = [f"{key}: en.json has no such key" for key in texts if key not in ENGLISH]
    other = [
        f"{key}: has placeholders {placeholders(texts[key])}, "
        f"en.json has {placeholders(text)}"
        for key, text in ENGLISH.items()
        if key in texts and placeholders(texts[key]) != placeholders(text)
    ]
    empty = [f"{key}: is empty" for key, text in texts.items() if not text.strip()]
    return [*missing, *unknown, *other, *empty]


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{.*?\}", text))


def unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Make a dictionary; a key that comes twice, which JSON hides, is an error."""
    keys = [key for key, _ in pairs]
    assert not (twice := sorted({k for k in keys if keys.count(k) > 1})), (
        f"{', '.join(twice)}: more than once"
    )
    return dict(pairs)


@pytest.mark.parametrize("name", language_names())
def test_language_has_the_keys_and_placeholders_of_english(name):
    text = language_path(name).read_text(encoding="utf-8")
    problems = unlike_english(json.loads(text, object_pairs_hook=unique))
    assert not problems, f"{name}.json:\n" + "\n".join(problems)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"row.audio": None}, "row.audio: is missing"),
        ({"row.sound": "Ton"}, "row.sound: en.json has no such key"),
        (
            {"detail.head": "Head {m}"},
            "detail.head: has placeholders ['{m}'], en.json has ['{n}']",
        ),
        ({"row.audio": " "}, "row.audio: is empty"),
    ],
)
def test_unlike_language_is_told_by_its_key(change, message):
    texts = {k: v for k, v in (ENGLISH | change).items() if v is not None}
    assert unlike_english(texts) == [message]


def test_key_that_comes_twice_is_named():
    with pytest.raises(AssertionError, match="row.audio: more than once"):
        json.loads('{"row.audio": "a", "row.audio": "b"}', object_pairs_hook=unique)


def test_scripts_use_every_text_and_no_other():
    names = {*SCRIPTS, *CALL_SCRIPTS, *INDEX_SCRIPTS}
    script = "".join((TEMPLATE / name).read_text(encoding="utf-8") for name in names)
    # Those of page.html, and a title; Python writes them.
    used = {"page.sections", "page.noscript", "calls.head"}
    # Also both keys of t(condition ? "a" : "b").
    for call in re.findall(r"\b(?:t|pieces)\(([^(){}]+)", script):
        used.update(re.findall(r'"([a-z]+\.[a-z0-9_]+)"', call))
    assert sorted(used) == sorted(ENGLISH)


@pytest.mark.parametrize("name", language_names())
def test_scripts_give_the_values_that_a_text_takes(name, scored_page):
    assert "undefined" not in "\n".join(shown(scored_page(name)))


@pytest.mark.parametrize("name", [n for n in language_names() if n != "en"])
def test_page_has_no_english_text(name, scored_page):
    page, texts = scored_page(name), read_texts(name)
    assert page.get_attribute("html", "lang") == name
    titles = [key for key in ENGLISH if key.endswith(".title")]
    # Of what this model has not.
    others = {"deletion.title", "known.title", "robustness.title", "votes.title"}
    others.add("tuning.title")
    headings = [texts[key] for key in titles if key not in others]
    assert page.locator("h2").all_text_contents() == headings
    found = sorted(shown(page), key=len)
    own = [re.sub(r"\{\w+\}", "…", text) for text in texts.values()]
    for key, text in ENGLISH.items():
        parts = map(re.escape, re.split(r"\{\w+\}", text))
        pattern = re.compile(rf"(?<!\w){'.+?'.join(parts)}(?!\w)")
        # Words of English that the language uses itself, such as Folds, are its own.
        if not any(map(pattern.search, own)):
            english = next(filter(pattern.search, found), None)
            assert english is None, f"{key} is English: {english}"


def test_other_language_writes_the_page_again(tmp_path, an4_wavs):
    scored = Scored(tmp_path, an4_wavs)
    english = scored.write_report().read_text(encoding="utf-8")
    german = scored.write_report("--language", "de").read_text(encoding="utf-8")
    assert '<html lang="en">' in english and '<html lang="de">' in german
    assert read_texts("de")["page.noscript"] in german
    assert ENGLISH["page.noscript"] not in german
    assert scored.write_report().read_text(encoding="utf-8") == english


def test_unknown_language_is_refused_with_those_that_there_are(capsys):
    with pytest.raises(SystemExit):
        report.get_parser().parse_args(["--language", "xx"])
    error = capsys.readouterr().err
    assert all(name in error for name in ("--language", "xx", *language_names()))


@pytest.fixture(scope="module")
def scored(tmp_path_factory, an4_wavs) -> Scored:
    return Scored(tmp_path_factory.mktemp("scored"), an4_wavs)


@pytest.fixture
def scored_page(scored, open_page):
    """Open the report in a language, all utterances unfolded; some are not embedded."""

    def open_in(name):
        page = open_page(scored.write_report("--embed", "3", "--language", name))
        page.locator(".rows .row").evaluate_all("all => all.forEach(x => x.click())")
        return page

    return open_in


def shown(page) -> list[str]:
    """Return what a page shows or reads aloud: its elements' texts and labels."""
    return page.evaluate("""() => {
      document.querySelectorAll("script, noscript").forEach((node) => node.remove());
      const all = [...document.querySelectorAll("body *")];
      const labels = ["aria-label", "title", "alt"].flatMap(
        (name) => all.map((node) => node.getAttribute(name)));
      return [...all.map((node) => node.textContent), ...labels].filter(Boolean);
    }""")
