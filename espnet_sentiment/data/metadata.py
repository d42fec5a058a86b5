"""What a data directory says of its utterances beside sound and label.

``utt2spk``, ``text`` and ``utt2group``; where somebody wrote them, Kaldi's
``spk2gender`` and ``utt2dur`` (seconds).
"""

import dataclasses
import math
from collections.abc import Collection, Mapping
from pathlib import Path

from espnet_sentiment.core.errors import refuse
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.kaldi_table import Table, read_kaldi_table

GENDER, DURATION = "spk2gender", "utt2dur"


@dataclasses.dataclass(frozen=True)
class Metadata:
    """Values by utterance; what nobody says of one is missing.

    Args:
        categories: By their name (speaker, gender, group, sentence).
        seconds: Durations of ``utt2dur``; empty without one.
    """

    categories: Mapping[str, Mapping[str, str]]
    seconds: Mapping[str, float]


def read_metadata(data: KaldiDir) -> Metadata:
    """Read what a data directory has; lines of what it does not hold mean nothing.

    Raises:
        DataError: A line has no value, or ``utt2dur`` one that is no time, or a key
            stands there twice; the message names all, up to 20.
    """
    tables = {name: _read(data.path / name) for name in (GENDER, DURATION)}
    genders, durations = (tables[name].values for name in tables)
    spoken = {utt: speaker for utt, speaker in data.utt2spk.items() if speaker != utt}
    found = {
        "speaker": spoken,
        "gender": {u: genders[s] for u, s in spoken.items() if s in genders},
        "group": _of(data.utts, data.utt2group),
        "sentence": {u: text for u, text in _of(data.utts, data.text).items() if text},
    }
    return Metadata(
        categories={name: values for name, values in found.items() if values},
        seconds={u: float(x) for u, x in _of(data.utts, durations).items()},
    )


def _of(utts: Collection[str], values: Mapping[str, str]) -> dict[str, str]:
    return {utt: values[utt] for utt in utts if utt in values}


def _read(path: Path) -> Table:
    table = read_kaldi_table(path)
    faults = table.repeated() + table.faults(
        lambda key, value: _fault(path.name, key, value)
    )
    if faults:
        refuse(f"{path}: mend the table, or delete it", faults)
    return table


def _fault(name: str, key: str, value: str) -> str | None:
    if not value:
        return f"{key} has no value: write it after the id"
    if name == DURATION and not _is_time(value):
        return f"{key} has {value}, which is no number of seconds"
    return None


def _is_time(value: str) -> bool:
    try:
        seconds = float(value)
    except ValueError:
        return False
    return math.isfinite(seconds) and seconds > 0
