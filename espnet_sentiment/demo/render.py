"""An answer as HTML; whatever came from outside is escaped."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from espnet_sentiment.inference.result import Segment, Sentiment, Word
    from espnet_sentiment.inference.stream import LiveTurn

CLIENT = """\
from gradio_client import Client, handle_file

client = Client("http://127.0.0.1:7860")  # the page's address
answer = client.predict(handle_file("call.wav"), True, api_name="/predict")"""
WORDS = "Words, marked by how much it listened to them (attention)"
LEVELS = {1: "least", 2: "middle", 3: "most"}


def details(sentiment: "Sentiment") -> str:
    """Return the words by attention and, of a long recording, its segments."""
    return f"{_facts(sentiment)}{_transcript(sentiment)}{_segments(sentiment)}"


def about(classes: Sequence[str], corpus: str | None) -> str:
    """Return what the model knows, and where that ends."""
    source = f" of the corpus {escape(corpus)}" if corpus else ""
    return (
        f"<p>The model tells {len(classes)} classes apart, and no others: "
        f"{escape(', '.join(classes))}. It has learned them from recordings{source}; "
        "other voices, languages and situations may mislead it.</p>"
    )


def for_programs() -> str:
    """Say how a program asks what the page asks, by Gradio's client."""
    return (
        "<details><summary>For programs</summary><p>By gradio_client, within the "
        f"page's limits:</p><pre>{escape(CLIENT)}</pre><p>The answer is what "
        "'espnet-sentiment predict --json' writes; GET /healthz says whether the page "
        "answers.</p></details>"
    )


def hint() -> str:
    """Return what stands there before the first answer."""
    return "<p>Record or upload speech: its label and its words appear here.</p>"


def waiting() -> str:
    """Return what stands there while words are recognised."""
    return '<p role="status">The words are being recognised ...</p>'


def conversation(page: str) -> str:
    """Return a conversation's page in a frame of its own, which reaches nothing."""
    return (
        '<iframe sandbox="allow-scripts" title="Conversation, turn by turn" '
        f'srcdoc="{escape(page)}"></iframe>'
    )


def conversation_hint() -> str:
    """Return what stands there before a conversation was asked for."""
    return (
        "<p>Finds the turns of a longer recording by voice activity, channel by "
        "channel, and shows each one's label over time.</p>"
    )


def live_about(max_seconds: float) -> str:
    """Return what stands before the microphone that is heard live."""
    return (
        "<h2>Live</h2><p>Record and speak: each turn is answered when it has ended, "
        "and once a second while it goes on. A stream lasts up to "
        f"{max_seconds:g} s. Be silent for a second before you stop: the browser does "
        "not send what comes last.</p>"
    )


def live(
    turns: Sequence["LiveTurn"],
    now: "LiveTurn | None",
    notes: Sequence[str],
    heard: float,
    is_on: bool,
) -> str:
    """Return the turns of a stream.

    Args:
        turns: Those that have ended.
        now: The one that goes on, as far as it is answered.
        notes: What a person should know.
        heard: Seconds that were heard.
        is_on: Whether more are expected.
    """
    status = "Listening" if is_on else "Ended"
    said = f"<p>{status}; {heard:.0f} s heard, turns: {len(turns)}</p>"
    rows = "".join(map(_live_turn, [*turns, *([] if now is None else [now])]))
    table = (
        '<table><thead><tr><th scope="col">time</th><th scope="col">label</th>'
        f'<th scope="col">how sure (posterior)</th></tr></thead>{rows}</table>'
    )
    return "".join(map(error, notes)) + said + (table if rows else "")


def _live_turn(turn: "LiveTurn") -> str:
    kind, more = ("ended", "") if turn.final else ("going_on", " ...")
    notes = "".join(map(error, turn.notes))
    return (
        f'<tbody class="{kind}"><tr><td>{_clock(turn.start)} – {_clock(turn.end)}{more}'
        f"</td><td>{escape(turn.label)}</td>"
        f"<td>{_bar(turn.posteriors[turn.label])}</td></tr>"
        + (f'<tr><td colspan="3">{notes}</td></tr>' if notes else "")
        + "</tbody>"
    )


def error(message: str) -> str:
    """Return a message that screen readers announce."""
    return f'<p role="alert" class="note">{escape(message)}</p>'


def _facts(sentiment: "Sentiment") -> str:
    n = len(sentiment.segments)
    cut = f", analysed in {n} segments" if n > 1 else ""
    notes = "".join(
        f'<p role="alert" class="note">{escape(note)}</p>' for note in sentiment.notes
    )
    return f"<p>{sentiment.duration:.1f} s of audio{cut}</p>{notes}"


def _transcript(sentiment: "Sentiment") -> str:
    if sentiment.text is None:
        return ""
    if not sentiment.text.strip():
        return "<h2>Words</h2><p>No words were recognised.</p>"
    if not sentiment.words:
        return f"<h2>Words</h2><p>{escape(sentiment.text)}</p>"
    legend = " ".join(
        f'<span class="word level{level}">{name}</span>'
        for level, name in LEVELS.items()
    )
    # Those of a long recording stand with its segments.
    one = len(sentiment.segments) == 1
    words = _sentence(sentiment.words, "p") if one else ""
    return f"<h2>{WORDS}</h2>{words}<p>Attention: {legend}</p>"


def _sentence(words: Iterable["Word"], tag: str) -> str:
    spans = " ".join(
        f'<span class="word level{word.level}" title="attention {word.weight:.2f} '
        f'(even: 1), {word.start:.2f} to {word.end:.2f} s">{escape(word.text)}</span>'
        for word in words
    )
    return f'<{tag} class="sentence">{spans}</{tag}>'


def _segments(sentiment: "Sentiment") -> str:
    if len(sentiment.segments) < 2:
        return ""
    rows = "".join(_segment(s, sentiment.words or ()) for s in sentiment.segments)
    return (
        "<h2>Part by part (segments)</h2><table><thead><tr>"
        '<th scope="col">time</th><th scope="col">label</th>'
        f'<th scope="col">how sure (posterior)</th></tr></thead>{rows}</table>'
    )


def _segment(segment: "Segment", words: Iterable["Word"]) -> str:
    said = [w for w in words if segment.start <= (w.start + w.end) / 2 < segment.end]
    return (
        f"<tbody><tr><td>{_clock(segment.start)} – {_clock(segment.end)}</td>"
        f"<td>{escape(segment.label)}</td>"
        f"<td>{_bar(segment.posteriors[segment.label])}</td></tr>"
        + (f'<tr><td colspan="3">{_sentence(said, "div")}</td></tr>' if said else "")
        + "</tbody>"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}"


def _bar(share: float) -> str:
    percent = f"{100 * share:.0f}"
    fill = f'<i style="width: {percent}%"></i>'
    return f'<span class="bar" aria-hidden="true">{fill}</span> {percent} %'
