"""Stage 0: LibriSpeech to a Kaldi data directory and one fold.

English audiobooks: Panayotov et al., "LibriSpeech: an ASR corpus based on public domain
audio books", ICASSP 2015; https://www.openslr.org/12, CC BY 4.0. 16 kHz. The utterance
SPK-CHAP-UTT is the recording ``<part>/SPK/CHAP/SPK-CHAP-UTT.flac`` and a line of
``<part>/SPK/CHAP/SPK-CHAP.trans.txt``. dev-clean validates, test-clean tests.
"""

import argparse
import itertools
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from espnet_sentiment.core.download import download, unpack
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.data.listing import is_recording
from espnet_sentiment.recipe.prepare import (
    Corpus,
    add_download_arguments,
    check_counts,
    get_parser,
    prepare,
)
from espnet_sentiment.recipe.stage import stat_hash

URL = "https://www.openslr.org/resources/12"


class Published(NamedTuple):
    """What is known of a part.

    Args:
        utterances: How many it has.
        sha256: SHA-256 of its archive, as torchaudio.datasets.LIBRISPEECH has it.
    """

    utterances: int
    sha256: str


PARTS = {
    "dev-clean": Published(
        2703, "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"
    ),
    "test-clean": Published(
        2620, "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"
    ),
    "train-clean-100": Published(
        28539, "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"
    ),
    "train-clean-360": Published(
        104014, "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"
    ),
    "train-other-500": Published(
        148688, "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"
    ),
}
VALID, TEST = "dev-clean", "test-clean"
TRAIN = {
    100: ["train-clean-100"],
    460: ["train-clean-100", "train-clean-360"],
    960: ["train-clean-100", "train-clean-360", "train-other-500"],
}


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = get_parser(__doc__, "data/librispeech_<hours>")
    add_download_arguments(parser, "librispeech", "LibriSpeech/ or its parts")
    parser.add_argument(
        "--hours", type=int, choices=list(TRAIN), default=100, help="training data"
    )
    args = parser.parse_args(argv)
    args.data_dir = args.data_dir.replace("<hours>", str(args.hours))
    return args


def find_part(corpus: Path, part: str) -> Path:
    """Return the folder of a part.

    Raises:
        DataError: It is missing.
    """
    for folder in (corpus / "LibriSpeech" / part, corpus / part):
        if folder.is_dir():
            return folder
    raise DataError(
        f"{part} is missing: neither {corpus}/LibriSpeech/{part} nor {corpus}/{part} "
        f"exists: unpack {URL}/{part}.tar.gz there, choose other --hours, or leave "
        "--librispeech out to download the corpus"
    )


def fetch(part: str, downloads: Path) -> None:
    """Download, check and unpack a part to ``LibriSpeech/<part>``, unless it is there.

    The archive is removed when it is unpacked.

    Raises:
        DataError: The download fails, or the archive is not the published one.
    """
    folder = downloads / "LibriSpeech" / part
    archive, unpacked = downloads / f"{part}.tar.gz", downloads / f"{part}.unpacked"
    if not folder.is_dir():
        if not unpacked.is_dir():
            download(
                f"{URL}/{part}.tar.gz",
                archive,
                sha256=PARTS[part].sha256,
                option="--librispeech DIR",
            )
            unpack(archive, unpacked)
        folder.parent.mkdir(exist_ok=True)
        find_part(unpacked, part).rename(folder)
    shutil.rmtree(unpacked, ignore_errors=True)
    archive.unlink(missing_ok=True)


def find_chapters(part: Path) -> list[Path]:
    """Return the folders ``SPK/CHAP`` of a part.

    Raises:
        DataError: There is none.
    """
    chapters = sorted(path for path in part.glob("*/*") if path.is_dir())
    if not chapters:
        raise DataError(f"{part} holds no folders SPK/CHAP: unpack its archive again")
    return chapters


def transcripts(chapter: Path) -> Path:
    """Return the table of a chapter's transcripts."""
    return chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt"


def read_chapter(chapter: Path) -> Iterator[Utterance]:
    """Give the utterances of a chapter.

    Raises:
        DataError: There is no transcript of a recording, or the reverse.
    """
    speaker, table = chapter.parent.name, transcripts(chapter)
    remedy = "unpack the archive of this part again"
    if not table.is_file():
        raise DataError(f"{table} is missing: {remedy}")
    text = read_table(table)
    files = [path for path in sorted(chapter.iterdir()) if is_recording(path.name)]
    flacs = {path.stem: path for path in files}
    if len(flacs) < len(files):
        twice = next(path for path in files if flacs[path.stem] != path)
        raise DataError(
            f"{twice} and {flacs[twice.stem]} are one utterance: remove one of them"
        )
    if missing := sorted(text.keys() - flacs.keys()):
        raise DataError(
            f"{table} has a transcript of {missing[0]}, but "
            f"{chapter / missing[0]}.flac is missing ({len(missing)} such): {remedy}"
        )
    if missing := sorted(flacs.keys() - text.keys()):
        raise DataError(
            f"{table} has no transcript of {flacs[missing[0]]} "
            f"({len(missing)} such): {remedy}"
        )
    for utt, words in text.items():
        yield Utterance(utt, str(flacs[utt]), speaker, text=" ".join(words.split()))


def read_corpus(chapters: Mapping[str, list[Path]]) -> Corpus:
    """Read the utterances of all parts; warn if some are missing."""
    utterances = {
        part: [
            utterance
            for folder in tqdm(folders, desc=part, unit=" chapters")
            for utterance in read_chapter(folder)
        ]
        for part, folders in chapters.items()
    }
    check_counts(
        {part: len(found) for part, found in utterances.items()},
        {part: PARTS[part].utterances for part in utterances},
    )
    ids = {part: sorted(u.utt for u in found) for part, found in utterances.items()}
    valid, test = ids.pop(VALID), ids.pop(TEST)
    train = sorted(itertools.chain(*ids.values()))
    return Corpus(
        itertools.chain(*utterances.values()), [Fold("1", train, valid, test)]
    )


def describe(folders: list[Path]) -> str:
    """Hash size and time of a part's folders and transcripts.

    A folder's modification time shows that recordings came or went.
    """
    return stat_hash(path for f in folders for path in (f, transcripts(f)))


def main(argv=None) -> None:
    """Run the stage."""
    args = parse_arguments(argv)
    parts = [VALID, TEST, *TRAIN[args.hours]]
    if not args.librispeech:
        for part in parts:
            fetch(part, Path(args.downloads))
    corpus = Path(args.librispeech or args.downloads).resolve()
    chapters = {part: find_chapters(find_part(corpus, part)) for part in parts}
    prepare(
        args.data_dir,
        lambda: read_corpus(chapters),
        {part: describe(folders) for part, folders in chapters.items()},
    )


if __name__ == "__main__":
    run(main)
