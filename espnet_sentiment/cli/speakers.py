"""Who speaks in the recordings that ``predict`` is given."""

import argparse
import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_sentiment.cli.inputs import STDIN, Input
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import check_writable
from espnet_sentiment.data.records import is_table

if TYPE_CHECKING:
    from espnet_sentiment.data.speaker_statistics import SpeakerStatistics

HOW = ("folder", "recording", "channel")


def add_speaker_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who speaks."""
    parser.add_argument(
        "--speakers",
        choices=HOW,
        help="who speaks, for a model that is normalised by speaker: every folder, "
        "recording, or channel of a recording (which are answered apart) is a speaker; "
        "the column speaker of a table needs no option",
    )
    parser.add_argument(
        "--speaker_statistics",
        metavar="FILE",
        help="what is known of speakers, by their names: read, if it is there, and "
        "written with what is heard now, for the next time (.npz)",
    )


def wants_speakers(args: argparse.Namespace, by_speaker: bool) -> bool:
    """Tell whether answers wait for all that their speakers say.

    Args:
        args: Options of predict.
        by_speaker: Whether the model is normalised by speaker.
    """
    if args.speakers or args.speaker_statistics:
        return True
    return by_speaker and any(map(is_table, args.inputs))


def speaker_teller(how: str | None) -> Callable[[Input], str | None]:
    """Return what tells who speaks in an input; None is not known."""

    def tell(item: Input) -> str | None:
        if item.row is not None and item.row.speaker is not None:
            return item.row.speaker
        if how is None or item.name == STDIN:
            return None
        # Not by its name, which holds a turn's times, or starts from another folder.
        path = item.path.absolute()
        if how == "folder":
            return str(path.parent)
        if how == "channel" and item.row is not None and item.row.channel:
            return f"{path} (channel {item.row.channel})"
        return str(path)

    return tell


def each_channel(inputs: Iterable[Input]) -> Iterator[Input]:
    """Give the channels of recordings that have several, each as an input."""
    from espnet_sentiment.data.audio import audio_info
    from espnet_sentiment.data.recording_table import TableRow

    for item in inputs:
        channels = 1
        has_one = item.row is not None and item.row.channel is not None
        if item.error is None and not has_one:
            # What is wrong with it, the model says in its place.
            with contextlib.suppress(DataError, OSError):
                channels = audio_info(item.path, "mix", at_most=0).channels
        if channels != 2:
            yield item
            continue
        row = item.row or TableRow("", item.name, item.path)
        for channel in "AB":
            name = f"{item.name} (channel {channel})"
            yield item._replace(name=name, row=row._replace(channel=channel))


def read_known(path: str | None) -> "SpeakerStatistics | None":
    """Read what is known of speakers, nothing where there is no file yet.

    Raises:
        DataError: It is something else, or cannot be written.
    """
    if path is None:
        return None
    from espnet_sentiment.data.speaker_statistics import SpeakerStatistics

    check_writable(path, "--speaker_statistics")
    return SpeakerStatistics.load(path) if Path(path).exists() else SpeakerStatistics()
