"""What a fold learns from: stored features as they lie there, and indices."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from espnet2.train.dataset import AbsDataset
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.core.files import read_table
from espnet_sentiment.data.feature_store import FeatureViews
from espnet_sentiment.data.speaker_statistics import SpeakerAffine


def table_of(path: str) -> Mapping[str, str]:
    """Read labels, votes or transcripts, which all folds of a process share.

    Raises:
        DataError: As ``read_table``.
    """
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return read_table(path)  # which says so
    return _read_once(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=3)  # labels, votes and transcripts
def _read_once(path: str, changed: int, size: int) -> Mapping[str, str]:
    return read_table(path)


READERS = {"speakers": SpeakerAffine, "text": table_of}


class FoldDataset(AbsDataset):
    """Utterances of a fold; labels, votes and transcripts are made numbers once.

    ESPnet's dataset copies features to float32 and looks at types at every access.

    Args:
        sources: Path, name and type of what there is, as ESPnet's tasks take them.
        utts: The utterances.
        preprocess: Turns an utterance's label, votes and text into numbers.
        layer: Number of the layer that is read alone; None reads all.
    """

    def __init__(
        self,
        sources: Iterable[tuple[str, str, str]],
        utts: Iterable[str],
        preprocess: Callable[[str, dict], dict],
        layer: int | None = None,
    ):
        tables: dict[str, Mapping] = {}
        for path, name, kind in sources:
            if name == "speech":
                self._views = FeatureViews(path, layer)
            else:
                tables[name] = READERS[kind](path)
        self._names = ("speech", *tables)
        self._rest = {
            utt: preprocess(utt, {name: table[utt] for name, table in tables.items()})
            for utt in utts
        }

    def has_name(self, name) -> bool:
        """Tell whether utterances have this."""
        return name in self._names

    def names(self) -> tuple[str, ...]:
        """Name what an utterance has."""
        return self._names

    def __getitem__(self, utt) -> tuple[str, dict[str, np.ndarray]]:
        """Draw a view of an utterance's features (T, D), as the store keeps them."""
        return utt, {"speech": self._views[utt], **self._rest[utt]}


def collate_fold(
    items: Iterable[tuple[str, dict[str, np.ndarray]]],
) -> tuple[list[str], dict]:
    """Make a batch, whose features are not padded: what the model mixes is.

    Returns:
        The utterances; ``speech``, (T, D) of each, and ``speech_lengths`` (B,); what
        else there is, padded with -1, and its lengths.
    """
    utts, rows = zip(*items, strict=True)
    frames = [torch.from_numpy(row["speech"]) for row in rows]
    batch = {"speech": frames, "speech_lengths": torch.tensor(list(map(len, frames)))}
    for name in rows[0].keys() - {"speech"}:
        values = [torch.from_numpy(row[name]) for row in rows]
        batch[name] = pad_sequence(values, batch_first=True, padding_value=-1)
        batch[f"{name}_lengths"] = torch.tensor(list(map(len, values)))
    return list(utts), batch
