r"""Tables for papers: LaTeX with booktabs, of the rows that Markdown shows.

A paper needs ``\usepackage{booktabs}``; texts are UTF-8, as LaTeX reads by default.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from espnet_sentiment.core.escape import latex_text


class Table(NamedTuple):
    """A table as texts.

    Args:
        title: What it says, or of what it is one of several; may be empty.
        header: Names of the columns.
        rows: Their cells.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]


def tabular(table: Table) -> str:
    """Write a ``tabular``; every column but the first is right-aligned.

    Cells are texts, not LaTeX: see ``latex_text``.
    """
    header, *rows = [
        " & ".join(map(latex_text, line)) + r" \\"
        for line in (table.header, *table.rows)
    ]
    columns = "l" + "r" * (len(table.header) - 1)
    head = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", header, r"\midrule"]
    return "\n".join([*head, *rows, r"\bottomrule", r"\end{tabular}", ""])


def tabulars(tables: Iterable[Table]) -> str:
    """Write the tabulars of one file, each below a comment with its title."""
    parts = [f"% {latex_text(t.title)}\n{tabular(t)}" for t in tables]
    return "\n".join(parts) or "% Nothing to compare yet.\n"


def floats(tables: Iterable[Table]) -> str:
    """Write a ``table*`` with a caption for each."""
    return "\n".join(
        "\\begin{table*}\n\\centering\n"
        f"\\caption{{{latex_text(table.title)}}}\n{tabular(table)}\\end{{table*}}\n"
        for table in tables
    )
