"""A frozen encoder as a front end of ESPnet's own tasks, ``frozen_encoder``."""

from typing import Any

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from typeguard import typechecked

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.freezing import FrozenEncoder
from espnet_sentiment.encoder.kinds import KINDS
from espnet_sentiment.encoder.layers import LayerChoice
from espnet_sentiment.encoder.reference import (
    EncoderMismatchError,
    encoder_reference,
)
from espnet_sentiment.encoder.sample_rate import check_rate
from espnet_sentiment.layers.layer_sum import WeightedLayerSum
from espnet_sentiment.specaug.specaugment import SpecAugment

MODELS = [name for name, kind in KINDS.items() if kind.find is not None]


class FrozenEncoderFrontend(AbsFrontend):
    """Waveform (B, N) to what a pre-trained encoder says of it, (B, T, D).

    The encoder's weights are no parameters: no optimiser sees them, and checkpoints do
    not hold them. They hold the SHA-256 of its files instead, as 32 numbers that
    averaging checkpoints and casting them to float16 leave as they are; another
    encoder is refused when a checkpoint is loaded.

    Args:
        encoder: Kind of model: ``huggingface``, ``espnet`` or ``torchaudio``.
        model: A local path, else a name to download it by.
        layer: ``last``, a layer's number, several, or ``weighted_sum``: all layers.
            Several have weights that are trained; each is normalised before, per frame.
        subsample: Frames averaged to one.
        download_dir: Where downloads are kept; None is the library's own cache.
        specaug_conf: ``SpecAugment`` on the frames that the encoder reads, while
            training (Lu et al., 2020, Section 2.3). ESPnet's own ``specaug`` comes
            after this front end.
        fs: Rate of the audio, which ESPnet's recipes pass to every front end.

    Raises:
        DataError: The model cannot be read, or ``fs`` is not its rate.
    """

    @typechecked
    def __init__(
        self,
        encoder: str = "huggingface",
        model: str | None = None,
        layer: LayerChoice = "last",
        subsample: int = 1,
        download_dir: str | None = None,
        specaug_conf: dict[str, Any] | None = None,
        fs: int | str | None = None,
    ):
        super().__init__()
        if model is None:
            raise DataError("frontend_conf names no model: add model: PATH_OR_NAME")
        conf = {"model": model, "layer": layer, "subsample": subsample}
        self.reference, built = load(encoder, conf | {"download_dir": download_dir})
        check_rate(fs, built.sample_rate, built.name)
        self.frozen = FrozenEncoder(built)
        self.layer_sum = WeightedLayerSum(built.n_layers)
        self.specaug = None
        if specaug_conf is not None:
            self.specaug = SpecAugment(**built.specaug_scales() | specaug_conf)
        digest = torch.tensor(list(bytes.fromhex(self.reference["sha256"])))
        self.register_buffer("encoder_sha256", digest.float())
        self.register_load_state_dict_pre_hook(refuse_other_encoder)

    def output_size(self) -> int:
        """Return D."""
        return self.frozen.encoder.dim

    def forward(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch; no utterance changes another, and padding none.

        Args:
            input: Waveforms (B, N) in [-1, 1].
            input_lengths: Valid samples (B,).

        Returns:
            Frames (B, T, D), zero on padding, and their lengths (B,).

        Raises:
            DataError: There are several channels.
            TooShortUttError: An utterance is too short for the encoder.
        """
        if input.dim() != 2:
            raise DataError(
                f"frontend: frozen_encoder takes waveforms (B, N), not {input.dim()} "
                "axes: give recordings of one channel (format_wav_scp.sh "
                "--ref_channels)"
            )
        states, lengths = self.encode(input, input_lengths)
        return self.layer_sum(states), lengths

    @torch.no_grad()
    def encode(
        self, waveforms: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the layers (B, T, L * D), each normalised if there are several."""
        encoder = self.frozen.encoder
        feats, lengths = encoder.frontend(waveforms, lengths)
        if self.specaug is not None and self.training:
            feats, _ = self.specaug(feats, lengths)
        states, lengths, _ = encoder(feats, lengths)
        if encoder.n_layers > 1:
            layers = states.unflatten(2, (encoder.n_layers, -1))
            normal = torch.nn.functional.layer_norm(layers, (encoder.dim,))
            states = normal.flatten(2)
        return states, lengths


def load(name: str, conf: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return an encoder's reference, and the encoder.

    Raises:
        DataError: Its messages name ``frontend_conf``, which is what ESPnet's users
            have.
    """
    # Imports every kind's toolkit, for whoever builds one.
    from espnet_sentiment.encoder.build import build_encoder

    if name not in MODELS:
        raise DataError(
            f"frontend_conf: encoder is {name!r}: choose one of {', '.join(MODELS)}"
        )
    try:
        reference = encoder_reference(name, conf)
        return reference, build_encoder(name, conf | {"model": reference["path"]})
    except DataError as error:
        text = str(error).removeprefix("encoder_conf: ")
        text = text.replace("--encoder_model", "frontend_conf.model")
        raise DataError(f"frontend_conf: {text}") from error


def refuse_other_encoder(
    frontend: FrozenEncoderFrontend,
    state_dict: dict[str, torch.Tensor],
    prefix: str,
    *args: object,
) -> None:
    """Refuse a checkpoint that was trained on another encoder.

    Raises:
        EncoderMismatchError: The message names both SHA-256.
    """
    digest = state_dict.get(f"{prefix}encoder_sha256")
    if digest is None:
        return
    trained = bytes(digest.float().round().to(torch.uint8).tolist()).hex()
    if trained != frontend.reference["sha256"]:
        raise EncoderMismatchError(
            f"{frontend.reference['path']} is not the encoder that this checkpoint was "
            f"trained with: its SHA-256 is {frontend.reference['sha256']}, the "
            f"checkpoint's {trained}. Point frontend_conf.model to the original, or "
            "train again on this one"
        )
