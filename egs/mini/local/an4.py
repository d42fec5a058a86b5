"""AN4's real utterances, which ESPnet's wheel carries for its own recipe.

Carnegie Mellon University's alphanumeric database, recorded in 1991: spelled words,
dates and numbers, 16 kHz (http://www.speech.cs.cmu.edu/databases/an4/).
"""

import importlib.resources
import io
import re
import tarfile
from pathlib import Path

import soundfile

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import atomic_path
from espnet_sentiment.data.kaldi_dir import Utterance

LINE = re.compile(r"(?:<s> )?(?P<text>[A-Z' ]+?)(?: </s>)? \((?P<utt>[\w-]+)\)")
NAME = re.compile(r"(?P<item>[a-z]+\d+)-(?P<speaker>[a-z]+)-[a-z]")


def find_archive() -> Path:
    """Return the path of the archive.

    Raises:
        DataError: The installed ESPnet does not carry it.
    """
    try:
        folder = Path(str(importlib.resources.files("egs3")))
    except ModuleNotFoundError:
        folder = Path("egs3")
    archive = folder / "mini_an4" / "esp2_asr" / "downloads.tar.gz"
    if not archive.is_file():
        raise DataError(
            f"{archive} is missing: ESPnet's wheel brings it; install ESPnet anew: "
            "pip install --force-reinstall --no-deps espnet"
        )
    return archive


def write_an4(archive: Path, folder: Path) -> list[Utterance]:
    """Write the utterances that have audio and transcript, as FLAC.

    Args:
        archive: ESPnet's ``downloads.tar.gz``.
        folder: Where the FLAC files go.

    Raises:
        DataError: The archive is broken or holds no such utterance.
    """
    texts, audio = {}, {}
    try:
        with tarfile.open(archive) as stream:
            for member in stream:
                if member.name.endswith(".sph"):
                    audio[Path(member.name).stem] = stream.extractfile(member).read()
                elif member.name.endswith(".transcription"):
                    lines = stream.extractfile(member).read().decode().splitlines()
                    for match in filter(None, map(LINE.fullmatch, lines)):
                        texts[match["utt"]] = match["text"]
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(
            f"{archive} cannot be read ({error}): reinstall espnet"
        ) from None
    utterances = []
    for name in sorted(texts.keys() & audio.keys()):
        speaker = f"an4_{NAME.fullmatch(name)['speaker']}"
        utt = f"{speaker}-{NAME.fullmatch(name)['item']}"
        flac = folder / f"{utt}.flac"
        samples, rate = soundfile.read(io.BytesIO(audio[name]), dtype="int16")
        with atomic_path(flac) as temporary:
            soundfile.write(temporary, samples, rate, format="FLAC")
        utterances.append(
            Utterance(utt, str(flac.resolve()), speaker, text=texts[name])
        )
    if not utterances:
        raise DataError(f"{archive} holds no transcribed .sph files: reinstall espnet")
    return utterances
