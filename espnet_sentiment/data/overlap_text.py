"""What :func:`espnet_sentiment.data.overlap.overlap` counted, in a line or a cell."""

from collections.abc import Iterator, Mapping
from typing import Any

from espnet_sentiment.data.overlap import GROUPS, KINDS

UNKNOWN = "unknown"
TITLE = "speakers in train"  # of the column
NOTE = (
    f"{TITLE}: how many of the tested speakers also train. Where any does, the scores "
    "are not those of new speakers. Groups are of content: data/<set>/utt2group.\n"
)
SENTENCE = "Tested speakers that also train: {}."
WARNED = {
    "speakers": "the scores are not those of new speakers",
    "recordings": "the model has learned them",
    "conversations": "the scores are not those of new conversations",
}


def cell(overlap: Mapping[str, Any] | None) -> str:
    """Say beside WA and UA how many tested speakers train, and recordings if any do.

    So are groups of content, if the corpus has any.

    Args:
        overlap: What was counted; None, or nothing that ``overlap`` returned, is said
            to be unknown.
    """
    try:
        tested = (overlap or {})["all"]["test"]
        said = _share(tested["speakers"], "train")
        recordings = tested["recordings"]
        if recordings and int(recordings["train"]):
            said += f"; recordings {_share(recordings, 'train')}"
        if groups := tested.get(GROUPS):
            said += f"; groups {_share(groups, 'train')}"
        return said
    except (KeyError, TypeError, ValueError, OverflowError):
        return UNKNOWN


def _share(counts: Mapping[str, Any] | None, part: str) -> str:
    if counts is None:
        return UNKNOWN
    return f"{int(counts[part])} of {int(counts['n'])}"


def lines(overlap: Mapping[str, Any]) -> Iterator[str]:
    """Say everything: what tested and validating ones share with others, with warnings.

    Args:
        overlap: What was counted.
    """
    tested, validating = overlap["all"]["test"], overlap["all"]["valid"]
    yield "tested that also train: " + ", ".join(
        f"{kind} {_share(tested[kind], 'train')}"
        for kind in KINDS
        if tested.get(kind) is not None or kind == "speakers"
    )
    if groups := tested.get(GROUPS):
        yield (
            f"of {groups['n_utterances']} tested utterances, {groups['utterances']} "
            f"have their group in train, {groups['valid_utterances']} in valid"
        )
    for verb, counts, part in (
        ("tested that also validate", tested, "valid"),
        ("validating that also train", validating, "train"),
    ):
        # That texts are the same is by design, and said above.
        known = {kind: counts[kind] for kind in WARNED if counts[kind] is not None}
        if said := [f"{k} {_share(c, part)}" for k, c in known.items() if c[part]]:
            yield f"{verb}: {', '.join(said)}"
    if unknown := overlap["unknown_speakers"]:
        n = "all" if tested["speakers"] is None else unknown
        yield f"the speakers of {n} utterances are not known: they may test and train"
    for kind, meaning in WARNED.items():
        counts = tested[kind]
        if counts and counts["train"]:
            yield (
                f"WARNING: {counts['train']} of {counts['n']} tested {kind} also train "
                f"({100 * counts['utterances'] / counts['n_utterances']:.1f} % of the "
                f"tested utterances{_folds(overlap, kind)}): {meaning}"
            )
    if pairs := overlap["same_recordings"]:
        shown = ", ".join(f"{a} = {b}" for a, b in pairs[:5])
        more = ", ..." if len(pairs) > 5 else ""
        yield f"the same sound, held out and training: {shown}{more}"


def _folds(overlap: Mapping[str, Any], kind: str) -> str:
    """Say in how many of several folds there are any."""
    folds = overlap["folds"].values()
    if len(folds) < 2:
        return ""
    n = sum(bool((fold["test"][kind] or {}).get("train")) for fold in folds)
    return f", in {n} of {len(folds)} folds"
