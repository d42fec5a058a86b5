"""Colours of labels on black, for subtitles; the label stands there in words, too."""

import re
from collections.abc import Iterable

# Of Okabe and Ito's colours, which people with colour blindness tell apart
# (https://jfly.uni-koeln.de/color), those with a contrast of at least 5.4 on black.
COLOURS = (
    *("#f0e442", "#56b4e9", "#e69f00", "#cc79a7", "#009e73", "#ffffff"),
    "#d55e00",
)


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """Return a colour for each label; those past the last one are the first again."""
    names = sorted(set(labels))
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def css_class(label: str) -> str:
    """Return a label as a class of WebVTT and CSS: what it may not hold is _."""
    name = re.sub(r"\W", "_", label)
    return name if re.match(r"[^\W\d]", name) else f"_{name}"
