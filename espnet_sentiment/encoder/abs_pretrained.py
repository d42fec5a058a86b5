"""What all pre-trained encoders share."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from typeguard import typechecked

from espnet_sentiment.encoder.layers import LayerChoice, check_layer, layers_read
from espnet_sentiment.encoder.utterance_frontend import (
    UtteranceFrontend,
    check_lengths,
)
from espnet_sentiment.layers.padding import mean_subsample, pad_mask


class AbsPretrainedEncoder(AbsEncoder):
    """Pick layers of an encoder and average their frames.

    The encoder is a feature extractor (Lu et al., 2020, Section 2.1); the paper's
    decoder sees a frame per 80 ms. Layers are counted as in transformers'
    ``hidden_states``: 0 is the input of the first layer, 1 to N are the outputs of
    the N layers, and N + 1, where there is one, is the output of a final layer norm.

    Args:
        name: The model, for messages.
        frontend: Turns audio into the frames that ``forward`` takes.
        input_kind: The dump it eats: ``audio`` or ``fbank``.
        frame_shift: Seconds per frame of the front end.
        min_frames: Frames of the front end in the shortest usable utterance.
        n_states: How many layers can be read, the input of the first one included.
        dim: Channels D of a layer.
        layer: ``last`` (what the ASR decoder reads), a layer's number, several
            numbers, or ``weighted_sum``: all layers. Several stand side by side: their
            weights are learned after normalisation, hence not here.
        subsample: Frames averaged to one.

    Attributes:
        sample_rate: Rate in Hz of the audio.
        input_size: Channels F of the front end's frames.
        min_samples: Samples in the shortest usable utterance.
        n_layers: Layers L in the output, 1 unless several are read.
        grain: Frames of the front end in about 10 ms; many where they are samples.
        own_dtype: Whether it computes in types of its own, whatever it is asked for.

    Raises:
        ValueError: There is no such layer, or ``subsample`` is below 1.
    """

    grain: int = 1
    own_dtype = False

    @typechecked
    def __init__(
        self,
        *,
        name: str,
        frontend: UtteranceFrontend,
        input_kind: str,
        frame_shift: float,
        min_frames: int,
        n_states: int,
        dim: int,
        layer: LayerChoice,
        subsample: int,
    ):
        super().__init__()
        if subsample < 1:
            raise ValueError(f"subsample is {subsample}: it must be 1 or more")
        check_layer(name, layer, n_states)
        self.name = name
        self.frontend = frontend
        self.input_kind = input_kind
        self.frame_shift = frame_shift
        self.min_frames = min_frames
        self.dim = dim
        self.layer = layer
        self.subsample = subsample
        self.sample_rate = frontend.sample_rate
        self.input_size = frontend.output_size()
        self.min_samples = frontend.min_samples
        self.layers_read = layers_read(layer, n_states)
        self.n_layers = len(self.layers_read)

    def output_size(self) -> int:
        """Return n_layers * D."""
        return self.n_layers * self.dim

    def specaug_scales(self) -> dict[str, float]:
        """Return ``SpecAugment``'s scales for the frames of this front end.

        The policies count 10 ms frames and 80 channels (Park et al., 2019, Table 1);
        here masks keep their duration and their share of the channels.
        """
        return {
            "time_scale": 0.01 / self.frame_shift,
            "freq_scale": self.input_size / 80,
        }

    @abstractmethod
    def hidden_states(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[Sequence[torch.Tensor], torch.Tensor]:
        """Return the layers, (B, T2, D) each, and their lengths (B,).

        Layers that ``layer`` does not read may be left out at the end.
        """

    def forward(
        self,
        feats: torch.Tensor,
        lengths: torch.Tensor,
        prev_states: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Encode frames of the front end.

        Args:
            feats: Frames (B, T, F); what lies beyond the lengths is ignored.
            lengths: Valid frames (B,).
            prev_states: Not used.

        Returns:
            Output (B, T', n_layers * D), layer after layer, zero on padding; its
            lengths (B,) with T' = ceil(T2 / subsample); None.

        Raises:
            TooShortUttError: An utterance has fewer than ``min_frames`` frames.
        """
        check_lengths(
            lengths, self.min_frames, 1 / self.frame_shift, "frames", self.name
        )
        feats = feats[:, : int(lengths.max())]
        feats = feats.masked_fill(pad_mask(lengths, feats.size(1))[..., None], 0.0)
        states, out_lengths = self.hidden_states(feats, lengths)
        read = [states[number] for number in self.layers_read]
        outputs = [mean_subsample(x, out_lengths, self.subsample) for x in read]
        return torch.cat([x for x, _ in outputs], dim=-1), outputs[0][1], None
