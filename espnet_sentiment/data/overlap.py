"""What folds share between their parts: speakers, recordings, conversations, texts.

A model that has heard the tested speakers, let alone the tested recordings, scores
better than it does on others. Counted are, of every fold and of all together:

- speakers, where they are known: one that is called as its utterance is not, nor are
  any where every utterance has another;
- recordings by content (:mod:`espnet_sentiment.data.same_content`). A stretch that is
  cut out of a recording is the same as others if half of it or more lies in them;
- conversations: what the corpus says (``Utterance.conversation``), otherwise the
  recording, both sides, that an utterance is cut from; else they are not known;
- groups of content, where the corpus has any (``Utterance.group``): folds may keep them
  apart, see :mod:`espnet_sentiment.data.content_folds`;
- texts, letter case and white space aside. Many corpora have actors say the same
  sentences by design.
"""

import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from espnet_sentiment.core.names import nfc
from espnet_sentiment.data.folds import PARTS, Fold
from espnet_sentiment.data.same_content import same_content

if TYPE_CHECKING:
    from espnet_sentiment.data.kaldi_dir import Utterance

GROUPS = "groups"
KINDS = ("speakers", "recordings", "conversations", "texts", GROUPS)
EXAMPLES = 20  # pairs of recordings that are kept
WHOLE = float("inf")  # end, in seconds, of what is not cut

Items = Mapping[str, Hashable]  # by utterance, which has none where it is not known
Finder = Callable[[Iterable[str], Iterable[str]], dict[str, str]]


class Stretch(NamedTuple):
    """A part of a recording: its content and side, times in seconds."""

    recording: Hashable
    start: float
    end: float


class _Kind(NamedTuple):
    """One of ``KINDS``.

    Args:
        items: The speaker, say, of every utterance.
        find: Finds which of some utterances have theirs among others, and one of those.
    """

    items: Items
    find: Finder


def overlap(utterances: Iterable["Utterance"], folds: Sequence[Fold]) -> dict[str, Any]:
    """Count what folds share between their parts.

    Args:
        utterances: All utterances.
        folds: The folds; utterances that are not there are passed over.

    Returns:
        JSON-like: ``all`` and, by name, ``folds``. Each has for ``test`` and ``valid``
        and every kind ``n``, how many are tested or validate; how many of them also
        ``train`` and, of test, ``valid``; and, of the ``n_utterances``, how many are of
        one that trains, ``utterances``. A kind is None where nothing is known; groups
        lack then, and have ``valid_utterances``, of one that validates, too. All
        counts things once, however many folds test them, and utterances once a fold.
        ``unknown_speakers`` is the number of utterances whose speaker is not known,
        ``same_recordings`` has pairs of utterances, tested or validating and training.
    """
    by_id = {u.utt: u for u in utterances}
    files = _contents(by_id, folds)
    kinds = _kinds(by_id, files)
    if not kinds[GROUPS].items:
        del kinds[GROUPS]
    pairs: dict[tuple[str, str], None] = {}
    found = {}
    for fold in folds:
        parts = {p: [u for u in _part(fold, p) if u in by_id] for p in PARTS}
        found[fold.name] = {
            part: {name: _compare(kind, part, parts) for name, kind in kinds.items()}
            for part in ("test", "valid")
        }
        for part in ("test", "valid"):
            pairs |= dict.fromkeys(found[fold.name][part]["recordings"]["pairs"])
    return {
        "all": _counts(list(found.values()), kinds),
        "folds": {name: _counts([of_fold], kinds) for name, of_fold in found.items()},
        "unknown_speakers": len(by_id) - len(kinds["speakers"].items),
        "same_recordings": [list(pair) for pair in sorted(pairs)[:EXAMPLES]],
    }


def _part(fold: Fold, part: str) -> list[str]:
    """Return a part of a fold; what has no majority may train."""
    utts = getattr(fold, part)
    return [*utts, *fold.no_majority] if part == "train" else utts


def _contents(
    by_id: Mapping[str, "Utterance"], folds: Sequence[Fold]
) -> dict[str, str]:
    """Return for every recording's path the first one with the same content."""
    uses: dict[str, set] = defaultdict(set)
    for fold, part in itertools.product(folds, PARTS):
        for utt in _part(fold, part):
            if utt in by_id:
                uses[by_id[utt].wav].add((fold.name, part))
    return same_content({path: frozenset(use) for path, use in uses.items()})


def _kinds(
    by_id: Mapping[str, "Utterance"], files: Mapping[str, str]
) -> dict[str, _Kind]:
    stretches = {
        utt: Stretch(
            (files.get(u.wav, u.wav), u.channel),
            u.start or 0.0,
            WHOLE if u.end is None else u.end,
        )
        for utt, u in by_id.items()
    }

    def known(item: Callable[["Utterance"], Hashable]) -> _Kind:
        items = {utt: item(u) for utt, u in by_id.items()}
        items = {utt: name for utt, name in items.items() if name is not None}
        return _Kind(items, lambda some, others: _equal(items, some, others))

    def conversation(u: "Utterance") -> Hashable:
        if u.conversation is not None:
            return "named", u.conversation
        return None if u.start is None else ("file", files.get(u.wav, u.wav))

    speakers = known(lambda u: None if u.speaker == u.utt else u.speaker)
    if len(set(speakers.items.values())) == len(speakers.items):
        speakers = known(lambda u: None)
    return {
        "speakers": speakers,
        "recordings": _Kind(
            stretches, lambda some, others: _covered(stretches, some, others)
        ),
        "conversations": known(conversation),
        "texts": known(lambda u: _plain(u.text) or None),
        GROUPS: known(lambda u: u.group),
    }


def _plain(text: str) -> str:
    return " ".join(nfc(text).casefold().split())


def _equal(items: Items, some: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """Return those of some utterances whose item others have, too, and one of these."""
    first: dict[Hashable, str] = {}
    for utt in others:
        if utt in items:
            first.setdefault(items[utt], utt)
    return {u: first[items[u]] for u in some if u in items and items[u] in first}


def _covered(
    stretches: Mapping[str, Stretch], some: Iterable[str], others: Iterable[str]
) -> dict[str, str]:
    """Return those of some utterances half of which others hold, and one of these."""
    spans: dict[Hashable, list[tuple[Stretch, str]]] = defaultdict(list)
    for utt in others:
        spans[stretches[utt].recording].append((stretches[utt], utt))
    joined = {name: _joined([s for s, _ in found]) for name, found in spans.items()}
    found = {}
    for utt in some:
        mine = stretches[utt]
        if mine.recording not in joined:
            continue
        shared = _shared(joined[mine.recording], mine.start, mine.end)
        if shared and shared >= (mine.end - mine.start) / 2:
            _, found[utt] = max(
                spans[mine.recording],
                key=lambda span: (
                    min(span[0].end, mine.end) - max(span[0].start, mine.start)
                ),
            )
    return found


def _joined(stretches: Iterable[Stretch]) -> list[tuple[float, float]]:
    """Return the parts of a recording that stretches cover."""
    joined: list[tuple[float, float]] = []
    for _, start, end in sorted(stretches, key=lambda s: s.start):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def _shared(joined: Sequence[tuple[float, float]], start: float, end: float) -> float:
    """Return how many seconds of a stretch lie in what others cover."""
    place = max(0, bisect_right(joined, start, key=lambda span: span[0]) - 1)
    seconds = 0.0
    for begin, until in itertools.islice(joined, place, None):
        if begin >= end:
            break
        seconds += max(0.0, min(end, until) - max(start, begin))
    return seconds


def _compare(
    kind: _Kind, part: str, parts: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Compare a part of a fold with the others: sets of items, not yet counts."""
    utts = [utt for utt in parts[part] if utt in kind.items]
    found = {
        other: kind.find(utts, parts[other])
        for other in (("train", "valid") if part == "test" else ("train",))
    }
    return {
        "items": {kind.items[utt] for utt in utts},
        "n_utterances": len(parts[part]),
        "utterances": len(found["train"]),
        "valid_utterances": len(found.get("valid", ())),
        "pairs": list(found["train"].items()),
        **{other: {kind.items[u] for u in shared} for other, shared in found.items()},
    }


def _counts(folds: Sequence[Mapping[str, Any]], kinds: Iterable[str]) -> dict[str, Any]:
    """Count what ``_compare`` found, of several folds together."""
    counts: dict[str, Any] = {}
    for part, kind in itertools.product(("test", "valid"), kinds):
        found = [fold[part][kind] for fold in folds]
        items = set().union(*(f["items"] for f in found))
        counts.setdefault(part, {})[kind] = items and {
            "n": len(items),
            **{
                other: len(set().union(*(f[other] for f in found)))
                for other in ("train", "valid")
                if other in found[0]
            },
            "utterances": sum(f["utterances"] for f in found),
            "n_utterances": sum(f["n_utterances"] for f in found),
        }
        if items and kind == GROUPS and part == "test":
            shared = sum(f["valid_utterances"] for f in found)
            counts[part][kind]["valid_utterances"] = shared
        counts[part][kind] = counts[part][kind] or None
    return counts
