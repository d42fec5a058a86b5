"""Utterances as heat maps of words, as Figure 2 of the paper draws them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from espnet_sentiment.asr.word_attention import quantize
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import atomic_path
from espnet_sentiment.report.scored import ScoredUtterance

# By bin; weight and underline tell the bins apart in print, too.
COLORS = ("none", "#ffe3a3", "#ffab40")
WEIGHTS = ("normal", "normal", "bold")
UNDERLINES = (0.0, 0.6, 1.6)
GAP = "\u2423"  # an open box, for what lies between words
FORMATS = {".pdf": "CreationDate", ".svg": "Date", ".png": "Software"}
# In points.
COLUMN, MARGIN, LINE, SIZE, SPACE = 230, 10, 19, 11, 5


def plot_attention(
    utterances: Sequence[ScoredUtterance],
    edges: Sequence[float],
    path: Path,
    head: int | None = None,
) -> None:
    """Draw utterances side by side by true class.

    Args:
        utterances: Utterances with word times.
        edges: Edges of the three bins.
        path: A ``.pdf``, ``.svg`` or ``.png`` file.
        head: Which head's attention; None for their mean.

    Raises:
        DataError: The file's kind is another one.
    """
    kind = path.suffix
    if kind not in FORMATS:
        raise DataError(f"{path}: name a file that ends in {', '.join(FORMATS)}")
    labels = sorted({u.label for u in utterances})
    columns = {
        label: _Column(MARGIN + i * (COLUMN + MARGIN)) for i, label in enumerate(labels)
    }
    for u in utterances:
        columns[u.label].add(u, edges, head)
    width = MARGIN + len(columns) * (COLUMN + MARGIN)
    height = max(column.y for column in columns.values())
    # Text stays text in SVG; the salt makes its ids the same in every run.
    with plt.rc_context(
        {"svg.hashsalt": "attention", "svg.fonttype": "none", "pdf.fonttype": 42}
    ):
        figure = plt.figure(figsize=(width / 72, height / 72))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        for label, column in columns.items():
            axes.text(
                column.left, LINE, label, size=SIZE + 2, weight="bold", parse_math=False
            )
            for place in column.words:
                _draw(axes, *place)
            for x, y, note in column.notes:
                axes.text(x, y, note, size=SIZE - 4, color="0.4", parse_math=False)
        axes.text(MARGIN, height - 5, _legend(edges), size=SIZE - 4, color="0.4")
        with atomic_path(path) as temporary:
            metadata = {FORMATS[kind]: None}
            figure.savefig(temporary, format=kind[1:], dpi=200, metadata=metadata)
        plt.close(figure)


class _Column:
    """Where the words of a class's utterances go: lines wrapped at the column's end."""

    def __init__(self, left: float):
        self.left = left
        self.y = 2.0 * LINE
        self.words: list[tuple[float, float, float, str, int]] = []
        self.notes: list[tuple[float, float, str]] = []

    def add(self, u: ScoredUtterance, edges: Sequence[float], head: int | None) -> None:
        x = self.left
        for segment in u.segments or ():
            text = GAP if segment.word is None else segment.word
            level = quantize(segment.weight(head), edges)
            width = _width(text, level)
            if x + width > self.left + COLUMN and x > self.left:
                x, self.y = self.left, self.y + LINE
            self.words.append((x, self.y, width, text, level))
            x += width + SPACE
        self.y += 0.7 * LINE
        self.notes.append((self.left, self.y, f"{u.utt}, predicted {u.prediction}"))
        self.y += 1.5 * LINE


def _font(level: int) -> FontProperties:
    return FontProperties(size=SIZE, weight=WEIGHTS[level])


def _width(text: str, level: int) -> float:
    return text_to_path.get_text_width_height_descent(text, _font(level), False)[0]


def _draw(axes, x: float, y: float, width: float, text: str, level: int) -> None:
    box = plt.Rectangle((x - 1.5, y - SIZE), width + 3, SIZE + 4, color=COLORS[level])
    axes.add_patch(box)
    axes.text(x, y, text, fontproperties=_font(level), parse_math=False)
    if UNDERLINES[level]:
        axes.plot([x, x + width], [y + 2.5] * 2, color="k", lw=UNDERLINES[level])


def _legend(edges: Sequence[float]) -> str:
    low, high = edges
    return (
        "Mean attention of a word's frames; 1: even attention. "
        f"Plain: below {low:.2f}; thin line: to {high:.2f}; thick line: above."
    )
