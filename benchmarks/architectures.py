#!/usr/bin/env python3
"""Which speech architectures of the installed transformers are read as encoders.

    python benchmarks/architectures.py [NAME ...]

Goes over transformers' own tables: all models with a feature extractor for audio, and
those for CTC, RNN-T, TDT, speech to text, audio classification, spectrograms and
waveforms. Each is made small, with random weights, saved with its feature extractor,
and read by ``encoder: huggingface`` with ``layer: weighted_sum``, ``last`` and ``1``.
Of what is read, every utterance of a batch is compared with itself alone, and layers
with transformers' own ``output_hidden_states``. One that fails, neither read nor
refused by name, ends the run with status 1; "not made" tells of this script, which
has no small configuration of it.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from small_models import make_small
from transformers.models.auto import feature_extraction_auto, modeling_auto

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.huggingface import HuggingFaceEncoder
from espnet_sentiment.encoder.probing import noise

TASKS = (
    "AUDIO_CLASSIFICATION",
    "AUDIO_FRAME_CLASSIFICATION",
    "AUDIO_XVECTOR",
    "CTC",
    "RNNT",
    "SPEECH_SEQ_2_SEQ",
    "TDT",
    "TEXT_TO_SPECTROGRAM",
    "TEXT_TO_WAVEFORM",
)


class Row(NamedTuple):
    """A line of the table."""

    name: str
    read: str
    rate: str = ""
    layers: str = ""
    remark: str = ""

    def markdown(self) -> str:
        """Return it as Markdown."""
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in self)
        return f"| {' | '.join(cells)} |"


HEADER = Row("architecture", "read / refused", "frame rate", "layers", "remark")


def architectures() -> list[str]:
    """Return the names of the model types."""
    names = set(feature_extraction_auto.FEATURE_EXTRACTOR_MAPPING_NAMES)
    for task in TASKS:
        names |= set(getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES"))
    return sorted(names)


@torch.no_grad()
def encode(
    encoder: AbsPretrainedEncoder, waves: torch.Tensor, lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features (B, T, L * D) and lengths (B,)."""
    return encoder(*encoder.frontend(waves, lengths))[:2]


def check_batch(encoder: AbsPretrainedEncoder) -> float:
    """Return by how much a batch differs from its utterances alone, relatively."""
    rate = encoder.sample_rate
    lengths = torch.tensor([2 * rate, int(0.9 * rate), int(1.35 * rate)])
    waves = noise(3, 2 * rate)
    together, frames = encode(encoder, waves, lengths)
    worst = 0.0
    for i, n in enumerate(lengths):
        alone, [m] = encode(encoder, waves[i : i + 1, :n], lengths[i : i + 1])
        if m != frames[i]:
            raise AssertionError(f"{frames[i]} frames in a batch, {m} alone")
        error = (together[i, :m] - alone[0]).norm() / alone.norm()
        worst = max(worst, float(error))
    if not worst < 1e-3:
        raise AssertionError(f"a batch differs by {worst:.1e}")
    return worst


def check_states(folder: Path, encoder: HuggingFaceEncoder) -> str:
    """Compare layers with transformers' own, where its code gives them."""
    backbone: Any = encoder.backbone
    if not hasattr(backbone, "mask_name"):
        return ""  # Whisper's and wav2vec 2.0's kin have tests of their own.
    n = 200 * backbone.grain
    feats, lengths = noise(1, n, encoder.input_size), torch.tensor([n])
    inputs = {backbone.input_name: backbone.frontend.batch(feats)}
    if backbone.mask_name:
        ones = torch.ones(1, n, dtype=torch.bool)
        inputs[backbone.mask_name] = ~ones if backbone.marks_padding else ones
    try:
        with torch.no_grad():
            theirs = backbone.encoder(**inputs, output_hidden_states=True).hidden_states
            ours = encoder.hidden_states(feats, lengths)[0]
    except (TypeError, AttributeError):
        theirs = None
    if not theirs:
        return "transformers gives no layers to compare with"
    # transformers may have put the final layer norm in the place of the last layer.
    for i, (x, y) in enumerate(list(zip(ours, theirs, strict=False))[:-1]):
        if x.shape != y.shape or not torch.allclose(x, y, rtol=1e-3, atol=1e-4):
            return f"transformers' `hidden_states` are others, from {i} on"
    return ""


def try_one(name: str, folder: Path) -> Row:
    """Make one small, and read it."""
    try:
        made = make_small(name, folder)
    # It tells of this script alone.
    except Exception as error:
        return Row(name, "not made", remark=f"{type(error).__name__}: {error}"[:300])
    try:
        encoder = HuggingFaceEncoder(str(folder), layer="weighted_sum")
        remarks = [check_states(folder, encoder)]
    except (DataError, ValueError) as error:
        if "no stack of layers" not in str(error):
            why = str(error).replace(str(folder), "it").partition("; name a ")[0]
            return Row(
                name, "refused", remark=why.partition("cannot be read: ")[2] or why
            )
        encoder = HuggingFaceEncoder(str(folder), layer="last")
        remarks = ["no stack of layers: `last` alone"]
    check_batch(encoder)
    last = HuggingFaceEncoder(str(folder), layer="last")
    check_batch(last)
    if encoder.n_layers > 1:
        one = HuggingFaceEncoder(str(folder), layer=1)
        check_batch(one)
        wave, n = noise(1, 2 * one.sample_rate), torch.tensor([2 * one.sample_rate])
        every, _ = encode(encoder, wave, n)
        mine, _ = encode(one, wave, n)
        torch.testing.assert_close(mine, every[..., one.dim : 2 * one.dim])
    rates = [rate(encoder), rate(last)]
    if not encoder.masks_padding:
        remarks.append("one utterance at a time")
    if rates[0] != rates[1] or encoder.dim != last.dim:
        remarks.append(f"`last`: {rates[1]}, {last.dim} channels for {encoder.dim}")
    tower = type(getattr(encoder.backbone, "encoder", encoder.backbone)).__name__
    if tower != type(made).__name__ and hasattr(encoder.backbone, "mask_name"):
        remarks.insert(0, f"`{tower}` of `{type(made).__name__}`")
    text = "; ".join(filter(None, remarks))
    return Row(name, "read", rates[0], str(encoder.n_layers), text)


def rate(encoder: AbsPretrainedEncoder) -> str:
    """Return frames a second, measured over ten seconds."""
    frames = [
        int(encode(encoder, noise(1, n), torch.tensor([n]))[1])
        for n in (2 * encoder.sample_rate, 12 * encoder.sample_rate)
    ]
    return f"{(frames[1] - frames[0]) / 10:g} Hz"


def rows(names: list[str]) -> Iterator[Row]:
    """Yield a row an architecture, as it is known."""
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                yield try_one(name, Path(folder))
            except Exception as error:
                yield Row(
                    name, "FAILED", remark=f"{type(error).__name__}: {error}"[:300]
                )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="all, unless named")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(HEADER.markdown(), "|---|---|---|---|---|", sep="\n")
    failed = 0
    for row in rows(args.names or architectures()):
        failed += row.read == "FAILED"
        print(row.markdown(), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
