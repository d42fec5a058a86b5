"""Draw utterances as heat maps of words (paper, Figure 2): PDF, SVG or PNG."""

import argparse
from pathlib import Path

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.kaldi_dir import KaldiDir, read_kaldi_dir
from espnet_sentiment.recipe.experiment import (
    Experiment,
    add_experiment_arguments,
    experiments,
    fold_folders,
)
from espnet_sentiment.report.options import add_plot_arguments
from espnet_sentiment.report.write import ctm_path, read_text_and_words


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    add_plot_arguments(parser)
    return parser


def main(argv=None) -> None:
    """Write the figure and print its path."""
    args = get_parser().parse_args(argv)
    experiment, *others = experiments(args)
    if others:
        raise DataError("name one sentiment config and one seed: one figure, one model")
    print(draw(experiment, read_kaldi_dir(args.data_dir), args))


def draw(experiment: Experiment, data: KaldiDir, args: argparse.Namespace) -> Path:
    """Write the figure and return its path.

    Args:
        experiment: Decoded, by a decoder with attention.
        data: Its Kaldi data directory.
        args: The options of ``add_plot_arguments``.

    Raises:
        DataError: An utterance, its attention or its words' times are not there.
    """
    # Here, so that --help is quick.
    from espnet_sentiment.asr.word_attention import bin_edges
    from espnet_sentiment.report.figures import plot_attention
    from espnet_sentiment.report.scored import read_scored

    ctm = ctm_path(experiment, args.alignment)
    text, words = read_text_and_words(experiment, data, ctm)
    folders = fold_folders(experiment)
    # All of them: the bins' edges are the corpus's.
    scored = read_scored(folders, data, text, words, args.channel)
    aligned = {u.utt: u for u in scored if u.is_aligned}
    if not aligned:
        raise DataError(
            f"{experiment.dir}: no utterance has both attention and word times: align "
            f"the words ({ctm}), and use a decoder with attention"
        )
    n_heads = len((next(iter(aligned.values())).segments or [])[0].weights)
    if args.head is not None and not 1 <= args.head <= n_heads:
        raise DataError(f"--head {args.head}, but there are heads 1 to {n_heads}")
    for utt in args.utt:
        if utt not in aligned:
            raise DataError(
                f"--utt {utt} has no attention over words in {experiment.dir}: name "
                "utterances that were tested and aligned"
            )
    head = None if args.head is None else args.head - 1
    edges = bin_edges((u.segments or [] for u in aligned.values()), head)
    out = args.out or experiment.dir / "attention.pdf"
    plot_attention([aligned[utt] for utt in args.utt], edges, out, head)
    return out


if __name__ == "__main__":
    run(main)
