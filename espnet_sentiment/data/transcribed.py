"""Data directories whose every utterance has a transcript and audio."""

from collections.abc import Set as AbstractSet

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.kaldi_dir import KaldiDir

MAX_NAMED = 20  # utterances in a message


def check_transcripts(data: KaldiDir) -> list[str]:
    """Check that transcripts and audio belong together, before a recogniser trains.

    Returns:
        The utterances with an empty transcript, sorted: no error, as silence has none.

    Raises:
        DataError: Audio has no transcript; the message names the table and up to 20
            utterances.
    """
    text = data.path / "text"
    audio_table = "segments" if data.segments else "wav.scp"
    audio = (data.segments or data.wav_scp).keys()
    if not data.text:
        raise DataError(
            f"{text} is missing or empty, but training on transcripts needs it: rerun "
            "stage 0 on a transcribed corpus"
        )
    _refuse(
        audio - data.text.keys(),
        f"{text} lacks transcripts of audio in {audio_table}",
        "add their lines (the id alone where nothing is said), or take them out of "
        f"{audio_table} and utt2spk",
    )
    return sorted(utt for utt, words in data.text.items() if not words)


def _refuse(utts: AbstractSet[str], problem: str, remedy: str) -> None:
    if utts:
        named = ", ".join(sorted(utts)[:MAX_NAMED])
        more = f" and {len(utts) - MAX_NAMED} more" if len(utts) > MAX_NAMED else ""
        raise DataError(f"{problem}: {named}{more}: {remedy}")
