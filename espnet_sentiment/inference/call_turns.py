"""Before a call is answered: it is opened, its turns are read or found, and checked."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.audio import audio_info
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.source import Source, as_source
from espnet_sentiment.inference.long_recordings import speech_spans
from espnet_sentiment.inference.waveform import Excerpt, Whole, open_recording
from espnet_sentiment.turns.annotation import is_annotation
from espnet_sentiment.turns.read import read_turns
from espnet_sentiment.turns.turn import Turn

if TYPE_CHECKING:
    from pyannote.core import Annotation

type Turns = "str | Path | Iterable[Turn] | Annotation"

EACH = "each"  # every channel is a speaker
VOICE_ACTIVITY = "voice activity (silero-vad)"


class Call(NamedTuple):
    """A recording of a conversation.

    Args:
        speech: The recording; of a file object, what was read of it.
        name: What messages call it.
        duration: Seconds.
        channels: How many it has.
    """

    speech: Whole
    name: str
    duration: float
    channels: int

    @property
    def file(self) -> str | None:
        """The file's path; None of an array, or of bytes, which are called nothing."""
        path = self.speech.path if isinstance(self.speech, Source) else None
        return None if path is None else str(path)


class Given(NamedTuple):
    """The turns of a call.

    Args:
        turns: Times lie in the recording, channels are there, speakers have names.
        origin: Where they are from.
        notes: What a person should know of it.
        made_up: Speakers that are named by their channel.
    """

    turns: list[Turn]
    origin: str
    notes: list[str]
    made_up: frozenset[str] = frozenset()


def open_call(speech: Whole, rate: int) -> Call:
    """Look at a recording, without reading its samples.

    Args:
        speech: See ``open_recording``.
        rate: The model's, which an array without one has.

    Raises:
        DataError: It cannot be used.
    """
    if isinstance(speech, Excerpt):
        raise UserError("a conversation is a whole recording: give no Excerpt")
    source: Source | None = as_source(speech)
    if source is not None:
        try:
            channels = audio_info(source, "mix", at_most=0).channels
        except OSError as error:
            raise DataError(
                f"{source.name} cannot be opened ({error.strerror}): check the name"
            ) from None
        whole: Whole = source
    else:
        whole = speech
        array = speech[0] if isinstance(speech, tuple) else speech
        shape = array.shape if isinstance(array, (np.ndarray, torch.Tensor)) else ()
        channels = int(shape[1]) if len(shape) == 2 else 1
    first = None if channels == 1 else "0"
    recording = open_recording(whole, None, rate, first)
    return Call(whole, recording.name, recording.duration, channels)


def turns_of(
    call: Call,
    turns: Turns | None,
    channel: str | None,
    rate: int,
    max_seconds: float,
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
    progress: bool = False,
) -> Given:
    """Return a call's turns.

    Args:
        call: The recording.
        turns: A file, turns, or an annotation; None lets voice activity find them.
        channel: ``0``, ``1``, ``mix`` or ``each``, for turns that name none; None for
            a recording with one.
        rate: The model's.
        max_seconds: Longest turn that voice activity finds.
        columns: See ``read_turns``.
        sheet: See ``read_turns``.
        progress: Show a bar while voice activity finds them.

    Raises:
        DataError: There are none, they do not fit the recording, or it is not said
            which channel is meant.
        UserError: ``channel`` is none of these.
    """
    if channel not in (None, EACH, *CHANNELS):
        raise UserError(
            f"channel is {channel!r}: choose one of {', '.join((*CHANNELS, EACH))}"
        )
    if turns is None:
        return _by_voice_activity(call, channel, rate, max_seconds, progress)
    found, notes, origin = _read(call, turns, columns, sheet)
    if not found:
        raise DataError(
            f"{origin} has no turn of {call.name}: give one that has, or leave it out, "
            "and voice activity finds them"
        )
    placed = [_placed(turn, call, channel, notes) for turn in found]
    made_up = frozenset(
        new.speaker
        for old, new in zip(found, placed, strict=True)
        if old.speaker is None and new.speaker is not None
    )
    others = {turn.channel for turn in found if turn.channel not in (None, channel)}
    if others and channel in CHANNELS and call.channels > 1:
        named = ", ".join(sorted(others))
        notes.append(
            f"turns that name a channel ({named}) are heard on it, not on channel "
            f"{channel}; to hear all there, give turns without (--map channel=)"
        )
    return Given(placed, origin, notes, made_up)


def _read(
    call: Call,
    turns: Turns,
    columns: Mapping[str, str] | None,
    sheet: str | None,
) -> tuple[list[Turn], list[str], str]:
    """Return turns, what was said of them, and where they are from."""
    if isinstance(turns, (str, Path)) or is_annotation(turns):
        found, said = read_turns(
            turns,
            recording=call.file,
            duration=call.duration,
            channels=call.channels,
            columns=columns,
            sheet=sheet,
        )
        is_file = isinstance(turns, (str, Path))
        return found, list(said), str(turns) if is_file else "an annotation"
    handed: Any = turns
    found = list(handed) if isinstance(handed, Iterable) else [handed]
    given = "a list of Turn" if isinstance(turns, Turn) else None
    for turn in found:
        if given or not isinstance(turn, Turn):
            raise UserError(
                f"{turn!r} is no {'list' if given else 'turn'}: give "
                f"{given or 'a file, a list of Turn or an Annotation'}"
            )
    return [_typed(turn) for turn in found], [], "a list of turns"


def _typed(turn: Turn) -> Turn:
    """Return a turn that somebody made, whose channel is a name."""
    for name in ("start", "end"):
        value = getattr(turn, name)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise UserError(
                f"{turn!r}: {name} is {value!r}: give seconds, a number such as 12.34"
            )
    if isinstance(turn.channel, Integral) and not isinstance(turn.channel, bool):
        turn = dataclasses.replace(turn, channel=str(turn.channel))
    for name in ("channel", "speaker", "text"):
        value = getattr(turn, name)
        if not isinstance(value, str | None):
            raise UserError(f"{turn!r}: {name} is {value!r}: give a string, or None")
    return turn


def _placed(turn: Turn, call: Call, channel: str | None, notes: list[str]) -> Turn:
    """Return a turn whose times, channel and speaker can be used."""
    name = turn.place or "a turn"
    span = f"from {turn.start:g} to {turn.end:g} s"
    if not 0 <= turn.start < turn.end < math.inf:
        raise DataError(
            f"{name}: {span} is no stretch of time: give a start from 0 and an end "
            "after it"
        )
    if turn.start >= call.duration:
        raise DataError(
            f"{name}: {span} lies beyond the {call.duration:.3f} s of {call.name}: "
            "give the turns of this recording, or fix the times"
        )
    if turn.end > call.duration:
        if turn.end - call.duration > 5e-4:  # by which tables round
            notes.append(
                f"{name}: {span} is cut where the recording ends, at "
                f"{call.duration:.3f} s"
            )
        turn = dataclasses.replace(turn, end=call.duration)
    return _on_channel(turn, call, channel, f"{name}: {span}")


def _on_channel(turn: Turn, call: Call, channel: str | None, name: str) -> Turn:
    own = turn.channel
    if own is not None and not (own.isdecimal() and int(own) < call.channels):
        there = ", ".join(map(str, range(call.channels)))
        raise DataError(
            f"{name} is on channel {own}, but {call.name} has {there}: fix the turns, "
            "or give the recording that they are of"
        )
    if own is None and channel == EACH:
        if call.channels > 1:
            raise DataError(
                f"{name} names no channel, and {call.name} has {call.channels}: give "
                "turns with a channel, or one channel for all (--channel 0, 1 or mix)"
            )
        own = "0"
    if own is None and channel is None and call.channels > 1:
        raise DataError(
            f"{name} names no channel, and {call.name} has {call.channels} channels: "
            "choose one for all with --channel 0 or --channel 1, or their mean with "
            "--channel mix (in Python channel=), or give turns with a channel"
        )
    speaker = turn.speaker
    if speaker is None and channel == EACH:
        speaker = f"channel {own}"
    return dataclasses.replace(
        turn, channel=_heard(call, own or channel), speaker=speaker
    )


def _heard(call: Call, channel: str | None) -> str | None:
    """Return which of several channels is heard; None of one, or of their mean."""
    return None if call.channels == 1 or channel == "mix" else channel


def _check_chosen(call: Call, channel: str | None) -> None:
    if call.channels > 1 and channel is None:
        raise DataError(
            f"{call.name} has {call.channels} channels: hear each as a speaker "
            "(--channel each, in Python channel='each'), choose one with --channel 0 "
            "or --channel 1, or average them with --channel mix"
        )


def _by_voice_activity(
    call: Call, channel: str | None, rate: int, max_seconds: float, progress: bool
) -> Given:
    """Find turns where somebody speaks."""
    _check_chosen(call, channel)
    if channel == EACH:
        heard = [str(number) for number in range(call.channels)]
        notes = ["no turns were given: voice activity found them, on every channel"]
    else:
        heard = [channel or "0"]
        notes = ["no turns were given: voice activity found them; who speaks is open"]
    if channel == EACH and call.channels == 1:
        notes.append("it has one channel: whoever speaks is called channel 0")
    found: list[Turn] = []
    for one in heard:
        recording = open_recording(Excerpt(call.speech, channel=one), None, rate)
        spans = speech_spans(recording, max_seconds, progress)
        speaker = f"channel {one}" if channel == EACH else None
        if channel == EACH and not spans:
            notes.append(f"no speech is found on channel {one}")
        found += [Turn(*span, speaker, _heard(call, one)) for span in spans]
    if not found:
        raise DataError(
            f"{call.name}: no speech is found in its {call.duration:.0f} s: listen to "
            "it, and if there is some, give its turns (--turns FILE, in Python turns=)"
        )
    found.sort(key=lambda turn: (turn.start, turn.end))
    made_up = frozenset(turn.speaker for turn in found if turn.speaker is not None)
    return Given(found, VOICE_ACTIVITY, notes, made_up)
