"""Answer one call that is there as a whole: its turns, and words' levels in all."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from tqdm import tqdm

from espnet_sentiment.asr.word_attention import edges_of, quantize
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.speaker_statistics import SpeakerStatistics
from espnet_sentiment.inference.call_turns import (
    Call,
    Given,
    Turns,
    open_call,
    turns_of,
)
from espnet_sentiment.inference.conversation import Conversation, TurnSentiment
from espnet_sentiment.inference.long_recordings import NothingToAnswerError
from espnet_sentiment.inference.protocols import AnswersExcerpts
from espnet_sentiment.inference.result import Sentiment, Word
from espnet_sentiment.inference.short_turns import (
    MAX_PAUSE,
    MIN_SECONDS,
    Spoken,
    check_seconds,
    join_short,
)
from espnet_sentiment.inference.waveform import Excerpt, Whole


def converse(
    model: AnswersExcerpts,
    speech: Whole,
    turns: Turns | None = None,
    channel: str | None = None,
    transcript: bool = False,
    min_seconds: float = MIN_SECONDS,
    max_pause: float = MAX_PAUSE,
    speaker_statistics: SpeakerStatistics | None = None,
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
    progress: bool = False,
) -> Conversation:
    """Answer every turn; see ``Speech2Sentiment.conversation``."""
    check_seconds(min_seconds, max_pause)
    call = open_call(speech, model.sample_rate)
    channel = model.channel if channel is None else channel
    given = turns_of(
        *(call, turns, channel, model.sample_rate, model.max_seconds),
        *(columns, sheet, progress),
    )
    spoken = join_short(given.turns, min_seconds, max_pause, model.max_seconds)
    notes, answered = list(given.notes), []
    answers = _answers(
        model, call, given, spoken, channel, transcript, speaker_statistics
    )
    bar = tqdm(
        zip(spoken, answers, strict=True),
        total=len(spoken),
        desc=call.name,
        unit="turn",
        disable=not progress,
        leave=False,
    )
    for one, answer in bar:
        if isinstance(answer, NothingToAnswerError):
            notes.append(f"a turn has no answer: {answer}")
        elif isinstance(answer, DataError):
            raise answer
        else:
            answered.append(_answer(one, answer))
    if not answered:
        raise DataError(
            f"{call.name}: none of its {len(spoken)} turns can be answered, the first "
            f"since {notes[-len(spoken)].removeprefix('a turn has no answer: ')}: give "
            "longer turns, or raise max_pause (--max_pause)"
        )
    return Conversation(
        call.name,
        call.duration,
        call.channels,
        model.classes,
        _by_level(answered),
        given.origin,
        notes,
        model.dtype,
    )


def _answers(
    model: AnswersExcerpts,
    call: Call,
    given: Given,
    spoken: Sequence[Spoken],
    channel: str | None,
    transcript: bool,
    known: SpeakerStatistics | None,
) -> Iterator[Sentiment | DataError]:
    """Answer turns as excerpts, so that memory holds some of them at a time."""
    others = "mix" if channel == "mix" else None
    excerpts = (
        Excerpt(call.speech, one.turn.start, one.turn.end, one.turn.channel or others)
        for one in spoken
    )
    if not model.by_speaker and known is None:
        return model.predict(excerpts, transcript, on_error="return")

    def name(speaker: str | None) -> str | None:
        """Return a name that is a person's, not that of a channel of any call."""
        is_of_call = known is not None and speaker in given.made_up
        return f"{call.name} ({speaker})" if is_of_call else speaker

    return model.predict(
        excerpts,
        transcript,
        on_error="return",
        speakers=[name(one.turn.speaker) for one in spoken],
        speaker_statistics=known,
    )


def _answer(one: Spoken, answer: Sentiment) -> TurnSentiment:
    turn, notes = one.turn, list(one.notes)
    if len(answer.segments) > 1:
        notes.append(
            f"cut into {len(answer.segments)} parts, whose answers are weighted by "
            "their seconds"
        )
        notes += [f"in the turn, {note}" for note in answer.notes]
    else:
        notes += answer.notes
    words = answer.words
    if words is not None:
        words = [
            dataclasses.replace(
                word, start=turn.start + word.start, end=turn.start + word.end
            )
            for word in words
        ]
    return TurnSentiment(
        turn.start,
        turn.end,
        turn.speaker,
        turn.channel,
        answer.label,
        answer.posteriors,
        answer.text if turn.text is None else turn.text,
        words,
        one.overlap,
        notes,
        answer.normalisation,
    )


def _by_level(turns: Sequence[TurnSentiment]) -> list[TurnSentiment]:
    """Return turns whose words have levels among all words of the conversation."""
    edges = edges_of([word.weight for turn in turns for word in turn.words or ()])

    def level(word: Word) -> Word:
        return dataclasses.replace(word, level=1 + quantize(word.weight, edges))

    return [
        turn
        if turn.words is None
        else dataclasses.replace(turn, words=list(map(level, turn.words)))
        for turn in turns
    ]
