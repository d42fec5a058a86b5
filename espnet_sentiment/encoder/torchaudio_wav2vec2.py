"""torchaudio's own wav2vec 2.0, HuBERT and WavLM."""

import math
from typing import TYPE_CHECKING

import torch

from espnet_sentiment.encoder.backbone import Backbone
from espnet_sentiment.encoder.layers import record_layers
from espnet_sentiment.encoder.probing import shortest_waveform
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend
from espnet_sentiment.layers.spectrum import Standardised

if TYPE_CHECKING:
    from torchaudio.models.wav2vec2.components import FeatureExtractor

EPS = 1e-5  # torch's layer_norm


class TorchaudioConvFrontend(UtteranceFrontend):
    """The model's convolutions over one utterance.

    In a batch, normalisation over time would see the padding.

    Args:
        convolutions: The model's ``feature_extractor``, (1, N) -> (1, T, F).
        normalize: Scale an utterance to zero mean and unit variance before.
        sample_rate: Rate in Hz of the audio.
        name: The model, for messages.
    """

    def __init__(
        self,
        convolutions: "FeatureExtractor",
        normalize: bool,
        sample_rate: int,
        name: str,
    ):
        size = convolutions.conv_layers[-1].conv.out_channels
        super().__init__(name, sample_rate, size, min_samples=1)
        self.convolutions = convolutions.eval()
        self.normalize = normalize
        self.min_samples = shortest_waveform(self.features, sample_rate)

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into frames (T, F) at 20 ms."""
        waveform = waveform.to(next(self.convolutions.parameters()))
        if self.normalize:
            waveform = torch.nn.functional.layer_norm(waveform, waveform.shape)
        return self.convolutions(waveform[None], None)[0][0]

    def traceable(self) -> torch.nn.Module:
        """Return the same as one module, samples (1, N) -> (1, T, F)."""
        frames = Convolutions(self.convolutions)
        return Standardised(frames, EPS) if self.normalize else frames


class Convolutions(torch.nn.Module):
    """torchaudio's convolutions on one utterance, samples (1, N) -> (1, T, F)."""

    def __init__(self, convolutions: "FeatureExtractor"):
        super().__init__()
        self.convolutions = convolutions

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Compute the frames."""
        return self.convolutions(samples, None)[0]


class TorchaudioWav2Vec2Backbone(Backbone):
    """Feature projection and transformer (Baevski et al., 2020, Section 2).

    Args:
        model: torchaudio's ``Wav2Vec2Model``; its output layer is let go.
        normalize: Whether it was trained on normalised waveforms.
        sample_rate: Rate in Hz of the audio.
        name: The model, for messages.
    """

    def __init__(self, model, normalize: bool, sample_rate: int, name: str):
        super().__init__()
        convolutions = model.feature_extractor
        self.frontend = TorchaudioConvFrontend(
            convolutions, normalize, sample_rate, name
        )
        strides = [layer.stride for layer in convolutions.conv_layers]
        self.frame_shift = math.prod(strides) / sample_rate
        self.encoder = model.encoder

    @property
    def layers(self) -> torch.nn.ModuleList:
        """The transformer layers."""
        return self.encoder.transformer.layers

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode (B, T, F) -> layers (B, T, D), lengths (B,)."""
        # WavLM refuses a mask; without one it can encode an utterance alone.
        mask = lengths if len(feats) > 1 else None
        return record_layers(self.layers, lambda: self.encoder(feats, mask)), lengths
