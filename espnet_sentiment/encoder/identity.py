"""No encoder at all, where ESPnet's task asks for one: ``encoder: identity``."""

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder


class IdentityEncoder(AbsEncoder):
    """Pass on what the front end, a frozen encoder say, has given.

    Args:
        input_size: Channels D.
    """

    def __init__(self, input_size: int):
        super().__init__()
        self.size = input_size

    def output_size(self) -> int:
        """Return D."""
        return self.size

    def forward(
        self,
        xs_pad: torch.Tensor,
        ilens: torch.Tensor,
        prev_states: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Return frames (B, T, D) and lengths (B,) as they are, and None."""
        return xs_pad, ilens, None
