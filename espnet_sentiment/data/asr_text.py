"""Transcripts of a set: where they lie, and how recognised ones are compared."""

from pathlib import Path

from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.words import plain_words

REFERENCE = "reference"


def text_dir(dump: PathLike, transcripts: PathLike, corpus: str) -> Path:
    """Return the folder of a set's transcripts.

    Args:
        dump: Folder of features.
        transcripts: ``reference``, or the encoder config of the ASR model.
        corpus: Name of the set.
    """
    return Path(dump) / "text" / Path(transcripts).stem / corpus


def reference_text(data: KaldiDir) -> dict[str, str]:
    """Return the corpus's own transcripts, some of which may be empty.

    Raises:
        DataError: There are none, or utterances have none: up to 20 are named.
    """
    if not any(data.text.values()):
        raise DataError(
            f"{data.path / 'text'} holds no transcripts: name an ASR model's config "
            "instead of reference"
        )
    if missing := [utt for utt in data.utts if utt not in data.text]:
        refuse(
            f"{data.path / 'text'} lacks lines of {len(missing)} of {len(data.utts)} "
            "utterances: add their transcripts, which may be empty",
            [f"utterance {utt} has no line" for utt in missing],
        )
    return {utt: data.text[utt] for utt in data.utts}


def spoken_words(text: str) -> str:
    """Return the plain words of a transcript without tokens such as [LAUGHTER].

    Upper case, no punctuation; numbers and spellings are left as they are.
    """
    return " ".join(w for w in plain_words(text).split() if not w.startswith("["))
