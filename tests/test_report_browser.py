"""report.html as a person uses it, in a headless Chromium."""

import json

import pytest
from report_experiment import EVIL_TEXT, Scored

from espnet_sentiment.core.files import read_json, write_json
from espnet_sentiment.recipe.experiment import predictions_hash
from espnet_sentiment.report.page import embed

pytestmark = pytest.mark.browser

ROW, WORD = ".rows .row", ".sentence button:not(.gap)"


@pytest.fixture(scope="module")
def scored(tmp_path_factory, an4_wavs) -> Scored:
    return Scored(tmp_path_factory.mktemp("scored"), an4_wavs)


def ids(page):
    return [
        text.split("\n")[0]
        for text in page.locator(f"{ROW} > :nth-child(2)").all_inner_texts()
    ]


def test_utterances_are_filtered_and_searched(scored, open_page):
    page = open_page(scored.write_report())
    assert ids(page) == scored.names
    page.fill("[name=search]", "TWENTY eleven")
    assert ids(page) == scored.names[1:-1]
    page.fill("[name=search]", "")
    page.select_option("[name=right]", "wrong")
    assert ids(page) == scored.names[:1]
    assert page.inner_text("#count") == "1 of 8 utterances, 0 right"
    page.select_option("[name=right]", "")
    page.select_option("[name=label]", "bad")
    assert ids(page) == scored.names[::2]
    page.select_option("[name=pred]", "good")
    assert ids(page) == scored.names[:1]
    page.select_option("[name=pred]", "")
    page.select_option("[name=label]", "")
    speaker = scored.names[0].split("-")[1]
    page.select_option("[name=speaker]", speaker)
    assert ids(page) == [u for u in scored.names if u.split("-")[1] == speaker]
    page.select_option("[name=speaker]", "")
    page.fill("[name=low]", "95")
    assert ids(page) == []


def test_word_is_heard_and_marked_while_it_is_spoken(scored, open_page):
    page = open_page(scored.write_report("--embed", "8"))
    page.locator(ROW).nth(1).click()
    assert page.locator(WORD).all_inner_texts() == ["eleven", "twenty"]
    page.locator(WORD).nth(1).click()
    page.wait_for_selector(f"{WORD}.now")
    assert page.inner_text(f"{WORD}.now") == "twenty"
    assert page.locator(".timeline svg").count() == 2
    size = page.evaluate("document.querySelector('.timeline img').naturalHeight")
    assert size == 80
    assert (
        float(page.evaluate("parseFloat(document.querySelector('.cursor').style.left)"))
        > 0
    )


def test_layers_are_shown_where_there_are_several(scored, open_page):
    page = open_page(scored.write_report())
    assert "50.0 ± 10.0" in page.inner_text("#layers tbody tr >> nth=1")
    assert page.locator("#layers tbody .bar").count() == 4
    results = scored.dir / "results.json"
    kept = read_json(results)
    try:
        unknown = {**kept["layers"][0], "wa": None, "ua": None}
        write_json(results, {**kept, "layers": [unknown]})
        page = open_page(scored.write_report())
        assert page.locator("#layers tbody .bar").count() == 1
        write_json(results, {**kept, "layers": None})
        assert open_page(scored.write_report()).locator("#layers").count() == 0
    finally:
        write_json(results, kept)


def test_single_heads_can_be_looked_at(scored, open_page):
    page = open_page(scored.write_report("--embed", "8"))
    page.locator(ROW).nth(1).click()
    labels = lambda: page.locator(WORD).evaluate_all("all => all.map(x => x.title)")  # noqa: E731
    mean = labels()
    page.select_option(".detail select", "2")
    assert [text.split(",")[0] for text in labels()] == [
        "eleven: attention 1.00",
        "twenty: attention 1.00",
    ]
    assert labels() != mean


def test_keyboard_is_enough(scored, open_page):
    page = open_page(scored.write_report("--embed", "8"))
    page.locator("[name=embedded]").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator(f"{ROW} >> nth=1").get_attribute("aria-expanded") == "true"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{WORD}.now")


def test_markup_in_a_transcript_is_text(scored, open_page):
    page = open_page(scored.write_report("--embed", "8"))
    page.locator(ROW).first.click()
    assert page.evaluate("window.evil") is None
    words = page.locator(WORD).all_inner_texts()
    assert words == EVIL_TEXT.split()
    assert page.locator("img").count() == 1  # the spectrogram


def test_recording_outside_the_page_is_played_from_its_file(scored, open_page):
    page = open_page(scored.write_report("--embed", "0"))
    page.locator(ROW).nth(1).click()
    assert "not in this file" in page.inner_text(".detail .note")
    page.locator(WORD).nth(1).click()
    page.wait_for_selector(f"{WORD}.now")
    assert page.locator("img").count() == 0


def test_linked_utterance_is_played_where_it_is_in_its_recording(
    tmp_path, an4_wavs, open_page
):
    scored = Scored(tmp_path, an4_wavs)
    scored.write_data(start=0.25)
    page = open_page(scored.write_report("--embed", "0"))
    page.locator(ROW).nth(1).click()
    page.locator(WORD).nth(0).click()
    page.wait_for_selector(f"{WORD}.now")
    # Its first word begins 0.1 s after the utterance, which begins after 0.25 s.
    assert page.evaluate("document.querySelector('audio').currentTime") >= 0.35
    assert page.inner_text(f"{WORD}.now") == "eleven"


def test_recording_that_browsers_cannot_play_is_named(tmp_path, an4_wavs, open_page):
    scored = Scored(tmp_path, an4_wavs)
    sphere = next(wav for wav in an4_wavs if wav.stem == scored.names[1])
    scored.utts[scored.names[1]].write_bytes(sphere.read_bytes())
    page = open_page(scored.write_report("--embed", "0"))
    page.locator(ROW).nth(1).click()
    page.locator(WORD).nth(0).click()
    note = page.locator(".detail .note", has_text="The browser cannot play")
    assert f"{scored.names[1]}.wav" in note.inner_text()


def test_what_is_missing_is_said(tmp_path, an4_wavs, open_page):
    scored = Scored(tmp_path, an4_wavs)
    scored.ctm.unlink()
    scored.utts[scored.names[0]].unlink()
    page = open_page(scored.write_report("--embed", "0"))
    assert "no word times" in page.inner_text("#words .note")
    page.locator(ROW).first.click()
    assert "recording of this utterance is missing" in page.inner_text(
        ".detail .note >> nth=0"
    )
    assert page.inner_text(".sentence") == EVIL_TEXT
    axis = page.locator("#calibration svg text").all_text_contents()
    assert axis[:5] == ["0.00", "0.25", "0.50", "0.75", "1.00"]


def test_references_tuning_and_degraded_recordings_are_tables(
    tmp_path, an4_wavs, open_page
):
    scored = Scored(tmp_path, an4_wavs)
    scored.write_report()
    row = {"wa": 0.5, "ua": 0.25, "wa_ci95": [0.4, 0.6], "ua_ci95": [0.2, 0.3]}
    rows = {"metadata alone: speaker, group": row, "text alone": row}
    path = scored.dir / "results.json"
    references = {
        "rows": rows,
        "majority": {"wa": 0.5, "ua": 0.5, "wa_ci95": [0.45, 0.55]},
        "human_left_out": {**row, "n": 3},
        "alpha": {"alpha": 0.1234},
    }
    settings = [
        {
            "setting": 1,
            "options": {},
            "valid_mean": 0.5,
            "valid_loss_mean": 0.7,
            "chosen_by": ["1"],
        },
        {
            "setting": 2,
            "options": {"optim_conf": {"lr": 0.01}},
            "valid_mean": None,
            "valid_loss_mean": None,
            "chosen_by": [],
        },
    ]
    tuning = {"criterion": ["valid", "ua", "max"], "settings": settings}
    results = {**read_json(path), "references": references}
    write_json(path, {**results, "tuning": {"file": "tuning.json", **tuning}})
    hurt = {**row, "macro_f1": 0.3, "wa_p_holm": 0.0001, "ua_p_holm": 0.25}
    folders = {n: scored.dir / f"fold{n}" for n in "12"}
    measured = {
        "predictions": predictions_hash(folders),
        "summary": {
            "clean": {**row, "macro_f1": 0.4},
            **dict.fromkeys(("mu_law", "reverb_0.3", "white_0"), hurt),
        },
        **{"n_utterances": 8, "n_groups": 4},
    }
    write_json(scored.dir / "robustness.json", measured)
    page = open_page(scored.write_report())
    text = page.inner_text("#results")
    for line in (
        "metadata alone: speaker, group\t50.0\t40.0 – 60.0\t25.0\t20.0 – 30.0",
        "human, left out of the vote\t50.0",
        "majority class\t50.0\t45.0 – 55.0\t50.0\t",
        "alpha of the annotators: 0.123.",
    ):
        assert line in text
    text = page.inner_text("#tuning")
    assert "optim_conf.lr" in text and "1 (the recipe's)\t\t0.5000\t0.7000\t1" in text
    assert "2\t0.01\t\t" in text
    text = page.inner_text("#robustness")
    for name in ("clean", "mu-law, 8 bit, 8 kHz", "white noise, 0 dB"):
        assert f"\n{name}\t50.0" in text
    assert "reverberation, RT60 0.3 s\t50.0\t40.0 – 60.0\t< 0.001\t25.0" in text


def test_deletion_test_is_shown_once_it_was_run(tmp_path, an4_wavs, open_page):
    scored = Scored(tmp_path, an4_wavs)
    assert open_page(scored.write_report()).locator("#deletion").count() == 0
    kinds = {"attention": 0.31, "loudest": 0.12, "matched": 0.125, "random": -0.01}
    summary = {
        kind: {
            "energy": 0.4,
            "attended": 0.5,
            **{
                test: {"falls": [fall] * 2, "area": fall, "ci95": [0, 1], "p": 1e-3}
                for test in ("deletion", "sufficiency")
            },
        }
        for kind, fall in kinds.items()
    }
    measured = {"shares": [0.2, 0.5], "n_draws": 5, "n_utterances": 8, "n_groups": 2}
    measured["summary"] = summary
    measured["predictions"] = predictions_hash(
        {k: scored.dir / f"fold{k}" for k in "12"}
    )
    write_json(scored.dir / "deletion.json", measured)
    page = open_page(scored.write_report())
    assert "Frames of 8 test utterances" in page.inner_text("#deletion p")
    assert "sample" not in page.inner_text("#deletion")
    assert page.locator("#deletion tbody tr").count() == 8
    assert "0.310" in page.inner_text("#deletion tbody tr >> nth=0")
    assert "-0.010" in page.inner_text("#deletion tbody tr >> nth=3")
    sample = {"n_utterances": 6, "n_tested": 8, "per_speaker": 3}
    write_json(scored.dir / "deletion.json", measured | sample)
    text = open_page(scored.write_report()).inner_text("#deletion")
    assert "6 of 8 tested utterances, drawn by chance, at most 3 of each" in text
    # Of another model's predictions.
    write_json(scored.dir / "deletion.json", measured | {"predictions": "?"})
    assert open_page(scored.write_report()).locator("#deletion").count() == 0


def test_tables_of_many_speakers_and_folds_are_drawn_a_page_at_a_time(
    scored, open_page, tmp_path
):
    path = scored.write_report()
    before, mark, rest = path.read_text().partition('id="data">')
    text, end, after = rest.partition("</script>")
    data = json.loads(text)
    [speaker, *_], [fold, *_] = data["speakers"], data["folds"]
    data["speakers"] = [speaker | {"name": f"s{n:04d}"} for n in range(2001)]
    data["folds"] = [fold | {"fold": f"f{n:04d}"} for n in range(120)]
    many = tmp_path / "many.html"
    many.write_text(before + mark + embed(data) + end + after)
    page = open_page(many)
    speakers = page.locator("#groups .scroll").first
    names = speakers.locator("tbody tr > :first-child")
    assert names.all_inner_texts() == [f"s{n:04d}" for n in range(50)]
    speakers.locator("button").click()
    assert names.all_inner_texts() == [f"s{n:04d}" for n in range(100)]
    page.locator("#results summary").click()
    folds = page.locator("#results details .scroll")
    for shown in (50, 100, 120):
        assert folds.locator("tbody tr").count() == shown
        assert folds.locator("button").is_visible() == (shown < 120)
        if shown < 120:
            folds.locator("button").click()
    # What all fits has no button.
    assert not page.locator("#classes button").filter(visible=True).count()


def test_dark_mode_is_dark_and_readable(scored, open_page):
    background = "getComputedStyle(document.body).backgroundColor"
    path = scored.write_report()
    assert open_page(path).evaluate(background) == "rgb(255, 255, 255)"
    dark = open_page(path, color_scheme="dark").evaluate(background)
    assert max(map(int, dark[4:-1].split(","))) < 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(scored, open_page, scheme, serious):
    page = open_page(scored.write_report("--embed", "8"), color_scheme=scheme)
    page.locator(ROW).nth(1).click()
    assert serious(page) == []


def test_matrix_is_readable_in_the_dark_whatever_its_shares(
    scored, open_page, tmp_path, serious
):
    text = scored.write_report().read_text()
    before, mark, rest = text.partition('id="data">')
    text, end, after = rest.partition("</script>")
    data = json.loads(text)
    data["classes"] = [f"c{n}" for n in range(11)]
    # Rows of 0 to 100 % on the diagonal.
    data["confusion"] = [
        [10 * i * (i == j) + (100 - 10 * i) * (j == (i + 1) % 11) for j in range(11)]
        for i in range(11)
    ]
    matrix = tmp_path / "matrix.html"
    matrix.write_text(before + mark + embed(data) + end + after)
    for scheme in ("light", "dark"):
        page = open_page(matrix, color_scheme=scheme)
        assert page.locator(".confusion td").count() == 11 * 11 + 1
        assert serious(page) == []


def test_no_header_is_empty(scored, open_page):
    page = open_page(scored.write_report())
    headers = page.locator("th").all_text_contents()
    assert len(headers) > 20 and all(text.strip() for text in headers)
