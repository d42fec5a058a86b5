"""Names with characters that nobody sees, and texts that command who shows them."""

import csv
import dataclasses
import io
import json

import pytest
import yaml
from test_pack_archive import FILES, members

from espnet_sentiment.cli.output import CSV, JSONLines, Table
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import json_text, one_line
from espnet_sentiment.core.files import write_table
from espnet_sentiment.data.emobox import read_emobox
from espnet_sentiment.data.folds import Fold, read_folds, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, read_kaldi_dir, write_kaldi_dir
from espnet_sentiment.data.manifest import read_manifest
from espnet_sentiment.inference.result import Segment, Sentiment
from espnet_sentiment.model.layout import CHECKPOINT, read_training_config
from espnet_sentiment.pack.archive import write_zip
from espnet_sentiment.pack.description import fold_dirs
from espnet_sentiment.pack.model_card import model_card
from espnet_sentiment.pack.unpack import unpack_model
from espnet_sentiment.recipe.stage import say
from espnet_sentiment.report.plots import plot_confusion
from espnet_sentiment.scoring.tables import markdown, write_csv

UNSEEN = {
    "escape": "a\x1b[31mb",
    "C1": "a\x9b31mb",
    "override": "a\u202eb",
    "isolate": "a\u2066b",
    "zero width": "a\u200bb",
    "order mark": "a\ufeffb",
    "surrogate": "a\udcffb",
}
every_kind = pytest.mark.parametrize("bad", UNSEEN.values(), ids=UNSEEN)


def utterance(wav, **changes):
    given = Utterance("s-u", str(wav), "s", label="joy", text="a b")
    return dataclasses.replace(given, **changes)


@every_kind
@pytest.mark.parametrize("field", ["utt", "speaker", "label", "votes"])
def test_no_kaldi_directory_is_written_with_a_name_that_nobody_sees(
    tmp_path, an4_wavs, bad, field
):
    value = (bad,) if field == "votes" else bad
    with pytest.raises(DataError, match=r"a character that nobody sees.*: rename it"):
        write_kaldi_dir(tmp_path / "set", [utterance(an4_wavs[0], **{field: value})])
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("bad", ["a\x1b[31mb", "a\u202eb", "a\u200bb"])
@pytest.mark.parametrize(
    ("table", "is_key"),
    [("utt2spk", True), ("utt2spk", False), ("utt2label", False), ("classes", True)],
)
def test_no_kaldi_directory_is_read_with_a_name_that_nobody_sees(
    tmp_path, an4_wavs, bad, table, is_key
):
    write_kaldi_dir(tmp_path, [utterance(an4_wavs[0])])
    write_table(tmp_path / table, {bad: "s"} if is_key else {"s-u": bad})
    with pytest.raises(
        DataError, match=rf"{tmp_path / table}:1: .* nobody sees"
    ) as error:
        read_kaldi_dir(tmp_path)
    assert all(line.isprintable() for line in str(error.value).splitlines())


def test_names_of_all_scripts_are_names(tmp_path, an4_wavs):
    u = utterance(an4_wavs[0], utt="é-语-ü", speaker="نور", votes=("e\u0301",))
    write_kaldi_dir(tmp_path, [dataclasses.replace(u, label="joy😀")])
    assert read_kaldi_dir(tmp_path).utt2label == {"é-语-ü": "joy😀"}


@pytest.mark.parametrize("column", ["label", "speaker", "utt", "fold", "votes"])
def test_a_manifest_names_the_line_of_a_name_that_nobody_sees(
    tmp_path, an4_wavs, column
):
    row = {"path": str(an4_wavs[0]), "label": "joy", column: "a\x1b[31mb"}
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(
        DataError, match=rf"{path}:1: column {column}: .* holds \\x1b.*write it without"
    ):
        read_manifest(path)


def test_a_manifest_names_the_line_of_a_file_that_nobody_sees(tmp_path, an4_wavs):
    (tmp_path / "a\x1bb.wav").write_bytes(an4_wavs[0].read_bytes())
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({"path": "a\x1bb.wav", "label": "joy"}) + "\n")
    with pytest.raises(DataError, match=r":1: column path: .*rename it, or add a col"):
        read_manifest(path)
    path.write_text(json.dumps({"path": "a\x1bb.wav", "label": "joy", "utt": "u"}))
    assert read_manifest(path).utterances[0].utt == "u"


def test_emobox_names_the_line_of_a_label_that_nobody_sees(tmp_path):
    folder = tmp_path / "data" / "toy"
    (folder / "fold_1").mkdir(parents=True)
    (folder / "label_map.json").write_text(json.dumps({"joy": "Jo\u200by"}))
    for part in ("train", "test"):
        path = folder / "fold_1" / f"toy_{part}_fold_1.jsonl"
        path.write_text(json.dumps({"key": part, "wav": "a.wav", "emo": "joy"}))
    with pytest.raises(DataError, match=r"jsonl:1: .*label .*holds \\u200b"):
        read_emobox(tmp_path, "toy")


@pytest.mark.parametrize("name", ["a\x1bb", "..", ".", "", "a/b", "a b"])
def test_a_fold_is_called_as_a_folder_can_be(tmp_path, name):
    with pytest.raises(DataError, match="the fold .*rename it"):
        write_folds(tmp_path, [Fold(name, ["a"], ["b"], ["c"])])
    assert not list(tmp_path.rglob("train"))


def test_no_fold_is_read_whose_name_nobody_sees(tmp_path):
    write_folds(tmp_path, [Fold("1", ["a"], ["b"], ["c"])])
    (tmp_path / "folds" / "1").rename(tmp_path / "folds" / "1\u200b")
    with pytest.raises(DataError, match=r"the fold '1\\u200b' holds"):
        read_folds(tmp_path)


@every_kind
@pytest.mark.parametrize("key", ["classes", "name", "corpus", "fold"])
def test_no_pack_is_read_with_a_name_that_nobody_sees(tmp_path, bad, key):
    value = [bad, "neutral"] if key == "classes" else bad
    write_zip(members(FILES, **{key: value}), tmp_path / "model.zip")
    with pytest.raises(DataError, match=r"config.json: .*nobody sees") as error:
        unpack_model(tmp_path / "model.zip", tmp_path / "there")
    assert str(error.value).isprintable() and not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": "anger"},
        {"classes": None},
        {"name": ["a"]},
        {"metrics": "none"},
        {"metrics": {"pooled": {"wa": "1", "ua": 0.5}}},
        {"metrics": {"folds": 3}},
        {"versions": "1"},
        {"valid_ua": "best"},
    ],
)
def test_a_card_that_info_could_not_tell_is_refused(tmp_path, changes):
    write_zip(members(FILES, **changes), tmp_path / "model.zip")
    with pytest.raises(DataError, match="config.json.*pack or download"):
        unpack_model(tmp_path / "model.zip", tmp_path / "there")


@every_kind
def test_no_config_of_a_training_is_read_with_a_class_that_nobody_sees(tmp_path, bad):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"token_list": ["joy", bad]}))
    # A lone surrogate is no YAML at all.
    with pytest.raises(DataError, match=f"{path}.*(nobody sees|cannot be read)"):
        read_training_config(path)


def answer(label):
    posteriors = {label: 0.75, "neutral": 0.25}
    part = Segment(0.0, 1.0, label, posteriors)
    return Sentiment(label, posteriors, 1.0, None, None, "=1+1", None, [part])


def test_answers_do_not_command_the_terminal():
    label = "a\x1b[31mb\u202e"
    for form in (Table([label, "neutral"]), CSV([label, "neutral"]), JSONLines()):
        told = form.head() + form.row("\x9bc.wav", answer(label))
        assert all(line.isprintable() for line in told.splitlines())
    row = json.loads(JSONLines().row("\x9bc.wav", answer(label)))
    assert (row["path"], row["label"]) == ("\x9bc.wav", label)


def test_table_stays_aligned_with_a_name_that_is_escaped():
    form = Table(["a\x1bb", "neutral"])
    head, row = form.head().splitlines(), form.row("x.wav", answer("a\x1bb"))
    assert head[0].index("seconds") + 7 == row.splitlines()[0].index("  x.wav")


FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_spreadsheet_takes_a_cell_for_a_formula(tmp_path, formula):
    form = CSV([formula, "neutral"], transcript=True)
    text = form.head() + form.row(formula, answer(formula))
    text += form.broken(formula, DataError(formula))
    write_csv(tmp_path / "a.csv", [formula, "n"], [{formula: formula, "n": "-0.5"}])
    text += (tmp_path / "a.csv").read_text()
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert not [c for c in cells if c.startswith(("=", "+", "-1+", "@", "\t", "\r"))]
    assert sum(cell.startswith("'") for cell in cells) == 8
    assert "-0.5" in cells and "0.75" in cells


def test_numbers_in_csv_are_numbers(tmp_path):
    numbers = ["-1", "+2.5", "-.5", "-1e-05", "3.", "0"]
    write_csv(tmp_path / "a.csv", numbers, [])
    assert (tmp_path / "a.csv").read_text() == ",".join(numbers) + "\n"


def test_stages_and_errors_do_not_command_the_terminal(capsys):
    say("score\x1b[31m", "class \x1b]0;evil\x07\nnext")

    def main(argv):
        raise DataError("class \x1b[31mred\n  and \u202e more")

    with pytest.raises(SystemExit) as status:
        run(main)
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 2
    assert all(line.isprintable() for line in said.splitlines())
    assert str(status.value) == "error: class \\x1b[31mred\n  and \\u202e more"


def test_characters_that_are_seen_are_no_escapes():
    seen = "Oui\u00a0! \ue000 \u3000"
    assert (one_line(seen), json.loads(json_text(seen))) == (seen, seen)
    assert one_line("a\u200b\x85") == "a\\u200b\\x85"


def test_a_name_of_formulas_does_not_break_the_plot_of_the_confusion(tmp_path):
    names = ["$a", "a$b_{$", "$\\\\x{$"]
    plot_confusion([[1, 0, 0]] * 3, names, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size


def test_folds_of_an_experiment_are_sorted_by_numbers_of_any_length(tmp_path):
    names = ["fold2", "fold10", f"fold{'1' * 150}", "fold\u00b2", "folda"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / CHECKPOINT).touch()
    found = [path.name for path in fold_dirs(tmp_path)]
    assert found[:3] == names[:3] and set(found) == set(names)


def test_labels_do_not_break_tables_of_markdown():
    text = markdown(["", "a|b"], [["<img src=x onerror=1>", "a\\|b"], ["< 0.001", 1]])
    assert text == (
        "|  | a\\|b |\n| --- | ---: |\n"
        "| \\<img src=x onerror=1> | a\\\\\\|b |\n| < 0.001 | 1 |\n"
    )


def test_labels_do_not_break_the_model_card():
    evil = "<img src=x onerror=1>"
    card = model_card(
        {
            "name": evil,
            "corpus": evil,
            "classes": [evil, "a|b"],
            "fold": "a|b",
            "decoder": "rnn_attention",
            "text_branch": False,
            "encoder": {"name": "none", "path": None, "sha256": "0" * 64},
            "seed": 0,
            "versions": {},
            "metrics": {
                "n_utterances": 4,
                "pooled": {"wa": 0.5, "ua": 0.5, "macro_f1": 0.5},
                "folds": [
                    {"fold": name, "n_test": 2, "wa": 0.5, "ua": 0.5}
                    for name in ("a|b", evil)
                ],
            },
        }
    )
    body = card.split("---\n", 2)[2]
    assert "<img" not in body.replace("\\<img", "")
    assert "| a\\|b | 2 | 50.00 | 50.00 |" in body
