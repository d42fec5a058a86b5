"""Tables as others write them: corpora, toolkits, spreadsheets, programs."""

import datetime
import json
import shutil
from pathlib import Path

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
import soundfile
from recipe_fixtures import recipe_module

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.data.manifest import Reading, make_folds, read_manifest
from espnet_sentiment.data.pairs import read_pairs
from espnet_sentiment.data.records import read_table_file
from espnet_sentiment.recipe.prepare import Corpus, prepare


@pytest.fixture
def wavs(tmp_path, an4_wavs):
    """Return twelve recordings beside the tables, in a folder ``audio``, of eight."""
    folder = tmp_path / "audio"
    folder.mkdir()
    return [
        Path(shutil.copy(an4_wavs[i % 8], folder / f"{i:02}.sph")) for i in range(12)
    ]


def rows_of(wavs, path="path", label="label", **more):
    """Return a row for each recording, two classes by turns."""
    return [
        {path: f"audio/{wav.name}", label: ("anger", "joy")[i % 2], **more}
        for i, wav in enumerate(wavs)
    ]


def csv_of(path, rows, separator=",", encoding="utf-8"):
    """Write rows whose values need no quotes."""
    lines = [
        separator.join(map(str, row)) for row in (rows[0], *map(dict.values, rows))
    ]
    path.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return path


def jsonl_of(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def xlsx_of(path, rows, *others):
    """Write a sheet, and others that hold one value each, or none."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "rows"
    sheet.append([*rows[0]])
    for row in rows:
        sheet.append([*row.values()])
    for title, value in others:
        book.create_sheet(title).append([value] * (value is not None))
    book.save(path)
    return path


def said_of(path, **reading):
    """Return what is said of a manifest, as one text."""
    return "\n".join(read_manifest(path, None, Reading(**reading)).said)


def error_of(path, **reading):
    with pytest.raises(DataError) as error:
        read_manifest(path, None, Reading(**reading))
    return str(error.value)


def texts(path, text, **reading):
    """Return the values of a table that is written here."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [list(row.values()) for _, row in read_table_file(path, **reading).rows]


QUOTED_ROWS = (
    ("w1", "anger", "a", '"Hello'),
    ("w2", "neutral", "b", "how are you"),
    ("w3", "anger", "c", 'goodbye"'),
)


def test_quotation_marks_in_a_tsv_swallow_no_row(tmp_path):
    lines = ["\t".join(row) for row in (("utt", "label", "path", "text"), *QUOTED_ROWS)]
    path = tmp_path / "m.tsv"
    assert texts(path, "\n".join(lines)) == [list(row) for row in QUOTED_ROWS]
    assert "2 lines) are taken as part of the text" in read_table_file(path).said[0]
    assert texts(path, 'utt\ttext\nu\t"no" he said\n') == [["u", '"no" he said']]
    assert texts(path, 'utt\ttext\nu\t"no"\n') == [["u", '"no"']]


def test_quotation_marks_of_a_spreadsheet_are_taken_off_a_tsv(tmp_path):
    path = tmp_path / "m.tsv"
    assert texts(path, 'utt\ttext\nu\t"""no"", he said"\n') == [["u", '"no", he said']]
    assert "a spreadsheet's, and taken off" in read_table_file(path).said[0]
    assert texts(path, '"utt"\t"text"\n"u"\t"no\tyes"\n') == [["u", "no\tyes"]]


def test_all_quotation_marks_that_would_swallow_rows_are_named_by_their_lines(tmp_path):
    path = tmp_path / "m.csv"
    lines = [",".join(row) for row in (("utt", "label", "path", "text"), *QUOTED_ROWS)]
    path.write_text("\n".join([*lines, 'w4,a,b,"x" y', 'w5,a,b,"z', ""]))
    with pytest.raises(DataError) as error:
        read_table_file(path)
    head, *named = str(error.value).splitlines()
    assert head == f"{path}: 3 lines cannot be read"
    for line, what in zip(
        named,
        (
            ":2: a double quote opens a field that ends in 4: take",
            ":5: ',' expected after",
            ":6: a double quote opens a field that does not end",
        ),
        strict=True,
    ):
        assert line.startswith(f"  {path}{what}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a;b\n1,5;2\n", "separated by ';'"),
        ("a\tb\n1,5\t2\n", "separated by '\\t'"),
        ("sep=;\r\na;b\r\n1,5;2;;\r\n;;\r\n", "separated by ';'"),
        ('a,b,,\n"1,5",2,,\n,,,\n', None),
        ('a, b\n"1,5", "2"\n', None),
        ("a,b\r\r1,5".replace("1,5", '"1,5",2') + "\r", None),
    ],
)
def test_separators_and_empty_columns_of_spreadsheets_are_understood(
    tmp_path, text, said
):
    path = tmp_path / "m.csv"
    assert texts(path, text) == [["1,5", "2"]]
    table = read_table_file(path)
    assert table.columns == ["a", "b"]
    assert said in table.said[0] if said else table.said == []


def test_two_possible_separators_are_refused_with_a_remedy_that_helps(tmp_path):
    path = tmp_path / "m.csv"
    with pytest.raises(DataError, match='m.csv:1: commas or semicolons .*"sep=,"'):
        texts(path, "a;b,c\n1;2,3\n")
    assert texts(path, "sep=,\na;b,c\n1;2,3\n") == [["1;2", "3"]]
    # What fits one line only is no separator.
    assert texts(path, "a;b,c\n1,3\n") == [["1", "3"]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_the_encoding(tmp_path, encoding):
    path = tmp_path / "m.csv"
    assert texts(path, "a,b\nJosé,日本\n".encode(encoding)) == [["José", "日本"]]
    with pytest.raises(DataError, match="begins with the mark of utf-.*leave out"):
        read_table_file(path, "cp1252")


def test_another_encoding_is_refused_by_line_and_read_when_it_is_named(tmp_path):
    path = tmp_path / "m.csv"
    text = "a,b\nx,y\nJosé,1\n"
    with pytest.raises(
        DataError, match="m.csv:3 is not UTF-8 .* if the line is 'José,"
    ):
        texts(path, text.encode("cp1252"))
    assert texts(path, text.encode("cp1252"), encoding="cp1252")[1] == ["José", "1"]
    assert "or name it: --encoding cp1252" in error_of(path)
    with pytest.raises(DataError, match="m.csv:1 holds NUL: it is .*, or utf-16-be wi"):
        texts(path, text.encode("utf-16-be"))
    with pytest.raises(DataError, match="--encoding base64 is no encoding of text"):
        texts(path, text, encoding="base64")
    with pytest.raises(DataError, match="m.csv:3 is not ascii .*name another"):
        texts(path, text, encoding="ascii")


OTHERS = {
    "audformat": {"path": "file", "label": "emotion", "speaker": "speaker"},
    "audiofolder": {"path": "file_name", "label": "label"},
    "SpeechBrain": {"path": "wav", "label": "emo", "speaker": "spk_id", "utt": "ID"},
    "EmoBox": {"path": "wav", "label": "emo", "utt": "key"},
    "by hand": {"path": "File Name", "label": "Emotion", "speaker": "Speaker-ID"},
}


@pytest.mark.parametrize("names", OTHERS.values(), ids=OTHERS)
def test_names_of_columns_that_others_use_are_taken_and_said(tmp_path, wavs, names):
    rows = [
        {names[k]: v for k, v in row.items() if k in names}
        for row in rows_of(wavs, speaker="s", utt="")
    ]
    for i, row in enumerate(rows):
        row |= {names["utt"]: f"u{i}"} if "utt" in names else {}
    path = csv_of(tmp_path / "m.csv", rows)
    manifest = read_manifest(path)
    first = manifest.utterances[0]
    assert (first.wav, first.label) == (str(wavs[0].resolve()), "anger")
    assert first.utt == ("u0" if "utt" in names else f"{'s-' * ('speaker' in names)}00")
    for ours, theirs in names.items():
        assert ours == theirs or f"{theirs} as {ours}" in manifest.said[0]
        assert manifest.record["columns"][ours] == theirs


def test_nested_paths_of_hugging_face_are_taken_and_recordings_inside_refused(
    tmp_path, wavs
):
    rows = [
        {"audio": {"path": row["path"], "bytes": None}, "label": row["label"]}
        for row in rows_of(wavs)
    ]
    lines = jsonl_of(tmp_path / "m.jsonl", rows)
    assert read_manifest(lines).utterances[3].wav == str(wavs[3].resolve())
    parquet = tmp_path / "m.parquet"
    kind = pyarrow.struct({"path": pyarrow.string(), "bytes": pyarrow.binary()})
    schema = pyarrow.schema({"audio": kind, "label": pyarrow.string()})
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), parquet)
    assert read_manifest(parquet).utterances == read_manifest(lines).utterances
    rows[5]["audio"]["bytes"] = b"RIFF"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), parquet)
    assert "column audio.bytes holds the recordings themselves: wr" in error_of(parquet)
    rows[5]["audio"]["bytes"] = "UklGRg=="
    assert "audio.bytes holds the recordings" in error_of(jsonl_of(lines, rows))


def test_numbers_of_channels_are_told_from_channels(tmp_path, wavs):
    path = csv_of(tmp_path / "m.csv", rows_of(wavs, channel=1))
    assert "column channel is 1 in all rows, which is the second one" in said_of(path)
    none = read_manifest(path, None, Reading(read_pairs("--map", "channel=")))
    assert none.utterances[0].channel is None
    assert none.said == ["columns without a meaning here: channel"]


def test_class_names_of_hugging_face_are_taken_for_their_numbers(tmp_path, wavs):
    rows = rows_of(wavs)
    for i, row in enumerate(rows):
        row["label"] = i % 2
    feature = {"names": ["anger", "joy"], "_type": "ClassLabel"}
    info = {"info": {"features": {"label": feature}}}
    table = pyarrow.Table.from_pylist(rows)
    path = tmp_path / "m.parquet"
    for value, label in ((1, "joy"), (7, "7 is no number of anger, joy")):
        rows[1]["label"] = value
        table = pyarrow.Table.from_pylist(rows).replace_schema_metadata(
            {"huggingface": json.dumps(info)}
        )
        pyarrow.parquet.write_table(table, path)
        if value == 1:
            assert read_manifest(path).utterances[1].label == label
            assert "column label are anger, joy" in said_of(path)
        else:
            assert f"m.parquet: row 2: column label: {label}" in error_of(path)


def test_json_of_speechbrain_is_read_by_its_ids(tmp_path, wavs):
    data = {
        f"u{i}": {
            "wav": f"{{data_root}}/{row['path']}",
            "emo": row["label"],
            "length": 1,
        }
        for i, row in enumerate(rows_of(wavs))
    }
    path = tmp_path / "train.json"
    path.write_text(json.dumps(data))
    manifest = read_manifest(path)
    assert [u.utt for u in manifest.utterances] == [*data]
    assert "{data_root} is the folder where paths start (12 paths)" in "".join(
        manifest.said
    )
    path.write_text(json.dumps([{"path": "x", "label": "a"}]))
    assert "train.json: entry 1: column path:" in error_of(path)
    path.write_text('{"u": {"wav": "a", "wav": "b"}}')
    assert "not valid JSON (wav stands there twice)" in error_of(path)


def test_parts_of_nemo_and_audformat_are_read_in_seconds(tmp_path, wavs):
    rows = [
        {
            "audio_filepath": r["path"],
            "label": r["label"],
            "offset": 0.1,
            "duration": 0.2,
        }
        for r in rows_of(wavs)
    ]
    nemo = read_manifest(jsonl_of(tmp_path / "m.jsonl", rows)).utterances[0]
    assert (nemo.start, nemo.end) == (0.1, 0.3)
    day = "0 days 00:00:00"
    rows = [
        {"file": r["path"], "start": f"{day}.1", "end": f"{day}.300000", "emotion": "a"}
        for r in rows_of(wavs)
    ]
    path = csv_of(tmp_path / "m.csv", rows)
    assert read_manifest(path).utterances[0].end == 0.3
    # Their empty ends are the recordings'.
    rows[1]["end"] = ""
    manifest = read_manifest(csv_of(path, rows))
    assert manifest.utterances[1].end == pytest.approx(
        soundfile.info(wavs[1]).duration, abs=0.001
    )
    assert "column end is empty in 1 rows: they end where" in "".join(manifest.said)
    rows = [row | {"start": "0 days", "end": ""} for row in rows]
    manifest = read_manifest(csv_of(path, rows))
    assert {u.start for u in manifest.utterances} == {None}
    assert "all rows are whole recordings" in "".join(manifest.said)
    times = {"start": pyarrow.duration("us"), "end": pyarrow.duration("us")}
    schema = pyarrow.schema(
        {"file": pyarrow.string(), "emotion": pyarrow.string(), **times}
    )
    second = datetime.timedelta(seconds=0.25)
    rows = [row | {"start": second, "end": 2 * second} for row in rows]
    path = tmp_path / "m.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path)
    assert read_manifest(path).utterances[0].end == 0.5


def test_columns_that_may_cut_recordings_are_not_passed_over(tmp_path, wavs):
    path = csv_of(tmp_path / "m.csv", rows_of(wavs, begin="0.1", stop="0.3"))
    assert "columns start and end: give both of them" in error_of(path)
    cut = read_manifest(path, None, Reading({"end": "stop"})).utterances[0]
    assert (cut.start, cut.end) == (0.1, 0.3)
    path = csv_of(path, rows_of(wavs, start="1600", stop="3200", duration="0.1"))
    assert "columns start and end: give both of them" in error_of(path)
    path = csv_of(path, rows_of(wavs, offset="0.1"))
    assert "column offset may say which part of a recording is meant" in error_of(path)
    assert read_manifest(path, None, Reading(read_pairs("--map", "start=,end=")))


@pytest.mark.parametrize(
    ("times", "end"),
    [
        (("0,0", "0,25", ";"), 0.25),
        (("0,000", "0,250", ","), 0.25),
        (("0,000", "1,250", ";"), 1.25),
    ],
)
def test_decimal_commas_are_points(tmp_path, wavs, times, end):
    start, stop, separator = times
    rows = rows_of(wavs, start=f'"{start}"', end=f'"{stop}"')
    manifest = read_manifest(csv_of(tmp_path / "m.csv", rows, separator))
    assert manifest.utterances[0].end == end
    assert "commas are taken as points" in "".join(manifest.said)


@pytest.mark.parametrize("start", ["1,000", "0.5"])
def test_commas_that_may_be_of_thousands_are_refused(tmp_path, wavs, start):
    rows = rows_of(wavs, start=f'"{start}"', end='"1,500"')
    error = error_of(csv_of(tmp_path / "m.csv", rows))
    assert "'1,500' may be 1.500 or 1500: write seconds with a point" in error or (
        "'1,000' may be 1.000 or 1000" in error
    )


def test_all_missing_columns_are_named_and_map_helps(tmp_path, wavs):
    rows = rows_of(wavs, "where", "what", who="s")
    path = csv_of(tmp_path / "m.csv", rows)
    error = error_of(path)
    assert "m.csv:1: columns path and label are missing; there are where, what" in error
    assert "--map path=COLUMN,label=COLUMN" in error
    given = "path=where, label=what,speaker=who"
    manifest = read_manifest(path, None, Reading(read_pairs("--map", given)))
    assert (
        manifest.utterances[0].speaker == "s" and manifest.utterances[0].utt == "s-00"
    )
    pairs = tmp_path / "columns.txt"
    pairs.write_text("# ours = theirs\n" + given.replace(",", "\n"))
    assert read_pairs("--map", str(pairs)) == read_pairs("--map", given)


def test_wrong_pairs_are_refused_and_all_named(tmp_path, wavs):
    path = csv_of(tmp_path / "m.csv", rows_of(wavs, file="x"))
    assert "has no column a, b, which --map names; there are path" in error_of(
        path, columns={"path": "a", "text": "b"}
    )
    for columns, message in [
        ({"file": "path"}, "--map names ours first: write --map path=file"),
        ({"a": "path", "x": "y"}, "--map names a, x, which are no columns here"),
    ]:
        with pytest.raises(UserError, match=message):
            read_manifest(path, None, Reading(columns))
    with pytest.raises(DataError) as error:
        read_pairs("--map_label", "a=b,c,a=d,=e")
    assert str(error.value).count("\n") == 3 and "'a' is given twice" in str(
        error.value
    )
    with pytest.raises(UserError, match="neither pairs, a=b,c=d, nor a file"):
        read_pairs("--map_label", "labels.txt")
    rows = rows_of(wavs, id="x")
    error = error_of(csv_of(path, rows))
    assert "'x' is also the id of" in error and "or take none, --map utt=" in error
    assert error.endswith("columns are taken: id as utt")
    assert read_manifest(path, None, Reading(read_pairs("--map", "utt=")))
    rows = rows_of(wavs, emotion="x")
    for row in rows:
        row["class"] = row.pop("label")
    assert "columns emotion and class may both be label: name one, --map label=" in (
        error_of(csv_of(path, rows))
    )


def test_labels_are_mapped_left_out_and_kept_in_the_data_directory(tmp_path, wavs):
    rows = rows_of(wavs, votes="exc sad+exc", speaker="")
    for i, row in enumerate(rows):
        row["label"] = ("exc", "very anger", "xxx", "joy")[i % 4]
        row["speaker"] = f"s{i % 3}"
    path = csv_of(tmp_path / "m.csv", rows)
    pairs = read_pairs("--map_label", "exc=joy,xxx=,sad=sadness,no=none")
    manifest = read_manifest(path, None, Reading(labels=pairs))
    assert {u.label for u in manifest.utterances} == {"joy", "very_anger"}
    assert manifest.utterances[0].votes == ("joy", "sadness+joy")
    said = "\n".join(manifest.said)
    assert (
        "column label: spaces and slashes become _: 'very anger' is very_anger" in said
    )
    assert "rows left out by --map_label: xxx 3" in said
    assert "WARNING: --map_label names labels that no row has: sad, no" in said
    data = tmp_path / "data"
    prepare(
        data,
        Corpus(manifest.utterances, make_folds(manifest, "", print), manifest.files),
    )
    record = read_json(data / "manifest.json")
    assert record["labels"] == {"exc": "joy", "very anger": "very_anger", "xxx": ""}
    assert record["left_out"]["by_label"] == {"xxx": 3}
    assert len(read_table(data / "utt2label")) == 9


def test_a_map_of_labels_and_a_table_may_differ_in_their_form_of_unicode(
    tmp_path, wavs
):
    rows = rows_of(wavs)
    rows[0]["label"], rows[2]["label"] = "col\u00e8re", "cole\u0300re"
    path = csv_of(tmp_path / "m.csv", rows)
    for name in ("col\u00e8re", "cole\u0300re"):
        manifest = read_manifest(path, None, Reading(labels={name: "anger"}))
        assert {u.label for u in manifest.utterances} == {"anger", "joy"}
        assert not any("map_label" in line for line in manifest.said)


def test_names_that_would_become_one_are_refused(tmp_path, wavs):
    rows = rows_of(wavs)
    rows[0]["label"], rows[3]["label"] = "very anger", "very_anger"
    path = csv_of(tmp_path / "m.csv", rows)
    assert "m.csv:5: column label: 'very_anger' and 'very anger' would both be" in (
        error_of(path)
    )
    assert read_manifest(path, None, Reading(labels={"very anger": "very_anger"}))
    rows = rows_of(wavs, speaker="1")
    rows[4]["speaker"] = "1.0"
    assert "column speaker: '1.0' and '1' would both be 1: write them the same" in (
        error_of(csv_of(path, rows))
    )


def test_half_of_a_character_is_refused_in_a_transcript(tmp_path, wavs):
    path = jsonl_of(tmp_path / "m.jsonl", rows_of(wavs, text="a \ud83d b"))
    assert "column text: 'a \\ud83d b' holds half of a surrogate pair" in error_of(path)
    path = jsonl_of(path, [r | {"path": "\ud83d"} for r in rows_of(wavs)])
    assert "column path: " in error_of(path)


def test_votes_are_split_as_they_are_separated(tmp_path, wavs):
    path = csv_of(tmp_path / "m.csv", rows_of(wavs, votes="joy;joy; very sad"))
    manifest = read_manifest(path)
    assert manifest.utterances[0].votes == ("joy", "joy", "very_sad")
    assert (
        "column votes: spaces and slashes become _: 'very sad' is" in manifest.said[0]
    )
    path = csv_of(path, rows_of(wavs, votes="\"['joy', 'sad']\""))
    assert read_manifest(path).utterances[0].votes == ("joy", "sad")
    for votes in (["joy", {"a": 1}], [["joy"]]):
        listed = jsonl_of(tmp_path / "m.jsonl", rows_of(wavs, votes=votes))
        assert "column votes: " in error_of(listed) and "no vote" in error_of(listed)
    listed = jsonl_of(tmp_path / "m.jsonl", rows_of(wavs, speaker=["a"]))
    assert "column speaker: ['a'] is a list: write one value" in error_of(listed)
    path = csv_of(path, rows_of(wavs, votes="[joy"))
    assert "column votes: '[joy' is no list" in error_of(path)


def test_parts_of_others_are_taken_and_said(tmp_path, wavs):
    rows = rows_of(wavs, split="")
    for i, row in enumerate(rows):
        row["split"] = ("Train", "train", "dev", "validation", "test", "test")[i % 6]
    manifest = read_manifest(csv_of(tmp_path / "m.csv", rows))
    [fold] = make_folds(manifest, "", print)
    assert [len(fold.train), len(fold.valid), len(fold.test)] == [4, 4, 4]
    assert manifest.said == [
        "column split: Train is train, dev is valid, validation is valid"
    ]


def test_paths_of_windows_and_of_another_form_of_unicode_are_found(tmp_path, wavs):
    named = tmp_path / "audio" / "Jose\N{COMBINING ACUTE ACCENT}.sph"
    wavs[1].rename(named)
    rows = rows_of(wavs)
    rows[1]["path"] = "audio\\José.sph"
    rows[0]["path"] = "audio\\00.sph"
    manifest = read_manifest(csv_of(tmp_path / "m.csv", rows))
    assert manifest.utterances[1].wav == str(named.resolve())
    assert "column path: backslashes are taken as slashes (1 paths)" in manifest.said
    for path, message in [
        ("C:\\data\\00.sph", "is on a drive of Windows: write it from a folder on"),
        ("https://a.org/00.sph", "is an address: download it"),
        ("x" * 5000, "does not exist"),
    ]:
        rows[2]["path"] = path
        assert message in error_of(csv_of(tmp_path / "m.csv", rows))


def test_missing_recordings_are_left_out_only_as_many_as_allowed_and_listed(
    tmp_path, wavs
):
    path = csv_of(tmp_path / "m.csv", rows_of(wavs))
    for wav in wavs[4:6]:
        wav.unlink()
    for n in (0, 1):
        assert "or leave them out with --skip_missing 2\n" in error_of(
            path, skip_missing=n
        )
    manifest = read_manifest(path, None, Reading(skip_missing=2))
    assert len(manifest.utterances) == 10
    assert json.loads(manifest.files["manifest.json"]) == manifest.record
    warning, *missing = manifest.said
    assert warning.startswith("WARNING: 2 of 12 rows are left out")
    assert missing == manifest.record["left_out"]["missing"]
    assert missing[0].startswith(f"{path}:6: column path: ")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([i / 100 for i in range(40)], "40 numbers .* are a measure, not classes"),
        ([*range(40)], "40 numbers .0, 1, 10, .*--map_label 0=anger"),
        (["0,5", "0,7", "0,7", "0,5"] * 10, "2 numbers .0,5, 0,7, .* are a measure"),
        (["50%", "70%"] * 20, "2 numbers .* are a measure"),
        (["anger"] * 40, "all 40 utterances are anger, so that who always says so"),
        (
            [f"text {i}" for i in range(40)],
            "each of 40 utterances has a label of its o",
        ),
        (["0", "1", "2", "3"] * 10, None),
        (["-1", "1"] * 20, None),
        (["1.0", "2.0"] * 20, None),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path, wavs, labels, message):
    rows = [
        {"path": "audio/00.sph", "label": f'"{label}"', "utt": f"u{i}"}
        for i, label in enumerate(labels)
    ]
    manifest = read_manifest(csv_of(tmp_path / "m.csv", rows))
    if message is None:
        assert len(make_folds(manifest, "", [].append)) == 5
        return
    with pytest.raises(DataError, match=f"m.csv: column label: .*{message}"):
        make_folds(manifest, "", [].append)


def test_stage_0_of_any_corpus_refuses_one_class(tmp_path, wavs):
    rows = [r | {"label": "joy"} for r in rows_of(wavs, speaker="")]
    for i, row in enumerate(rows):
        row["speaker"] = f"s{i % 3}"
    manifest = read_manifest(csv_of(tmp_path / "m.csv", rows))
    with pytest.raises(DataError, match="data: all 12 utterances are joy"):
        prepare(tmp_path / "data", Corpus(manifest.utterances))
    assert not (tmp_path / "data" / "wav.scp").exists()


def test_without_speakers_folds_are_made_and_said_loudly(tmp_path, wavs):
    path = csv_of(tmp_path / "m.csv", rows_of(wavs))
    said = []
    assert len(make_folds(read_manifest(path), "", said.append)) == 5
    assert said[0].startswith(
        "WARNING: no column names speakers, split or fold: --folds"
    )
    assert said[1].startswith(
        "WARNING: the manifest names no speakers: a fold may test"
    )


def test_a_speaker_for_each_utterance_is_no_speaker(tmp_path, wavs):
    rows = rows_of(wavs, speaker="")
    for i, row in enumerate(rows):
        row["speaker"] = f"s{i}"
    manifest = read_manifest(csv_of(tmp_path / "m.csv", rows))
    assert manifest.utt2spk is None
    assert "each of 12 utterances has a speaker of its own" in manifest.said[0]
    assert len(make_folds(manifest, "", [].append)) == 5


def test_a_spreadsheet_says_the_same_as_a_csv(tmp_path, wavs):
    rows = rows_of(wavs, speaker=7, start=0.25, end=1)
    for i, row in enumerate(rows):
        row["text"] = 'Ja, "so"\nund; so' if i else None
    path = xlsx_of(tmp_path / "m.xlsx", rows, ("empty", None))
    manifest = read_manifest(path)
    assert manifest.utterances[1].text == 'Ja, "so" und; so'
    assert (manifest.utterances[0].speaker, manifest.utterances[0].end) == ("7", 1.0)
    assert "sheet 'rows' is read, the others are empty" in manifest.said[0]
    for row in rows:
        row["text"] = '"Ja, ""so"" und; so"' if row["text"] else ""
    assert read_manifest(csv_of(tmp_path / "m.csv", rows)).utterances == (
        manifest.utterances
    )


def test_several_sheets_are_refused_until_one_is_named(tmp_path, wavs):
    path = xlsx_of(tmp_path / "m.xlsx", rows_of(wavs), ("notes", "x"))
    assert "has 2 sheets that are not empty: name one with --sheet: rows, notes" in (
        error_of(path)
    )
    assert len(read_manifest(path, None, Reading(sheet="rows")).utterances) == 12
    assert "has no sheet 'no', but rows, notes" in error_of(path, sheet="no")
    path = csv_of(tmp_path / "m.csv", rows_of(wavs))
    assert "--sheet is of .xlsx" in error_of(path, sheet="rows")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("=A2", "the formula A2 was not computed|the formula =A2 was not computed"),
        ("#N/A", "#N/A is a formula without a value"),
        (datetime.date(2024, 2, 1), "2024-02-01 is a date: make it a cell of text"),
        (1234567890123456, "is a number of more than 15 digits, of which Excel has"),
    ],
)
def test_what_excel_made_of_a_value_is_refused_by_row_and_column(
    tmp_path, wavs, value, message
):
    rows = rows_of(wavs, speaker="a", text="b", age="")
    rows[4]["age"] = value  # of no meaning here
    path = xlsx_of(tmp_path / "m.xlsx", rows)
    assert read_manifest(path)
    for column in ("speaker", "text"):
        error = error_of(xlsx_of(path, [*rows[:2], rows[2] | {column: value}]))
        assert f"m.xlsx: row 4: column {column}: " in error
        assert any(part in error for part in message.split("|"))


def test_merged_cells_and_clock_times_are_refused(tmp_path, wavs):
    path = xlsx_of(tmp_path / "m.xlsx", rows_of(wavs, start=0, end=datetime.time(0, 1)))
    assert "row 2: column end: 00:01:00 is a time of day: write seconds" in error_of(
        path
    )
    path = xlsx_of(path, rows_of(wavs, speaker="a"))
    book = openpyxl.load_workbook(path)
    book.active.merge_cells("C3:C5")
    book.save(path)
    error = error_of(path)
    assert "2 of 12 rows cannot be used" in error
    assert "row 4: column speaker: the cell is merged with row 3, column 3" in error


@pytest.fixture(scope="module")
def recipe():
    with recipe_module("manifest") as module:
        yield module


def test_a_change_of_the_options_runs_stage_0_again(recipe, tmp_path, wavs, capsys):
    path = csv_of(tmp_path / "m.csv", rows_of(wavs, "wo", "was", class_="a"))
    wavs[0].unlink()
    options = ["--manifest", str(path), "--data_dir", str(tmp_path / "data")]
    options += ["--skip_missing", "1", "--map"]
    runs = [
        ["path=wo,label=was"],
        ["path=wo,label=was", "--map_label", "joy=happiness"],
        ["path=wo,label=was", "--map_label", "joy=happiness", "--folds", "4"],
    ]
    for run in runs:
        for again in (False, True):
            recipe.main([*options, *run])
            said = capsys.readouterr().err
            assert ("up to date" in said) == again
            assert "1 of 12 rows are left out" in said
    assert len(read_folds(tmp_path / "data")) == 4
    assert set(read_table(tmp_path / "data" / "utt2label").values()) == {
        "anger",
        "happiness",
    }


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_list_without_a_header_loses_no_row_to_it(tmp_path, wavs, kind):
    rows = rows_of(wavs, speaker="anna")
    first, path = [*rows[0].values()], tmp_path / f"m.{kind}"
    listed = [dict(zip(first, row.values(), strict=True)) for row in rows[1:]]
    (csv_of if kind == "csv" else xlsx_of)(path, listed)
    for columns in ({}, {"path": first[0], "label": first[1], "speaker": first[2]}):
        error = error_of(path, columns=columns)
        assert f"is no header, but names a recording, {first[0]}: write a row" in error
    rows = [*listed, dict(zip(first, first, strict=True))]
    named = [
        dict(zip(("path", "label", "speaker"), r.values(), strict=True)) for r in rows
    ]
    (csv_of if kind == "csv" else xlsx_of)(path, named)
    assert len(read_manifest(path).utterances) == 12


def test_the_same_recording_and_the_same_file_name_twice_have_remedies(tmp_path, wavs):
    rows = rows_of(wavs)
    error = error_of(csv_of(tmp_path / "m.csv", [*rows, rows[3]]))
    assert "m.csv:14: column path: this is the recording of " in error
    assert error.endswith("m.csv:5 once more: take one of the two rows out")
    (tmp_path / "other").mkdir()
    shutil.copy(wavs[0], tmp_path / "other" / wavs[0].name)
    rows.append(rows[0] | {"path": f"other/{wavs[0].name}"})
    error = error_of(csv_of(tmp_path / "m.csv", rows))
    assert "'00', is also that of " in error and "add a column utt" in error
    rows = [row | {"utt": f"u{i}"} for i, row in enumerate(rows)]
    assert len(read_manifest(csv_of(tmp_path / "m.csv", rows)).utterances) == 13


def test_folds_that_lead_elsewhere_are_named_by_their_lines(tmp_path, wavs):
    rows = [
        row | {"fold": (".", "..", "²")[i % 3]} for i, row in enumerate(rows_of(wavs))
    ]
    error = error_of(csv_of(tmp_path / "m.csv", rows))
    assert "8 of 12 rows cannot be used" in error
    assert (
        "m.csv:2: column fold: the fold '.' is no name of a folder: rename it" in error
    )
    assert "m.csv:3: column fold: the fold '..' is no" in error


def test_the_remedy_for_an_empty_value_works(tmp_path, wavs):
    rows = rows_of(wavs, speaker="anna")
    rows[1]["label"] = ""
    path = csv_of(tmp_path / "m.csv", rows)
    assert error_of(path).endswith("fill it in every row, or take this one out")
    del rows[1]
    rows[1]["speaker"] = ""
    path = csv_of(path, rows)
    assert error_of(path).endswith("in every row, or take none, --map speaker=")
    assert (
        len(read_manifest(path, None, Reading(columns={"speaker": ""})).utterances)
        == 11
    )


def test_names_in_another_form_of_unicode_are_one_and_said(tmp_path, wavs):
    names = "colère", "cole\u0300re"
    rows = [
        row | {"label": names[i % 2] if i < 8 else "joy", "speaker": "José B"}
        for i, row in enumerate(rows_of(wavs, speaker=""))
    ]
    rows[5]["speaker"] = "Jose\u0301 B"
    manifest = read_manifest(csv_of(tmp_path / "m.csv", rows))
    assert {*manifest.utt2label.values()} == {"colère", "joy"}
    said = "\n".join(manifest.said)
    assert "column label: another form of Unicode is taken as NFC: 'colère'" in said
    assert "column speaker: another form of Unicode is taken as NFC: 'José B'" in said
    assert "column speaker: spaces and slashes become _: 'José B' is José_B" in said
    assert manifest.record["labels"] == {names[1]: names[0]}
