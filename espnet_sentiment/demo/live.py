"""What visitors say into their microphones, answered turn by turn while they speak."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.demo import render
from espnet_sentiment.demo.chunk import Chunk, Gaps, read_chunk
from espnet_sentiment.demo.limits import Limits

if TYPE_CHECKING:
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
    from espnet_sentiment.inference.stream import LiveTurn, SentimentStream

LOST = "This stream could not be analysed: the server's log says why."
SLOW = "The server cannot keep up with this stream, which ends here: try again later."
PARTIAL = 1.0  # seconds between answers to a turn that goes on
IDLE = 15  # seconds without a chunk, after which a visitor has left
BEHIND = 20  # seconds that wait to be heard at most
FINISH = 60  # seconds in which the last turns are answered


class Live:
    """The streams that go on, one a session; each is heard by a thread of its own.

    A stream ends when its visitor says so, at ``limits.max_seconds``, or ``idle``
    seconds after its last chunk. Its sound is then gone; its answers are kept for
    ``limits.keep_seconds``, until the next one begins.

    Args:
        model: Answers.
        limits: How many there are at a time, and how long each is.
        clock: Tells seconds.
        idle: Seconds without a chunk, after which a visitor has left.
    """

    def __init__(
        self,
        model: "Speech2Sentiment",
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        idle: float = IDLE,
    ):
        self._model, self._limits = model, limits
        self._clock, self._idle = clock, idle
        self._lock = threading.Lock()
        self._streams: dict[str, _Stream] = {}
        self._is_closed = False

    def __len__(self) -> int:
        """Return how many streams go on."""
        return sum(stream.is_alive() for stream in self._streams.values())

    def begin(self, session: str) -> str:
        """Begin a session's stream, and return what is shown, HTML."""
        with self._lock:
            before = self._streams.pop(session, None)
            if before is not None:
                before.leave()
            oldest = self._clock() - self._limits.keep_seconds
            for other, stream in list(self._streams.items()):
                if not stream.is_alive() and stream.last < oldest:
                    del self._streams[other]
            if self._is_closed or len(self) >= self._limits.max_live:
                n = self._limits.max_live
                return render.error(
                    f"Nothing is heard: {n} who speak are as many as this page takes "
                    "at a time. Stop, and record again in a while."
                )
            stream = _Stream(self._model, self._limits, self._idle, self._clock())
            self._streams[session] = stream
            stream.start()
        return stream.html() or ""

    def hear(self, session: str, path: str | None) -> str | None:
        """Take a session's chunk, a WAV, and return at once.

        Returns:
            What is shown, HTML; None where that has not changed, or no stream goes on.
        """
        stream = self._streams.get(session)
        if stream is None:
            return None
        if path is not None:
            stream.put(path, self._clock())
        return stream.html()

    def end(self, session: str) -> None:
        """Say that a session's last chunk has come."""
        if stream := self._streams.get(session):
            stream.end()

    def finish(self, session: str) -> str | None:
        """End a stream, wait for its last answers, and return all, HTML."""
        stream = self._streams.get(session)
        if stream is None:
            return None
        stream.end()
        stream.join(FINISH)
        return stream.html(again=True)

    def close(self) -> None:
        """End all streams, unanswered."""
        with self._lock:
            self._is_closed = True
            streams = list(self._streams.values())
            self._streams.clear()
        for stream in streams:
            stream.leave()
        for stream in streams:
            stream.join(FINISH)


class _Stream:
    """A stream, the thread that hears it, and what is shown of it."""

    def __init__(
        self,
        model: "Speech2Sentiment",
        limits: Limits,
        idle: float,
        now: float,
    ):
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._model, self._limits = model, limits
        self._idle = idle
        self.last = now  # when something came
        self._stream: SentimentStream | None = None
        # None ends it.
        self._chunks: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self._gaps = Gaps()
        self._came = self._heard = 0.0  # seconds
        self._rate: int | None = None
        self._turns: list[LiveTurn] = []
        self._now: LiveTurn | None = None  # the turn that goes on, so far
        self._notes: list[str] = []
        self._is_over = self._has_left = False
        self._shown: str | None = None

    def start(self) -> None:
        """Begin to hear."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end of the answers."""
        self._thread.join(seconds)

    def is_alive(self) -> bool:
        """Tell whether answers may come."""
        return self._thread.is_alive()

    def put(self, path: str, now: float) -> None:
        """Take a chunk that has come now; what is wrong with it ends the stream."""
        if self._is_over:
            return
        self.last = now
        try:
            chunk = read_chunk(Path(path))
            if self._rate not in (None, chunk.rate):
                raise DataError(
                    f"The microphone has gone from {self._rate} to {chunk.rate} Hz: "
                    "stop, and record again."
                )
            if self._came - self._heard > BEHIND:
                raise DataError(SLOW)
        except DataError as error:
            self._stop(str(error))
            return
        self._rate = chunk.rate
        for note in self._gaps.notes(chunk, now):
            self._note(note)
        most = self._limits.max_seconds - self._came
        if chunk.seconds >= most:
            chunk = chunk.cut(most)
        self._came += chunk.seconds
        self._chunks.put(chunk)
        if self._came >= self._limits.max_seconds:
            self._stop(f"A stream ends after {self._limits.max_seconds:g} s here.")

    def end(self) -> None:
        """Take no more; what has come is still answered."""
        self._is_over = True
        self._chunks.put(None)

    def leave(self) -> None:
        """Answer no more."""
        self._has_left = True
        self.end()

    def html(self, again: bool = False) -> str | None:
        """Return what is shown where that has changed, or is to be shown again."""
        is_on = not self._is_over and self.is_alive()
        html = render.live(self._turns, self._now, [*self._notes], self._heard, is_on)
        if html == self._shown and not again:
            return None
        self._shown = html
        return html

    def _run(self) -> None:
        """Hear chunks until the last."""
        try:
            for chunk in self._until_over():
                if self._stream is None:
                    self._stream = self._model.stream(
                        rate=chunk.rate, channel="mix", partial=PARTIAL
                    )
                self._take(self._stream.push(chunk.samples))
                self._heard = self._stream.seconds
            while self._stream is not None and not self._has_left:
                if self._take(self._stream.close()):
                    self._note(*self._stream.notes)
                    break
        except DataError as error:
            self._note(str(error))
        except Exception:
            # The page keeps running, and shows nobody a stack trace.
            logging.exception("a stream could not be analysed")
            self._note(LOST)
        finally:
            self._is_over, self._now, self._stream = True, None, None

    def _until_over(self) -> Iterator[Chunk]:
        while not self._has_left:
            try:
                chunk = self._chunks.get(timeout=self._idle)
            except queue.Empty:
                self._stop(
                    f"No sound has come for {self._idle:g} s, and this stream has "
                    "ended: record again."
                )
                return
            if chunk is None:
                return
            yield chunk

    def _take(self, answers: Iterator["LiveTurn"]) -> bool:
        """Show answers; tell whether there was no other that could not be given."""
        try:
            for turn in answers:
                if turn.final:
                    # As one, for who reads them meanwhile.
                    self._turns, self._now = [*self._turns, turn], None
                else:
                    self._now = turn
        except DataError as error:
            # Those behind it are given by the next call.
            self._note(str(error))
            self._now = None
            return False
        return True

    def _stop(self, why: str) -> None:
        self._note(why)
        self.end()

    def _note(self, *notes: str) -> None:
        for note in notes:
            if note not in self._notes:
                self._notes.append(note)
