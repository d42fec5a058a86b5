"""EmoBox's own metadata with a short piece of real speech for every recording."""

import io
import itertools
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import soundfile

SAMPLES = 800  # of each recording, at 16 kHz


def unpack_metadata(emobox: Path, folder: Path) -> Path:
    """Return a folder that holds EmoBox's ``data/``.

    Args:
        emobox: A clone of its repository, or a ``.tar.gz`` of one or of ``data/``.
        folder: Where to unpack the latter.
    """
    if emobox.is_dir():
        return emobox
    with tarfile.open(emobox) as archive:
        archive.extractall(folder, filter="data")
    # GitHub's archives have one folder around it all.
    maps = sorted(folder.glob("**/data/*/label_map.json"))
    return maps[0].parents[2]


def datasets(emobox: Path) -> list[str]:
    """Return the names of all data sets."""
    return sorted({path.parent.name for path in emobox.glob("data/*/fold_1")})


def recordings(emobox: Path, dataset: str) -> Iterator[str]:
    """Give the paths of a data set's recordings, each once."""
    seen = set()
    for path in sorted(emobox.glob(f"data/{dataset}/fold_*/*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                wav = row.get("wav", row.get("audio"))
                if wav not in seen:
                    seen.add(wav)
                    yield wav


def write_recordings(
    emobox: Path, dataset: str, speech: list[Path], folder: Path
) -> int:
    """Write a short recording for each of a data set's, no two the same.

    They are WAV, whatever their names say: stage 0 decodes none.

    Args:
        emobox: What holds ``data/``.
        dataset: Name of the data set.
        speech: Real recordings, 16 kHz, taken in turn.
        folder: Where ``downloads/<dataset>/`` goes.

    Returns:
        How many there are.
    """
    sounds = itertools.cycle(_start(path) for path in speech)
    number = 0
    for number, (name, sound) in enumerate(
        zip(recordings(emobox, dataset), sounds, strict=False), 1
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # The last two samples tell them apart.
        path.write_bytes(sound[:-4] + number.to_bytes(4, "little"))
    return number


def _start(path: Path) -> bytes:
    samples, rate = soundfile.read(path, frames=SAMPLES, dtype="int16")
    wav = io.BytesIO()
    soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_16")
    return wav.getvalue()
