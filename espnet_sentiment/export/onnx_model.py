"""A trained model as one ONNX file, which is kept if it answers as PyTorch does."""

import dataclasses
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.extras import import_extra
from espnet_sentiment.core.files import PathLike, atomic_path, check_writable, hash_file
from espnet_sentiment.core.versions import versions
from espnet_sentiment.data.speaker_statistics import BY_ALL
from espnet_sentiment.encoder.abs_pretrained import AbsPretrainedEncoder
from espnet_sentiment.encoder.onnx_files import EXTRA
from espnet_sentiment.encoder.onnx_session import open_session
from espnet_sentiment.encoder.probing import noise, shortest
from espnet_sentiment.encoder.speech_encoder import SpeechEncoder
from espnet_sentiment.export.onnx_file import describe, trace
from espnet_sentiment.export.parity import (
    Parity,
    an4_recordings,
    compare,
    read_clips,
)
from espnet_sentiment.export.traceable import (
    TraceableDecoder,
    TraceableEnsemble,
    TraceableModel,
    traceable_decoder,
)
from espnet_sentiment.inference.classifier import Classifier
from espnet_sentiment.model.checkpoint import load_sentiment_model
from espnet_sentiment.model.ensemble import Ensemble
from espnet_sentiment.model.sentiment_model import SentimentModel
from espnet_sentiment.pack.find import ModelFiles, find_model

Model = SentimentModel | Ensemble
Traced = TraceableDecoder | TraceableEnsemble
NEEDED = ("onnx", "onnxruntime")
PARTS = ("all", "decoder")
# Most by which a posterior may differ from PyTorch's.
BOUND = 1e-3
FEATURES = {"features": {0: "batch", 1: "frames"}, "lengths": {0: "batch"}}
POSTERIORS = {"posteriors": {0: "batch"}}
ATTENTION = {"attention": {0: "batch", 2: "frames"}}


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The file.
        metadata: What it says of itself.
        parity: How far it is from PyTorch.
    """

    path: Path
    metadata: dict[str, Any]
    parity: Parity


def export_onnx(
    model: PathLike,
    out: PathLike,
    part: str = "all",
    check: Sequence[PathLike] = (),
    fold: str | None = None,
    encoder_model: PathLike | None = None,
    bound: float = BOUND,
    channel: str | None = None,
) -> Exported:
    """Export a trained model.

    The file takes ``samples`` (1, N) at the encoder's rate; where the encoder's front
    end has no form without FFT, its ``frames`` (1, T, F); of the decoder alone, what
    the encoder says, ``features`` (B, T, L * D) and ``lengths`` (B,). It gives
    ``posteriors`` (B, n_classes) and, where the decoder has it, ``attention``
    (B, n_heads, T).

    Args:
        model: See ``find_model``.
        out: File to write, ``*.onnx``; it appears when it has been checked.
        part: ``all``, or ``decoder``.
        check: Recordings on which onnxruntime must give what PyTorch gives; none are
            some of AN4's, which ESPnet brings.
        fold: See ``find_model``.
        encoder_model: Where the encoder is now, if not where it was.
        bound: Most by which a posterior may differ.
        channel: Which channel of ``check`` with several is read.

    Raises:
        DataError: The model cannot be exported, or a posterior differs by more.
        UserError: The extra is not installed.
    """
    path = Path(out).expanduser()
    if path.suffix != ".onnx" or path.is_dir():
        raise DataError(f"{out} is no name of an ONNX file: name one, OUT.onnx")
    check_writable(path)
    if not 0 < bound < math.inf:
        raise DataError(f"the bound is {bound} (--bound): give a number above 0")
    if part not in PARTS:
        raise DataError(f"part is {part!r}: choose one of {', '.join(PARTS)}")
    for module in NEEDED:
        import_extra(module, EXTRA)
    files = find_model(model, fold)
    where = encoder_model or files.encoder_model
    loaded = load_sentiment_model(files.model_file, where)
    decoder = traceable_decoder(loaded)
    with atomic_path(path) as temporary:
        if part == "decoder":
            kind = _trace_decoder(decoder, loaded, temporary)
        else:
            kind = _trace_all(decoder, loaded, temporary)
        speech = SpeechEncoder(loaded.detach_encoder())
        classifier = Classifier(loaded, None, speech, name=str(model))
        metadata = _metadata(files, classifier, part, kind)
        parity = _check(temporary, classifier, metadata, check, channel)
        if not parity.posteriors <= bound:
            raise DataError(
                f"{out} was not written: its posteriors differ from PyTorch's by up to "
                f"{parity.posteriors:.1e}, more than {bound:g} (--bound), in "
                f"{parity.n_clips} clips. Try --part decoder, or other recordings "
                "(--check)"
            )
        metadata["check"] = dataclasses.asdict(parity) | {"bound": bound}
        describe(temporary, metadata)
    return Exported(path, metadata, parity)


def _encoder(model: Model) -> AbsPretrainedEncoder:
    if model.encoder is None:
        raise ValueError("the model has no encoder")
    return cast(AbsPretrainedEncoder, model.encoder.encoder)


def _outputs(decoder: Traced) -> dict[str, Mapping[int, str]]:
    return {**POSTERIORS, **(ATTENTION if decoder.has_attention else {})}


def _trace_decoder(decoder: Traced, model: Model, path: Path) -> str:
    """Write the decoder; return what it takes."""
    size = _encoder(model).output_size()
    # Of two lengths, as batches are.
    example = noise(2, 47, size), torch.tensor([47, 31])
    joined = cast(Ensemble, model).models if isinstance(model, Ensemble) else [model]
    what = f"the decoder {type(joined[0].decoder).__name__}"
    trace(decoder, example, path, FEATURES, _outputs(decoder), what)
    return "features"


def _trace_all(decoder: Traced, model: Model, path: Path) -> str:
    """Write encoder and decoder, with the front end if it can be; return the input."""
    encoder = _encoder(model)
    if encoder.own_dtype:
        raise DataError(
            f"the encoder {encoder.name} is an ONNX file already: run that one, and "
            "export the decoder alone (--part decoder)"
        )
    frontend = encoder.frontend.traceable()
    whole = TraceableModel(encoder, decoder, frontend)
    samples = noise(1, max(encoder.sample_rate, 2 * encoder.min_samples))
    if frontend is None:
        kind, example = "frames", encoder.frontend.features(samples[0])[None]
    else:
        kind, example = "samples", samples
    inputs = {kind: {1: kind}}
    outputs = {
        name: {axis: n for axis, n in axes.items() if n != "batch"}
        for name, axes in _outputs(decoder).items()
    }
    trace(whole, (example,), path, inputs, outputs, f"the encoder {encoder.name}")
    return kind


def _metadata(
    files: ModelFiles, classifier: Classifier, part: str, kind: str
) -> dict[str, Any]:
    """Return what whoever has the file alone should know."""
    told, speech = files.description, classifier.encoder
    encoder = speech.encoder
    named = told["encoder"]
    found: dict[str, Any] = {
        "part": part,
        "input": kind,
        "batch": "any" if kind == "features" else "1",
        "classes": classifier.classes,
        "sample_rate": speech.sample_rate,
        "min_samples": _min_samples(speech),
        "max_samples": None if kind == "features" else _max_samples(encoder),
        "seconds_per_frame": speech.frame_shift,
        "model": told["name"],
        "trained_on": _trained_on(told),
        "decoder": told.get("decoder") or "",
        "decoder_sha256": hash_file(files.model_file),
        "encoder": f"{named['name']} {named.get('model') or ''}".strip(),
        "encoder_conf": {"layer": encoder.layer, "subsample": encoder.subsample},
        "encoder_sha256": named["sha256"],
        "versions": versions()
        | {n: import_extra(n, EXTRA).__version__ for n in NEEDED},
    }
    if kind == "frames":
        found["front_end"] = (
            f"{type(encoder.frontend).__name__} of espnet_sentiment, not in the file: "
            f"{encoder.input_size} channels every {encoder.frame_shift:g} s"
        )
    if kind == "features":
        found["features"] = (
            f"{encoder.output_size()} channels every {speech.frame_shift:g} s, which "
            "the encoder gives: layers side by side, frames averaged"
        )
    if classifier.of_speaker is not None:
        found["normalisation"] = BY_ALL
    if told.get("licence"):
        found["licence"] = told["licence"]
    return {key: value for key, value in found.items() if value is not None}


def _trained_on(told: Mapping[str, Any]) -> str:
    corpus = told.get("corpus") or "a corpus that is not stated"
    if how := told.get("trained_on"):
        return f"{corpus}, all utterances" + " by folds" * (how == "ensemble")
    return f"{corpus}, fold {told.get('fold')}"


def _min_samples(speech: SpeechEncoder) -> int:
    """Return the samples of the shortest utterance that the encoder answers."""

    def run(n: int) -> torch.Tensor:
        features, _ = speech([noise(n).numpy()])
        return features[0]

    return shortest(run, max(speech.sample_rate, 2 * speech.encoder.min_samples))


def _max_samples(encoder: Any) -> int | None:
    """Return the samples that one window holds, of an encoder that has windows."""
    window = getattr(getattr(encoder, "backbone", None), "window", None)
    if window is None:
        return None
    return round(window * encoder.frame_shift * encoder.sample_rate)


def _check(
    path: Path,
    classifier: Classifier,
    metadata: Mapping[str, Any],
    recordings: Sequence[PathLike],
    channel: str | None,
) -> Parity:
    """Compare a file with PyTorch on recordings."""
    try:
        session = open_session(path, torch.get_num_threads())
    except DataError as error:
        raise DataError(
            f"the encoder {classifier.encoder.name} cannot be exported to ONNX "
            f"({error.__cause__ or error}): take another, or export the decoder alone "
            "(--part decoder)"
        ) from None
    longest = metadata.get("max_samples")
    limits = metadata["sample_rate"], metadata["min_samples"], longest
    with tempfile.TemporaryDirectory() as folder:
        paths = recordings or an4_recordings(Path(folder))
        clips = read_clips(paths, *limits, channel)
    return compare(session, classifier, clips, metadata["input"])
