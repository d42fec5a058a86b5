"""One HTML file with everything in it: no network, no other file of ours."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

from espnet_sentiment.core.files import atomic_path
from espnet_sentiment.report.languages import DEFAULT, read_texts

SCRIPTS = ("dom.js", "charts.js", "summary.js", "utterance.js", "browser.js")
TEMPLATE = Path(__file__).with_name("template")


def write_page(
    path: Path,
    title: str,
    data: Mapping,
    utterances: Iterable[Mapping],
    media: Iterable[tuple[str, Mapping]],
    language: str = DEFAULT,
) -> None:
    """Write a report.

    Args:
        path: The HTML file.
        title: Its title.
        data: What the page shows, JSON-like; parsed when it opens.
        utterances: The same of every utterance; they and what follows are written one
            by one, so that they need not fit into memory.
        media: Audio and pictures by utterance; parsed when one is looked at.
        language: That of its texts, a name of ``languages/``.
    """
    texts = read_texts(language)
    head, middle, tail = page_parts(title, language, SCRIPTS, ("page.css",))
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as out:
        out.write(head)
        out.write(embed({"texts": texts, **data}).removesuffix("}"))
        for number, row in enumerate(utterances):
            out.write(("," if number else ',"utterances":[') + embed(row))
        out.write("]}" + middle)
        for utt, content in media:
            name = html.escape(utt, quote=True)
            out.write(
                f'<script type="application/json" data-utt="{name}">'
                f"{embed(content)}</script>\n"
            )
        out.write(tail)


def page_parts(
    title: str, language: str, scripts: Iterable[str], styles: Iterable[str]
) -> list[str]:
    """Return a page's text before its data, from there to its media, and to its end.

    Args:
        title: Its title.
        language: That of its texts.
        scripts: Names in ``template/``, joined to one module.
        styles: The same of its style sheets.
    """
    texts = read_texts(language)
    style = "".join(map(_read, styles))
    script = "".join(map(_read, scripts))
    # Only our own script runs and only the page itself is loaded, whatever a transcript
    # holds; recordings may be played from their files.
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; "
        f"script-src {_digest(script)}; img-src data:; "
        "media-src data: 'self' file:; base-uri 'none'; form-action 'none'"
    )
    return [
        Template(part).substitute(
            language=language,
            title=html.escape(title),
            sections=html.escape(texts["page.sections"]),
            noscript=html.escape(texts["page.noscript"]),
            policy=policy,
            style=style,
            script=script,
        )
        for part in re.split(r"\$data|<!-- media -->\n", _read("page.html"))
    ]


def embed(data) -> str:
    """Write JSON that no content can end, as a script element's text must be.

    https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _read(name: str) -> str:
    return (TEMPLATE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
