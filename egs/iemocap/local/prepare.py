"""Stage 0: IEMOCAP to a Kaldi data directory and its folds.

Interactive emotional dyadic motion capture database: Busso et al., "IEMOCAP:
interactive emotional dyadic motion capture database", Language Resources and Evaluation
42(4), 2008; https://sail.usc.edu/iemocap/, licensed. Five sessions of an actress and an
actor each, 10,039 turns of improvised and scripted dialogs, 16 kHz.
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from iemocap import (
    LABELS,
    TRANSCRIPTS,
    WAVS,
    Turn,
    find_files,
    find_release,
    read_transcripts,
    read_turns,
)

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.data.content_folds import leave_content_out
from espnet_sentiment.data.folds import (
    Fold,
    leave_one_group_out,
    leave_one_speaker_out,
    let_train,
)
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.recipe.prepare import (
    Corpus,
    check_counts,
    get_parser,
    prepare,
    say,
)
from espnet_sentiment.recipe.stage import stat_hash

# Turns of the release by category; evaluators do not agree on the other 2507.
TURNS = {
    "anger": 1103,
    "disgust": 2,
    "excited": 1041,
    "fear": 40,
    "frustration": 1849,
    "happiness": 595,
    "neutral": 1708,
    "other": 3,
    "sadness": 1084,
    "surprise": 107,
}
# The paper's four classes (Section 3.1), 5531 utterances.
FOUR_CLASSES = {
    "anger": "anger",
    "excited": "happiness",
    "happiness": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
}
ALL_CATEGORIES = {category: category for category in TURNS}


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = get_parser(__doc__, "data/iemocap")
    parser.add_argument(
        "--iemocap", default="", help="IEMOCAP_full_release, with Session1 to Session5"
    )
    parser.add_argument(
        "--folds",
        default="speaker",
        choices=("speaker", "speaker+scenario", "session", "espnet"),
        help="leave one speaker out, the tested scenarios, too, leave one session out, "
        "or ESPnet's split",
    )
    parser.add_argument(
        "--improvised_only", action="store_true", help="no scripted dialogs"
    )
    parser.add_argument(
        "--no_majority",
        default="leave_out",
        choices=("leave_out", "train"),
        help="turns on which evaluators do not agree: none, or for what learns from "
        "votes, in training alone",
    )
    parser.add_argument(
        "--all_categories", action="store_true", help="not the paper's four classes"
    )
    return parser.parse_args(argv)


def check_turns(turns: list[Turn], classes: Mapping[str, str]) -> None:
    """Compare the turns of each class with those of the release."""
    published: Counter = Counter()
    for category, label in classes.items():
        published[label] += TURNS[category]
    check_counts(Counter(classes.get(turn.category) for turn in turns), published)


def to_utterances(
    turns: list[Turn],
    classes: Mapping[str, str],
    text: Mapping[str, str],
    wavs: Mapping[str, Path],
) -> list[Utterance]:
    """Join labels, votes, transcripts and recordings.

    Raises:
        DataError: Some have no recording; the message names them, up to 20.
    """
    if missing := [f"{turn.utt}.wav" for turn in turns if turn.utt not in wavs]:
        refuse(
            f"{len(missing)} labelled utterances have no recording in {WAVS}: restore "
            "them from the release",
            missing,
        )

    def vote(categories: list[str]) -> str:
        return "+".join(dict.fromkeys(classes.get(c, c) for c in categories))

    return [
        Utterance(
            utt=turn.utt,
            wav=str(wavs[turn.utt]),
            speaker=turn.speaker,
            label=classes.get(turn.category),
            text=text.get(turn.utt, ""),
            votes=[vote(categories) for categories in turn.votes],
            conversation=turn.utt.rpartition("_")[0],
            group=turn.scenario,
        )
        for turn in turns
    ]


def undecided_turns(
    turns: list[Turn], classes: Mapping[str, str], improvised_only: bool
) -> list[Turn]:
    """Return turns without a majority that have a vote for one of the classes."""
    found = [
        turn
        for turn in turns
        if turn.category is None and (turn.improvised or not improvised_only)
    ]
    usable = [
        turn for turn in found if any(classes.keys() & set(v) for v in turn.votes)
    ]
    say(
        f"{len(usable)} of {len(found)} turns without a majority are taken, to train "
        f"where votes are the target; {len(found) - len(usable)} have no vote for a "
        "class"
    )
    return usable


def make_folds(scheme: str, utterances: list[Utterance]) -> list[Fold]:
    """Split the utterances; those without a label may train, and are never scored.

    Args:
        scheme: ``speaker`` tests each speaker once, the other speaker of the session
            validates; ``speaker+scenario`` tests of each speaker a third of the
            scenarios at a time, which neither train nor validate then: see
            :func:`leave_content_out`; ``session`` tests each session once, the next
            one validates; ``espnet`` is the split of ESPnet's egs2/iemocap: see
            :func:`espnet_fold`.
        utterances: What to split.
    """
    groups = {u.utt: KEPT_APART[scheme.partition("+")[0]](u) for u in utterances}
    utt2group = {u.utt: groups[u.utt] for u in utterances if u.label is not None}
    if scheme == "espnet":
        folds = [espnet_fold(sorted(utt2group))]
    elif scheme == "session":
        folds = leave_one_group_out(utt2group, what="session")
    else:
        pairs = itertools.permutations(set(utt2group.values()), 2)
        other = {a: b for a, b in pairs if a[:-1] == b[:-1]}
        folds = leave_one_speaker_out(utt2group, other)
    if len(groups) > len(utt2group):
        folds = let_train(folds, groups)
    if scheme != "speaker+scenario":
        return folds
    return leave_content_out(folds, {u.utt: u.group for u in utterances}, "scenario")


# What an utterance is of that no two parts of a fold share.
KEPT_APART: Mapping[str, Callable[[Utterance], str]] = {
    "speaker": lambda u: u.speaker,
    "session": lambda u: u.speaker[:-1],
    # What ESPnet's split goes by: the session, and who wears the markers.
    "espnet": lambda u: u.utt[: len("Ses01F")],
}


def espnet_fold(utts: list[str]) -> Fold:
    """Split as ESPnet's egs2/iemocap/asr1/local/data.sh does, by what ids begin with.

    Test: session 5. Validation: the dialogs ``Ses04M``, in which the man of session 4
    wears the markers; both he and the woman speak in them, and in the other dialogs of
    session 4, which train.

    Raises:
        DataError: A part is empty.
    """
    test = [u for u in utts if u.startswith("Ses05")]
    valid = [u for u in utts if u.startswith("Ses04M")]
    train = sorted({*utts} - {*test} - {*valid})
    if not (train and valid and test):
        raise DataError(
            "--folds espnet needs utterances of dialogs Ses04M, of session 5 and of "
            "others: restore them from the release, or choose other folds"
        )
    return Fold("1", train, valid, test)


def read_corpus(
    args: argparse.Namespace,
    labels: list[Path],
    transcripts: list[Path],
    wavs: list[Path],
) -> Corpus:
    """Read the utterances that the options ask for, and split them.

    Args:
        args: The options.
        labels: Files of labels.
        transcripts: Files of transcripts.
        wavs: Recordings.
    """
    turns = read_turns(labels)
    classes = ALL_CATEGORIES if args.all_categories else FOUR_CLASSES
    check_turns(turns, classes)
    kept = [
        turn
        for turn in turns
        if turn.category in classes and (turn.improvised or not args.improvised_only)
    ]
    say(f"{len(kept)} of {len(turns)} turns are taken")
    if args.no_majority == "train":
        kept += undecided_turns(turns, classes, args.improvised_only)
    text = read_transcripts(transcripts)
    utterances = to_utterances(kept, classes, text, {p.stem: p for p in wavs})
    if without := [u.utt for u in utterances if not u.text]:
        say(
            f"WARNING: {len(without)} utterances have no transcript, {without[0]} first"
        )
    return Corpus(utterances, make_folds(args.folds, utterances))


def main(argv=None) -> None:
    """Run the stage."""
    args = parse_arguments(argv)
    release = find_release(args.iemocap)
    labels = find_files(release, LABELS, "Ses*.txt")
    transcripts = find_files(release, TRANSCRIPTS, "Ses*.txt")
    wavs = find_files(release, WAVS, "Ses*/Ses*.wav")
    prepare(
        args.data_dir,
        lambda: read_corpus(args, labels, transcripts, wavs),
        {
            "files": stat_hash(labels + transcripts + wavs),
            "folds": args.folds,
            "improvised_only": args.improvised_only,
            "all_categories": args.all_categories,
            "no_majority": args.no_majority,
        },
    )


if __name__ == "__main__":
    run(main)
