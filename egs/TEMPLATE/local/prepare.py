"""Stage 0: recordings in SPEAKER/LABEL/NAME.wav to a Kaldi data directory and folds.

Say here what the corpus is, and its source: paper, page, licence.
"""

from collections.abc import Iterator
from pathlib import Path

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.data.listing import find_recordings
from espnet_sentiment.recipe.prepare import Corpus, get_parser, prepare, say


def find_utterances(corpus: Path) -> Iterator[Utterance]:
    """Read the utterances off the corpus: the part to rewrite."""
    wavs, passed_over = find_recordings(corpus)
    if not wavs:
        raise DataError(
            f"--corpus_dir {corpus} holds no SPEAKER/LABEL/NAME.wav: name the folder "
            "that holds the speakers' folders"
        )
    if others := [str(p) for p in wavs if len(p.relative_to(corpus).parts) != 3]:
        refuse(
            f"--corpus_dir {corpus}: {len(others)} recordings are not where "
            "SPEAKER/LABEL/NAME.wav is: move them, or out of the corpus",
            others,
        )
    if passed_over:
        say(passed_over)
    for wav in wavs:
        speaker, label = wav.parts[-3:-1]
        yield Utterance(
            utt=f"{speaker}-{label}-{wav.stem}",
            wav=str(wav.resolve()),
            speaker=speaker,
            label=label,
        )


def main(argv=None) -> None:
    """Run the stage."""
    parser = get_parser(__doc__)
    parser.add_argument("--corpus_dir", type=Path, required=True, help="the corpus")
    args = parser.parse_args(argv)
    if not args.corpus_dir.is_dir():
        raise DataError(
            f"--corpus_dir {args.corpus_dir} does not exist: check the path"
        )
    prepare(args.data_dir, Corpus(find_utterances(args.corpus_dir)))


if __name__ == "__main__":
    run(main)
