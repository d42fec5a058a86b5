"""The data directory that a stage reads: as stage 0 wrote it, or changed since."""

from pathlib import Path

from espnet_sentiment.core.files import PathLike
from espnet_sentiment.core.stamp import DONE, read_stamp
from espnet_sentiment.data.kaldi_dir import KaldiDir, read_kaldi_dir
from espnet_sentiment.recipe.stage import say


def read_data(data_dir: PathLike) -> KaldiDir:
    """Read a Kaldi data directory; say which of its files stage 0 did not write so.

    Say, too, what the classes are where no table names them.

    Raises:
        DataError: As :func:`espnet_sentiment.data.kaldi_dir.read_kaldi_dir`.
    """
    stamp = read_stamp(Path(data_dir) / DONE)
    # Recordings that stage 0 made are for who reads them to check: there may be many.
    changed = [] if stamp is None else stamp.changed(inside=True)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        say(
            "data",
            f"WARNING: {changed[0]}{more} is not as stage 0 wrote it: read as it is "
            "now; stage 0 would write it again",
        )
    data = read_kaldi_dir(data_dir)
    if data.classes and not (data.path / "classes").exists():
        say(
            "data",
            f"{data.path} has no table classes: they are the labels of utt2label, "
            f"{', '.join(data.classes)}",
        )
    return data
