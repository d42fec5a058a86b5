"""Which words of the grammar get the attention: those that decide, or the others.

Reads an experiment whose words were aligned (``./run.sh --stage 6 --align_words``).
"""

import argparse
from collections import defaultdict

import numpy as np
from corpus import (
    ASKING,
    ASSERTING,
    INVERTING,
    LABELS,
    NEGATIVE,
    PEOPLE,
    POSITIVE,
    VERBS,
)

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.recipe.experiment import (
    add_experiment_arguments,
    experiments,
    fold_folders,
)
from espnet_sentiment.report.write import ctm_path

PAIRS = [word for word, _ in (*PEOPLE, *VERBS)]
POLARITY = {
    word
    for phrase in (*POSITIVE, *NEGATIVE, *INVERTING, *PAIRS)
    for word in phrase.split()
}
# What tells asking from asserting; "BUT WHO KNOWS" ends sentences.
MOOD = {word for frame in (*ASSERTING, *ASKING) for word in frame.split()} | {"KNOWS"}
GROUPS = {
    "polarity (adjectives, inverting adverbs, people, verbs)": POLARITY,
    "mood (words of asking and asserting)": MOOD - POLARITY,
    "all others": None,
}


def group_of(word: str) -> str:
    """Return the group of a word of the grammar."""
    return next(name for name, words in GROUPS.items() if not words or word in words)


def main(argv=None) -> None:
    """Print the mean attention of every group, by predicted class."""
    from espnet_sentiment.asr.formats import read_ctm
    from espnet_sentiment.report.scored import read_scored

    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    args = parser.parse_args(argv)
    data = read_kaldi_dir(args.data_dir)
    for experiment in experiments(args):
        ctm = ctm_path(experiment, "")
        if not ctm.exists():
            raise DataError(f"{ctm} is missing: ./run.sh --stage 6 --align_words")
        folders = fold_folders(experiment)
        weights = defaultdict(list)
        for u in read_scored(folders, data, data.text, read_ctm(ctm)):
            for segment in u.segments or ():
                group = group_of(segment.word) if segment.word else "between words"
                weights[group, u.prediction].append(segment.weight())
        print("| words | " + " | ".join(LABELS) + " | number |")
        print("| --- |" + " ---: |" * (len(LABELS) + 1))
        for group in (*GROUPS, "between words"):
            by_class = [weights[group, label] for label in LABELS]
            means = " | ".join(f"{np.mean(w):.2f}" if w else "" for w in by_class)
            print(f"| {group} | {means} | {sum(map(len, by_class))} |")


if __name__ == "__main__":
    run(main)
