"""Stage 0: EmoDB to a Kaldi data directory and its folds.

Berlin Database of Emotional Speech: Burkhardt et al., "A database of German emotional
speech", Interspeech 2005; http://emodb.bilderbar.info, free to use. 10 actors, 10
sentences, 16 kHz. The file ``03a01Wa.wav`` is speaker 03, sentence a01, emotion W
(Wut, anger), take a.
"""

import argparse
import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from espnet_sentiment.core.download import download, unpack
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.content_folds import leave_sentences_out
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.data.listing import is_recording
from espnet_sentiment.recipe.prepare import (
    Corpus,
    add_download_arguments,
    check_counts,
    get_parser,
    prepare,
    say,
)
from espnet_sentiment.recipe.stage import stat_hash

URL = "http://emodb.bilderbar.info/download/download.zip"
# Over the samples of the four classes' recordings, see samples_sha256: it holds
# however the archive is packed.
SAMPLES_SHA256 = "8995b3c8644cfdc735421defef70e36c14ef609395b33f4536d7204d7515ef43"

NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[A-Z])[a-z]")
EMOTIONS = {
    "W": "anger",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
}
# How many utterances the corpus has: of the paper's four classes, and of the others.
FOUR_CLASSES = {"anger": 127, "happiness": 71, "neutral": 79, "sadness": 62}
OTHER_CLASSES = {"boredom": 81, "disgust": 46, "fear": 69}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe "
    "Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = get_parser(__doc__, "data/emodb")
    add_download_arguments(parser, "emodb", "wav/")
    parser.add_argument(
        "--all_classes", action="store_true", help="all seven emotions, not the four"
    )
    parser.add_argument(
        "--folds",
        default="speaker",
        choices=("speaker", "speaker+sentence"),
        help="leave one speaker out, or the tested sentences, too",
    )
    return parser.parse_args(argv)


def find_wavs(emodb: Path) -> list[Path]:
    """Return the recordings of the corpus.

    Raises:
        DataError: The folder does not exist or holds none.
    """
    if not emodb.is_dir():
        raise DataError(
            f"--emodb {emodb} does not exist: give the folder that holds wav/, or "
            "leave the option out to download the corpus"
        )
    for folder in (emodb / "wav", emodb):
        if wavs := [p for p in recordings(folder) if NAME.fullmatch(p.stem)]:
            return wavs
    raise DataError(
        f"--emodb {emodb} holds no recordings named like wav/03a01Wa.wav: give the "
        "folder that holds wav/"
    )


def recordings(folder: Path) -> list[Path]:
    """Return all recordings of a folder, whatever they are called."""
    return sorted(p for p in folder.glob("*") if is_recording(p.name))


def to_utterance(wav: Path) -> Utterance:
    """Read an utterance off its file name."""
    match = NAME.fullmatch(wav.stem)
    emotion, sentence = match["emotion"], match["sentence"]
    if emotion not in EMOTIONS or sentence not in SENTENCES:
        raise DataError(
            f"{wav}: unknown emotion {emotion!r} or sentence {sentence!r}: the corpus "
            f"has {', '.join(EMOTIONS)} and {', '.join(SENTENCES)}; rename or remove it"
        )
    return Utterance(
        utt=wav.stem,
        wav=str(wav.resolve()),
        speaker=match["speaker"],
        label=EMOTIONS[emotion],
        text=SENTENCES[sentence],
        group=sentence,
    )


def samples_sha256(wavs: list[Path]) -> str:
    """Hash names and samples of recordings, whatever their headers."""
    import soundfile  # here, since most runs download nothing

    digest = hashlib.sha256()
    for wav in sorted(wavs, key=lambda p: p.name):
        samples, rate = soundfile.read(wav, dtype="int16")
        digest.update(f"{wav.name} {rate}\n".encode() + samples.tobytes())
    return digest.hexdigest()


def fetch(downloads: Path) -> Path:
    """Download, unpack and check the corpus."""
    corpus = downloads / "emodb"
    if not corpus.is_dir():
        archive = downloads / "emodb.zip"
        unpack(download(URL, archive, option="--emodb DIR"), corpus)
    wavs = [p for p in find_wavs(corpus) if to_utterance(p).label in FOUR_CLASSES]
    if samples_sha256(wavs) != SAMPLES_SHA256:
        raise DataError(
            f"{corpus} is not the corpus that this recipe knows (SHA-256 of its "
            f"samples differs): delete it and {downloads}/emodb.zip and run again, or "
            "name a copy with --emodb"
        )
    return corpus


def read_corpus(wavs: list[Path], classes: Mapping[str, int], scheme: str) -> Corpus:
    """Read the utterances of some classes and split them; warn if some are missing."""
    utterances = [to_utterance(wav) for wav in wavs]
    check_counts(Counter(u.label for u in utterances), classes)
    kept = [u for u in utterances if u.label in classes]
    return Corpus(kept, leave_sentences_out(scheme, kept))


def main(argv=None) -> None:
    """Run the stage."""
    args = parse_arguments(argv)
    corpus = Path(args.emodb) if args.emodb else fetch(Path(args.downloads))
    wavs = find_wavs(corpus)
    if others := sorted({*recordings(wavs[0].parent)} - {*wavs}):
        say(
            f"passed over {len(others)} not named like 03a01Wa.wav, such as {others[0]}"
        )
    classes = FOUR_CLASSES | (OTHER_CLASSES if args.all_classes else {})
    prepare(
        args.data_dir,
        lambda: read_corpus(wavs, classes, args.folds),
        {
            "wavs": stat_hash(p.resolve() for p in wavs),
            "all": args.all_classes,
            "folds": args.folds,
        },
    )


if __name__ == "__main__":
    run(main)
