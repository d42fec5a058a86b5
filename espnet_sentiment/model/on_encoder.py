"""What stands on a frozen encoder: with it, a model hears audio; without, features."""

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.asr.frontend.abs_frontend import AbsFrontend

from espnet_sentiment.encoder.freezing import FrozenEncoder


class OnEncoder(torch.nn.Module):
    """A model whose encoder can be put on and taken off."""

    frontend: FrozenEncoder[AbsFrontend] | None
    encoder: FrozenEncoder[AbsEncoder] | None

    def attach_encoder(
        self, frontend: AbsFrontend | None, encoder: AbsEncoder | None
    ) -> None:
        """Put an encoder, frozen, before the decoder: audio comes in from then on."""
        self.frontend = None if frontend is None else FrozenEncoder(frontend)
        self.encoder = None if encoder is None else FrozenEncoder(encoder)

    def detach_encoder(self) -> AbsEncoder:
        """Take the encoder off and return it: features come in from then on.

        Raises:
            ValueError: There is none.
        """
        if self.encoder is None:
            raise ValueError("the model has no encoder to take off")
        encoder = self.encoder.encoder
        self.attach_encoder(None, None)
        return encoder
