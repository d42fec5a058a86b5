"""Stage 0: a data set of EmoBox to a Kaldi data directory and EmoBox's folds."""

from espnet_sentiment.core.entry import run
from espnet_sentiment.data.emobox import read_emobox
from espnet_sentiment.recipe.prepare import Corpus, get_parser, prepare, say


def main(argv=None) -> None:
    """Run the stage."""
    parser = get_parser(__doc__)
    parser.add_argument("--emobox", required=True, help="EmoBox's repository, or data/")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--audio_dir", help="the recordings (default: the repository)")
    parser.add_argument(
        "--test", nargs="+", default=["test"], help="tested parts, a fold each (test)"
    )
    args = parser.parse_args(argv)
    tests = list(dict.fromkeys(args.test))
    emobox = read_emobox(args.emobox, args.dataset, args.audio_dir, tests)
    for note in emobox.notes:
        say(note)
    prepare(args.data_dir, Corpus(emobox.utterances, emobox.folds))


if __name__ == "__main__":
    run(main)
