"""What an ONNX encoder reads: samples, or filter bank features."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from espnet_sentiment.core.errors import DataError, first_line
from espnet_sentiment.data.fbank_options import FBANK_OPTIONS
from espnet_sentiment.encoder.onnx_session import OnnxStates
from espnet_sentiment.encoder.probing import noise, shortest_waveform
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend
from espnet_sentiment.layers.spectrum import Standardised

NORMALISED = Standardised(torch.nn.Identity(), 1e-5)


class OnnxFrontend(UtteranceFrontend):
    """A file that reads samples: its hidden states, side by side.

    Args:
        states: The file.
        sample_rate: Rate in Hz of the samples.
        normalize: Scale an utterance to zero mean and unit variance before.
    """

    def __init__(self, states: OnnxStates, sample_rate: int, normalize: bool):
        name = str(states.session.path)
        super().__init__(name, sample_rate, size=0, min_samples=1)
        self.states, self.normalize = states, normalize
        self.sizes = [x.size(1) for x in probe(self._states, noise(sample_rate), name)]
        self.size = sum(self.sizes)
        self.min_samples = shortest_waveform(self.features, sample_rate)

    def _states(self, waveform: torch.Tensor) -> list[torch.Tensor]:
        return self.states(
            NORMALISED(waveform[None])[0] if self.normalize else waveform
        )

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into hidden states (T, n_states * D)."""
        return torch.cat(self._states(waveform), dim=-1)


class OnnxFbankFrontend(UtteranceFrontend):
    """Kaldi's filter bank features, as a file's training computed them.

    Args:
        name: The file.
        sample_rate: Rate in Hz of the audio.
        conf: ``scale``, what samples in [-1, 1] are multiplied by, and arguments of
            ``torchaudio.compliance.kaldi.fbank``.
    """

    def __init__(self, name: str, sample_rate: int, conf: dict[str, Any]):
        options = {**FBANK_OPTIONS, **conf}
        super().__init__(name, sample_rate, options["num_mel_bins"], min_samples=1)
        self.scale, self.options = options.pop("scale"), options
        self.frame_shift = options["frame_shift"] / 1000
        self.min_samples = shortest_waveform(self.features, sample_rate)

    def features(self, waveform: torch.Tensor) -> torch.Tensor:
        """Turn a waveform (N,) into features (T, num_mel_bins)."""
        from torchaudio.compliance import kaldi

        return kaldi.fbank(
            waveform[None] * self.scale,
            sample_frequency=float(self.sample_rate),
            **self.options,
        )


def probe(
    run: Callable[[torch.Tensor], list[torch.Tensor]], x: torch.Tensor, name: str
) -> list[torch.Tensor]:
    """Run a file on noise; return its states (T, D).

    Raises:
        DataError: It fails, or gives no hidden states of one length.
    """
    try:
        states = run(x)
    # onnxruntime's own errors derive from Exception.
    except Exception as error:
        raise DataError(
            f"{name} fails on plain noise of {tuple(x.shape)} "
            f"({first_line(error)}): one that takes a single "
            "length, or other features, cannot be read; export it with a dynamic axis"
        ) from None
    if any(s.dim() != 2 or not len(s) or len(s) != len(states[0]) for s in states):
        shapes = ", ".join(str(tuple(s.shape)) for s in states)
        raise DataError(
            f"{name} gives {shapes} on plain noise, where hidden states (T, D) of one "
            "length are asked for: name such outputs by encoder_conf.outputs"
        )
    return states


def measure_hop(frontend: UtteranceFrontend) -> int:
    """Find out how many samples make a frame more, exactly."""

    def count(n: int) -> int:
        try:
            return len(frontend.features(noise(n)))
        except Exception as error:
            raise DataError(
                f"{frontend.name} fails on {n} samples of noise "
                f"({first_line(error)}): one that takes a single length, or a window "
                "at most, cannot be read; export it with a dynamic axis"
            ) from None

    def next_jump(start: int) -> int:
        frames, step = count(start), 16
        while count(start + step) == frames:
            step *= 2
            if step > 100 * frontend.sample_rate:
                raise DataError(f"{frontend.name} gives {frames} frames of any input")
        low, high = start, start + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if count(middle) > frames else (middle, high)
        return high

    first = next_jump(max(frontend.sample_rate // 2, frontend.min_samples))
    return next_jump(first) - first


def _fbank_options(path: Path, conf: dict[str, Any], channels: int) -> dict[str, Any]:
    from torchaudio.compliance import kaldi

    fixed = ("waveform", "sample_frequency", "dither", "use_energy", "subtract_mean")
    known = {"scale", *inspect.signature(kaldi.fbank).parameters} - {*fixed}
    if unknown := sorted(map(str, {*conf} - known)):
        raise DataError(
            f"unknown key fbank_conf.{unknown[0]} for {path}; the valid ones are "
            f"{', '.join(sorted(known))}"
        )
    return {**conf, "num_mel_bins": channels}


def fbank_frontend(
    path: Path, rate: int, conf: dict[str, Any], channels: int
) -> OnnxFbankFrontend:
    """Build the front end of a file that reads features.

    Args:
        path: The file.
        rate: Rate in Hz of the audio.
        conf: See ``OnnxFbankFrontend``.
        channels: How many the file reads.

    Raises:
        DataError: A key is unknown, or a value is none.
    """
    conf = _fbank_options(path, conf, channels)
    try:
        frontend = OnnxFbankFrontend(str(path), rate, conf)
        frontend.features(noise(rate))
    # torchaudio asserts, compares and multiplies whatever it is given.
    except Exception as error:
        raise DataError(
            f"fbank_conf cannot be computed ({type(error).__name__}: {error}): see "
            "torchaudio.compliance.kaldi.fbank"
        ) from None
    return frontend
