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

import soundfile

from espnet_sentiment.core.download import download, unpack
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.folds import leave_one_speaker_out, write_folds
from espnet_sentiment.data.kaldi_dir import Utterance, write_kaldi_dir
from espnet_sentiment.recipe.stage import Stage, stat_hash

URL = "http://emodb.bilderbar.info/download/download.zip"
# Over the samples of the four classes' recordings, see samples_sha256: it holds
# however the archive is packed.
SAMPLES_SHA256 = "8995b3c8644cfdc735421defef70e36c14ef609395b33f4536d7204d7515ef43"

NAME = re.compile(
    r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[A-Z])[a-z]\.wav"
)
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


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--emodb", default="", help="the corpus, a folder with wav/; none: download it"
    )
    parser.add_argument("--data_dir", default="data/emodb", help="where to write")
    parser.add_argument("--downloads", default="downloads", help="where to download to")
    parser.add_argument(
        "--all_classes", action="store_true", help="all seven emotions, not the four"
    )
    return parser


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
        wavs = sorted(p for p in folder.glob("*.wav") if NAME.fullmatch(p.name))
        if wavs:
            return wavs
    raise DataError(
        f"--emodb {emodb} holds no recordings named like wav/03a01Wa.wav: give the "
        "folder that holds wav/"
    )


def to_utterance(wav: Path) -> Utterance:
    """Read an utterance off its file name."""
    match = NAME.fullmatch(wav.name)
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
    )


def samples_sha256(wavs: list[Path]) -> str:
    """Hash names and samples of recordings, whatever their headers."""
    digest = hashlib.sha256()
    for wav in sorted(wavs, key=lambda p: p.name):
        samples, rate = soundfile.read(wav, dtype="int16")
        digest.update(f"{wav.name} {rate}\n".encode() + samples.tobytes())
    return digest.hexdigest()


def fetch(downloads: Path) -> Path:
    """Download, unpack and check the corpus."""
    corpus = downloads / "emodb"
    if not corpus.is_dir():
        try:
            archive = download(URL, downloads / "emodb.zip")
        except DataError as error:
            raise DataError(f"{error} by --emodb DIR") from error
        unpack(archive, corpus)
    wavs = [p for p in find_wavs(corpus) if to_utterance(p).label in FOUR_CLASSES]
    if samples_sha256(wavs) != SAMPLES_SHA256:
        raise DataError(
            f"{corpus} is not the corpus that this recipe knows (SHA-256 of its "
            f"samples differs): delete it and {downloads}/emodb.zip and run again, or "
            "name a copy with --emodb"
        )
    return corpus


def check_counts(
    utterances: list[Utterance], classes: Mapping[str, int], stage: Stage
) -> None:
    """Say loudly when the corpus is not complete."""
    counts: dict[str, int] = Counter(u.label for u in utterances)
    for label, expected in classes.items():
        if counts[label] != expected:
            stage.say(
                f"WARNING: {counts[label]} utterances of {label}, but the corpus has "
                f"{expected}: results will not compare with published ones"
            )


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    corpus = Path(args.emodb) if args.emodb else fetch(Path(args.downloads))
    wavs = find_wavs(corpus)
    data_dir = Path(args.data_dir)
    stage = Stage(
        "stage 0: data preparation",
        data_dir / ".done.json",
        {"wavs": stat_hash(p.resolve() for p in wavs), "all": args.all_classes},
    )
    if stage.is_done():
        return
    stage.start(data_dir)
    utterances = [to_utterance(wav) for wav in wavs]
    classes = FOUR_CLASSES | (OTHER_CLASSES if args.all_classes else {})
    check_counts(utterances, classes, stage)
    utterances = [u for u in utterances if u.label in classes]
    write_kaldi_dir(data_dir, utterances)
    folds = leave_one_speaker_out({u.utt: u.speaker for u in utterances})
    write_folds(data_dir, folds)
    stage.finish(
        f"{len(utterances)} utterances, {len(folds)} folds in {data_dir}",
        [
            data_dir / name
            for name in ("wav.scp", "utt2spk", "utt2label", "classes", "folds")
        ],
    )


if __name__ == "__main__":
    run(main)
