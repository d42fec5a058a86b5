"""What every sentiment decoder offers beside ESPnet's decoder interface."""

import torch
from espnet2.cls.decoder.abs_decoder import AbsDecoder


class AbsSentimentDecoder(AbsDecoder):
    """Maps encoder frames to class logits (paper, Section 2.2).

    ``forward(hs_pad (B, T, D), hlens (B,)) -> logits (B, n_classes)``. ESPnet's
    classification task builds a decoder as ``cls(n_classes,
    encoder_output_size=D, **decoder_conf)``.

    Attributes:
        output: The last layer, whose outputs are the classes.
        has_attention: Whether ``forward_with_attention`` gives weights.
    """

    output: torch.nn.Linear
    has_attention = False

    def forward_with_attention(
        self, hs_pad: torch.Tensor, hlens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return logits (B, n_classes) and attention (B, n_heads, T) or None."""
        return self.forward(hs_pad, hlens), None

    def score(self, ys, state, x: torch.Tensor):
        """Classify one unpadded utterance, as ESPnet's ``cls_inference`` asks.

        Args:
            ys: Unused; part of ESPnet's scorer interface.
            state: Unused; part of ESPnet's scorer interface.
            x: Encoder frames of one utterance (T, D).

        Returns:
            Logits (n_classes,) and None.
        """
        hlens = torch.tensor([x.size(0)], device=x.device)
        return self.forward(x.unsqueeze(0), hlens).squeeze(0), None

    def output_size(self) -> int:
        """Return the number of classes."""
        return self.output.out_features
