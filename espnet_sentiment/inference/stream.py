"""Answer a call that goes on: a turn when it ends, and partial answers before.

with speech2sentiment.stream(rate=48000, partial=1) as stream:
    for chunk in microphone:
        for turn in stream.push(chunk):
            print(turn.start, turn.end, turn.label, turn.final)
    for turn in stream.close():
        ...
"""

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.threads import alone, alone_after_fork
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.mono import SILENCE, Mono
from espnet_sentiment.data.speaker_statistics import SpeakerStatistics
from espnet_sentiment.inference.chunks import Held, StreamResampler
from espnet_sentiment.inference.conversation import TurnSentiment
from espnet_sentiment.inference.long_recordings import (
    MIN_PAUSE_MS,
    PAD_MS,
    VAD_FRAME,
    VAD_RATE,
    load_vad,
)
from espnet_sentiment.inference.protocols import AnswersTurns
from espnet_sentiment.inference.result import Sentiment
from espnet_sentiment.inference.samples import check_rate, checked_samples
from espnet_sentiment.inference.turn_finder import Found, TurnFinder
from espnet_sentiment.inference.waveform import Recording, Samples

MIN_PAUSE = MIN_PAUSE_MS / 1000
# Below, the padding of a turn would reach into the next one.
LEAST_PAUSE = 2 * PAD_MS / 1000
LEAST_PARTIAL = 0.1  # seconds
BLOCK = 1  # seconds of a long chunk that are heard at once


@dataclasses.dataclass(frozen=True)
class LiveTurn(TurnSentiment):
    """The answer to a turn of a stream.

    Args:
        final: Whether the turn has ended; if not, a later answer has the same start.
        heard: Seconds of the stream that were heard when the turn's end was known, or
            up to which a partial answer is.
    """

    final: bool = True
    heard: float = 0.0


class SentimentStream:
    """Answers the turns of a stream; what ``Speech2Sentiment.stream`` gives.

    Turns are found by the function that cuts whole recordings, in probabilities of a
    detector that hears the stream from its start; a turn's posteriors are those of
    ``predict`` for the same excerpt. Of the sound no more is kept than the turn that
    goes on. One thread at a time may use it.

    Args:
        model: Classifies the turns.
        rate: Samples a second of the chunks; None is the model's.
        channel: Which channel of chunks with several: ``0``, ``1`` or ``mix``, their
            mean; None refuses them.
        speaker: Who speaks. A model by speaker normalises each turn by what he has
            said so far, the turn included; None by the training speakers' statistics.
        partial: Seconds between partial answers to the turn that goes on; None gives
            none. Of those that are due in one chunk the last is given.
        min_pause: Seconds of silence that end a turn.
        max_seconds: A longer turn is cut at its longest pause, or anywhere; None is
            the model's.
        speaker_statistics: What is known of the speaker from before; what is heard is
            added to it.
        transcript: Also recognise the words of whole turns.

    Raises:
        DataError: The rate is none of speech.
        UserError: Another option is wrong.
    """

    def __init__(
        self,
        model: AnswersTurns,
        rate: int | None = None,
        channel: str | None = None,
        speaker: str | None = None,
        partial: float | None = None,
        min_pause: float = MIN_PAUSE,
        max_seconds: float | None = None,
        speaker_statistics: SpeakerStatistics | None = None,
        transcript: bool = False,
    ):
        longest = model.max_seconds
        max_seconds = longest if max_seconds is None else max_seconds
        if channel is not None and channel not in CHANNELS:
            known = ", ".join(CHANNELS)
            raise UserError(f"channel is {channel!r}: choose one of {known}")
        check_times(partial, min_pause)
        if not 1 <= max_seconds <= longest:
            raise UserError(
                f"max_seconds is {max_seconds}: give 1 to {longest:g} seconds, or load "
                "the model with a larger max_seconds"
            )
        self._known = _known(model, speaker, speaker_statistics)
        self._model, self.speaker, self._transcript = model, speaker, transcript
        self.rate = model.sample_rate if rate is None else rate
        for target in (model.sample_rate, VAD_RATE):
            self.rate = check_rate(self.rate, target, "the stream")
        self.channel = channel
        self._channels: int | None = None  # of the chunks
        self._mono = Mono(channel)
        self._partial = None if partial is None else round(partial * VAD_RATE)
        self._max_seconds = max_seconds
        self._vad = load_vad()
        self._vad.reset_states()
        self._resampler = StreamResampler(self.rate, VAD_RATE)
        self._finder = TurnFinder(max_seconds, min_pause)
        self._frame = np.empty(0, np.float32)  # what is no whole frame yet
        self._held = Held()
        self._told: tuple[int, int] | None = None  # start and end of the last partial
        self._answers = deque[LiveTurn | DataError]()
        self._is_closed = False

    def push(self, samples: Samples) -> Iterator[LiveTurn]:
        """Hear a chunk, at once, and give the answers that it brings.

        An answer that is not taken is given by the next call.

        Args:
            samples: Mono (N,), or (N, channels), of any length: floating point in
                [-1, 1], or integers of a PCM format.

        Raises:
            DataError: At once: the chunk is refused, and the stream goes on without
                it. In the answers' place: a turn cannot be answered; those behind it
                are given by the next call.
            UserError: The stream is closed.
        """
        if self._is_closed:
            raise UserError("the stream is closed: begin another one, model.stream()")
        mono = self._checked(samples)
        with alone_after_fork():
            step = BLOCK * self.rate
            for first in range(0, len(mono), step):
                self._hear(mono[first : first + step])
            self._tell()
        return self._given()

    def close(self) -> Iterator[LiveTurn]:
        """End the stream, and give the answers that are left."""
        if not self._is_closed:
            self._is_closed = True
            with alone_after_fork():
                self._detect(self._resampler.close(), is_last=True)
                length = int(self._held.total / self.rate * VAD_RATE)
                self._end(self._finder.finish(length))
            self._held.drop_before(self._held.total)
        return self._given()

    def __call__(self, chunks: Iterable[Samples]) -> Iterator[LiveTurn]:
        """Answer the turns of chunks as they come, and close the stream."""
        for chunk in chunks:
            yield from self.push(chunk)
        yield from self.close()

    def __enter__(self) -> "SentimentStream":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Close the stream; ``close`` still gives what was not taken."""
        if kind is None:
            self.close()
        self._is_closed = True

    @property
    def seconds(self) -> float:
        """Seconds that have come."""
        return self._held.total / self.rate

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of all that has come, as that it is silent."""
        return self._mono.notes

    def _checked(self, samples: Samples) -> np.ndarray:
        """Return a chunk as mono float32 (N,)."""
        name = f"the chunk at {self.seconds:.2f} s"
        shape = getattr(samples, "shape", None)
        if shape is not None and shape[:1] == (0,):
            return np.empty(0, np.float32)
        if shape is None:  # what others take, as a path or bytes, is no chunk
            raise DataError(
                f"{name} is of type {type(samples).__name__}: give a numpy array or a "
                "tensor; of bytes of 16 bits, numpy.frombuffer(chunk, numpy.int16)"
            )
        found = checked_samples(samples, self.channel, name)
        channels = shape[1] if shape is not None and len(shape) > 1 else 1
        if self._channels not in (None, channels):
            raise DataError(
                f"{name} has {channels} channels, and those before {self._channels}: "
                "give all the same, or begin another stream"
            )
        self._channels = channels
        return self._mono(found if found.ndim == 2 else found[:, None])

    def _hear(self, mono: np.ndarray) -> None:
        self._held.add(mono)
        self._detect(self._resampler.push(mono))
        self._held.drop_before(self._place(self._finder.needed))

    def _detect(self, samples: np.ndarray, is_last: bool = False) -> None:
        """Find turns in samples (N,) at ``VAD_RATE``, and answer those that end."""
        samples = np.concatenate([self._frame, samples])
        if is_last:
            samples = np.pad(samples, (0, -len(samples) % VAD_FRAME))
        whole = len(samples) // VAD_FRAME * VAD_FRAME
        self._frame = samples[whole:]
        frames = torch.from_numpy(samples[:whole]).view(-1, 1, VAD_FRAME)
        with torch.inference_mode(), alone():
            probabilities = [self._vad(frame, VAD_RATE).item() for frame in frames]
        for probability in probabilities:
            self._finder.add(probability)
            self._end(self._finder.settled())

    def _end(self, turns: list[Found]) -> None:
        heard = min(self._finder.heard / VAD_RATE, self.seconds)
        for turn in turns:
            notes = []
            if turn.is_cut:
                notes = [f"longer than {self._max_seconds:g} s: it is cut, and goes on"]
            self._answer(turn.start, turn.end, heard, notes)

    def _tell(self) -> None:
        """Answer the turn that goes on, if that is due."""
        start, end = self._finder.open_turn, self._finder.heard
        if self._partial is None or start is None:
            return
        since = self._told[1] if self._told and self._told[0] == start else start
        if end - since >= self._partial:
            # By its clock, and not by when chunks happen to come.
            self._told = start, end - (end - start) % self._partial
            self._answer(start, end, end / VAD_RATE)

    def _answer(
        self, start: int, end: int, heard: float, notes: list[str] | None = None
    ) -> None:
        """Answer from one sample to another, at ``VAD_RATE``; without notes, so far."""
        final = notes is not None
        span = start / VAD_RATE, end / VAD_RATE
        samples = self._held.between(*map(self._place, (start, end)))
        recording = Recording(
            f"the turn from {span[0]:.2f} to {span[1]:.2f} s",
            self.rate,
            len(samples),
            samples=samples,
        )
        known = self._known
        if known is not None and not final:
            # What is heard of it counts when it has ended.
            counted, known = known, SpeakerStatistics(known.origin)
            known.merge(counted)
        try:
            answer = self._model.answer_turn(
                recording,
                self._transcript and final,
                None if known is None else self.speaker,
                known,
            )
        except DataError as error:
            # Of what goes on, the whole turn's answer will tell.
            if final:
                self._answers.append(error)
            return
        self._answers.append(self._as_turn(answer, span, heard, notes))

    def _as_turn(
        self,
        answer: Sentiment,
        span: tuple[float, float],
        heard: float,
        notes: list[str] | None,
    ) -> LiveTurn:
        words = answer.words and [
            dataclasses.replace(
                word, start=span[0] + word.start, end=span[0] + word.end
            )
            for word in answer.words
        ]
        of_stream = [note for note in self.notes if note != SILENCE]
        return LiveTurn(
            *span,
            speaker=self.speaker,
            channel=self.channel if (self._channels or 1) > 1 else None,
            label=answer.label,
            posteriors=answer.posteriors,
            text=answer.text,
            words=words,
            notes=[*answer.notes, *of_stream, *(notes or ())],
            normalisation=answer.normalisation,
            final=notes is not None,
            heard=heard,
        )

    def _place(self, sample: int) -> int:
        """Return which sample of the stream is at one of ``VAD_RATE``."""
        return round(sample / VAD_RATE * self.rate)

    def _given(self) -> Iterator[LiveTurn]:
        while self._answers:
            answer = self._answers.popleft()
            if isinstance(answer, DataError):
                raise answer
            yield answer


def check_times(partial: float | None, min_pause: float) -> None:
    """Check options of ``SentimentStream``, before a model is loaded.

    Raises:
        UserError: They are too short, or no numbers.
    """
    if partial is not None and not LEAST_PARTIAL <= partial < math.inf:
        raise UserError(
            f"partial is {partial} seconds (--partial): give {LEAST_PARTIAL} or more, "
            "or leave it out for no partial answers"
        )
    if not LEAST_PAUSE <= min_pause < math.inf:
        raise UserError(
            f"min_pause is {min_pause} seconds (--min_pause): give {LEAST_PAUSE} or "
            f"more, such as {MIN_PAUSE}"
        )


def _known(
    model: AnswersTurns, speaker: Any, statistics: SpeakerStatistics | None
) -> SpeakerStatistics | None:
    """Return what the speaker's turns are added to; None for a model that needs none.

    Raises:
        UserError: A name or statistics are wrong.
    """
    if speaker is None and statistics is not None:
        raise UserError("speaker_statistics are by name: say who the speaker is")
    if not (speaker is None or (isinstance(speaker, str) and speaker)):
        raise UserError(
            f"{speaker!r} is no speaker's name: give a text, or None for nobody who is "
            "known"
        )
    if speaker is None or (statistics is None and not model.by_speaker):
        return None
    return model.claimed(statistics)
