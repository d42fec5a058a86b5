"""Names and labels: what tables call them, and whether they are any."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.names import as_word, check_name, nfc

NUMBER = re.compile(r"[-+]?\d*[.,]?\d+(e[-+]?\d+)?%?", re.IGNORECASE)
WHOLE = re.compile(r"[-+]?\d+([.,]0+)?")
MOST_CODES = 20  # more whole numbers than these are a measure, rather than classes
FEW = 10  # utterances; so few may each have a class of its own

# How pandas and spreadsheets write that there is no value.
NO_VALUE = ("nan", "<na>", "nat", "n/a")
SHORTENED = re.compile(r"\d([.,]\d+)?E\+\d+")  # of a long number, by a spreadsheet


@dataclasses.dataclass
class Names:
    """Names that are words: without spaces and slashes.

    Attributes:
        changed: By column, what a table says and what it is called here, where that
            is another.
    """

    changed: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    _first: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)

    def form(self, column: str, value: str) -> str:
        """Return a name in the form of Unicode in which names are compared."""
        name = nfc(value)
        if name != value:
            self.changed.setdefault(column, {})[value] = name
        return name

    def word(self, column: str, value: str) -> str:
        """Return what a name is called.

        Raises:
            DataError: It is none, or holds a character that nobody sees, or another
                name is called so.
        """
        value = self.form(column, value)
        if value.lower() in NO_VALUE or SHORTENED.fullmatch(value):
            what = "for a long number: make it text, and write it again"
            if value.lower() in NO_VALUE:
                what = "where a value is missing: fill it in, or take the row out"
            raise DataError(f"column {column}: {value!r} is what programs write {what}")
        word = as_word(value)
        check_name(f"column {column}:", word)
        key = word.split(".")[0] if re.fullmatch(r"\d+\.0+", word) else word
        if (other := self._first.setdefault((column, key), value)) != value:
            raise DataError(
                f"column {column}: {value!r} and {other!r} would both be {key}: write "
                "them the same, or rename one"
            )
        if word != value:
            self.changed.setdefault(column, {})[value] = word
        return word

    def said(self) -> list[str]:
        """Say once for every column which names were changed."""
        lines = []
        for column, names in self.changed.items():
            # Two forms of one name look alike.
            forms = [repr(new) for old, new in names.items() if nfc(old) == new]
            words = [
                f"{old!r} is {new}" for old, new in names.items() if nfc(old) != new
            ]
            for what, shown in (
                ("another form of Unicode is taken as NFC", forms),
                ("spaces and slashes become _", words),
            ):
                more = [f"and {len(shown) - 10} more"] if len(shown) > 10 else []
                if shown:
                    listed = ", ".join([*shown[:10], *more])
                    lines.append(f"column {column}: {what}: {listed}")
        return lines


def check_classes(where: str, utt2label: Mapping[str, str], remedy: str = "") -> None:
    """Refuse labels that are no classes to tell apart.

    Numbers that are codes of classes, 0 to 3 for example, are fine.

    Args:
        where: What holds them, for the message.
        utt2label: Class of every utterance.
        remedy: What else to do about numbers.

    Raises:
        DataError: There is one class only, or they are numbers of a measure, or each
            utterance has a class of its own.
    """
    counts = Counter(utt2label.values())
    classes = sorted(counts)
    if len(classes) == 1:
        raise DataError(
            f"{where}: all {counts.total()} utterances are {classes[0]}, so that who "
            "always says so is right: give two classes or more"
        )
    if classes and all(map(NUMBER.fullmatch, classes)):
        broken = [name for name in classes if not WHOLE.fullmatch(name)]
        if broken or len(classes) > MOST_CODES:
            shown = ", ".join((broken or classes)[:3])
            raise DataError(
                f"{where}: the labels are {len(classes)} numbers ({shown}, ...), which "
                "are a measure, not classes: give names of classes instead, also where "
                f"numbers are codes of them{remedy}"
            )
    if len(classes) == counts.total() >= FEW:
        raise DataError(
            f"{where}: each of {counts.total()} utterances has a label of its own "
            f"({', '.join(classes[:3])}, ...), so that none can be learned: give "
            f"labels that several share{remedy}"
        )
