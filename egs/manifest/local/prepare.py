"""Stage 0: a manifest, CSV, TSV or JSON lines, to a Kaldi data directory and folds."""

from espnet_sentiment.core.entry import run
from espnet_sentiment.data.manifest import make_folds, read_manifest
from espnet_sentiment.recipe.prepare import Corpus, get_parser, prepare, say


def main(argv=None) -> None:
    """Run the stage."""
    parser = get_parser(__doc__)
    parser.add_argument("--manifest", required=True, help=".csv, .tsv or .jsonl")
    parser.add_argument("--audio_dir", help="where paths start (default: its folder)")
    parser.add_argument("--folds", default="", help="given, speaker or a number")
    args = parser.parse_args(argv)
    manifest = read_manifest(args.manifest, args.audio_dir)
    if manifest.ignored:
        say(f"columns without a meaning here: {', '.join(manifest.ignored)}")
    folds = make_folds(manifest, args.folds, say)
    prepare(args.data_dir, Corpus(manifest.utterances, folds))


if __name__ == "__main__":
    run(main)
