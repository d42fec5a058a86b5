"""CTM and Praat TextGrid, written and read."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from espnet_sentiment.asr.words import AlignedWord, segments
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, write_text

# What Praat's reader takes for a value; all else is comment.
_VALUE = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|(?<!\S)(?P<number>-?[\d.]+(?:[eE][-+]?\d+)?)(?!\S)'
    r"|<exists>"
)


def write_ctm(path: PathLike, words: Mapping[str, Iterable[AlignedWord]]) -> None:
    """Write NIST's CTM: ``utterance channel start duration word`` a line, sorted.

    Times are seconds from the utterance's start, the channel is 1:
    https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm
    """
    lines = []
    for utt in sorted(words):
        for word in words[utt]:
            # Rounded before they are subtracted, so that words do not overlap.
            start, end = round(word.start, 3), round(word.end, 3)
            lines.append(f"{utt} 1 {start:.3f} {end - start:.3f} {word.text}\n")
    write_text(path, "".join(lines))


def read_ctm(path: PathLike) -> dict[str, list[AlignedWord]]:
    """Read a CTM, the words of an utterance by their start.

    Raises:
        DataError: The file is missing or a line is broken.
    """
    words: dict[str, list[AlignedWord]] = {}
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} is missing: run the alignment of the words") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            utt, _, begin, duration, word, *_ = line.split()
            start = float(begin)
            end = round(start + float(duration), 3)
        except ValueError:
            if line.startswith(";;"):  # a comment, unless an utterance is called so
                continue
            raise DataError(
                f"{path}:{number} is not 'utterance channel start duration word': "
                "align again"
            ) from None
        words.setdefault(utt, []).append(AlignedWord(start, end, word))
    return {utt: sorted(words[utt]) for utt in sorted(words)}


def write_textgrid(
    path: PathLike, words: Iterable[AlignedWord], duration: float
) -> None:
    """Write a Praat TextGrid with one interval tier, ``words``.

    What lies between words has an interval without text. Quotes are doubled, as
    https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html says.

    Args:
        path: File to write.
        words: Words by their start; they do not overlap.
        duration: Seconds of the utterance.
    """
    intervals = segments(words, duration)
    end = max(duration, *(interval.end for interval in intervals), 0.0)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end:.6f}",
        "tiers? <exists>",
        "size = 1",
        "item []:",
        "    item [1]:",
        '        class = "IntervalTier"',
        '        name = "words"',
        "        xmin = 0",
        f"        xmax = {end:.6f}",
        f"        intervals: size = {len(intervals)}",
    ]
    for number, interval in enumerate(intervals, 1):
        text = interval.text.replace('"', '""')
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {interval.start:.6f}",
            f"            xmax = {interval.end:.6f}",
            f'            text = "{text}"',
        ]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_textgrid(path: PathLike, tier: str = "words") -> list[AlignedWord]:
    """Read the intervals that have a text from a tier of a Praat TextGrid.

    Args:
        path: A text file of Praat's, long or short, UTF-8 or UTF-16.
        tier: Name of an interval tier.

    Raises:
        DataError: The file is missing or broken, or has no such tier.
    """
    try:
        data = Path(path).read_bytes()
        encoding = "utf-16" if data[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8-sig"
        values = iter(
            m["text"].replace('""', '"') if m["text"] is not None else m["number"]
            for m in _VALUE.finditer(data.decode(encoding))
        )
        return _read_tier(values, tier)
    except FileNotFoundError:
        raise DataError(f"{path} is missing: run the alignment of the words") from None
    except LookupError:
        raise DataError(f"{path} has no interval tier {tier!r}: name another") from None
    except (ValueError, TypeError):
        raise DataError(f"{path} is no TextGrid in Praat's text formats") from None


def _read_tier(values: Iterator, wanted: str) -> list[AlignedWord]:
    kind, grid, _, _, _, size = itertools.islice(values, 6)
    if (kind, grid) != ("ooTextFile", "TextGrid"):
        raise ValueError(kind)
    for _ in range(int(size)):
        kind, name, _, _, size = itertools.islice(values, 5)
        # Intervals have two times, points have one.
        width = 3 if kind == "IntervalTier" else 2
        rows = [tuple(itertools.islice(values, width)) for _ in range(int(size))]
        if kind == "IntervalTier" and name == wanted:
            return [
                AlignedWord(float(a), float(b), text) for a, b, text in rows if text
            ]
    raise LookupError(wanted)
