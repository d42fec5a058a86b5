"""The feature extractor of any transformers speech model, over one utterance."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from espnet_sentiment.encoder.probing import noise, shortest_waveform
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend

# What extractors, and encoders, call the mask of padding: true on speech or, seldom, on
# padding.
MASKS = ("attention_mask", "input_features_mask", "padding_mask", "audio_mel_mask")
OPTIONS = {"padding": "longest", "truncation": False, "return_attention_mask": True}


class AudioFrontend(UtteranceFrontend):
    """A model's feature extractor; raw samples are frames of one channel.

    Args:
        extractor: transformers' feature extractor.
        name: The model, for messages.
        key: What the encoder calls its input.

    Attributes:
        layout: What the encoder takes of a batch: ``bt`` (samples), ``btf``, ``bft``.
        grain: Frames in about 10 ms: 1, or many where frames are samples.

    Raises:
        ValueError: Its output does not grow with the audio, or is no frames.
    """

    def __init__(self, extractor: Any, name: str, key: str):
        rate = getattr(extractor, "sampling_rate", None)
        if not rate:
            raise ValueError("its feature extractor takes no audio")
        super().__init__(name, rate, size=0, min_samples=1)
        self.extractor = extractor
        self.key = key
        known = inspect.signature(extractor.__call__).parameters
        free = any(p.kind is p.VAR_KEYWORD for p in known.values())
        said = OPTIONS | {"sampling_rate": rate, "return_tensors": "pt"}
        self.options = {k: v for k, v in said.items() if free or k in known}
        self.layout = self._find_layout(rate)
        frames = self.features(noise(rate))
        self.size = frames.size(1)
        self.grain = max(len(frames) // 100, 1) if self.size == 1 else 1
        # Normalising needs two frames or so; extractors do not say.
        self.min_samples = shortest_waveform(self.features, rate)

    def _find_layout(self, rate: int) -> str:
        short, long = (self._values(noise(n * rate))[0] for n in (1, 3))
        if short.ndim != long.ndim or short.ndim > 2:
            raise ValueError(
                f"its feature extractor gives {short.ndim} axes, and no frames"
            )
        grows = [i for i in range(short.ndim) if long.size(i) > 2 * short.size(i)]
        if len(grows) != 1:
            raise ValueError(
                "its feature extractor makes the same "
                f"{' x '.join(map(str, short.shape))} numbers of utterances of 1 and "
                "of 3 s, so that frames would tell of padding or of a part"
            )
        return "bt" if short.ndim == 1 else ("btf", "bft")[grows[0]]

    def _values(self, waveform: torch.Tensor) -> tuple[torch.Tensor, Mapping]:
        samples = waveform.float().cpu().numpy()
        inputs = self.extractor(samples, **self.options)
        keys = [self.key, "input_features", "input_values"]
        key = next((key for key in keys if key in inputs), None)
        if key is None:
            raise ValueError(f"its feature extractor gives {', '.join(inputs)}")
        return torch.as_tensor(inputs[key][0]).float(), inputs

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into frames (T, F)."""
        values, inputs = self._values(waveform)
        frames = values[:, None] if values.ndim == 1 else values
        frames = frames.mT if self.layout == "bft" else frames
        for name in MASKS:
            mask = inputs.get(name)
            if mask is not None and len(mask[0]) == len(frames):
                return frames[: int(torch.as_tensor(mask[0]).sum())]
        return frames

    def batch(self, frames: torch.Tensor) -> torch.Tensor:
        """Turn frames (B, T, F) into what the encoder takes."""
        if self.layout == "bt":
            return frames[..., 0]
        return frames.mT if self.layout == "bft" else frames
