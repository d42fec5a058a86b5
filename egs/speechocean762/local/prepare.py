"""Stage 0: speechocean762 to a Kaldi data directory and one fold.

English sentences read by Mandarin speakers, half of them children: Zhang et al.,
"speechocean762: An open-source non-native English speech corpus for pronunciation
assessment", Interspeech 2021; https://www.openslr.org/101, CC BY 4.0. 16 kHz; 20
sentences each of 125 speakers for training and of 125 others for testing.
"""

import argparse
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from espnet_sentiment.core.download import download, unpack
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.recipe.prepare import (
    Corpus,
    add_download_arguments,
    get_parser,
    prepare,
    say,
)
from espnet_sentiment.recipe.stage import stat_hash

URL = "https://www.openslr.org/resources/101/speechocean762.tar.gz"
# Nobody publishes a checksum of the archive. This one is over the transcripts and
# speakers of the corpus' train split, see train_sha256.
TRAIN_SHA256 = "974e5fd23fed0471170ed24aa260a7ce8687b16d903474669e2ec53574701103"

TABLES = ("wav.scp", "text", "utt2spk", "spk2age", "spk2gender")
HELD_OUT = 10  # speakers that validate, and that test where there is no test split
ADULT = 18  # years
WORDS = re.compile(r"[A-Z']+( [A-Z']+)*")


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = get_parser(__doc__, "data/speechocean762")
    add_download_arguments(parser, "speechocean762", "train/, test/ and WAVE/")
    return parser.parse_args(argv)


def find_corpus(folder: Path) -> Path:
    """Return the folder that holds ``train/``.

    Raises:
        DataError: There is none.
    """
    for root in (folder, folder / "speechocean762"):
        if (root / "train" / "wav.scp").is_file():
            return root
    raise DataError(
        f"--speechocean762 {folder} holds no train/wav.scp: give the folder that holds "
        "train/ and WAVE/, or leave the option out to download the corpus"
    )


def normalize(text: str) -> str:
    """Return a transcript in upper-case words of letters and apostrophes.

    Typographic apostrophes become plain ones, punctuation and white space one space.
    Anything else, a digit say, stays: nobody knows how it was read aloud.
    """
    text = re.sub("[\u2018\u2019`]", "'", text.upper())
    return " ".join(re.sub(r"""[-.,;:!?"()]""", " ", text).split())


def read_split(folder: Path) -> list[Utterance]:
    """Read the corpus' own ``train`` or ``test``.

    Raises:
        DataError: A table is missing, or lacks an utterance that another one has.
    """
    for name in TABLES:
        if not (folder / name).is_file():
            raise DataError(f"{folder / name} is missing: restore it from the corpus")
    wav_scp, text, utt2spk = (read_table(folder / name) for name in TABLES[:3])
    for name, table in (("wav.scp", wav_scp), ("text", text), ("utt2spk", utt2spk)):
        for utt in sorted(wav_scp.keys() | text.keys() | utt2spk.keys()):
            if utt not in table:
                raise DataError(
                    f"{folder / name}: utterance {utt} is missing, but another table "
                    f"of {folder} has it: restore the table from the corpus"
                )
    return [
        Utterance(
            utt=utt,
            wav=str((folder.parent / wav_scp[utt]).resolve()),
            speaker=utt2spk[utt],
            text=normalize(text[utt]),
        )
        for utt in sorted(wav_scp)
    ]


def spread(folder: Path, speakers: Iterable[str]) -> set[str]:
    """Choose HELD_OUT speakers at even distances in the order of group, gender, age.

    So every part has its share of children and adults, women and men.

    Raises:
        DataError: A speaker's age or gender is not known, or there are too few.
    """
    ages, genders = read_table(folder / "spk2age"), read_table(folder / "spk2gender")

    def order(speaker: str):
        if not ages.get(speaker, "").isdigit() or speaker not in genders:
            raise DataError(
                f"{folder}/spk2age and spk2gender say nothing about speaker {speaker}: "
                "restore them from the corpus"
            )
        age = int(ages[speaker])
        return age >= ADULT, genders[speaker], age, speaker

    ordered = sorted(speakers, key=order)
    if len(ordered) <= 2 * HELD_OUT:
        raise DataError(
            f"{folder} has {len(ordered)} speakers, too few to hold out {HELD_OUT} of "
            "them: give the whole corpus"
        )
    step = len(ordered) / HELD_OUT
    return {ordered[int((i + 0.5) * step)] for i in range(HELD_OUT)}


def split(train_dir: Path, train: list[Utterance], test: list[Utterance]) -> Fold:
    """Split by speakers; without a test split, further speakers of train test."""
    speakers = {u.speaker for u in train}
    valid_speakers = spread(train_dir, speakers)
    test_speakers = {u.speaker for u in test}
    if both := sorted(speakers & test_speakers):
        raise DataError(
            f"{train_dir.parent}: speaker {both[0]} is in both train and test: "
            "restore their utt2spk from the corpus"
        )
    if not test:
        test_speakers = spread(train_dir, speakers - valid_speakers)
    held_out = valid_speakers | test_speakers
    return Fold(
        "1",
        [u.utt for u in train if u.speaker not in held_out],
        [u.utt for u in train if u.speaker in valid_speakers],
        [u.utt for u in train + test if u.speaker in test_speakers],
    )


def train_sha256(train: list[Utterance]) -> str:
    """Hash ids, speakers and transcripts, whatever the audio's format."""
    lines = [f"{u.utt} {u.speaker} {u.text}\n" for u in train]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fetch(downloads: Path) -> Path:
    """Download, unpack and check the corpus; return its folder."""
    corpus = downloads / "speechocean762"
    if not corpus.is_dir():
        archive = downloads / "speechocean762.tar.gz"
        unpack(download(URL, archive, option="--speechocean762 DIR"), corpus)
        archive.unlink()
    if train_sha256(read_split(find_corpus(corpus) / "train")) != TRAIN_SHA256:
        raise DataError(
            f"{corpus} is not the corpus that this recipe knows (SHA-256 of its train "
            "transcripts and speakers differs): delete it and run again, or take it "
            "as it is with --speechocean762"
        )
    return corpus


def keep_spoken_words(utterances: list[Utterance]) -> list[Utterance]:
    """Leave out, with a warning, what is not only words after normalisation."""
    for u in utterances:
        if not WORDS.fullmatch(u.text):
            say(f"WARNING: {u.utt} is left out: its transcript is {u.text!r}")
    return [u for u in utterances if WORDS.fullmatch(u.text)]


def choose(corpus: Path, train: list[Utterance], test: list[Utterance]) -> Corpus:
    """Keep transcripts of words only, split them, and say what the test part is."""
    train, test = keep_spoken_words(train), keep_spoken_words(test)
    if test:
        say("test is the corpus' own test split")
    else:
        say(
            f"{corpus} has no test split: test is {HELD_OUT} held-out speakers of "
            "train, so results do not compare with published ones"
        )
    return Corpus(train + test, [split(corpus / "train", train, test)])


def main(argv=None) -> None:
    """Run the stage."""
    args = parse_arguments(argv)
    given = Path(args.speechocean762)
    corpus = find_corpus(given if args.speechocean762 else fetch(Path(args.downloads)))
    train = read_split(corpus / "train")
    test = read_split(corpus / "test") if (corpus / "test").is_dir() else []
    tables = [corpus / part / name for part in ("train", "test") for name in TABLES]
    prepare(
        args.data_dir,
        lambda: choose(corpus, train, test),
        {
            "tables": stat_hash(path.resolve() for path in tables),
            "wavs": stat_hash(u.wav for u in train + test),
        },
    )


if __name__ == "__main__":
    run(main)
