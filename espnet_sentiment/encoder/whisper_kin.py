"""Encoders built as Whisper's is, of audio language models: Qwen2-Audio, Voxtral."""

from typing import Any

import torch

from espnet_sentiment.encoder.audio_frontend import AudioFrontend
from espnet_sentiment.encoder.layers import LayerChoice, record_layers
from espnet_sentiment.encoder.probing import noise
from espnet_sentiment.encoder.whisper import WhisperBackbone

PARTS = ("conv1", "conv2", "embed_positions", "layers", "layer_norm")


class WhisperKin(WhisperBackbone):
    """An encoder of Whisper's parts, run without padding as Whisper is.

    Some halve the frame rate before the final layer norm: there ``last`` reads what
    they give, at 40 ms, and all other choices the layers, at 20 ms.

    Args:
        encoder: A transformers model with ``PARTS``.
        extractor: transformers' ``WhisperFeatureExtractor``.
        name: The model, for messages.
        layer: ``last``, a layer's number, several, or ``weighted_sum``.

    Raises:
        ValueError: On a whole window it is not computed as Whisper is.
    """

    def __init__(self, encoder: Any, extractor: Any, name: str, layer: LayerChoice):
        holder = torch.nn.Module()
        holder.encoder = encoder.eval()
        super().__init__(holder, extractor, name)
        # Their extractors are not all Whisper's, and some pad.
        self.frontend = AudioFrontend(extractor, name, "input_features")
        self.pools, self.stands_alone = False, False
        theirs = self._their_states()
        feats = noise(1, self.window, self.frontend.output_size())
        with torch.no_grad():
            *ours, last = self.encode_window(feats, torch.tensor([self.window]))[0]
            self.pools = theirs[-1].size(1) == last.size(1) // 2
            if self.pools:
                last = self._pool(ours[-1])
        for mine, expected in zip([*ours, last], theirs, strict=True):
            if mine.shape != expected.shape or not torch.allclose(
                mine, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max())
            ):
                raise ValueError("it has Whisper's parts, but other hidden states")
        self.stands_alone = self.pools and layer == "last"

    @property
    def layers(self) -> Any:
        """The transformer layers, where they are read."""
        return None if self.stands_alone else self.encoder.layers

    @torch.no_grad()
    def _their_states(self) -> list[torch.Tensor]:
        """Return what transformers' own code makes of one window of noise."""
        feats = noise(1, self.window, self.frontend.output_size())
        inputs = {"input_features": feats.mT}
        ones = {"input_features_mask": torch.ones(1, self.window, dtype=torch.long)}

        def run() -> torch.Tensor:
            # Without a mask that it asks for, it fails.
            try:
                return self.encoder(**inputs).last_hidden_state
            except (AttributeError, TypeError):
                return self.encoder(**inputs, **ones).last_hidden_state

        return record_layers(self.encoder.layers, run)

    def _pool(self, x: torch.Tensor) -> torch.Tensor:
        pooled = torch.nn.functional.avg_pool1d(x.mT, 2).mT
        return self.encoder.layer_norm(pooled)

    def encode_window(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode at most a window."""
        states, lengths = super().encode_window(feats, lengths)
        if not self.pools:
            return states, lengths
        if self.stands_alone:
            return [self._pool(states[-2])], lengths // 2
        return states[:-1], lengths


def is_kin(encoder: torch.nn.Module) -> bool:
    """Tell whether an encoder has Whisper's parts."""
    return all(hasattr(encoder, part) for part in PARTS)
