"""Whisper's encoder on utterances of any length, without padding to 30 s."""

import torch
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.whisper.modeling_whisper import (
    WhisperEncoder,
    WhisperPreTrainedModel,
)

from espnet_sentiment.encoder.backbone import Backbone
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend
from espnet_sentiment.layers.padding import pad_mask
from espnet_sentiment.layers.spectrum import MelSpectrum


class EncoderOfWhisper(WhisperPreTrainedModel):
    """A Whisper whose decoder, more than half of it, is neither built nor read.

    Args:
        config: transformers' ``WhisperConfig``.
    """

    _keys_to_ignore_on_load_unexpected = (r"decoder\.", r"proj_out\.")

    def __init__(self, config):
        super().__init__(config)
        self.encoder = WhisperEncoder(config)
        self.post_init()


class WhisperFrontend(UtteranceFrontend):
    """Whisper's log-mel frames (10 ms) of an utterance as long as it is.

    The floor of the log is relative to the utterance's maximum, so utterances are
    never padded before it.

    Args:
        extractor: transformers' ``WhisperFeatureExtractor``.
        name: The model, for messages.
    """

    def __init__(self, extractor, name: str):
        super().__init__(
            name,
            extractor.sampling_rate,
            extractor.feature_size,
            # The STFT mirrors half a window at both ends.
            min_samples=max(extractor.n_fft // 2 + 1, extractor.hop_length),
        )
        self.extractor = extractor

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into frames (N // 160, 80 or 128)."""
        feats = self.extractor(
            waveform.float().cpu().numpy(),
            sampling_rate=self.sample_rate,
            padding="longest",
            truncation=False,
            return_tensors="pt",
        )
        return feats["input_features"][0].T

    def traceable(self) -> torch.nn.Module | None:
        """Return the same without FFT, samples (1, N) -> (1, N // 160, F)."""
        return None if self.extractor.dither else WhisperFrames(self.extractor)


class WhisperFrames(torch.nn.Module):
    """Whisper's log-mel frames of one utterance, samples (1, N) -> (1, T, F).

    Args:
        extractor: transformers' ``WhisperFeatureExtractor``.
    """

    def __init__(self, extractor):
        super().__init__()
        size = extractor.n_fft
        window = torch.hann_window(size, dtype=torch.float64)
        mel = torch.from_numpy(extractor.mel_filters).T
        self.edge = size // 2
        self.spectrum = MelSpectrum(window, size, extractor.hop_length, mel)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Compute the frames."""
        padded = torch.nn.functional.pad(
            samples, (self.edge, self.edge), mode="reflect"
        )
        log = self.spectrum(padded)[:, :-1].clamp(min=1e-10).log10()
        floor = log.amax(dim=(1, 2), keepdim=True) - 8.0
        return (torch.maximum(log, floor) + 4.0) / 4.0


class WhisperBackbone(Backbone):
    """The encoder of Whisper (Radford et al., 2022, Section 2.2).

    transformers' own forward insists on 30 s of input. Here positions are cut to the
    utterance, and padding is masked in the convolutions and in attention. The model
    has positions for 30 s: what is longer is encoded in consecutive windows of 30 s,
    which do not see each other.

    Args:
        model: ``EncoderOfWhisper``.
        extractor: transformers' ``WhisperFeatureExtractor``.
        name: The model, for messages.
    """

    def __init__(self, model, extractor, name: str):
        super().__init__()
        self.encoder = model.encoder
        self.frontend = WhisperFrontend(extractor, name)
        self.frame_shift = extractor.hop_length / extractor.sampling_rate
        self.window = 2 * self.encoder.config.max_source_positions

    @property
    def layers(self) -> torch.nn.ModuleList:
        """The transformer layers."""
        return self.encoder.layers

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode (B, T, F) -> N + 2 layers (B, T2, D) at 20 ms, lengths (B,)."""
        if feats.size(1) <= self.window:
            return self.encode_window(feats, lengths)
        feats = torch.nn.functional.pad(feats, (0, 0, 0, -feats.size(1) % self.window))
        windows = feats.unflatten(1, (-1, self.window))
        starts = torch.arange(windows.size(1), device=feats.device) * self.window
        sizes = (lengths[:, None] - starts).clamp(0, self.window)
        used = sizes > 0
        states, used_sizes = self.encode_window(windows[used], sizes[used])
        out_sizes = torch.zeros_like(sizes).masked_scatter(used, used_sizes)
        out_lengths = out_sizes.sum(dim=1)
        joined = []
        for x in states:
            whole = x.new_zeros(*used.shape, *x.shape[1:])
            whole[used] = x
            joined.append(whole.flatten(1, 2)[:, : int(out_lengths.max())])
        return joined, out_lengths

    def encode_window(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode at most 30 s."""
        model, gelu = self.encoder, torch.nn.functional.gelu
        x = gelu(model.conv1(feats.transpose(1, 2)))
        x = x.masked_fill(pad_mask(lengths, x.size(2))[:, None], 0.0)
        # What adds to x takes its order in memory, and norms would copy it each time.
        x = gelu(model.conv2(x)).transpose(1, 2).contiguous()
        lengths = (lengths - 1) // 2 + 1
        x = x + model.embed_positions.weight[: x.size(1)]
        mask = create_bidirectional_mask(
            config=model.config,
            inputs_embeds=x,
            attention_mask=~pad_mask(lengths, x.size(1)),
        )
        states = [x]
        for layer in model.layers:
            states.append(layer(states[-1], mask))
        return [*states, model.layer_norm(states[-1])], lengths
