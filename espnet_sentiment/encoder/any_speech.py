"""Any encoder of transformers that eats audio: what it does not say is tried out."""

import inspect
from typing import Any

import torch

from espnet_sentiment.encoder.audio_frontend import MASKS, AudioFrontend
from espnet_sentiment.encoder.backbone import ENOUGH, Backbone
from espnet_sentiment.encoder.find_layers import find_layers
from espnet_sentiment.encoder.layers import LayerChoice, Layers, record_layers
from espnet_sentiment.encoder.probing import measure_frame_shift, noise
from espnet_sentiment.layers.padding import pad_mask

# Some encoders have a shorter name for it than extractors have.
ENCODER_MASKS = (*MASKS, "mask")


class SpeechBackbone(Backbone):
    """An encoder that transformers calls with ``input_features`` or ``input_values``.

    Where its output has another frame rate or other channels than its layers have (an
    adapter, pooling, a projection), ``last`` reads that output, and all other choices
    read the layers.

    Args:
        encoder: A transformers model, or a part of one.
        extractor: transformers' feature extractor.
        name: The model, for messages.
        layer: ``last``, a layer's number, several, or ``weighted_sum``.

    Raises:
        ValueError: The encoder does not work as encoders do; the message says how.
    """

    def __init__(self, encoder: Any, extractor: Any, name: str, layer: LayerChoice):
        super().__init__()
        parameters = inspect.signature(encoder.forward).parameters
        self.encoder = encoder.eval()
        self.input_name = next(iter(parameters))
        self.frontend = AudioFrontend(extractor, name, self.input_name)
        self.grain = self.frontend.grain
        self.frame_shift = measure_frame_shift(
            self.frontend.features, self.frontend.sample_rate
        )
        self.mask_name: str | None = None
        self.marks_padding = False
        found = next((mask for mask in ENCODER_MASKS if mask in parameters), None)
        self._find_mask(found, parameters)
        self.path: str | None = None
        self.output_stands_alone = False
        self._find_layers(layer)

    @torch.no_grad()
    def _find_mask(self, found: str | None, parameters: Any) -> None:
        """Learn whether the encoder needs a mask, and what it marks by it."""
        required = found and parameters[found].default is inspect.Parameter.empty
        bare = None if required else self._try()
        if found is None:
            return
        self.mask_name = found
        for self.marks_padding in (False, True):
            try:
                masked = self._try()
            # A mask of another kind, of samples or of attention's weights.
            except Exception:
                if bare is None and self.marks_padding:
                    raise
                continue
            same = bare is None or (
                masked.shape == bare.shape
                and torch.allclose(masked, bare, rtol=1e-3, atol=1e-5)
            )
            if same and self._hears():
                return
        self.mask_name = None
        if bare is None:
            raise ValueError(f"it tells nothing of its audio, whatever {found} says")

    def _try(self, seed: int = 0) -> torch.Tensor:
        n = ENOUGH * self.grain
        feats = noise(1 + seed, n, self.frontend.output_size())[seed:]
        return self._run(feats, torch.tensor([n])).last_hidden_state

    def _hears(self) -> bool:
        """Tell whether every frame of the output depends on the input."""
        return not bool((self._try(0) == self._try(1)).all(-1).any())

    @torch.no_grad()
    def _find_layers(self, layer: LayerChoice) -> None:
        """Find the stack of layers, and whether the output can stand beside it."""
        self.path = find_layers(self.encoder, self._try)
        if self.path is None:
            return
        n = ENOUGH * self.grain
        feats = noise(1, n, self.frontend.output_size())
        *states, output = self._record(feats, torch.tensor([n]))[0]
        if any(x.shape != output.shape for x in states):
            self.output_stands_alone = True
            if layer == "last":
                self.path = None

    @property
    def layers(self) -> Layers | None:
        """The transformer or conformer layers."""
        if self.path is None:
            return None
        layers: Any = self.encoder.get_submodule(self.path)
        return layers

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode (B, T, F) -> layers (B, T2, D), lengths (B,)."""
        states, mask = self._record(feats, lengths)
        if self.output_stands_alone and self.path is not None:
            del states[-1]
        if mask is not None and mask.size(-1) == states[-1].size(1):
            return states, mask.sum(dim=1)
        if states[-1].size(1) != feats.size(1):
            # True of an utterance alone; a batch is seen not to work.
            lengths = torch.full_like(lengths, states[-1].size(1))
        return states, lengths

    def _record(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        masks = []

        def run() -> torch.Tensor:
            output = self._run(feats, lengths)
            masks.append(getattr(output, "attention_mask", None))
            return output.last_hidden_state

        return record_layers(self.layers, run), masks[0]

    def _run(self, feats: torch.Tensor, lengths: torch.Tensor) -> Any:
        inputs = {self.input_name: self.frontend.batch(feats)}
        if self.mask_name is not None:
            padding = pad_mask(lengths, feats.size(1))
            inputs[self.mask_name] = padding if self.marks_padding else ~padding
        output = self.encoder(**inputs)
        states = getattr(output, "last_hidden_state", None)
        if states is None or states.ndim != 3:
            raise ValueError("its output is no sequence of hidden states")
        return output
