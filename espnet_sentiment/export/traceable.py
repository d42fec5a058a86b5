"""Models as modules that exporters can follow: no size in them is that of an example.

Exporters keep what they saw of one example: a length that Python knows is a constant in
the file, and so is a branch that was taken. What is here computes the numbers of
``SentimentModel`` without either.
"""

import torch
from espnet2.cls.decoder.abs_decoder import AbsDecoder
from espnet2.layers.global_mvn import GlobalMVN

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.decoder.abs_sentiment_decoder import AbsSentimentDecoder
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.layers.padding import pad_mask
from espnet_sentiment.model.ensemble import Ensemble
from espnet_sentiment.model.sentiment_model import SentimentModel


class TraceableDecoder(torch.nn.Module):
    """What the encoder says (B, T, L * D), lengths (B,) -> posteriors (B, n_classes).

    Attention (B, n_heads, T) comes second, where the decoder has it: zero on padding.
    As in ``Classifier``, features are rounded to float16, as stores keep them.

    Args:
        model: In evaluation mode; its encoder is left aside.

    Raises:
        DataError: It has a text branch, or a part that cannot be exported; the message
            names it.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    weights: torch.Tensor

    def __init__(self, model: SentimentModel):
        super().__init__()
        if model.text_encoder is not None:
            raise DataError(
                "the model has a text branch, whose transcripts no ONNX file can make: "
                "export a model without one"
            )
        self.decoder = _exportable(model.decoder)
        mean, scale = _mean_and_scale(model)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.register_buffer("weights", model.layer_sum.weights.detach().clone())
        self.has_attention = self.decoder.has_attention
        self.temperature = model.temperature

    def forward(
        self, features: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Classify a batch."""
        x = features.half().float()
        padding = pad_mask(lengths, x.size(1))[..., None]
        x = ((x - self.mean) * self.scale).masked_fill(padding, 0.0)
        layers = x.chunk(len(self.weights), dim=-1)
        mixed = torch.stack(
            [weight * layer for weight, layer in zip(self.weights, layers, strict=True)]
        ).sum(dim=0)
        logits, attention = self.decoder.forward_with_attention(mixed, lengths)
        posteriors = (logits / self.temperature).softmax(dim=-1)
        return (posteriors,) if attention is None else (posteriors, attention)


class TraceableEnsemble(torch.nn.Module):
    """The mean of the posteriors of several, and the attention of all.

    Args:
        model: See ``TraceableDecoder``.
    """

    def __init__(self, model: Ensemble):
        super().__init__()
        members = [TraceableDecoder(one) for one in model.models]
        self.members = torch.nn.ModuleList(members)
        self.has_attention = members[0].has_attention

    def forward(
        self, features: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Classify a batch."""
        found = [member(features, lengths) for member in self.members]
        posteriors = torch.stack([one[0] for one in found]).mean(dim=0)
        if not self.has_attention:
            return (posteriors,)
        return posteriors, torch.cat([one[1] for one in found], dim=1)


def traceable_decoder(
    model: SentimentModel | Ensemble,
) -> TraceableDecoder | TraceableEnsemble:
    """Return a model's decoder, or its folds' together, as exporters can follow it.

    Raises:
        DataError: As of ``TraceableDecoder``.
    """
    if isinstance(model, Ensemble):
        return TraceableEnsemble(model)
    return TraceableDecoder(model)


class TraceableModel(torch.nn.Module):
    """Samples (1, N), or frames (1, T, F), to what ``TraceableDecoder`` gives.

    Args:
        encoder: Frozen encoder.
        decoder: What reads it: see ``traceable_decoder``.
        frontend: Samples to frames; None where frames come in.
    """

    def __init__(
        self,
        encoder: AbsPretrainedEncoder,
        decoder: TraceableDecoder | TraceableEnsemble,
        frontend: torch.nn.Module | None,
    ):
        super().__init__()
        self.frontend, self.encoder, self.decoder = frontend, encoder, decoder

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Classify one utterance."""
        frames = x if self.frontend is None else self.frontend(x)
        # One by one, as encoders that do not mask padding are run, is what this is.
        layers = getattr(self.encoder, "backbone", self.encoder.hidden_states)
        states, _ = layers(frames, all_frames(frames))
        read = [states[number] for number in self.encoder.layers_read]
        averaged = [average(state, self.encoder.subsample) for state in read]
        features = torch.cat(averaged, dim=-1)
        return self.decoder(features, all_frames(features))


def all_frames(x: torch.Tensor) -> torch.Tensor:
    """Return the lengths (B,) of frames (B, T, D) without padding."""
    return torch.ones_like(x[:, :, 0], dtype=torch.int64).sum(dim=1)


def average(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Average every ``factor`` frames of (1, T, D), as ``mean_subsample`` does."""
    if factor == 1:
        return x
    n = x.size(1)
    x = torch.nn.functional.pad(x, (0, 0, 0, -n % factor))
    sums = x.reshape(1, -1, factor, x.size(2)).sum(dim=2)
    starts = torch.arange(sums.size(1), device=x.device) * factor
    return sums / (n - starts).clamp(1, factor)[:, None]


def _exportable(decoder: AbsDecoder) -> AbsSentimentDecoder:
    if not isinstance(decoder, AbsSentimentDecoder):
        raise DataError(
            f"the decoder is {type(decoder).__name__}, ESPnet's own: of decoders, "
            "those of 'espnet-sentiment decoders' are exported"
        )
    return decoder


def _mean_and_scale(model: SentimentModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what normalises (L * D,), the same for every utterance."""
    normalize = model.normalize
    if normalize is None:
        return torch.zeros(1), torch.ones(1)
    if not isinstance(normalize, GlobalMVN):
        raise DataError(
            f"the model normalises by {type(normalize).__name__}, which is not "
            "exported: train with normalize: global_mvn, or speaker_mvn"
        )
    mean, std = normalize.mean.float(), normalize.std.float()
    if not normalize.norm_means:
        mean = torch.zeros_like(mean)
    return mean, 1 / std if normalize.norm_vars else torch.ones_like(std)
