"""Stage 0: a manifest, a table of any kind, to a Kaldi data directory and folds."""

from espnet_sentiment.core.entry import run
from espnet_sentiment.data.manifest import Reading, make_folds, read_manifest
from espnet_sentiment.data.pairs import read_pairs
from espnet_sentiment.data.records import KINDS
from espnet_sentiment.recipe.prepare import Corpus, get_parser, prepare, say


def main(argv=None) -> None:
    """Run the stage."""
    parser = get_parser(__doc__)
    parser.add_argument("--manifest", required=True, help=KINDS)
    parser.add_argument("--audio_dir", help="where paths start (default: its folder)")
    parser.add_argument("--folds", default="", help="given, speaker or a number")
    parser.add_argument("--map", default="", help="path=file,label=emotion or a file")
    parser.add_argument("--map_label", default="", help="exc=happiness,... or a file")
    parser.add_argument("--skip_missing", type=int, default=0, help="so many rows")
    parser.add_argument(
        "--no_majority",
        default="refuse",
        choices=("refuse", "train"),
        help="rows with votes and no label",
    )
    parser.add_argument("--encoding", help="of text that is not UTF-8: cp1252, ...")
    parser.add_argument("--sheet", help="of a spreadsheet with several")
    args = parser.parse_args(argv)
    if args.skip_missing < 0:
        parser.error("--skip_missing: a number from 0")
    reading = Reading(
        read_pairs("--map", args.map),
        read_pairs("--map_label", args.map_label),
        args.skip_missing,
        args.encoding,
        args.sheet,
        args.no_majority == "train",
    )
    manifest = read_manifest(args.manifest, args.audio_dir, reading)
    for line in manifest.said:
        say(line)
    folds = make_folds(manifest, args.folds, say)
    prepare(args.data_dir, Corpus(manifest.utterances, folds, manifest.files))


if __name__ == "__main__":
    run(main)
