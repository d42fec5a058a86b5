"""The part of an encoder that differs by architecture, and what wraps it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.layers import LayerChoice, Layers, drop_unread
from espnet_sentiment.encoder.probing import noise, shortest
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend
from espnet_sentiment.layers.padding import pad_mask

# Frames that are enough for any encoder, and for several blocks of one that streams.
ENOUGH = 300


class Backbone(torch.nn.Module, ABC):
    """An architecture: its front end, and its layers on a batch.

    Attributes:
        frontend: Turns audio into frames.
        frame_shift: Seconds per frame of the front end.
        input_kind: The dump it eats: ``audio`` or ``fbank``.
        grain: Frames of the front end in about 10 ms; many where they are samples.
    """

    frontend: UtteranceFrontend
    frame_shift: float
    grain: int = 1
    input_kind: str = "audio"

    @property
    @abstractmethod
    def layers(self) -> Layers | None:
        """The stack of layers; None where there is none to read."""

    @abstractmethod
    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[Sequence[torch.Tensor], torch.Tensor]:
        """Encode (B, T, F) -> layers (B, T2, D) and their lengths (B,)."""


class BackboneEncoder(AbsPretrainedEncoder):
    """A pre-trained encoder on a backbone.

    Utterances are encoded together if the backbone is seen to mask their padding, and
    else one by one.

    Args:
        name: The model, for messages.
        backbone: It loses the layers above those that are read.
        layer: ``last``, a layer's number, several, or ``weighted_sum``.
        subsample: Frames averaged to one.

    Raises:
        ValueError: There is no such layer.
        DataError: The encoder does not work as its family does.
    """

    def __init__(
        self, name: str, backbone: Backbone, layer: LayerChoice, subsample: int
    ):
        backbone.eval()
        enough = ENOUGH * backbone.grain
        if backbone.layers is None and layer != "last":
            raise ValueError(
                f"layer is {layer!r}, but the encoder of {name} is no stack of layers: "
                "set layer to last"
            )

        def run(length: int) -> list[torch.Tensor]:
            feats = noise(1, length, backbone.frontend.output_size())
            states, lengths = backbone(feats, torch.tensor([length]))
            if any(x.size(1) < lengths for x in states):
                raise ValueError("its layers differ in their frame rate")
            return [x[0, : int(lengths)] for x in states]

        try:
            with torch.no_grad():
                states = run(enough)
        # Every architecture fails in its own way where it is called amiss.
        except Exception as error:
            raise DataError(
                f"the encoder of {name} cannot be read here: it fails on plain noise "
                f"({type(error).__name__}: {error})"
            ) from error
        super().__init__(
            name=name,
            frontend=backbone.frontend,
            input_kind=backbone.input_kind,
            frame_shift=backbone.frame_shift,
            min_frames=shortest(lambda length: run(length)[-1], enough),
            n_states=len(states),
            dim=states[-1].size(-1),
            layer=layer,
            subsample=subsample,
        )
        self.masks_padding = masks_padding(backbone)
        self.grain = backbone.grain
        if backbone.layers is not None:
            drop_unread(backbone.layers, layer)
        self.backbone = backbone
        self.eval()

    def hidden_states(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[Sequence[torch.Tensor], torch.Tensor]:
        """Return the layers, (B, T2, D) each, and their lengths (B,)."""
        weight = next(self.backbone.parameters())
        feats = feats.to(weight.dtype)
        if self.masks_padding:
            return self.backbone(feats, lengths)
        return one_by_one(self.backbone, feats, lengths)


def one_by_one(
    backbone: Callable[
        [torch.Tensor, torch.Tensor], tuple[Sequence[torch.Tensor], torch.Tensor]
    ],
    feats: torch.Tensor,
    lengths: torch.Tensor,
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Encode every utterance alone, so no other can change its output.

    Args:
        backbone: What encodes.
        feats: Frames (B, T, F).
        lengths: Valid frames (B,).

    Returns:
        Layers (B, max T2, D) and their lengths (B,).
    """
    results = [
        backbone(x[None, :n], lengths[i : i + 1])
        for i, (x, n) in enumerate(zip(feats, lengths.tolist(), strict=True))
    ]
    out_lengths = torch.cat([out.to(lengths) for _, out in results])
    layers = zip(*(states for states, _ in results), strict=True)
    return [
        pad_sequence(
            [x[0, :n] for x, n in zip(layer, out_lengths.tolist(), strict=True)],
            batch_first=True,
        )
        for layer in layers
    ], out_lengths


@torch.no_grad()
def masks_padding(backbone: Backbone) -> bool:
    """Try whether a batch gives what every utterance gives alone."""
    lengths = torch.tensor([ENOUGH, 217, 46]) * backbone.grain
    enough = int(lengths[0])
    feats = noise(3, enough, backbone.frontend.output_size())
    feats = feats.masked_fill(pad_mask(lengths, enough)[..., None], 0.0)
    alone, expected_lengths = one_by_one(backbone, feats, lengths)
    try:
        together, out_lengths = backbone(feats, lengths)
    # Some encoders take no batch at all.
    except Exception:
        return False
    if not expected_lengths.equal(out_lengths.to(expected_lengths)):
        return False
    valid = ~pad_mask(expected_lengths, int(expected_lengths.max()))
    for x, y in zip(together, alone, strict=True):
        error = (x[:, : y.size(1)] - y)[valid].norm(dim=-1)
        # Rounding is well below; what leaks from padding is well above.
        if not (error <= 1e-3 * y[valid].norm(dim=-1)).all():
            return False
    return True
