"""Stage 0: SWBD-sentiment to a Kaldi data directory and its fold.

Chen et al., "A large scale speech sentiment corpus", LREC 2020: the sentiment of
segments of Switchboard telephone conversations, negative, neutral or positive, by three
annotators or more. It takes

- LDC2020T14, the labels, https://catalog.ldc.upenn.edu/LDC2020T14, licensed;
- LDC97S62, the recordings, https://catalog.ldc.upenn.edu/LDC97S62, licensed: NIST
  SPHERE, 8 kHz, mu-law, one channel per side;
- the MS98 transcripts, https://www.isip.piconepress.com/projects/switchboard/, free.
  The labels do not say who speaks: the transcribed segment with the same times does.

A row whose annotators are fewer than three is dropped; so is one of which no class has
the most votes, unless ``--no_majority train`` lets it train what learns from votes. A
row that is the segment of no side or of both, or has no recording, is listed in
``<data_dir>/unmatched``: utterance, start, end and why.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import ldc
import ms98

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.content_folds import keep_apart
from espnet_sentiment.data.folds import PARTS, Fold, let_train
from espnet_sentiment.data.kaldi_dir import Utterance
from espnet_sentiment.recipe.prepare import Corpus, get_parser, prepare, say
from espnet_sentiment.recipe.stage import content_hash, stat_hash

# The split of ESPnet's egs2/swbd_sentiment: of the release's 52,293 rows, the first to
# validate and the first to test.
ROWS, VALID, TEST = 52293, 47056, 49673
HELD_OUT = 0.05  # of the speakers, to validate and to test each (paper, Section 3.1)
SPLITS = ("espnet", "speaker", "conversation")
MIN_VOTES = 3


class Releases(NamedTuple):
    """What the corpus is made from.

    Args:
        labels: Table of the labels.
        recordings: Recording of every conversation.
        transcripts: Transcripts of every conversation.
        calls: Table of the callers, if there is one.
    """

    labels: Path
    recordings: dict[str, Path]
    transcripts: dict[str, list[Path]]
    calls: Path | None

    def describe(self) -> dict[str, str]:
        """Hash them: tables as a whole, of the other files size and time."""
        texts = [path for paths in self.transcripts.values() for path in paths]
        return {
            "tables": content_hash(path for path in (self.labels, self.calls) if path),
            "transcripts": stat_hash(path.resolve() for path in texts),
            "recordings": stat_hash(p.resolve() for p in self.recordings.values()),
        }


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = get_parser(__doc__, "data/swbd_sentiment")
    parser.add_argument("--swbd", default="", help="folder of LDC97S62")
    parser.add_argument(
        "--sentiment_labels", default="", help="folder of LDC2020T14, or its table"
    )
    parser.add_argument(
        "--ms98", default="", help="folder of the MS98 transcripts (below --swbd)"
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="espnet",
        help="by row; by speaker; or by speaker with no conversation in two parts",
    )
    parser.add_argument(
        "--no_majority",
        default="leave_out",
        choices=("leave_out", "train"),
        help="rows of which no class has the most votes: none, or for what learns from "
        "votes, in training alone",
    )
    return parser.parse_args(argv)


def to_utterance(
    row: ldc.Row,
    segment: ms98.Segment,
    recordings: Mapping[str, Path],
    callers: Mapping[str, str],
) -> Utterance:
    """Join a row and its segment; a side without a known caller is its own speaker."""
    side = f"{row.conversation}-{segment.channel}"
    speaker = callers.get(side, side)
    return Utterance(
        utt=f"{speaker}-{row.utt}",
        wav=str(recordings[row.conversation].resolve()),
        speaker=speaker,
        label=row.label,
        text=segment.text,
        start=row.start,
        end=row.end,
        votes=row.votes,
        channel=segment.channel,
        group=row.conversation,
    )


def make_fold(
    split: str,
    rows: list[ldc.Row],
    utterances: Mapping[str, Utterance],
    n_unmatched: int,
) -> Fold:
    """Split the utterances, given by row, see the functions below.

    Those without a label train where nobody of their part or speaker is scored, see
    :func:`let_train`.

    Raises:
        DataError: A part is empty.
    """
    decided = {name: u for name, u in utterances.items() if u.label is not None}
    if split == "espnet":
        fold = split_by_row(row_numbers(rows, decided), len(rows))
    else:
        fold = split_by_speaker({u.utt: u.speaker for u in decided.values()})
    if len(decided) < len(utterances):
        (fold,) = let_train([fold], groups(split, rows, utterances))
    if split == "conversation":
        fold = apart(fold, {u.utt: u.group for u in utterances.values()})
    if empty := [part for part in PARTS if not getattr(fold, part)]:
        remedy = "take more rows of the release"
        if n_unmatched:
            remedy = f"{n_unmatched} have no segment, check --swbd and --ms98"
        raise DataError(
            f"--split {split} of {len(rows)} rows, {len(decided)} of them "
            f"utterances, leaves none for {empty[0]}: {remedy}"
        )
    return fold


def apart(fold: Fold, utt2conversation: Mapping[str, str]) -> Fold:
    """Leave out what is of a scored conversation; say how much that is.

    Callers speak in several conversations, each with others: no split of callers parts
    the conversations, too.
    """
    kept = keep_apart(fold, utt2conversation)
    counts = ", ".join(
        f"{len(getattr(fold, part)) - len(getattr(kept, part))} of "
        f"{len(getattr(fold, part))} that {verb}"
        for part, verb in (("train", "would train"), ("valid", "would validate"))
    )
    say(f"left out, since the other side of their conversation is scored: {counts}")
    return kept


def row_numbers(
    rows: list[ldc.Row], utterances: Mapping[str, Utterance]
) -> dict[str, int]:
    """Return the number of every utterance's row, from 0; utterances are by row."""
    return {
        utterances[row.utt].utt: number
        for number, row in enumerate(rows)
        if row.utt in utterances
    }


def split_by_row(numbers: Mapping[str, int], n_rows: int) -> Fold:
    """Split in the release's order; other numbers of rows in the same proportions.

    Args:
        numbers: The number of the row of every utterance, from 0.
        n_rows: How many rows there are, dropped ones included.
    """
    valid, test = (round(first * n_rows / ROWS) for first in (VALID, TEST))
    bounds = zip(PARTS, (0, valid, test), (valid, test, n_rows), strict=True)
    return Fold(
        "1",
        **{
            part: sorted(utt for utt, n in numbers.items() if begin <= n < end)
            for part, begin, end in bounds
        },
    )


def split_by_speaker(utt2spk: Mapping[str, str]) -> Fold:
    """Let 5 % of the speakers test and 5 % validate, at least one each, at random."""
    from sklearn.model_selection import GroupShuffleSplit

    def hold_out(utts: list[str]) -> list[list[str]]:
        splitter = GroupShuffleSplit(1, test_size=n_held_out, random_state=0)
        parts = next(splitter.split(utts, groups=[utt2spk[utt] for utt in utts]))
        return [[utts[i] for i in part] for part in parts]

    n_speakers = len(set(utt2spk.values()))
    if n_speakers < len(PARTS):
        raise DataError(f"--split speaker needs 3 speakers, there are {n_speakers}")
    n_held_out = max(1, round(HELD_OUT * n_speakers))
    others, test = hold_out(sorted(utt2spk))
    train, valid = hold_out(others)
    return Fold("1", train, valid, test)


def check_matched(matched: Mapping[str, ms98.Segment], why: Mapping[str, str]) -> None:
    """Warn of conversations that are missing.

    Raises:
        DataError: No row has a segment.
    """
    if not matched:
        reason = next(iter(why.values()), "none has three votes and a majority")
        raise DataError(
            f"no row of the labels has a segment ({reason}): check --sentiment_labels, "
            "--swbd and --ms98"
        )
    missing = sorted(
        {reason for reason in why.values() if reason.startswith(ms98.MISSING)}
    )
    if missing:
        say(
            f"WARNING: {len(missing)} conversations of the labels are not complete, "
            f"{missing[0]!r} first: check --swbd and --ms98"
        )


def check_speakers(utterances: list[Utterance], split: str) -> None:
    """Warn of sides whose caller is not known.

    Raises:
        DataError: Speakers should be kept apart, but are not known.
    """
    sides = {(u.wav, u.channel): u.speaker for u in utterances}
    unknown = sorted(speaker for speaker in sides.values() if "-" in speaker)
    if not unknown:
        return
    message = (
        f"the callers of {len(unknown)} of {len(sides)} sides are not known, "
        f"{unknown[0]} first"
    )
    remedy = "put LDC97S62's conv_tab.csv, which names them, below --swbd"
    if split != "espnet":
        raise DataError(f"{message}, but --split {split} needs them: {remedy}")
    say(f"WARNING: {message}; each counts as a speaker of its own: {remedy}")


def read_rows(labels: Path) -> list[ldc.Row]:
    """Read the labels; warn if they are not all of the release's."""
    rows = ldc.read_labels(labels)
    if len(rows) != ROWS:
        say(
            f"WARNING: {labels} has {len(rows)} rows, but the release has {ROWS}: "
            "results will not compare with published ones"
        )
    return rows


def read_corpus(
    releases: Releases, split: str, no_majority: str = "leave_out"
) -> Corpus:
    """Join labels, segments and callers, and split the utterances.

    Args:
        releases: What to read.
        split: One of ``SPLITS``.
        no_majority: ``train`` takes rows without a majority, too.
    """
    rows, recordings = read_rows(releases.labels), releases.recordings
    voted = [row for row in rows if len(row.votes) >= MIN_VOTES]
    labelled = [row for row in voted if row.label]
    undecided = [row for row in voted if not row.label]
    matched, why = ms98.match_rows(labelled, releases.transcripts, recordings)
    taken = labelled
    if no_majority == "train":
        taken = voted
        further, others = ms98.match_rows(undecided, releases.transcripts, recordings)
        owners = {segment.name: utt for utt, segment in matched.items()}
        for utt, segment in further.items():
            if segment.name in owners:  # which rows with a label have is as without
                others[utt] = (
                    f"its segment {segment.name} is that of {owners[segment.name]}"
                )
        matched |= {utt: s for utt, s in further.items() if utt not in others}
        why |= others
    say(
        f"{len(rows)} rows: {len(rows) - len(voted)} with fewer than {MIN_VOTES} "
        f"votes, {len(undecided)} without a majority"
        f"{', to train where votes are the target' * (taken is voted)}, {len(why)} "
        f"unmatched, {len(matched)} utterances"
    )
    check_matched(matched, why)
    callers = ldc.read_callers(releases.calls) if releases.calls else {}
    utterances = {
        row.utt: to_utterance(row, matched[row.utt], recordings, callers)
        for row in taken
        if row.utt in matched
    }
    check_speakers(list(utterances.values()), split)
    fold = make_fold(split, rows, utterances, len(why))
    unmatched = [row for row in taken if row.utt in why]
    lines = [f"{r.utt}\t{r.start}\t{r.end}\t{why[r.utt]}\n" for r in unmatched]
    return Corpus(utterances.values(), [fold], {"unmatched": "".join(lines)})


def groups(
    split: str, rows: list[ldc.Row], utterances: Mapping[str, Utterance]
) -> dict[str, str]:
    """Return what an utterance is of that no two parts share: a part, or a speaker."""
    if split != "espnet":
        return {u.utt: u.speaker for u in utterances.values()}
    fold = split_by_row(row_numbers(rows, utterances), len(rows))
    return {utt: part for part in PARTS for utt in getattr(fold, part)}


def main(argv=None) -> None:
    """Run the stage."""
    args = parse_arguments(argv)
    releases = Releases(
        ldc.find_labels(args.sentiment_labels),
        ldc.find_recordings(args.swbd),
        ms98.find_transcripts(args.ms98, Path(args.swbd)),
        ldc.find_calls(Path(args.swbd)),
    )
    prepare(
        args.data_dir,
        lambda: read_corpus(releases, args.split, args.no_majority),
        {
            **releases.describe(),
            "split": args.split,
            "no_majority": args.no_majority,
        },
    )


if __name__ == "__main__":
    run(main)
