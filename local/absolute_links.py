"""Gives README's relative links the repository's address: PyPI shows it without one."""

import argparse
import re
from pathlib import Path

LINK = re.compile(r"(!?)(\[[^\[\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")


def absolute(text: str, url: str, revision: str) -> str:
    """Return Markdown whose relative links lead to a repository.

    Args:
        text: Markdown of a file in the repository's root.
        url: Address of the repository, as of GitHub or GitLab.
        revision: Branch or tag that the links lead to.
    """

    def link(match: re.Match) -> str:
        picture, shown, path = match.groups()
        kind = "raw" if picture else "blob"
        return f"{picture}{shown}({url.rstrip('/')}/{kind}/{revision}/{path})"

    return LINK.sub(link, text)


def main(argv=None) -> None:
    """Rewrite a file in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("url", help="address of the repository")
    parser.add_argument("revision", help="branch or tag, such as v0.1.0")
    args = parser.parse_args(argv)
    text = args.file.read_text(encoding="utf-8")
    args.file.write_text(absolute(text, args.url, args.revision), encoding="utf-8")


if __name__ == "__main__":
    main()
