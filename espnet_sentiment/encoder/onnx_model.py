"""Encoders out of ONNX files, as FunASR, icefall and others export them."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from typeguard import typechecked

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.backbone import ENOUGH, one_by_one
from espnet_sentiment.encoder.layers import LayerChoice
from espnet_sentiment.encoder.onnx_files import find_onnx, onnx_files
from espnet_sentiment.encoder.onnx_frontends import (
    OnnxFrontend,
    fbank_frontend,
    measure_hop,
    probe,
)
from espnet_sentiment.encoder.onnx_names import read_names
from espnet_sentiment.encoder.onnx_session import OnnxSession, OnnxStates
from espnet_sentiment.encoder.probing import noise, shortest
from espnet_sentiment.encoder.utterance_frontend import UtteranceFrontend

# Mel channels of one frame that anybody trains on; more, and they are something else.
MOST_MELS = 128


class OnnxEncoder(AbsPretrainedEncoder):
    """An encoder in an ONNX file, run by onnxruntime; it is frozen by nature.

    The file reads samples, (N,), (1, N) or (1, 1, N), or filter bank features
    (1, T, F), and gives hidden states (1, T2, D): one, or several as layers. Utterances
    are encoded one by one.

    Args:
        model: The file.
        layer: ``last``, an output's number, several, or ``weighted_sum``.
        subsample: Frames averaged to one.
        sample_rate: Rate in Hz of the audio; None is what the file's metadata says.
        input: Name of the input with the speech; None is the only one of floats.
        lengths: Name of that with its length; None is the only one of integers.
        outputs: Names of the hidden states; None are all (1, T, D), if they are alike.
        output_lengths: Name of their length; None is the only one of integers.
        constants: Values of other inputs.
        normalize: Scale samples to zero mean and unit variance, as emotion2vec asks.
        fbank_conf: Of a file that reads features: ``scale`` (1 for samples in [-1, 1],
            as lhotse's and icefall's, 32768 for Kaldi's, FunASR's and WeNet's), and
            what of ``torchaudio.compliance.kaldi.fbank`` is other than Kaldi's.

    Raises:
        DataError: The file cannot be read, or does not tell what an option would.
        ValueError: There is no such layer.
        UserError: The extra ``onnx`` is not installed.
    """

    own_dtype = True

    @typechecked
    def __init__(
        self,
        model: str,
        layer: LayerChoice = "last",
        subsample: int = 1,
        sample_rate: int | None = None,
        input: str | None = None,
        lengths: str | None = None,
        outputs: list[str] | None = None,
        output_lengths: str | None = None,
        constants: dict[str, Any] | None = None,
        normalize: bool = False,
        fbank_conf: dict[str, Any] | None = None,
    ):
        if sample_rate is not None and sample_rate < 1:
            raise ValueError(f"sample_rate is {sample_rate}: give a rate in Hz")
        path = find_onnx(model)
        onnx_files(path)
        session = OnnxSession(path)
        if {"part", "classes"} <= session.metadata.keys():
            raise DataError(
                f"{path} is a whole model, which 'espnet-sentiment export' wrote, "
                "and no encoder: name that which it was trained on, or another file"
            )
        states = read_names(session, input, lengths, outputs, output_lengths, constants)
        rate = sample_rate or _rate_of(session)
        channels = _channels(states, fbank_conf, normalize)
        self.reads_samples = channels is None
        frontend: UtteranceFrontend
        if channels is None:
            frontend = OnnxFrontend(states, rate, normalize)
            sizes, min_frames = frontend.sizes, 1
            frame_shift = measure_hop(frontend) / rate
        else:
            frontend = fbank_frontend(path, rate, fbank_conf or {}, channels)
            frame_shift = frontend.frame_shift
            found = probe(states, noise(ENOUGH, channels), str(path))
            sizes = [x.size(1) for x in found]
            run = functools.partial(_last_state, states, channels)
            min_frames = shortest(run, ENOUGH)
        if len(set(sizes)) > 1:
            raise DataError(
                f"the outputs {', '.join(states.outputs)} of {path} have {sizes} "
                "channels: name some of one size by encoder_conf.outputs"
            )
        super().__init__(
            name=str(path),
            frontend=frontend,
            input_kind="audio",
            frame_shift=frame_shift,
            min_frames=min_frames,
            n_states=len(sizes),
            dim=sizes[0],
            layer=layer,
            subsample=subsample,
        )
        self.n_states, self.states = len(sizes), states

    def specaug_scales(self) -> dict[str, float]:
        """Return ``SpecAugment``'s scales for the frames of this front end.

        Raises:
            DataError: The file reads samples, which have no channels to mask.
        """
        if self.reads_samples:
            raise DataError(
                f"{self.name} reads samples, and SpecAugment masks frames: take a "
                "sentiment config without, such as "
                "conf/sentiment/rnn_attention_no_specaug.yaml"
            )
        return super().specaug_scales()

    def hidden_states(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[Sequence[torch.Tensor], torch.Tensor]:
        """Return the layers, (B, T2, D) each, and their lengths (B,)."""
        if self.reads_samples:
            return feats.chunk(self.n_states, dim=-1), lengths
        return one_by_one(self._encode, feats, lengths)

    def _encode(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode one utterance (1, T, F)."""
        states = [state[None] for state in self.states(feats[0].float())]
        return states, lengths.new_tensor([states[0].size(1)])


def _last_state(states: OnnxStates, channels: int, length: int) -> torch.Tensor:
    return states(noise(length, channels))[-1]


def _rate_of(session: OnnxSession) -> int:
    said = session.metadata.get("sample_rate", "")
    if not said.isdecimal() or not int(said):
        raise DataError(
            f"{session.path} does not say its sample rate: add "
            "encoder_conf.sample_rate, such as 16000"
        )
    return int(said)


def _channels(
    states: OnnxStates, fbank_conf: dict[str, Any] | None, normalize: bool
) -> int | None:
    """Return the channels of the features that a file reads; None where of samples."""
    path, shape = states.session.path, states.session.inputs[states.feed].shape
    what = f"the input {states.feed} {list(shape)} of {path}"
    if len(shape) in (1, 2) or (len(shape) == 3 and shape[1] == 1):
        if fbank_conf is not None:
            raise DataError(f"{what} reads samples: leave fbank_conf out")
        return None
    if len(shape) != 3:
        raise DataError(
            f"{what} is neither samples (1, N) nor features (1, T, F): name another by "
            "encoder_conf.input"
        )
    if normalize:
        raise DataError(f"{what} reads features, not samples: leave normalize out")
    told = (fbank_conf or {}).get("num_mel_bins")
    channels = shape[2] if isinstance(shape[2], int) else told
    if told is None and isinstance(channels, int) and channels > MOST_MELS:
        raise DataError(
            f"{what} reads {channels} channels, which are frames stacked to one "
            "(SenseVoice's, Paraformer's) or no filter banks: such are not computed "
            "here; take a file that reads samples or single frames"
        )
    if fbank_conf is None or "scale" not in fbank_conf or channels is None:
        raise DataError(
            f"{what} reads features, and the file does not say which: add "
            "encoder_conf.fbank_conf: {scale: 1, num_mel_bins: 80}, or scale: 32768 "
            "where samples are 16-bit integers (Kaldi, FunASR, WeNet)"
        )
    if told not in (None, channels):
        raise DataError(f"{what} has other channels than num_mel_bins: {told}")
    return int(channels)
