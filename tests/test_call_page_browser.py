"""call.html as a person uses it, in a headless Chromium; axe-core looks at it, too."""

import pytest
from call_fixture import CLASSES, make_call

from espnet_sentiment.report.call_page import index_row, write_call_page, write_index
from espnet_sentiment.scoring.course import course

pytestmark = pytest.mark.browser

ROWS = "table.turns tbody tr"
CURSOR = "parseFloat(document.querySelector('.timeline .cursor').style.left)"
POSITION = "document.querySelector('audio').currentTime"


@pytest.fixture(scope="module")
def call(tmp_path_factory, an4_wavs):
    folder = tmp_path_factory.mktemp("call")
    conversation, wav = make_call(folder, an4_wavs, 24)
    write_call_page(folder / "call.html", conversation, wav)
    return conversation, folder / "call.html"


@pytest.fixture
def page(call, open_page):
    """Open it; open_page fails where anything but files is asked for."""
    page = open_page(call[1])
    until(page, "document.querySelector('audio').readyState >= 1")
    return page


def starts(page):
    cells = page.locator(f"{ROWS} td:first-child").all_inner_texts()
    return [float(cell.split(":")[1]) for cell in cells]


def until(page, condition):
    """Wait; the page's policy keeps Playwright's own waiting from evaluating text."""
    page.evaluate(
        "new Promise((done) => { const look = () => "
        f"({condition}) ? done() : requestAnimationFrame(look); look(); }})"
    )


def near(page, seconds, within=0.5):
    until(page, f"Math.abs({POSITION} - {seconds}) < {within}")


def test_page_shows_all_turns_and_their_labels_in_words(call, page):
    conversation, _ = call
    assert starts(page) == [round(turn["start"], 1) for turn in conversation["turns"]]
    cells = page.locator(f"{ROWS} td:nth-child(4)").all_inner_texts()
    labels = [turn["label"] for turn in conversation["turns"]]
    assert [cell.split()[-1] for cell in cells] == labels
    letters = page.locator(".timeline .letter").all_text_contents()
    # All but those of turns that are too short for one.
    assert {*letters} == {"A", "N"} and len(letters) > 20
    assert page.locator(".timeline .name").all_text_contents() == ["Ada", "Bob"]
    assert page.evaluate("window.evil") is None


def test_turns_are_filtered_by_speaker_label_words_and_notes(page):
    count = lambda: page.inner_text("#count")  # noqa: E731
    page.select_option("[name=speaker]", label="Ada")
    assert count() == "12 of 24 turns"
    assert {*page.locator(f"{ROWS} td:nth-child(3)").all_inner_texts()} == {"Ada"}
    page.select_option("[name=label]", "anger")
    assert count() == "6 of 24 turns"
    # Others stay on the timeline, without a letter.
    assert page.locator(".timeline .letter").all_text_contents() == ["A"] * 6
    page.select_option("[name=speaker]", "")
    page.select_option("[name=label]", "")
    page.fill("[name=search]", "TWENTY5 eleven")
    assert count() == "1 of 24 turns"
    page.fill("[name=search]", "")
    page.check("[name=flagged]")
    assert count() == "3 of 24 turns"
    assert "short: 0.4 s" in page.inner_text(f"{ROWS} >> nth=2")


def test_turn_is_played_and_the_cursor_runs_through_its_words(call, page):
    turn = call[0]["turns"][4]
    before = page.evaluate(CURSOR)
    page.locator(f"{ROWS} button").nth(4).click()
    page.wait_for_selector(".now-turn .word.now")
    assert page.inner_text(".now-turn .word.now") == "eleven"
    assert page.evaluate(CURSOR) > before
    row = page.locator(f"{ROWS}[aria-current=true]")
    assert "twenty4" in row.inner_text()
    began = page.evaluate(POSITION)
    until(page, f"{POSITION} > {began} + 0.2")
    assert turn["start"] <= began < turn["end"]


def test_word_is_played_where_it_is(call, page):
    word = call[0]["turns"][4]["words"][1]
    page.locator(".timeline").press("Home")
    for _ in range(5):
        page.locator(".timeline").press("PageDown")
    page.locator(".now-turn .word").nth(1).click()
    near(page, word["start"])
    page.wait_for_selector(".now-turn .word.now")
    assert page.inner_text(".now-turn .word.now") == "twenty4"
    # By level, as the report marks them.
    assert "bin2" in page.locator(".now-turn .word").nth(0).get_attribute("class")
    assert "bin0" in page.locator(".now-turn .word").nth(1).get_attribute("class")


def test_press_on_a_turn_goes_to_its_start(call, page):
    conversation, _ = call
    turn = conversation["turns"][7]
    box = page.locator(".timeline").bounding_box()
    letter = page.locator(".timeline .letter").nth(12 + 3).bounding_box()
    middle = (turn["start"] + turn["end"]) / 2 / conversation["duration"]
    page.mouse.click(box["x"] + middle * box["width"], letter["y"] + 5)
    near(page, turn["start"])
    assert page.inner_text(".now-turn strong") == "Bob"


def test_keyboard_is_enough(call, page):
    turns = call[0]["turns"]
    slider = page.locator("[role=slider]")
    slider.focus()
    page.keyboard.press("PageDown")
    near(page, turns[0]["start"], 0.05)
    page.keyboard.press("PageDown")
    near(page, turns[1]["start"], 0.05)
    assert slider.get_attribute("aria-valuetext").endswith("Bob: neutral")
    page.keyboard.press("ArrowRight")
    near(page, turns[1]["start"] + 5, 0.05)
    page.keyboard.press("PageUp")
    page.keyboard.press("Home")
    near(page, 0, 0.05)
    page.keyboard.press("Space")
    until(page, f"{POSITION} > 0.1")
    page.keyboard.press("Space")
    until(page, "document.querySelector('audio').paused")
    assert int(slider.get_attribute("aria-valuemax")) == round(call[0]["duration"])


def test_turning_point_is_shown_for_whom_it_is(call, page):
    turning = page.locator("table.turning tbody tr")
    assert turning.locator("td:nth-child(2)").all_inner_texts()[0] == "Ada"
    assert "anger 5.0 → 90.0" in turning.first.inner_text()
    assert page.locator(".timeline .turn-mark").count() == 1
    page.select_option("[name=whose]", label="Bob")
    assert page.locator(".plot .turn-line").count() == 0
    page.select_option("[name=whose]", label="Ada")
    assert page.locator(".plot .turn-line").count() == 1
    assert page.locator(".plot .band").count() == len(CLASSES)
    page.select_option("[name=which]", "anger")
    assert page.locator(".plot .band").count() == 1
    turning.first.locator("button").click()
    near(page, call[0]["turns"][12]["start"], 1)


def test_shares_of_speakers_and_thirds_are_given(call, page):
    rows = page.locator("table.shares tbody tr").all_inner_texts()
    assert len(rows) == 3 * len(CLASSES)
    assert rows[0].startswith("Ada") and "↑ rises" in rows[0]
    assert "no trend" in rows[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(call, open_page, scheme, serious):
    page = open_page(call[1], color_scheme=scheme)
    page.locator(".timeline").press("PageDown")
    page.locator(".timeline").press("PageDown")
    assert serious(page) == []


def test_narrow_screen_is_not_scrolled_sideways(call, open_page, serious):
    page = open_page(call[1], viewport={"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.locator(".timeline").press("PageDown")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert serious(page) == []


def test_motion_is_not_forced_on_who_wants_less(call, open_page):
    assert open_page(call[1]).is_checked("[name=follow]")
    calm = open_page(call[1], reduced_motion="reduce")
    assert not calm.is_checked("[name=follow]")


def test_page_without_its_recording_says_so_and_works(call, open_page, tmp_path):
    conversation, _ = call
    write_call_page(tmp_path / "call.html", conversation, None)
    page = open_page(tmp_path / "call.html")
    assert "not in this file" in page.inner_text("#timeline .note")
    page.locator(".timeline").press("PageDown")
    page.locator(".timeline").press("PageDown")
    assert page.inner_text(".now-turn strong") == "Bob"


def test_speakers_without_names_are_told_by_channel(call, open_page, tmp_path):
    conversation, _ = call
    turns = [
        {k: v for k, v in t.items() if k != "speaker"} for t in conversation["turns"]
    ]
    turns[0].pop("channel")
    write_call_page(tmp_path / "call.html", conversation | {"turns": turns}, None)
    page = open_page(tmp_path / "call.html")
    names = page.locator(f"{ROWS} td:nth-child(3)").all_inner_texts()
    assert names[:3] == ["speaker not known", "channel 1", "channel 0"]


def test_thousands_of_turns_open_fast_and_are_shown_a_page_at_a_time(
    call, open_page, tmp_path
):
    conversation, _ = call
    turn = conversation["turns"][1]
    many = [
        turn
        | {"start": 3.0 * n, "end": 3.0 * n + 2.5, "words": [], "speaker": f"s{n % 2}"}
        for n in range(2400)
    ]
    long = conversation | {"turns": many, "duration": 7200.0}
    write_call_page(tmp_path / "long.html", long, None)
    page = open_page(tmp_path / "long.html")
    assert page.locator(ROWS).count() == 50
    opened = page.evaluate("performance.getEntriesByType('navigation')[0].duration")
    assert opened < 5000
    page.click("text=Next page")
    assert starts(page)[0] == 30.0 and "page 2 of 48" in page.inner_text("#turns")
    # The table turns to the page of the turn at the cursor.
    page.locator(".timeline").press("End")
    page.locator(".timeline").press("PageUp")
    page.wait_for_selector(f"{ROWS}[aria-current=true]")
    assert "page 48 of 48" in page.inner_text("#turns")
    page.select_option("[name=zoom]", "120")
    assert 30 < page.locator(".timeline .letter").count() < 60


def test_calls_are_listed_sorted_and_linked(call, open_page, tmp_path, serious):
    conversation, path = call
    found = course(conversation["turns"], CLASSES, conversation["duration"])
    rows = [
        index_row(path.name, conversation | {"name": name, "duration": seconds}, found)
        for name, seconds in (("b", 90.0), ("a10", 7200.0), ("a9", 10.0))
    ]
    index = path.with_name("index.html")
    why = f"cannot be read as audio: {'x' * 200}"
    write_index(index, rows, broken=[("<b>lost", why)])
    for scheme in ("light", "dark"):
        size = {"width": 360, "height": 700}
        page = open_page(index, color_scheme=scheme, viewport=size)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert serious(page) == []
    assert page.inner_text("#broken .note") == f"<b>lost: {why}"
    names = page.locator("tbody tr td:first-child")
    assert names.all_inner_texts() == ["a9", "a10", "b"]
    page.click("th button >> text=duration")
    assert names.all_inner_texts() == ["a9", "b", "a10"]
    page.click("th button >> text=duration")
    assert names.all_inner_texts() == ["a10", "b", "a9"]
    assert page.locator("th[aria-sort=descending]").inner_text() == "duration"
    assert "↑ rises" in page.inner_text("tbody")
    page.click("text=a10")
    page.wait_for_selector(ROWS)
