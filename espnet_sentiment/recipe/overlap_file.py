"""``data/<set>/overlap.json``: what stage 0 counted of the folds, read by stage 6."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.files import PathLike, find_json, hash_file, write_json
from espnet_sentiment.core.stamp import DONE, read_stamp
from espnet_sentiment.data.folds import NO_MAJORITY, PARTS, Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir, Utterance, utterance_audio
from espnet_sentiment.data.overlap import overlap

OVERLAP = "overlap.json"
# What it is counted from, of directories that stage 0 did not write.
TABLES = (
    "wav.scp",
    "utt2spk",
    "text",
    "segments",
    "reco2file_and_channel",
    "utt2group",
)


def write_overlap(
    data_dir: Path, utterances: Sequence[Utterance], folds: Sequence[Fold]
) -> dict[str, Any]:
    """Count what the folds share between their parts, and write it; return it."""
    counted = overlap(utterances, folds)
    write_json(data_dir / OVERLAP, counted)
    return counted


def overlap_inputs(data_dir: PathLike) -> dict[str, Any]:
    """Return what ``find_overlap`` goes by, for a stage's stamp; no audio is read.

    Args:
        data_dir: Kaldi data directory.
    """
    kept = _kept(Path(data_dir))
    if kept is not None:
        return {"kept": kept}
    root = Path(data_dir)
    lists = (*PARTS, NO_MAJORITY)
    folds = (p for part in lists for p in sorted(root.glob(f"folds/*/{part}")))
    paths = [path for path in (*map(root.joinpath, TABLES), *folds) if path.is_file()]
    return {str(path.relative_to(root)): hash_file(path) for path in paths}


def find_overlap(data: KaldiDir, folds: Sequence[Fold]) -> dict[str, Any]:
    """Read what stage 0 counted; count it where somebody else made the directory.

    So it is where a table or fold was changed since. The content of recordings is
    compared then.

    Args:
        data: The set.
        folds: Its folds.
    """
    kept = _kept(data.path)
    return overlap(_utterances(data), folds) if kept is None else kept


def _kept(data_dir: Path) -> dict[str, Any] | None:
    """Return what stage 0 wrote, unless something of its directory is another now."""
    stamp, path = read_stamp(data_dir / DONE), data_dir / OVERLAP
    if stamp is None or not stamp.holds(path) or stamp.changed(inside=True):
        return None
    found = find_json(path)
    return found if isinstance(found, dict) else None


def _utterances(data: KaldiDir) -> list[Utterance]:
    found = []
    for utt in data.utts:
        audio = utterance_audio(data, utt, None)
        found.append(
            Utterance(
                utt,
                audio.path,
                data.utt2spk[utt],
                text=data.text.get(utt, ""),
                start=audio.start,
                end=audio.end,
                channel=audio.channel,
                group=data.utt2group.get(utt),
            )
        )
    return found
