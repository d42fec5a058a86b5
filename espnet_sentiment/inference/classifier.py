"""From waveforms, frames or stored features to posteriors and attention."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.data.store_layers import layer_channels
from espnet_sentiment.encoder.speech_encoder import SpeechEncoder, check_device
from espnet_sentiment.layers.padding import pad
from espnet_sentiment.model.checkpoint import (
    load_decoder,
    load_sentiment_model,
    text_to_tokens,
)
from espnet_sentiment.model.ensemble import Ensemble
from espnet_sentiment.model.layout import (
    CONFIG,
    chosen_layer,
    read_training_config,
)
from espnet_sentiment.model.sentiment_model import SentimentModel

# Of a batch's features (B, T, D), padding included: 16 MiB as float32. What a decoder
# makes of them takes six times as much.
BATCH_VALUES = 1 << 22


class Scores(NamedTuple):
    """Posteriors (n_classes,) and attention (n_heads, T) or None."""

    posteriors: np.ndarray
    attention: np.ndarray | None


class Classifier:
    """A trained decoder, with or without its encoder.

    What the encoder says is rounded to float16, as the feature store keeps it: the
    decoder has learned on that.

    Args:
        decoder: In evaluation mode, without an encoder; it is moved to the device.
        tokens: Turns a transcript into indices (U,), for a text branch.
        encoder: Frozen encoder; None classifies stored features only.
        device: Where the decoder computes, as its encoder does.
        name: What messages call the model.
        layer: What the decoder reads of the features; None is all.
    """

    def __init__(
        self,
        decoder: SentimentModel | Ensemble,
        tokens: Callable[[str], np.ndarray] | None = None,
        encoder: SpeechEncoder | None = None,
        device: str = "cpu",
        name: PathLike = "the model",
        layer: slice | None = None,
    ):
        self._layer = layer
        self.device, self.name = torch.device(device), name
        self.decoder, self.tokens = decoder.to(self.device), tokens
        self._encoder = encoder

    @classmethod
    def load(
        cls,
        model_file: PathLike,
        encoder_model: PathLike | None = None,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> "Classifier":
        """Load a model with its encoder, to classify recordings.

        Args:
            model_file: Checkpoint; its ``config.yaml`` lies beside it.
            encoder_model: Where the encoder is now, if not where it was.
            device: Where to compute.
            dtype: See ``SpeechEncoder``; the decoder stays with float32.

        Raises:
            UserError: The device, the dtype or a file is wrong.
        """
        check_device(device)
        decoder = load_sentiment_model(model_file, encoder_model)
        encoder = SpeechEncoder(decoder.detach_encoder(), device, dtype)
        return cls(decoder, text_to_tokens(model_file), encoder, device, model_file)

    @classmethod
    def of_features(
        cls,
        model_file: PathLike,
        features: Mapping[str, Any],
        remedy: str,
        encoder: SpeechEncoder | None = None,
        device: str = "cpu",
    ) -> "Classifier":
        """Load a decoder whose encoder is kept elsewhere, or shared by several.

        Args:
            model_file: Checkpoint; its ``config.yaml`` lies beside it.
            features: What ``describe_encoder`` says of the encoder that they come
                from.
            remedy: What to do where the decoder learned on another encoder.
            encoder: That encoder, where recordings are to be classified, too.
            device: Where to compute.

        Raises:
            DataError: The decoder learned on another encoder, or a file is wrong.
        """
        decoder, reference = load_decoder(model_file, device)
        if reference["sha256"] != features["sha256"]:
            raise DataError(
                f"{model_file} learned on the encoder {reference}, not on {features}: "
                f"{remedy}"
            )
        config = read_training_config(Path(model_file).with_name(CONFIG))
        layer, read = chosen_layer(config), features["encoder_conf"].get("layer")
        channels = None
        if layer is not None and layer != read:
            n = layer + 1 if isinstance(read, str) else len(read)
            channels = layer_channels(layer, read, n, n * config["input_size"])
        tokens = text_to_tokens(model_file)
        return cls(decoder, tokens, encoder, device, model_file, channels)

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self.decoder.token_list

    @property
    def encoder(self) -> SpeechEncoder:
        """The encoder.

        Raises:
            ValueError: The classifier has none.
        """
        if self._encoder is None:
            raise ValueError("this classifier reads stored features only")
        return self._encoder

    @property
    def channels(self) -> int:
        """Channels L * D of the features that the model reads."""
        return self.encoder.encoder.output_size()

    @property
    def of_speaker(self) -> Callable | None:
        """``SpeakerMVN.of_speaker``, of a model that is normalised by speaker."""
        return self.decoder.of_speaker

    def read[Features: (np.ndarray, torch.Tensor)](
        self, features: Features
    ) -> Features:
        """Return what the decoder reads of features (..., L * D): a layer, or all."""
        return features if self._layer is None else features[..., self._layer]

    @property
    def has_attention(self) -> bool:
        """Whether scores come with attention."""
        return self.decoder.has_attention

    @property
    def reads_text(self) -> bool:
        """Whether the model has a text branch."""
        return self.tokens is not None

    def __call__(
        self,
        waveforms: Sequence[np.ndarray],
        texts: Sequence[str | None] | None = None,
    ) -> list[Scores]:
        """Classify a batch of recordings.

        Args:
            waveforms: Mono float32 (N,) at the encoder's rate.
            texts: Transcripts, for a model with a text branch.

        Raises:
            TooShortUttError: One is too short for the encoder.
        """
        return self.from_features(*self.encoder(waveforms), texts)

    def from_frames(
        self,
        feats: torch.Tensor,
        lengths: torch.Tensor,
        texts: Sequence[str | None] | None = None,
    ) -> list[Scores]:
        """Classify frames (B, T, F) of the encoder's front end, of lengths (B,)."""
        return self.from_features(*self.encoder.from_frames(feats, lengths), texts)

    def from_store(
        self,
        features: Sequence[np.ndarray],
        texts: Sequence[str | None] | None = None,
        speakers: Sequence[np.ndarray] | None = None,
    ) -> list[Scores]:
        """Classify features (T, L * D) as the feature store keeps them."""
        arrays = [array.astype(np.float32) for array in features]
        return self.from_features(*pad(arrays, self.device), texts, speakers)

    @torch.inference_mode()
    def from_features(
        self,
        feats: torch.Tensor,
        lengths: torch.Tensor,
        texts: Sequence[str | None] | None = None,
        speakers: Sequence[np.ndarray] | None = None,
    ) -> list[Scores]:
        """Classify features (B, T, L * D) of the encoder, of lengths (B,).

        Args:
            feats: Of any floating type.
            lengths: Valid frames.
            texts: Transcripts, for a model with a text branch.
            speakers: What ``of_speaker`` gives of every utterance's speaker; None
                normalises all as the model does.

        Returns:
            Posteriors that are NaN where features are not finite in float16.

        Raises:
            UserError: Of finite features, the model makes posteriors that are not.
        """
        text: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None)
        if self.tokens is not None:
            given = [line for line in texts or () if line is not None]
            if len(given) < len(lengths):
                raise ValueError("the model has a text branch: give it transcripts")
            text = pad([self.tokens(line) for line in given], self.device)
        feats = self.read(feats).half().float()
        by_speaker = None
        if speakers is not None:
            by_speaker = torch.from_numpy(np.stack(speakers)).to(self.device)
        logits, attention = self.decoder.classify(
            feats, lengths, self.has_attention, *text, by_speaker
        )
        probabilities = logits.double().softmax(dim=-1)
        finite = _are_finite(feats, lengths)
        if not probabilities[finite].isfinite().all():
            raise UserError(
                f"{self.name} gives posteriors that are not finite, of features that "
                "are: train it again with a lower learning rate, or take another model"
            )
        probabilities[~finite] = torch.nan
        posteriors = probabilities.cpu().numpy()
        if attention is None:
            return [Scores(row, None) for row in posteriors]
        weights = attention.float().cpu().numpy()
        # Copies: a slice would keep the batch.
        return [
            Scores(row, weights[i, :, :n].copy())
            for i, (row, n) in enumerate(zip(posteriors, lengths.tolist(), strict=True))
        ]


def _are_finite(feats: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Tell which of a batch (B, T, D) are finite within their lengths (B,)."""
    frames = feats.isfinite().all(dim=-1)
    steps = torch.arange(feats.size(1), device=feats.device)
    return (frames | (steps >= lengths.to(feats.device)[:, None])).all(dim=1)
