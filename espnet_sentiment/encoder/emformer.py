"""torchaudio's Emformer, the encoder of an RNN transducer."""

import json
import math
from pathlib import Path

import torch
import torchaudio

from espnet_sentiment.encoder.backbone import Backbone
from espnet_sentiment.encoder.layers import record_layers
from espnet_sentiment.encoder.probing import shortest_waveform
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend

# Power of 16-bit samples over that of samples in [-1, 1].
GAIN = 32767.0**2


class EmformerFrontend(UtteranceFrontend):
    """Mel spectrogram, log above e and linear below, globally normalised.

    The features of ``torchaudio.pipelines.RNNTBundle``, without the right context
    that it appends.

    Args:
        bundle: torchaudio's ``RNNTBundle``.
        stats: JSON file with ``mean`` and ``invstddev`` of every channel.
        name: The model, for messages.

    Raises:
        OSError, ValueError, KeyError, RuntimeError: The statistics do not fit.
    """

    def __init__(self, bundle, stats: Path, name: str):
        super().__init__(name, bundle.sample_rate, bundle.n_mels, min_samples=1)
        self.mel = torchaudio.transforms.MelSpectrogram(
            bundle.sample_rate,
            n_fft=bundle.n_fft,
            hop_length=bundle.hop_length,
            n_mels=bundle.n_mels,
        )
        values = json.loads(stats.read_text(encoding="utf-8"))
        for key in ("mean", "invstddev"):
            value = torch.tensor(values[key], dtype=torch.float32)
            self.register_buffer(key, value.reshape(bundle.n_mels))
        self.min_samples = shortest_waveform(self.features, bundle.sample_rate)

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into frames (1 + N // 160, 80) at 10 ms."""
        # Powers are beyond what 16 bits can hold.
        with torch.autocast(waveform.device.type, enabled=False):
            power = GAIN * self.mel(waveform.to(self.mean)).T
        feats = torch.where(power > math.e, power.log(), power / math.e)
        return (feats - self.mean) * self.invstddev


class EmformerBackbone(Backbone):
    """An Emformer over a whole utterance (Shi et al., 2021, https://arxiv.org/abs/2010.10759).

    Segments see their left and right context as in streaming.

    Args:
        encoder: torchaudio's transcription network.
        frontend: Its front end.
        bundle: torchaudio's ``RNNTBundle``.
        projected: Give what the joint network reads, a projection to another size than
            the layers', instead of the layers.
    """

    def __init__(self, encoder, frontend: EmformerFrontend, bundle, projected: bool):
        super().__init__()
        self.encoder = encoder
        self.frontend = frontend
        self.frame_shift = bundle.hop_length / bundle.sample_rate
        self.right_context = bundle.right_context_length
        self.projected = projected

    @property
    def layers(self) -> torch.nn.ModuleList | None:
        """The Emformer layers; None if the projection is read."""
        return None if self.projected else self.encoder.transformer.emformer_layers

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode (B, T, F) -> layers (B, T // 4, D), lengths (B,)."""
        # The last segment's right context: average frames, as in torchaudio's pipeline.
        feats = torch.nn.functional.pad(feats, (0, 0, 0, self.right_context))
        if self.projected:
            output, lengths = self.encoder(feats, lengths)
            return [output], lengths
        x, lengths = self.encoder.time_reduction(
            self.encoder.input_linear(feats), lengths
        )
        states = record_layers(
            self.layers, lambda: self.encoder.transformer(x, lengths)[0]
        )
        # Layers are time first; the last state is the last layer again.
        return [x.transpose(0, 1) for x in states[:-1]], lengths
