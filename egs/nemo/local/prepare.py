"""Stage 0: nEMO to a Kaldi data directory and its folds.

Acted emotional speech in Polish: Christop, "nEMO: Dataset of Emotional Speech in
Polish", LREC-COLING 2024, https://aclanthology.org/2024.lrec-main.1059;
https://github.com/amu-cai/nEMO, CC BY-NC-SA 4.0. Nine actors say 90 sentences in six
emotions. ``data.tsv`` has a row for each recording of ``samples/``; ``WR0_fear_64.wav``
is speaker WR0, emotion fear, sentence 64.
"""

import argparse
import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from espnet_sentiment.core.download import download, unpack
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.data.content_folds import leave_sentences_out
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.data.listing import find_recordings
from espnet_sentiment.data.records import read_table_file
from espnet_sentiment.recipe.prepare import (
    Corpus,
    add_download_arguments,
    check_counts,
    get_parser,
    prepare,
    say,
)
from espnet_sentiment.recipe.stage import content_hash, stat_hash

REVISION = "06f1f83dde8f1a780443a57d53b2af3971af34ab"
URL = f"https://github.com/amu-cai/nEMO/archive/{REVISION}.tar.gz"
# Over what the table says, see corpus_sha256: GitHub promises no archive's bytes.
CORPUS_SHA256 = "dae89a6b81b1c7be131ac748d399bc4e8dca1d91cae6f41e134f0bba61da0103"

NAME = re.compile(r"(?P<speaker>[A-Z]+\d+)_(?P<emotion>[a-z]+)_(?P<sentence>\d+)")
COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id")
# How many utterances the corpus has of each class.
CLASSES = {
    "anger": 749,
    "fear": 736,
    "happiness": 749,
    "neutral": 809,
    "sadness": 769,
    "surprised": 669,
}


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = get_parser(__doc__, "data/nemo")
    add_download_arguments(parser, "nemo", "data.tsv and samples/")
    parser.add_argument(
        "--folds",
        default="speaker",
        choices=("speaker", "speaker+sentence"),
        help="leave one speaker out, or the tested sentences, too",
    )
    return parser.parse_args(argv)


def find_corpus(folder: Path) -> Path:
    """Return the folder that holds ``data.tsv``.

    Raises:
        DataError: There is none.
    """
    for root in (folder, folder / f"nEMO-{REVISION}"):
        if (root / "data.tsv").is_file() and (root / "samples").is_dir():
            return root
    raise DataError(
        f"--nemo {folder} holds no data.tsv and samples/: give the folder that does, "
        "or leave the option out to download the corpus"
    )


def find_wavs(corpus: Path) -> dict[str, Path]:
    """Return the recordings by their names without suffixes: some have it re-coded.

    Raises:
        DataError: Two have one name; all such are named.
    """
    wavs, passed_over = find_recordings(corpus / "samples")
    if passed_over:
        say(passed_over)
    counts = Counter(wav.stem for wav in wavs)
    if twice := [str(wav) for wav in wavs if counts[wav.stem] > 1]:
        refuse(
            f"{len(twice)} recordings of {corpus} share their names: keep one of each",
            twice,
        )
    return {wav.stem: wav for wav in wavs}


def read_utterances(table: Path, wavs: Mapping[str, Path]) -> list[Utterance]:
    """Join the rows of ``data.tsv`` and the recordings.

    Raises:
        DataError: Columns are missing, or rows cannot be used; all are named, by line.
    """
    read = read_table_file(table)
    if missing := [column for column in COLUMNS if column not in read.columns]:
        raise DataError(
            f"{table}:1 has no column {', '.join(missing)}: restore it from the corpus"
        )
    utterances: dict[str, Utterance] = {}
    texts: dict[str, str] = {}
    faults = []
    for number, row in read.rows:
        file, emotion, text, speaker = (str(row.get(key, "")) for key in COLUMNS)
        utt = Path(file).stem
        name = NAME.fullmatch(utt)
        if not name or (name["speaker"], name["emotion"]) != (speaker, emotion):
            fault = (
                f"{file!r} is not SPEAKER_EMOTION_SENTENCE of {speaker} and {emotion}"
            )
        elif emotion not in CLASSES:
            fault = f"emotion {emotion!r} is none of {', '.join(CLASSES)}"
        elif utt in utterances:
            fault = f"{utt} stands there twice"
        elif text != texts.setdefault(name["sentence"], text) or not text:
            fault = f"{text!r} is not sentence {name['sentence']} of other rows"
        elif utt not in wavs:
            fault = f"samples/{file} is not there, under no suffix"
        else:
            wav = str(wavs[utt].resolve())
            utterances[utt] = Utterance(
                utt, wav, speaker, emotion, text, group=name["sentence"]
            )
            continue
        faults.append(f"{read.place(number)}: {fault}")
    if faults:
        refuse(
            f"{table}: {len(faults)} of {len(read.rows)} rows do not fit the corpus: "
            "restore them and their recordings, or take the rows out",
            faults,
        )
    return list(utterances.values())


def corpus_sha256(utterances: list[Utterance]) -> str:
    """Hash ids, speakers, classes and transcripts, whatever the audio's format."""
    lines = sorted(f"{u.utt} {u.speaker} {u.label} {u.text}\n" for u in utterances)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fetch(downloads: Path) -> Path:
    """Download, unpack and check the corpus; return its folder."""
    folder = downloads / "nemo"
    if not folder.is_dir():
        archive = downloads / f"nemo-{REVISION}.tar.gz"
        unpack(download(URL, archive, option="--nemo DIR"), folder)
        archive.unlink()
    corpus = find_corpus(folder)
    utterances = read_utterances(corpus / "data.tsv", find_wavs(corpus))
    if corpus_sha256(utterances) != CORPUS_SHA256:
        raise DataError(
            f"{corpus} is not the corpus that this recipe knows (SHA-256 of its table "
            f"differs): delete {folder} and run again, or name a copy with --nemo"
        )
    return corpus


def read_corpus(table: Path, wavs: Mapping[str, Path], scheme: str) -> Corpus:
    """Read the utterances and split them; warn if some are missing."""
    utterances = read_utterances(table, wavs)
    if others := sorted(wavs.keys() - {u.utt for u in utterances}):
        say(f"passed over {len(others)} without a row in {table}, such as {others[0]}")
    check_counts(Counter(u.label for u in utterances), CLASSES)
    return Corpus(utterances, leave_sentences_out(scheme, utterances))


def main(argv=None) -> None:
    """Run the stage."""
    args = parse_arguments(argv)
    given = Path(args.nemo) if args.nemo else fetch(Path(args.downloads))
    corpus = find_corpus(given)
    table, wavs = corpus / "data.tsv", find_wavs(corpus)
    prepare(
        args.data_dir,
        lambda: read_corpus(table, wavs, args.folds),
        {
            "table": content_hash([table]),
            "wavs": stat_hash(wav.resolve() for wav in wavs.values()),
            "folds": args.folds,
        },
    )


if __name__ == "__main__":
    run(main)
