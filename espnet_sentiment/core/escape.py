"""Texts of others, made harmless for where they are written.

A name of a file, a class or a model may hold what commands a terminal, what a
spreadsheet takes for a formula, or what ends a cell of a table.
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable

# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# Unicode's categories of what is not seen: controls, zero width and direction, halves
# of surrogate pairs, separators of lines and paragraphs.
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# What means something in Markdown (GitHub's, too): escapes, cells, code, emphasis but
# within a word, strike-through, formulas, tags and links, entities, ends of headings.
MARKUP = re.compile(
    r"[\\|`*~$]|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|(?<=\])\(|&(?=#?\w+;)"
    r"|(?<!\S)#"
)

# What means something in LaTeX, or in the fonts of its OT1 encoding, and how it is
# shown. A bracket or star would be an argument of the row's end before it.
LATEX = {
    **{char: f"\\{char}" for char in "#$%&_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "*": "{*}",
    "±": r"$\pm$",
}


def one_line(text: object) -> str:
    """Return a text that neither breaks the line nor commands the terminal.

    Characters that nobody sees, in the name of a file say, become escapes.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if is_unseen(char) else char
        for char in text
    )


def is_unseen(char: str) -> bool:
    """Tell whether nobody sees a character; spaces of all kinds are seen."""
    return unicodedata.category(char) in UNSEEN


def plain_lines(text: object) -> str:
    """Return a text of several lines, each as ``one_line`` makes it."""
    return "\n".join(map(one_line, str(text).split("\n")))


def json_text(data: object, indent: int | None = None) -> str:
    """Return JSON that can be printed: what nobody sees is an escape of JSON's own."""
    text = json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)
    return "\n".join(
        line
        if line.isprintable()
        else "".join(json.dumps(c)[1:-1] if is_unseen(c) else c for c in line)
        for line in text.split("\n")
    )


def csv_line(cells: Iterable[object]) -> str:
    """Return a line of CSV that no spreadsheet takes for formulas.

    A cell that begins as a formula does, and is no number, gets an apostrophe before
    it; what cannot be printed becomes an escape, so that a row is one line.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(_csv_cell, cells))
    return line.getvalue()


def _csv_cell(cell: object) -> str:
    text = "" if cell is None else str(cell)
    is_formula = text.startswith(FORMULA) and NUMBER.fullmatch(text) is None
    return one_line(f"'{text}" if is_formula else text)


def markdown_text(text: object) -> str:
    """Return a text that stands in a Markdown table, or a line, as it is."""
    return MARKUP.sub(r"\\\g<0>", one_line(text))


def latex_text(text: object) -> str:
    """Return a text that stands in a LaTeX table as it is."""
    # Two hyphens would be a dash.
    shown = "".join(LATEX.get(char, char) for char in one_line(text))
    return re.sub("-(?=-)", "-{}", shown)
