"""wav2vec 2.0, HuBERT, WavLM and their kin: transformers over a waveform's frames."""

import math

import torch

from espnet_sentiment.encoder.backbone import Backbone
from espnet_sentiment.encoder.layers import record_layers
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend
from espnet_sentiment.layers.padding import pad_mask
from espnet_sentiment.layers.spectrum import Standardised, Transposed

EPS = 1e-7  # transformers'


class ConvFrontend(UtteranceFrontend):
    """The model's normaliser and convolutions over one utterance.

    In a batch, the group norm of the first convolution would see the padding.

    Args:
        extractor: transformers' feature extractor.
        convolutions: The model's ``feature_extractor``, (1, N) -> (1, F, T).
        config: The model's configuration.
        name: The model, for messages.
    """

    def __init__(self, extractor, convolutions: torch.nn.Module, config, name: str):
        field = 1  # samples that the last frame so far sees
        for kernel, stride in zip(
            reversed(config.conv_kernel), reversed(config.conv_stride), strict=True
        ):
            field = (field - 1) * stride + kernel
        super().__init__(name, extractor.sampling_rate, config.conv_dim[-1], field)
        self.extractor = extractor
        self.convolutions = convolutions

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into frames (T, F) at, usually, 20 ms."""
        values = self.extractor(
            waveform.float().cpu().numpy(),
            sampling_rate=self.sample_rate,
            return_tensors="pt",
        )["input_values"]
        weight = next(self.convolutions.parameters())
        return self.convolutions(values.to(weight))[0].T

    def traceable(self) -> torch.nn.Module:
        """Return the same as one module, samples (1, N) -> (1, T, F)."""
        frames = Transposed(self.convolutions)
        return Standardised(frames, EPS) if self.extractor.do_normalize else frames


class Wav2Vec2Backbone(Backbone):
    """Feature projection and transformer (Baevski et al., 2020, Section 2).

    The masking that these models train with stays off.

    Args:
        model: transformers' ``Wav2Vec2Model``, ``HubertModel``, ``WavLMModel`` ...
        extractor: transformers' feature extractor.
        name: The model, for messages.
    """

    def __init__(self, model, extractor, name: str):
        super().__init__()
        config = model.config
        self.frontend = ConvFrontend(extractor, model.feature_extractor, config, name)
        self.frame_shift = math.prod(config.conv_stride) / extractor.sampling_rate
        self.projection = model.feature_projection
        self.encoder = model.encoder

    @property
    def layers(self) -> torch.nn.ModuleList:
        """The transformer layers."""
        return self.encoder.layers

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode (B, T, F) -> layers (B, T, D), lengths (B,)."""
        x = self.projection(feats)
        x = x[0] if isinstance(x, tuple) else x
        mask = ~pad_mask(lengths, x.size(1))
        states = record_layers(
            self.layers,
            lambda: self.encoder(x, attention_mask=mask).last_hidden_state,
        )
        return states, lengths


def is_kin(model: torch.nn.Module) -> bool:
    """Tell whether a model is built as wav2vec 2.0 is, at one frame rate throughout."""
    parts = ("feature_extractor", "feature_projection", "encoder")
    # SEW halves the frame rate before its layers, and doubles it behind them.
    whole = all(isinstance(getattr(model, x, None), torch.nn.Module) for x in parts)
    return whole and not hasattr(model.encoder, "upsample")
