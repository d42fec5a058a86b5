"""ELAN's files (.eaf): tiers are speakers, by their PARTICIPANT where one is given.

Tiers that depend on another are no turns, but for those of labels that are written
here. An annotation without a value is a turn of which nobody knows what is said. Times
are whole milliseconds. Source: https://www.mpi.nl/tools/elan/EAF_Annotation_Format.pdf
"""

from collections.abc import Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError, first_line
from espnet_sentiment.core.names import short
from espnet_sentiment.turns.found import Found, Wanted, known_name
from espnet_sentiment.turns.labelled_tiers import (
    SENTIMENT,
    UNKNOWN,
    by_tier,
    check_no_overlap,
)
from espnet_sentiment.turns.turn import Turn

OF_LABELS = "sentiment"  # the linguistic type of their tiers


def read_elan(path: Path, wanted: Wanted) -> tuple[list[Turn], list[str]]:
    """Read the turns of an ELAN file, and labels that were written to it.

    Raises:
        DataError: It is none, or has annotations that cannot be turns.
    """
    tiers, slots = _open(path)
    found = Found(path, wanted)
    labels = {
        of: value
        for name, (_, references, attributes, _) in tiers.items()
        if _is_of_labels(name, attributes)
        for of, value, *_ in references.values()
    }
    left, renamed = [], []
    for name, (aligned, references, attributes, _) in tiers.items():
        if attributes.get("PARENT_REF"):
            if (aligned or references) and not _is_of_labels(name, attributes):
                left.append(name)
            continue
        who = attributes.get("PARTICIPANT") or name
        if aligned and who != name:
            renamed.append(f"{name} is {who}")
        for key, (begin, finish, value, _) in aligned.items():
            with found.at(f"{path}: tier {short(name)}, annotation {key}"):
                start, end = slots.get(begin), slots.get(finish)
                if start is None or end is None:
                    raise DataError("has no times: align it in ELAN, or remove it")
                found.add(
                    start / 1000,
                    end / 1000,
                    known_name("the tier", who, (UNKNOWN,)),
                    text=value,
                    label=labels.get(key),
                )
    if renamed:
        found.said.append(f"tiers are called by their participants: {_few(renamed)}")
    if left:
        found.said.append(f"tiers that depend on others are no turns: {_few(left)}")
    return found.finish()


def _open(path: Path) -> tuple[dict, dict]:
    from pympi.Elan import Eaf

    if not path.is_file():
        raise DataError(f"{path} is not a file: check the name")
    try:
        eaf = Eaf(str(path), suppress_version_warning=True)
    # pympi raises Exception itself, and what its code stumbles on.
    except Exception as error:
        raise DataError(
            f"{path} is no ELAN file that can be read "
            f"({type(error).__name__}: {first_line(error)}): open it in ELAN and save "
            "it, or name another"
        ) from None
    return eaf.tiers, eaf.timeslots


def _is_of_labels(name: str, attributes: dict) -> bool:
    return name == f"{attributes.get('PARENT_REF')}{SENTIMENT}"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def write_elan(turns: Sequence[Turn], path: Path, recording: str) -> None:
    """Write turns, a tier a speaker, and one that depends on it of labels.

    Raises:
        DataError: Somebody's turns overlap, which a tier cannot hold.
    """
    from pympi.Elan import Eaf

    eaf = Eaf(author="espnet_sentiment")
    eaf.remove_tier("default")
    eaf.add_linguistic_type(OF_LABELS, "Symbolic_Association", timealignable=False)
    for name, own in by_tier(turns).items():
        check_no_overlap(name, own, "ELAN")
        eaf.add_tier(name, part=own[0].speaker)
        for turn in own:
            eaf.add_annotation(name, *_milliseconds(turn), turn.text or "")
        labelled = [turn for turn in own if turn.label]
        if labelled:
            tier = name + SENTIMENT
            eaf.add_tier(tier, OF_LABELS, parent=name, part=own[0].speaker)
        for turn in labelled:
            # Not at an end, where two turns may meet.
            middle = sum(_milliseconds(turn)) / 2
            eaf.add_ref_annotation(tier, name, middle, turn.label)
    eaf.to_file(str(path))


def _milliseconds(turn: Turn) -> tuple[int, int]:
    return round(turn.start * 1000), round(turn.end * 1000)
