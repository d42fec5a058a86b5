"""The layout of the IEMOCAP release, and what its text files say.

Below ``Session1`` to ``Session5``::

    sentences/wav/Ses01F_impro01/Ses01F_impro01_M003.wav
    dialog/EmoEvaluation/Ses01F_impro01.txt
    dialog/transcriptions/Ses01F_impro01.txt

``Ses01F_impro01_M003`` is said by the man of session 1; the letter after the session
names the actor who wears the motion capture markers in that dialog. Turns such as
``_MXX0`` have no recording. Copies of the release also hold macOS' ``._*`` files.
"""

import dataclasses
import re
from pathlib import Path

from espnet_sentiment.core.errors import DataError

SESSIONS = [f"Session{n}" for n in range(1, 6)]
LABELS = Path("dialog", "EmoEvaluation")
TRANSCRIPTS = Path("dialog", "transcriptions")
WAVS = Path("sentences", "wav")
SOURCE = (
    "give the folder IEMOCAP_full_release, which holds Session1 to Session5; the "
    "corpus is licensed, ask for it at https://sail.usc.edu/iemocap/"
)

NO_AGREEMENT = "xxx"
# The classes are named with the words that the evaluators' votes use.
CODES = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excited",
    "fea": "fear",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "oth": "other",
    "sad": "sadness",
    "sur": "surprise",
}
UTTERANCE = re.compile(
    r"(?P<dialog>(?P<session>Ses0[1-5])[FM]_(?P<kind>impro|script)\w*)"
    r"_(?P<gender>[FM])(?P<turn>\w+)"
)
TAKE = re.compile(r"(?<=\d)[a-z]+$")
LABEL = re.compile(r"\[[^]]*\]\s+(?P<utt>\S+)\s+(?P<code>\S+)")
# C-E<n> is an external evaluator; C-F<n> and C-M<n> are the actors themselves.
VOTE = re.compile(r"C-E\d+:(?P<categories>[^(]*)")
TRANSCRIPT = re.compile(r"(?P<utt>Ses0\w+)\s*(\[[-\d.\s]*\])?\s*:?\s*(?P<text>.*)")


@dataclasses.dataclass(frozen=True)
class Turn:
    """An utterance as EmoEvaluation describes it.

    Args:
        utt: Utterance id.
        category: What most evaluators agree on, None where they do not.
        votes: The external evaluators' votes, each one or more categories.
        place: File and line, for messages.
    """

    utt: str
    category: str | None
    votes: list[list[str]]
    place: str

    @property
    def speaker(self) -> str:
        """Session and the gender of who speaks, such as Ses01M."""
        match = UTTERANCE.fullmatch(self.utt)
        return match["session"] + match["gender"]

    @property
    def scenario(self) -> str:
        """What the dialog is about: its name without session and actor, impro03.

        ``impro05a`` and ``impro05b`` are takes of impro05; the parts of a script,
        script01_1 and script01_2, are scenarios of their own.
        """
        dialog = UTTERANCE.fullmatch(self.utt)["dialog"]
        return TAKE.sub("", dialog.partition("_")[2])

    @property
    def improvised(self) -> bool:
        """Whether the dialog was improvised, not scripted."""
        return UTTERANCE.fullmatch(self.utt)["kind"] == "impro"


def find_release(given: str) -> Path:
    """Return the folder that holds the five sessions.

    Raises:
        DataError: The folder is missing, another level of the release, or incomplete.
    """
    if not given:
        raise DataError(f"--iemocap is not given: {SOURCE}")
    folder = Path(given).resolve()
    if not folder.is_dir():
        raise DataError(f"--iemocap {given} is not a folder: {SOURCE}")
    if not _sessions(folder):
        for parent in folder.parents:
            if _sessions(parent):
                raise DataError(
                    f"--iemocap {given} lies inside the release: give {parent}"
                )
        for child in sorted(folder.glob("*/")):
            if _sessions(child):
                raise DataError(
                    f"--iemocap {given} lies above the release: give {child}"
                )
        names = sorted(p.name for p in folder.iterdir())
        found = ", ".join(names[:5] + ["..."] * (len(names) > 5)) or "nothing"
        raise DataError(f"--iemocap {given} holds {found}: {SOURCE}")
    if missing := sorted({*SESSIONS} - _sessions(folder)):
        raise DataError(
            f"{folder} lacks {', '.join(missing)}: restore what is missing from the "
            "release"
        )
    for session in SESSIONS:
        for part in (LABELS, TRANSCRIPTS, WAVS):
            if not (folder / session / part).is_dir():
                raise DataError(
                    f"{folder / session / part} is missing: restore it from the release"
                )
    return folder


def _sessions(folder: Path) -> set[str]:
    return {name for name in SESSIONS if (folder / name).is_dir()}


def find_files(release: Path, part: Path, pattern: str) -> list[Path]:
    """Return a part's files of all sessions, sorted, without macOS' ``._*``.

    Raises:
        DataError: A session has none.
    """
    files = []
    for session in SESSIONS:
        found = sorted((release / session / part).glob(pattern, case_sensitive=False))
        if not found:
            raise DataError(
                f"{release / session / part} holds no {pattern}: restore it from the "
                "release"
            )
        files += found
    return files


def read_turns(files: list[Path]) -> list[Turn]:
    """Read the files of EmoEvaluation; turns without a recording are left out.

    Raises:
        DataError: A file is not UTF-8 or holds no label, a label cannot be read, or an
            utterance is labelled twice.
    """
    turns: dict[str, Turn] = {}
    for path in files:
        for turn in _read_evaluation(path):
            match = UTTERANCE.fullmatch(turn.utt)
            if not match:
                raise DataError(
                    f"{turn.place}: {turn.utt!r} is no utterance id like "
                    "Ses01F_impro01_M003: restore the file from the release"
                )
            if match["turn"].startswith("XX"):
                continue
            if turn.utt in turns:
                raise DataError(
                    f"{turn.utt} is labelled twice, in {turns[turn.utt].place} and "
                    f"{turn.place}: take one of the two out"
                )
            turns[turn.utt] = turn
    return list(turns.values())


def _read_evaluation(path: Path) -> list[Turn]:
    turns: list[Turn] = []
    for number, line in enumerate(_read_lines(path), 1):
        if line.startswith("["):
            match, place = LABEL.match(line), f"{path}:{number}"
            code = match["code"].lower() if match else None
            if code != NO_AGREEMENT and code not in CODES:
                raise DataError(
                    f"{place}: {line!r} is no label like '[6.2901 - 8.2357] "
                    "Ses01F_impro01_F000 neu [2.5, 2.5, 2.5]' with one of the labels "
                    f"{', '.join([*CODES, NO_AGREEMENT])}: restore the file from the "
                    "release"
                )
            turns.append(Turn(match["utt"], CODES.get(code), [], place))
        elif turns and (match := VOTE.match(line)):
            categories = [
                c.split()[0].lower()
                for c in match["categories"].split(";")
                if c.strip()
            ]
            if categories:
                turns[-1].votes.append(categories)
    if not turns:
        raise DataError(
            f"{path} holds no label: it must be text in UTF-8, restore it from the "
            "release"
        )
    return turns


def read_transcripts(files: list[Path]) -> dict[str, str]:
    """Read transcripts by utterance id, white space normalised.

    Lines that name no utterance, such as ``M: [LAUGHTER]``, are ignored.

    Raises:
        DataError: A file is not UTF-8.
    """
    text: dict[str, str] = {}
    for path in files:
        for line in _read_lines(path):
            if match := TRANSCRIPT.match(line):
                text.setdefault(match["utt"], " ".join(match["text"].split()))
    return text


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8: byte {error.start} is "
            f"0x{error.object[error.start]:02x}: restore the file from the release, or "
            "convert it, for example with 'iconv -f WINDOWS-1252 -t UTF-8'"
        ) from None
    return [line.strip() for line in text.removeprefix("\ufeff").split("\n")]
