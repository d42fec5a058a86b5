"""report.html and the figures: what they hold, escape, miss and say."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image
from report_experiment import EVIL, EVIL_TEXT, ROOT, Scored

from espnet_sentiment.bin import plot_attention
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.recipe.stage import DONE, Stage
from espnet_sentiment.report.groups import accuracy_by, accuracy_by_duration
from espnet_sentiment.report.page import embed
from espnet_sentiment.scoring.calibration import reliability


@pytest.fixture
def scored(tmp_path, an4_wavs) -> Scored:
    return Scored(tmp_path, an4_wavs)


class Page(HTMLParser):
    """A page's elements, and the JSON that it carries."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.json, self._into = [], {}, None
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)
        self.data = self.json.pop("data")
        self.rows = {row["utt"]: row for row in self.data["utterances"]}

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        json_element = tag == "script" and attributes["type"] == "application/json"
        names = (attributes.get("data-utt"), attributes.get("id"))
        self._into = next(filter(None, names)) if json_element else None

    def handle_endtag(self, tag):
        self._into = None

    def handle_data(self, text):
        if self._into:
            self.json[self._into] = json.loads(text)


def test_page_holds_the_results_and_all_utterances(scored):
    page = Page(scored.write_report("--embed", "3"))
    results = json.loads((scored.dir / "results.json").read_text())
    assert page.data["pooled"] == results["pooled"]
    assert page.data["confusion"] == results["confusion"]
    assert {r["name"]: r["recall"] for r in page.data["per_class"]} == {
        "bad": 0.75,
        "good": 1.0,
    }
    assert sorted(page.rows) == scored.names
    assert page.data["calibration"]["ece"] == pytest.approx(0.9 - 7 / 8)
    assert sum(r["count"] for r in page.data["durations"]) == 8
    assert page.data["curves"]["1"]["valid_loss"] == [1.1, None]
    assert "lr" not in page.data["curves"]["1"]


def test_chosen_utterances_are_embedded_errors_among_them(scored):
    page = Page(scored.write_report("--embed", "3"))
    assert len(page.json) == 3
    assert scored.names[0] in page.json
    # The heads of these only: mean and two heads.
    sizes = {utt: len(row["attention"]) for utt, row in page.rows.items()}
    assert sizes == {u: 3 if u in page.json else 1 for u in scored.names}


def test_embedded_audio_and_pictures_are_the_recording(scored):
    utt = scored.names[0]
    media = Page(scored.write_report("--embed", "1")).json[utt]
    samples, rate = soundfile.read(io.BytesIO(decode(media["audio"])), dtype="int16")
    expected, _ = soundfile.read(scored.utts[utt], dtype="int16")
    assert rate == 16000
    np.testing.assert_array_equal(samples, expected)
    picture = Image.open(io.BytesIO(decode(media["spectrogram"])))
    assert picture.size == (1 + len(samples) // 160, 80)
    assert max(media["peaks"]) == round(100 * np.abs(expected / 32768).max())


def decode(uri):
    return base64.b64decode(uri.split("base64,")[1])


def test_page_loads_nothing_from_elsewhere(scored):
    page = Page(scored.write_report())
    links = [v for _, a in page.elements for k, v in a.items() if k in ("src", "href")]
    assert links == []
    (policy,) = (
        a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a
    )
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy and "http" not in policy


def test_transcripts_cannot_become_markup(scored):
    page = Page(scored.write_report("--embed", "8"))
    scripts = [a for t, a in page.elements if t == "script"]
    assert len(scripts) == 1 + len(scored.names) + 1  # data, media, our script
    assert not any(tag == "img" for tag, _ in page.elements)
    assert page.rows[scored.names[0]]["text"] == EVIL_TEXT
    assert EVIL in [s[2] for s in page.rows[scored.names[0]]["segments"]]
    assert "<!--" not in page.text


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "\u2028 é ]]>"])
def test_embedded_json_cannot_end_its_element(text):
    assert "<" not in embed({"text": text})
    assert json.loads(embed({"text": text})) == {"text": text}


def test_segments_cover_the_words_and_what_lies_between(scored):
    page = Page(scored.write_report("--embed", "0"))
    row = page.rows[scored.names[1]]
    assert [s[2] for s in row["segments"]] == [None, "eleven", "twenty", None]
    assert page.data["attention"]["n_aligned"] == 7
    assert page.rows[scored.names[-1]]["segments"] is None
    assert len(page.data["attention"]["head_edges"]) == 2
    words = (scored.dir / "words.csv").read_text().splitlines()
    assert words[0] == "class,word,weight,count"
    assert words[1].startswith("bad,")


def test_report_without_word_times_has_attention_over_time_only(scored):
    scored.ctm.unlink()
    page = Page(scored.write_report())
    assert page.data["attention"] is None
    assert page.data["alignment"] is None
    assert all(r["segments"] is None and r["attention"] for r in page.rows.values())


def test_report_of_a_model_without_attention_has_none(scored):
    scored.write_decoded(attention=False)
    page = Page(scored.write_report())
    assert page.data["attention"] is None
    assert all(row["attention"] is None for row in page.rows.values())


def test_missing_recording_is_said_and_leaves_its_row(scored, capsys):
    utt = scored.names[0]
    scored.utts[utt].unlink()
    page = Page(scored.write_report("--embed", "8"))
    assert "WARNING: 1 of 8 recordings cannot be read" in capsys.readouterr().err
    assert page.rows[utt]["duration"] is None
    assert utt not in page.json
    assert "audio" in page.json[scored.names[1]]


def test_recordings_are_linked_relative_to_the_page(scored):
    page = Page(scored.write_report())
    utt = scored.names[0]
    assert page.rows[utt]["file"] == f"../../wav/{utt}.wav"


def test_utterance_that_is_cut_from_its_recording_is_heard_alone(scored):
    utt = scored.names[1]
    scored.write_data(start=0.25)
    page = Page(scored.write_report("--embed", "8"))
    samples, _ = soundfile.read(io.BytesIO(decode(page.json[utt]["audio"])))
    whole, _ = soundfile.read(scored.utts[utt])
    np.testing.assert_array_equal(samples, whole[4000:])
    assert page.rows[utt]["start"] == 0.25
    assert page.rows[utt]["duration"] == round(len(samples) / 16000, 3)


def test_report_is_rewritten_only_when_something_changed(scored, capsys):
    path = scored.write_report()
    before = path.stat().st_mtime_ns
    scored.write_report()
    assert path.stat().st_mtime_ns == before
    assert "up to date" in capsys.readouterr().err
    scored.ctm.unlink()
    scored.write_report()
    assert path.stat().st_mtime_ns > before


def test_same_experiment_gives_the_same_file(scored):
    first = scored.write_report("--embed", "2").read_bytes()
    scored.write_report("--embed", "3")
    assert scored.write_report("--embed", "2").read_bytes() == first


def test_errors_say_what_to_do(scored):
    with pytest.raises(DataError, match="--alignment other: there is no such"):
        scored.write_report("--alignment", "other")
    config = str(ROOT / "conf" / "encoder" / "rnnt.yaml")
    with pytest.raises(DataError, match="rnnt/an4/ctm is missing: align the words"):
        scored.write_report("--alignment", config)
    with pytest.raises(DataError, match="--embed must be 0 or more"):
        scored.write_report("--embed", "-1")
    (scored.dir / "results.json").unlink()
    with pytest.raises(DataError, match="results.json is missing"):
        scored.write_report()


def test_prediction_of_an_unknown_utterance_is_refused(scored):
    path = scored.dir / "fold1" / "decode" / "predictions.jsonl"
    path.write_text(path.read_text().replace(scored.names[0], "other"))
    Stage("stage 5: decoding", path.with_name(DONE), {}, 1).finish(None, [path])
    with pytest.raises(DataError, match="utterance other is not in"):
        scored.write_report()


def test_attention_table_that_names_a_command_runs_nothing(scored, tmp_path):
    scp, mark = scored.dir / "fold1" / "decode" / "attention.scp", tmp_path / "mark"
    options = scored.options("--utt", scored.names[0])
    for read in (scored.write_report, lambda: plot_attention.main(options)):
        scp.write_text(f"{scored.names[0]} touch {mark} |\n")
        with pytest.raises(DataError, match="run stage 5"):
            read()
    assert not mark.exists()


def test_calibration_error_is_the_weighted_gap_of_the_bins():
    # Bins (0.5, 0.6] and (0.9, 1]: gaps |0.5 - 0.58| and |1 - 0.95|.
    bins, error = reliability([0.56, 0.6, 0.95, 0.95], [True, False, True, True])
    assert [(b["low"], b["count"]) for b in bins] == [(0.5, 2), (0.9, 2)]
    assert error == pytest.approx((2 * 0.08 + 2 * 0.05) / 4)
    assert reliability([1.0, 0.0], [True, False])[1] == 0


def test_accuracy_by_group_has_wilson_intervals():
    rows = accuracy_by(["a", "b", "a", "a"], [True, False, True, False])
    assert [(r["name"], r["count"]) for r in rows] == [("a", 3), ("b", 1)]
    assert rows[0]["accuracy"] == pytest.approx(2 / 3)
    # Wilson's formula for 2 of 3, z = 1.95996.
    assert [rows[0]["low"], rows[0]["high"]] == pytest.approx(
        [0.2077, 0.9385], abs=1e-4
    )


def test_durations_form_equal_groups_from_short_to_long():
    seconds = np.random.default_rng(0).permutation(np.arange(1, 21)) / 2
    rows = accuracy_by_duration(seconds, list(seconds > 5), n_groups=4)
    assert [r["count"] for r in rows] == [5, 5, 5, 5]
    assert [r["accuracy"] for r in rows] == [0, 0, 1, 1]
    assert rows[0]["name"] == "0.5–2.5 s"
    assert accuracy_by_duration([], []) == []
    assert len(accuracy_by_duration([1.0, 1.0], [True, False])) == 1


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_figure_is_drawn_as_it_is_named(scored, kind, capsys):
    out = scored.root / f"figure.{kind}"
    options = scored.options("--utt", *scored.names[:3], "--out", out)
    plot_attention.main(options)
    assert capsys.readouterr().out.strip() == str(out)
    content = out.read_bytes()
    starts = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}
    assert content.startswith(starts[kind])
    plot_attention.main(options)
    assert out.read_bytes() == content


def test_figure_has_the_words_by_class_and_their_bins(scored):
    out = scored.root / "figure.svg"
    plot_attention.main(scored.options("--utt", *scored.names[:3], "--out", out))
    texts = re.findall(r">([^<>]+)</text>", out.read_text())
    assert texts.count("eleven") == 3
    assert {"bad", "good"} <= set(texts)
    assert f"{scored.names[0]}, predicted good" in texts


def test_figure_of_a_head_differs_from_that_of_their_mean(scored):
    files = [scored.root / f"{name}.svg" for name in ("mean", "even")]
    named = scored.options("--utt", scored.names[1])
    plot_attention.main([*named, "--out", str(files[0])])
    plot_attention.main([*named, "--out", str(files[1]), "--head", "2"])
    assert "1.00" in files[1].read_text()  # the second head is even
    assert files[0].read_text() != files[1].read_text()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--utt", "nobody"], "--utt nobody has no attention over words"),
        (["--head", "3"], "there are heads 1 to 2"),
        (["--out", "x.gif"], "x.gif: name a file that ends in .pdf, .svg, .png"),
        (["--seed", "0", "1"], "one model"),
    ],
)
def test_figure_errors_say_what_to_do(scored, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        plot_attention.main(scored.options("--utt", scored.names[0], *options))


def test_figure_needs_word_times(scored):
    scored.ctm.unlink()
    with pytest.raises(DataError, match="no utterance has both attention and word"):
        plot_attention.main(scored.options("--utt", scored.names[0]))


def test_undecoded_fold_is_named(scored):
    (scored.dir / "fold2" / "decode" / ".done.json").unlink()
    with pytest.raises(DataError, match="run stage 5"):
        scored.write_report()
    scored.write_decoded()
    assert scored.write_report().exists()
