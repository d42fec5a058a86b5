"""The MS98 transcripts of Switchboard: segments, their words, and who said them.

Deshmukh et al., "Resegmentation of Switchboard", ICSLP 1998;
https://www.isip.piconepress.com/projects/switchboard/. A file is a side of a
conversation, ``sw2005A-ms98-a-trans.text``, a line of it a segment:
``sw2005A-ms98-a-0003 1.2 3.4 words``, times in seconds.
"""

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ldc import Row, find_files, read_lines

from espnet_sentiment.core.errors import DataError

URL = "https://www.isip.piconepress.com/projects/switchboard/"
NAME = re.compile(r"sw(\d{4})([AB])-ms98-a-trans\.text")
TOLERANCE = 0.05  # seconds
EPSILON = 1e-7
MISSING = "missing:"


class Segment(NamedTuple):
    """A segment of the transcripts that holds more than silence.

    Args:
        name: Its name, ``sw2005A-ms98-a-0003``.
        channel: ``A`` or ``B``.
        start: Start in seconds.
        end: End in seconds.
        text: Its words, normalised.
    """

    name: str
    channel: str
    start: float
    end: float
    text: str


def find_transcripts(ms98: str, swbd: Path) -> dict[str, list[Path]]:
    """Return the transcripts by conversation, below ``--ms98`` or else ``--swbd``.

    Raises:
        DataError: There are none, or ``ms98`` is a folder inside the transcripts'.
    """
    root = Path(ms98) if ms98 else swbd
    paths = find_files(root, NAME, "--ms98" if ms98 else "--swbd")
    if not paths:
        option = f"--ms98 {ms98}" if ms98 else f"without --ms98, --swbd {swbd}"
        raise DataError(
            f"{option} holds no transcripts named like 20/2005/sw2005A-ms98-a-"
            f"trans.text: unpack switchboard_word_alignments.tar.gz from {URL} and "
            "name its folder swb_ms98_transcriptions by --ms98"
        )
    if ms98:
        _check_whole(root, paths)
    transcripts = defaultdict(list)
    for side, path in paths.items():
        transcripts[f"sw0{side[:-1]}"].append(path)
    return transcripts


def _check_whole(root: Path, paths: Mapping[str, Path]) -> None:
    """Refuse a folder inside the transcripts', such as 20, by its files' places."""
    side, path = next(iter(paths.items()))
    conversation, twenty, whole = (root.resolve() / path.relative_to(root)).parents[:3]
    named = (twenty.name, conversation.name) == (side[:2], side[:-1])
    if named and whole in root.resolve().parents:
        raise DataError(
            f"--ms98 {root} holds a part of the transcripts only: name {whole}"
        )


def read_segments(path: Path) -> list[Segment]:
    """Read a side of a conversation, without what is silence alone.

    The silence of one side often has the very times of the other side's speech.

    Raises:
        DataError: A line is not name, start, end and words.
    """
    segments = []
    for number, line in read_lines(path):
        try:
            name, start, end, *words = line.split()
            times = float(start), float(end)
        except ValueError:
            raise DataError(
                f"{path}:{number}: {line!r} is not 'name start end words': restore "
                f"the file from {URL}"
            ) from None
        if text := normalise(words):
            segments.append(Segment(name, NAME.fullmatch(path.name)[2], *times, text))
    return segments


def normalise(words: Iterable[str]) -> str:
    """Resolve the mark-up of words, much as Kaldi's egs/swbd/s5c does.

    - All is in lower case but tokens of what is not words: ``[LAUGHTER]``, ``[NOISE]``,
      ``[VOCALIZED-NOISE]``. ``[laughter-yes]``, said with laughter, is ``[LAUGHTER]
      yes``.
    - ``[silence]`` and tags, ``<b_aside>``, go.
    - Of a word cut off, ``th[at]-`` or ``-[be]cause``, what is said stays: ``th-``,
      ``-cause``; of ``[it'n/isn't]`` also what is said, ``it'n``.
    - ``{yuppiedom}``, a coinage, is ``yuppiedom``; ``them_1``, a variant, ``them``.
    """
    return " ".join(token for word in words for token in _tokens(word.lower()))


def _tokens(word: str) -> list[str]:
    if word == "[silence]" or re.fullmatch("<.*>", word):
        return []
    if laughed := re.fullmatch(r"(-?)\[laughter-(.+)\](-?)", word):
        return ["[LAUGHTER]", *_tokens("".join(laughed.groups()))]
    if re.fullmatch(r"\[[a-z]+([-_][a-z]+)*\]", word):
        return [word.upper()]
    word = re.sub(r"\[[^][/]*\]", "-", word)
    word = re.sub(r"[][{}]", "", word).partition("/")[0]
    word = re.sub("-+", "-", re.sub(r"_\d", "", word))
    return [word] if word.strip("-") else []


def match_rows(
    rows: Iterable[Row],
    transcripts: Mapping[str, Sequence[Path]],
    recordings: Container[str],
) -> tuple[dict[str, Segment], dict[str, str]]:
    """Find the segments of rows, see :func:`match`.

    Args:
        rows: Rows in the release's order.
        transcripts: Transcripts by conversation.
        recordings: Conversations that are recorded.

    Returns:
        The segment by row, and, for the other rows, why there is none.
    """
    by_conversation = defaultdict(list)
    for row in rows:
        by_conversation[row.conversation].append(row)
    matched: dict[str, Segment] = {}
    why: dict[str, str] = {}
    for conversation, some in by_conversation.items():
        paths = transcripts.get(conversation, ())
        if conversation not in recordings:
            why |= {row.utt: f"{MISSING} recording {conversation}" for row in some}
        elif len(paths) < 2:
            why |= {row.utt: f"{MISSING} transcript of {conversation}" for row in some}
        else:
            segments = [s for path in paths for s in read_segments(path)]
            found, others = match(some, segments)
            matched |= found
            why |= others
    return matched, why


def match(
    rows: Sequence[Row], segments: Sequence[Segment]
) -> tuple[dict[str, Segment], dict[str, str]]:
    """Find the segment of each row of a conversation by its times.

    Start and end of a row and of its segment differ by at most 0.05 s. Of several
    segments the nearest counts, by the sum of both differences; of several rows of one
    segment, the nearest too, of equally near ones the first.

    Args:
        rows: Rows of one conversation, in the release's order.
        segments: Segments of both sides of it.

    Returns:
        The segment by row, and, for the other rows, why there is none.
    """
    nearest: dict[str, tuple[float, Segment]] = {}
    why: dict[str, str] = {}
    for row in rows:
        near = sorted(_near(row, segments))
        closest = [segment for d, segment in near if d == near[0][0]]
        if not near:
            why[row.utt] = f"no segment within {TOLERANCE} s"
        elif len({segment.channel for segment in closest}) > 1:
            why[row.utt] = "both channels have a segment as near"
        else:
            nearest[row.utt] = near[0]
    owners: dict[str, str] = {}
    matched = {}
    for utt in sorted(nearest, key=lambda utt: nearest[utt][0]):
        segment = nearest[utt][1]
        owner = owners.setdefault(segment.name, utt)
        if owner == utt:
            matched[utt] = segment
        else:
            why[utt] = f"its segment {segment.name} is that of {owner}"
    return matched, why


def _near(row: Row, segments: Iterable[Segment]) -> Iterable[tuple[float, Segment]]:
    for segment in segments:
        start, end = abs(row.start - segment.start), abs(row.end - segment.end)
        # Binary fractions: 0.05 in decimals may be a little more, equal sums differ.
        if start < TOLERANCE + EPSILON and end < TOLERANCE + EPSILON:
            yield round(start + end, 6), segment
