"""The page itself, of Gradio's components."""

import functools
import logging
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import gradio

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.demo import render
from espnet_sentiment.demo.answer import answer, conversation_page
from espnet_sentiment.demo.limits import Limits
from espnet_sentiment.demo.live import Live

if TYPE_CHECKING:
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment

TITLE = "Sentiment of speech"
API = (
    "Classify a recording; words: also recognise what is said, and weigh it by "
    "attention. The answer is what 'espnet-sentiment predict --json' writes."
)
LOST = "This recording could not be analysed: the server's log says why."


def build_page(
    speech2sentiment: "Speech2Sentiment",
    limits: Limits,
    name: str = "",
    corpus: str | None = None,
    *,
    live: Live,
) -> gradio.Blocks:
    """Build the page.

    Args:
        speech2sentiment: Classifies what is handed in.
        limits: What it takes.
        name: The model's name, shown below the title.
        corpus: What it has learned on, where that is known.
        live: Answers while somebody speaks.
    """
    handle = functools.partial(_handle, speech2sentiment, limits)
    # Of both together.
    shared: Any = {
        "concurrency_limit": limits.max_concurrent,
        "concurrency_id": "recordings",
    }
    with gradio.Blocks(
        title=TITLE,
        analytics_enabled=False,
        delete_cache=(min(60, limits.keep_seconds), limits.keep_seconds),
    ) as page:
        about = render.about(speech2sentiment.classes, corpus)
        gradio.HTML(f"<h1>{TITLE}</h1><p>{escape(name)}</p>{about}", elem_id="about")
        with gradio.Row():
            with gradio.Column():
                audio = gradio.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label="Recording",
                    editable=False,
                    buttons=[],
                    # What the microphone records is sent as WAV at this rate.
                    waveform_options={"sample_rate": speech2sentiment.sample_rate},
                )
                words = gradio.Checkbox(True, label=render.WORDS)
                gradio.HTML(
                    f"<p>Up to {limits.max_mb:g} MB and {limits.max_seconds:g} s of "
                    "WAV, FLAC, Ogg, MP3, M4A or video. Files are deleted after "
                    f"{limits.keep_seconds / 60:.0f} min.</p>"
                )
            with gradio.Column():
                label = gradio.Label(
                    label="How sure it is (posteriors)", elem_id="label"
                )
                details = gradio.HTML(
                    render.hint(), elem_id="details", container=True, padding=True
                )
        with gradio.Accordion("Conversation, turn by turn", open=False):
            ask = gradio.Button("Show the recording's turns")
            call = gradio.HTML(render.conversation_hint(), elem_id="call")
        microphone, shown = _live_parts(limits)
        gradio.HTML(render.for_programs(), elem_id="programs")
        gradio.on(
            [audio.change, words.input],
            handle,
            inputs=[audio, words],
            outputs=[label, details],
            trigger_mode="always_last",
            api_visibility="private",
            **shared,
        )
        ask.click(
            functools.partial(_converse, speech2sentiment, limits),
            inputs=[audio, words],
            outputs=call,
            api_visibility="private",
            **shared,
        )
        # What gradio_client calls: /predict(audio, words).
        gradio.Button(visible=False).click(
            functools.partial(_predict, speech2sentiment, limits),
            inputs=[audio, words],
            outputs=gradio.JSON(label="Answer", visible=False),
            api_name="predict",
            api_description=API,
            **shared,
        )
        _answer_live(page, live, limits, microphone, shown)
    # Without api_open=False, REST calls go past the queue and its limits.
    return page.queue(max_size=limits.max_queue, api_open=False)


def _live_parts(limits: Limits) -> tuple[gradio.Audio, gradio.HTML]:
    """Return a microphone that is heard live, and the place of its answers."""
    # Not in an accordion: in what is not shown from the start, Gradio's microphone
    # forgets ``stream_every``, and sends ten chunks a second.
    gradio.HTML(render.live_about(limits.max_seconds), elem_id="live_about")
    microphone = gradio.Audio(
        sources=["microphone"],
        streaming=True,
        type="filepath",
        label="Live",
        elem_id="microphone",
        buttons=[],
    )
    return microphone, gradio.HTML(elem_id="live")


def _answer_live(
    page: gradio.Blocks,
    live: Live,
    limits: Limits,
    microphone: gradio.Audio,
    shown: gradio.HTML,
) -> None:
    """Answer while somebody speaks."""
    # One after the other, as they come; none of them takes long.
    options: Any = {
        "outputs": shown,
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_limit": 1,
        "concurrency_id": "live",
    }

    def begin(request: gradio.Request):
        return live.begin(str(request.session_hash))

    def hear(path: str | None, request: gradio.Request):
        return _changed(live.hear(str(request.session_hash), path))

    def end(request: gradio.Request):
        live.end(str(request.session_hash))
        return gradio.skip()

    def finish(request: gradio.Request):
        return _changed(live.finish(str(request.session_hash)))

    microphone.start_recording(begin, **options)
    microphone.stream(
        hear, inputs=microphone, stream_every=1, trigger_mode="multiple", **options
    )
    # A call a chunk. In Gradio's "stream", the browser drops chunks until its first
    # one is answered, and the server those that come while it answers.
    page.fns[max(page.fns)].connection = "sse"
    last = options | {
        "concurrency_limit": limits.max_live,
        "concurrency_id": "live_end",
    }
    microphone.stop_recording(end, **options).then(finish, **last)


def _changed(html: str | None) -> Any:
    return gradio.skip() if html is None else html


def _handle(
    model: "Speech2Sentiment", limits: Limits, upload: str | None, transcript: bool
) -> Iterator[tuple[dict[str, float] | None, str]]:
    """Answer an upload by posteriors and HTML: first the label, later the words."""
    if upload is None:
        yield None, render.hint()
        return
    posteriors = None
    try:
        sentiment = answer(model, upload, limits, transcript=False)
        posteriors, details = sentiment.posteriors, render.details(sentiment)
        yield posteriors, details + (render.waiting() if transcript else "")
        if transcript:
            sentiment = answer(model, upload, limits, transcript=True)
            yield posteriors, render.details(sentiment)
    except DataError as error:
        # Without words a label is an answer, too.
        yield posteriors, render.error(str(error))
    except Exception:
        # The page keeps running, and shows nobody a stack trace.
        logging.exception("an upload could not be analysed")
        yield posteriors, render.error(LOST)


def _converse(
    model: "Speech2Sentiment", limits: Limits, upload: str | None, transcript: bool
) -> str:
    """Answer an upload's turns by HTML."""
    if upload is None:
        return render.conversation_hint()
    try:
        page = conversation_page(model, upload, limits, transcript)
        return render.conversation(page)
    except DataError as error:
        return render.error(str(error))
    except Exception:
        logging.exception("a conversation could not be analysed")
        return render.error(LOST)


def _predict(
    model: "Speech2Sentiment", limits: Limits, upload: str | None, transcript: bool
) -> dict[str, Any]:
    """Answer a program, which gets an error's message and nothing more."""
    if upload is None:
        raise gradio.Error("There is no recording: hand one in", print_exception=False)
    try:
        return answer(model, upload, limits, transcript).as_dict()
    except DataError as error:
        raise gradio.Error(str(error), print_exception=False) from None
    except Exception:
        logging.exception("an upload could not be analysed")
        raise gradio.Error(LOST, print_exception=False) from None
