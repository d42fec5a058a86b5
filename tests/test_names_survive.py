"""Any name is refused clearly, or survives wherever it is written."""

import csv
import html.parser
import io
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from espnet_sentiment.cli.output import CSV, JSONLines
from espnet_sentiment.core.ark import ScpMatrices, write_ark
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.core.files import write_json, write_table
from espnet_sentiment.core.names import MAX_BYTES, check_name, nfc
from espnet_sentiment.data.dump import dump_audio
from espnet_sentiment.data.folds import (
    Fold,
    leave_one_speaker_out,
    read_folds,
    write_folds,
)
from espnet_sentiment.data.kaldi_dir import Utterance, read_kaldi_dir, write_kaldi_dir
from espnet_sentiment.data.manifest import read_manifest
from espnet_sentiment.demo.render import about
from espnet_sentiment.inference.result import Segment, Sentiment
from espnet_sentiment.pack.model_card import model_card
from espnet_sentiment.report.page import write_page
from espnet_sentiment.scoring.tables import experiment_report, markdown

NASTY = [
    *["a|b", "*a*", "__a__", "a_b", "`a`", "~~a~~", "$a$", "[a](b)", "![a](b)", "<b>"],
    *[
        "&amp;",
        "&#65;",
        "\\",
        "\\|",
        "a\\",
        "#",
        "#_a",
        "-",
        "1.",
        ">",
    ],
    *[
        "</script>",
        "<!--",
        "]]>",
        '"',
        "'",
        "a'b\"c",
        "=1+1",
        "@a",
        "+1",
        "-1",
        "|",
        "||",
    ],
    *["__proto__", "constructor", "toString", "null", "true", "nan", "1e5", "~", "yes"],
    *[
        ".",
        "..",
        "...",
        "a/b",
        "../a",
        "/",
        "%2F",
        "a%",
        "-n",
        "--help",
        "{a}",
        "$HOME",
    ],
    *["\u00b2", "\u0663", "1" * 5000, "0" * 150, "x" * 200, "x" * 201, "\u00e9" * 101],
    *["\0", "\x1b[31m", "\u200b", "\u202e", "\ud800", "\ufeff", "a\u2028b", "\x85"],
    *[
        "jose\u0301",
        "\u1e0b\u0323",
        "\u212b",
        "\ufb01",
        "a\u00a0b",
        "",
        " ",
        "a b",
        "a\tb",
    ],
    *["\U0001f600", "\ue000", "\uffff", "\u0e01\u0e33", "\u0645\u0631\u062d", "\u0301"],
    *["https://a.b/c", "www.a.b", "a@b.c", ":joy:", "a\r", "\n", "<a", "&lt", "*", "_"],
]
TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
NAMES = st.one_of(st.sampled_from(NASTY), TEXT)
SPECIAL = st.text(st.sampled_from(r"""ab_*`~$\|<>[]()&#!"'=+-@./{}:;%^"""), min_size=1)
# The same examples each time; how long one takes depends on the machine.
steady = settings(deadline=None, derandomize=True, database=None, max_examples=60)


def is_accepted(name):
    """Tell whether the doors let a name in, and check how they refuse it."""
    if name.split() != [name]:
        return False
    try:
        check_name("it:", name)
    except DataError as error:
        assert str(error).isprintable() and len(str(error)) < 500
        return False
    return True


WORDS = st.one_of(NAMES, SPECIAL).filter(is_accepted).map(nfc)


@steady
@given(utt=NAMES, speaker=NAMES, label=NAMES, fold=NAMES)
@example("\u00b2", "\u00b2", "\u00b2", "\u00b2")
@example("1" * 5000, "1" * 5000, "1" * 5000, "1" * 5000)
def test_a_name_survives_in_kaldi_directories_folds_and_files(
    an4_wavs, utt, speaker, label, fold
):
    wav = str(an4_wavs[0])
    names = (utt, speaker, label, fold)
    others = [Utterance(f"u{i}-{i}", wav, f"s{i}", "joy") for i in (1, 2)]
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder, "set")
        given = [Utterance(utt, wav, speaker, label, start=0.0, end=0.1), *others]
        given[1:] = [
            Utterance(u.utt, wav, u.speaker, u.label, "", 0, 1) for u in others
        ]
        is_folder = fold not in (".", "..") and "/" not in fold
        try:
            write_kaldi_dir(data_dir, given)
            write_folds(data_dir, [Fold(fold, ["u1-1"], ["u2-2"], [utt])])
        except DataError as error:
            assert not (all(map(is_accepted, names)) and is_folder)
            assert len(str(error)) < 2500
            return
        assert all(map(is_accepted, names)) and is_folder
        data, (found,) = read_kaldi_dir(data_dir), read_folds(data_dir)
        assert data.utt2spk[nfc(utt)] == nfc(speaker)
        assert data.utt2label[nfc(utt)] == nfc(label)
        assert (found.name, found.test) == (nfc(fold), [nfc(utt)])
        assert [path.name for path in (data_dir / "folds").iterdir()] == [nfc(fold)]
        assert len(leave_one_speaker_out(data.utt2spk)) == len({*data.utt2spk.values()})
        (wav_scp, _), files = dump_audio(data, Path(folder, "dump"))
        assert len({file for file in files if file.parent.name == "wav"}) == 3
        assert {file.parent for file in files} == {Path(folder, "dump", "wav")}
        scp = write_ark(Path(folder, "a.ark"), {u: np.ones((2, 1)) for u in data.utts})
        write_table(Path(folder, "scp"), scp)
        assert list(ScpMatrices(Path(folder, "scp"))) == data.utts


@steady
@given(label=NAMES, speaker=NAMES, utt=NAMES)
def test_a_name_of_a_manifest_survives_or_is_refused_with_its_line(
    an4_wavs, label, speaker, utt
):
    names = (label, speaker, utt)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "set.jsonl")
        row = dict(zip(("label", "speaker", "utt"), names, strict=True))
        path.write_text(json.dumps(row | {"path": str(an4_wavs[0])}))
        try:
            (u,) = read_manifest(path).utterances
        except DataError as error:
            assert f"{path}:1: column" in str(error)
            assert all(line.isprintable() for line in str(error).splitlines())
            return
        # Outer blanks are the table's, others and slashes become underscores.
        words = tuple(re.sub(r"[\s/]+", "_", nfc(n.strip())) for n in names)
        assert (u.label, u.speaker, u.utt) == words


class Reader(html.parser.HTMLParser):
    """Collect the text of elements, and what ``data-utt`` says."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.texts, self.utts, self.tags = [""], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.utts += [value for key, value in attrs if key == "data-utt"]
        self.texts.append("")

    def handle_endtag(self, tag):
        self.texts.append("")

    def handle_data(self, data):
        self.texts[-1] += data


def shown(text):
    """Show Markdown as GitHub does."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return Reader(reader.render(text))


@steady
@given(st.lists(WORDS, min_size=1, max_size=4))
@example(NASTY[:10])
@example(["a|b", "\\", "\\|"])
def test_a_name_survives_in_a_table_of_markdown(names):
    page = shown(markdown(["", *names], [[names[0], *names]]))
    cells = [text for text in page.texts if text.strip()]
    assert cells == [*names, names[0], *names]
    assert {*page.tags} == {"table", "thead", "tbody", "tr", "th", "td"}


@steady
@given(WORDS)
def test_a_name_survives_in_a_heading_of_markdown(name):
    page = shown(f"# x: {markdown_text(name)}\n\nof {markdown_text(name)}.\n")
    assert page.tags == ["h1", "p"]
    assert f"x: {name}" in page.texts and f"of {name}." in page.texts


def score_of(value):
    return {"wa": value, "ua": value, "macro_f1": value}


@pytest.mark.parametrize("name", list(filter(is_accepted, NASTY)))
def test_a_name_survives_in_results_and_model_card(name):
    name = nfc(name)
    pooled = score_of(0.5) | {"wa_ci95": [0.25, 0.75], "ua_ci95": [0.25, 0.75]}
    folds = [{"fold": name, "n_test": 2, "wa": 0.5, "ua": 0.5}] * 2
    report = experiment_report(
        {
            "corpus": name,
            "tag": "tag",
            "classes": [name, "x"],
            "confusion": [[1, 1], [1, 1]],
            "pooled": pooled,
            "mean": pooled | {"wa_std": 0.0, "ua_std": 0.0},
            "majority": score_of(0.5),
            "human": None,
            "folds": folds,
            "seed": 0,
            "n_utterances": 4,
            "seconds": {},
        }
    )
    page = shown(report)
    assert page.texts.count(name) == 4 and f"{name}: tag" in page.texts
    card = model_card(
        {
            "name": name,
            "corpus": name,
            "classes": [name, "x"],
            "fold": name,
            "decoder": "cnn",
            "text_branch": False,
            "encoder": {"name": "none", "path": None, "sha256": "0" * 64},
            "seed": 0,
            "versions": {},
            "metrics": {"n_utterances": 4, "pooled": score_of(0.5), "folds": folds},
        }
    )
    page = shown(card.split("---\n", 2)[2])
    assert page.texts.count(name) == 3
    assert any(f"an utterance ({name}, x) from" in text for text in page.texts)
    assert f"fold {name}" in page.texts


@steady
@given(WORDS)
@example("</script>")
@example("__proto__")
@example('{"')
def test_a_name_survives_in_html(name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.html")
        write_page(path, name, {"classes": [name]}, [name], [(name, {"note": name})])
        page = Reader(path.read_text(encoding="utf-8"))
    assert page.utts == [name] and name in page.texts
    texts = [text for text in page.texts if text.lstrip().startswith('{"')]
    data = [json.loads(text) for text in texts if text != name]
    assert data[0]["utterances"] == data[0]["classes"] == [name]
    assert data[1] == {"note": name}
    said = "".join(Reader(about([name], name)).texts)
    assert f"no others: {name}. " in said and f"the corpus {name};" in said


def answer(label):
    posteriors = {label: 0.75, "other": 0.25}
    part = Segment(0.0, 1.0, label, posteriors)
    return Sentiment(label, posteriors, 1.0, None, None, None, None, [part])


@steady
@given(WORDS.filter(lambda name: name != "other"))
def test_a_name_survives_in_csv_and_json(name):
    form = CSV([name, "other"])
    head, row = csv.reader(io.StringIO(form.head() + form.row(name, answer(name))))
    # An apostrophe says that a cell is no formula.
    assert {head[2], row[0], row[1]} <= {name, f"'{name}"}
    found = json.loads(JSONLines().row(name, answer(name)))
    assert found["path"] == found["label"] == name and name in found["posteriors"]
    with tempfile.TemporaryDirectory() as folder:
        write_json(Path(folder, "a"), {name: name})
        text = Path(folder, "a").read_text(encoding="utf-8")
    assert json.loads(text) == {name: name}


def test_the_longest_name_is_that_of_a_file(tmp_path, an4_wavs):
    name = "\u00e9" * (MAX_BYTES // 2)
    u = Utterance(name, str(an4_wavs[0]), name, name, start=0.0, end=0.5)
    write_kaldi_dir(tmp_path / "set", [u])
    _, files = dump_audio(read_kaldi_dir(tmp_path / "set"), tmp_path / "dump")
    assert files[0].name == f"{name}.flac" and files[0].is_file()
