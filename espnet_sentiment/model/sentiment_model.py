"""The sentiment classifier on a frozen ASR encoder (paper, Figure 1)."""

from collections.abc import Callable, Sequence

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from espnet2.cls.decoder.abs_decoder import AbsDecoder
from espnet2.layers.abs_normalize import AbsNormalize
from espnet2.layers.global_mvn import GlobalMVN
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch.nn.utils.rnn import pad_sequence
from typeguard import typechecked

from espnet_sentiment.layers.layer_sum import WeightedLayerSum
from espnet_sentiment.layers.normalised_sum import normalised_sum
from espnet_sentiment.layers.padding import pad_mask
from espnet_sentiment.layers.soft_cross_entropy import soft_cross_entropy
from espnet_sentiment.model.on_encoder import OnEncoder
from espnet_sentiment.model.text_encoder import LSTMTextEncoder

FUSION_SIZE = 128


class SentimentModel(AbsESPnetModel, OnEncoder):
    """frontend -> SpecAugment -> frozen encoder -> normalise -> layers -> decoder.

    The encoder normalises its own input as it was trained to; ``normalize`` is for
    what the decoder reads. Without an encoder, ``speech`` holds features that the
    frozen encoder gave earlier (the feature store).

    Args:
        token_list: Class names; the label is an index into them.
        frontend: Waveform (B, N) to the frames that the encoder eats.
        specaug: Augments those frames while training.
        encoder: Pre-trained encoder; it is frozen here.
        normalize: Normalises the encoder's output (B, T, L * D).
        decoder: Frames (B, T, D) to logits (B, n_classes), or (B, fusion_size) where a
            text branch joins.
        text_encoder: Text branch of the acoustic + text baseline (paper, Table 2), on
            an ASR model's transcripts. Its output stands beside the decoder's, and both
            together are classified.
        fusion_size: Outputs of the decoder where a text branch joins.
        n_layers: Encoder layers L in its output.
        class_weights: Cross-entropy weight of every class.
        label_smoothing: Share of the target spread over all classes.
        temperature: Divides the logits: above 1, posteriors are less sure. Training
            leaves it at 1; see ``scoring/calibration.py``.
    """

    confusion: torch.Tensor

    @typechecked
    def __init__(
        self,
        token_list: Sequence[str],
        frontend: AbsFrontend | None,
        specaug: AbsSpecAug | None,
        encoder: AbsEncoder | None,
        normalize: AbsNormalize | None,
        decoder: AbsDecoder,
        text_encoder: LSTMTextEncoder | None = None,
        fusion_size: int = FUSION_SIZE,
        n_layers: int = 1,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        temperature: float = 1.0,
    ):
        super().__init__()
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature is {temperature}: give a number above 0")
        self.temperature = temperature
        if class_weights is not None and len(class_weights) != len(token_list):
            raise ValueError(
                f"class_weights has {len(class_weights)} values, but there are "
                f"{len(token_list)} classes: {', '.join(token_list)}"
            )
        self.token_list: list[str] = list(token_list)
        self.specaug = specaug
        self.normalize = normalize
        self.layer_sum = WeightedLayerSum(n_layers)
        self.decoder = decoder
        self.text_encoder = text_encoder
        if text_encoder is not None:
            self.fusion = torch.nn.Linear(
                fusion_size + text_encoder.output_size(), len(self.token_list)
            )
        self.attach_encoder(frontend, encoder)
        weight = None if class_weights is None else torch.tensor(class_weights)
        self.criterion = torch.nn.CrossEntropyLoss(
            weight=weight, label_smoothing=label_smoothing
        )
        n = len(self.token_list)
        self.register_buffer(
            "confusion", torch.zeros(n, n, dtype=torch.long), persistent=False
        )

    @property
    def has_attention(self) -> bool:
        """Whether ``classify`` can give attention."""
        return getattr(self.decoder, "has_attention", False)

    @property
    def of_speaker(self) -> Callable | None:
        """``SpeakerMVN.of_speaker``, of a model that is normalised by speaker."""
        return getattr(self.normalize, "of_speaker", None)

    def forward(
        self,
        speech: torch.Tensor | Sequence[torch.Tensor],
        speech_lengths: torch.Tensor,
        label: torch.Tensor | None = None,
        text: torch.Tensor | None = None,
        text_lengths: torch.Tensor | None = None,
        speaker: torch.Tensor | None = None,
        votes: torch.Tensor | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Compute the loss of a batch.

        Args:
            speech: Audio (B, N), or features when there is no encoder: (B, T, L * D),
                or (T, L * D) of each utterance, as they lie in a store.
            speech_lengths: Valid samples or frames (B,).
            label: Class indices (B, 1); where votes train, there may be none.
            text: Token indices (B, U) of the transcripts, for a text branch.
            text_lengths: Valid tokens (B,).
            speaker: Mean and standard deviation (B, 2, L * D) of every utterance's
                speaker, instead of those that ``normalize`` has for all.
            votes: Shares of the classes (B, C), which then are the target of the loss.
            kwargs: What else ESPnet's loaders pass (``utt_id``, ``label_lengths``).

        Returns:
            Loss (), statistics (loss, acc) and the batch size as their weight. Without
            labels, a prediction is right that no class has more votes than. In
            evaluation mode the confusion matrix is summed up besides.

        Raises:
            ValueError: There are neither labels nor votes.
        """
        logits, _ = self.classify(
            speech, speech_lengths, False, text, text_lengths, speaker
        )
        prediction = logits.argmax(dim=-1)
        target = None if label is None else label.squeeze(-1)
        if votes is not None:
            loss = soft_cross_entropy(logits, votes, self.criterion)
            right = votes.take_along_dim(prediction[:, None], 1)[:, 0] == votes.amax(1)
        elif target is not None:
            loss = self.criterion(logits, target)
        else:
            raise ValueError("there is nothing to learn from: give labels, or votes")
        if target is not None:
            right = prediction == target
        if target is not None and not self.training:
            self.confusion.index_put_(
                (target, prediction),
                torch.ones_like(target),
                accumulate=True,
            )
        stats = {"loss": loss.detach(), "acc": right.float().mean()}
        return force_gatherable((loss, stats, len(logits)), loss.device)

    def classify(
        self,
        speech: torch.Tensor | Sequence[torch.Tensor],
        speech_lengths: torch.Tensor,
        with_attention: bool = False,
        text: torch.Tensor | None = None,
        text_lengths: torch.Tensor | None = None,
        speaker: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return logits (B, n_classes) and, on request, attention (B, n_heads, T).

        Raises:
            ValueError: The model has a text branch, but there is no text.
        """
        feats, lengths = self.encode(speech, speech_lengths, speaker)
        attention = None
        if with_attention:
            logits, attention = self.decoder.forward_with_attention(feats, lengths)
        else:
            logits = self.decoder(feats, lengths)
        if self.text_encoder is not None:
            if text is None or text_lengths is None:
                raise ValueError("the model has a text branch: give it transcripts")
            words = self.text_encoder(text[:, : text_lengths.max()], text_lengths)
            logits = self.fusion(torch.cat([logits.relu(), words], dim=-1))
        return logits / self.temperature, attention

    def encode(
        self,
        speech: torch.Tensor | Sequence[torch.Tensor],
        speech_lengths: torch.Tensor,
        speaker: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the decoder reads (B, T, D) and its lengths (B,)."""
        if not isinstance(speech, torch.Tensor):
            affine = _mean_and_std(self.normalize, speech[0])
            if speaker is not None:
                affine = speaker[:, 0], speaker[:, 1]
            if affine is not None:
                weights = self.layer_sum.weights
                return normalised_sum(speech, *affine, weights), speech_lengths
            speech = pad_sequence([x.float() for x in speech], batch_first=True)
        feats, lengths = speech[:, : speech_lengths.max()], speech_lengths
        if self.frontend is not None:
            feats, lengths = self.frontend(feats, lengths)
        if self.encoder is not None:
            if self.specaug is not None and self.training:
                feats, lengths = self.specaug(feats, lengths)
            feats, lengths, _ = self.encoder(feats, lengths)
        if speaker is not None:
            mean, std = speaker[:, :, None].unbind(dim=1)
            padding = pad_mask(lengths, feats.size(1))[..., None]
            feats = ((feats - mean) / std).masked_fill(padding, 0.0)
        elif self.normalize is not None:
            feats, lengths = self.normalize(feats, lengths)
        return self.layer_sum(feats), lengths

    def collect_feats(
        self, speech: torch.Tensor, speech_lengths: torch.Tensor, **kwargs
    ) -> dict[str, torch.Tensor]:
        """Return the decoder's input, as ESPnet's ``collect_stats`` asks."""
        feats, lengths = self.encode(speech, speech_lengths)
        return {"feats": feats, "feats_lengths": lengths}

    def pop_confusion(self) -> torch.Tensor:
        """Return and clear the confusion matrix (truth, prediction) since the last."""
        confusion = self.confusion.clone()
        self.confusion.zero_()
        return confusion


def _mean_and_std(
    normalize: AbsNormalize | None, like: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return what a normalisation takes away and divides by, (L * D,) each.

    Args:
        normalize: None changes nothing.
        like: Features (T, L * D).

    Returns:
        None where that depends on the utterance.
    """
    mean = like.new_zeros(like.size(1), dtype=torch.float32)
    std = torch.ones_like(mean)
    if isinstance(normalize, GlobalMVN):
        mean = normalize.mean.to(mean) if normalize.norm_means else mean
        std = normalize.std.to(std) if normalize.norm_vars else std
        return mean, std
    return (mean, std) if normalize is None else None
