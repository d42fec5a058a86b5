"""Read what stage 1 wrote: 16 kHz audio or fbank, an utterance at a time."""

from pathlib import Path

import kaldiio
import torch

from espnet_sentiment.core.files import PathLike, read_table
from espnet_sentiment.data.audio import read_audio


class DumpReader:
    """Read stage 1's audio (N,) or fbank (T, F) by utterance id, as tensors.

    Args:
        dump: Folder that stage 1 wrote.
        kind: ``audio`` or ``fbank``.
        sample_rate: Rate that the audio is wanted at, in Hz.

    Attributes:
        where: The file of every utterance, for messages.
    """

    def __init__(self, dump: PathLike, kind: str, sample_rate: int):
        self.kind, self.sample_rate = kind, sample_rate
        table = "wav.scp" if kind == "audio" else "feats.scp"
        self.where: dict[str, str] = read_table(Path(dump) / table)

    def __call__(self, utt: str) -> torch.Tensor:
        """Read one utterance."""
        if self.kind == "audio":
            return torch.from_numpy(read_audio(self.where[utt], self.sample_rate))
        return torch.from_numpy(kaldiio.load_mat(self.where[utt]).copy())
