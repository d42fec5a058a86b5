"""Parakeet (FastConformer), Wav2Vec2-BERT and others that eat ``input_features``."""

import torch

from espnet_sentiment.encoder.backbone import Backbone
from espnet_sentiment.encoder.layers import record_layers
from espnet_sentiment.encoder.probing import (
    measure_frame_shift,
    noise,
    shortest_waveform,
)
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend
from espnet_sentiment.layers.padding import pad_mask


class MelFrontend(UtteranceFrontend):
    """The model's feature extractor over one utterance.

    Args:
        extractor: transformers' feature extractor.
        name: The model, for messages.
    """

    def __init__(self, extractor, name: str):
        rate = extractor.sampling_rate
        super().__init__(name, rate, size=0, min_samples=1)
        self.extractor = extractor
        self.size = self.features(noise(rate)).size(1)
        # Normalising needs two frames or so; extractors do not say.
        self.min_samples = shortest_waveform(self.features, rate)

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into frames (T, F)."""
        inputs = self.extractor(
            waveform.float().cpu().numpy(),
            sampling_rate=self.sample_rate,
            return_attention_mask=True,
            return_tensors="pt",
        )
        valid = int(inputs["attention_mask"][0].sum())
        return inputs["input_features"][0, :valid].float()


class MelBackbone(Backbone):
    """An encoder that transformers calls with ``input_features``.

    Args:
        model: A transformers model that has or is such an encoder.
        extractor: transformers' feature extractor.
        name: The model, for messages.
    """

    def __init__(self, model, extractor, name: str):
        super().__init__()
        part = model.get_encoder()
        # Wav2Vec2-BERT's inner encoder lacks the projection before it.
        self.encoder = part if hasattr(part, "main_input_name") else model
        self.frontend = MelFrontend(extractor, name)
        self.frame_shift = measure_frame_shift(
            self.frontend.features, self.frontend.sample_rate
        )

    @property
    def layers(self) -> torch.nn.ModuleList | None:
        """The transformer or conformer layers."""
        return getattr(getattr(self.encoder, "encoder", self.encoder), "layers", None)

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode (B, T, F) -> layers (B, T2, D), lengths (B,)."""
        masks = []

        def run() -> torch.Tensor:
            output = self.encoder(
                input_features=feats,
                attention_mask=~pad_mask(lengths, feats.size(1)),
            )
            masks.append(getattr(output, "attention_mask", None))
            return output.last_hidden_state

        states = record_layers(self.layers, run)
        if masks[0] is not None:
            return states, masks[0].sum(dim=1)
        if states[-1].size(1) != feats.size(1):
            # True of an utterance alone; a batch is seen not to work.
            lengths = torch.full_like(lengths, states[-1].size(1))
        return states, lengths
