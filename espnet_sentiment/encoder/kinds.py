"""The kinds of pre-trained encoders: the one table that names what each is made of.

A new kind is a module with its class, one that finds its files, and an entry here.
Entries name functions, which are imported when they are called: reading a config
imports no toolkit.
"""

import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError

PACKAGE = "espnet_sentiment.encoder."
DIGEST = re.compile(r"[0-9a-f]{64}")
# How an encoder was trained: to recognise speech, on audio alone, on other labels.
PRETRAINING = (ASR, SELF_SUPERVISED, OTHER) = ("asr", "self_supervised", "other")
MODEL_KEYS = ("model", "layer", "subsample", "download_dir")


@dataclasses.dataclass(frozen=True)
class EncoderKind:
    """What a kind of encoder is made of; ``module:name`` are within this package.

    Attributes:
        encoder: Its class, an ``AbsPretrainedEncoder``.
        keys: The keys of ``encoder_conf``: arguments of the class.
        input_kind: The dump of stage 1 that it eats: ``audio`` or ``fbank``.
        find: ``(model, download_dir) -> Path``: a local path, or a download.
        files: ``(path) -> list[Path]``: the files that define the encoder.
        layout: ``(path) -> (files, root)``: what a pack takes, and the folder that it
            is copied from.
        source: ``(path) -> str | None``: the name to download it by, if it tells.
        url: ``(source) -> str | None``: the page or file behind that name.
        is_source: ``(text) -> bool``: whether a text is such a name, and nothing else.
        kept: ``(source) -> Path | None``: where an earlier download by that name lies.
        toolkit: Most of what it imports as it is loaded.
        pretraining: ``(path) -> str | None``: one of ``PRETRAINING``, if the model's
            files tell.
    """

    encoder: str
    keys: tuple[str, ...] = MODEL_KEYS
    input_kind: str = "audio"
    find: str | None = None
    files: str | None = None
    layout: str | None = None
    source: str = "hub_names:hub_name"
    url: str = "hub_names:hub_url"
    is_source: str = "hub_names:is_hub_name"
    kept: str | None = None
    toolkit: str | None = None
    pretraining: str | None = None

    def load_class(self) -> type:
        """Import the class."""
        return _load(self.encoder)

    def find_model(self, model: str, download_dir: str | None = None) -> Path:
        """Return where a model lies, downloaded if need be."""
        return _load(self.find)(model, download_dir)

    def model_files(self, path: Path) -> list[Path]:
        """Return the files that define the encoder."""
        return _load(self.files)(path)

    def pack_layout(self, path: Path) -> tuple[list[Path], Path]:
        """Return the files that a pack takes, and the folder above them.

        Raises:
            DataError: This kind cannot be packed, or a file is missing.
        """
        if self.layout is None:
            raise DataError(
                "this kind of encoder cannot be packed: pack without it "
                "(--without_encoder)"
            )
        return _load(self.layout)(path)

    def source_of(self, path: Path) -> str | None:
        """Return the name by which a model can be downloaded, if its path tells."""
        return _load(self.source)(path)

    def names_source(self, source: str) -> bool:
        """Tell whether a text is a name to download a model by, no path or address."""
        return _load(self.is_source)(source)

    def find_kept(self, source: str) -> Path | None:
        """Return where a model lies that was downloaded before, if it still does."""
        return None if self.kept is None else _load(self.kept)(source)

    def pretraining_of(self, path: Path) -> str | None:
        """Return how a model was trained, one of ``PRETRAINING``, if its files tell."""
        return None if self.pretraining is None else _load(self.pretraining)(path)

    def source_url(self, source: str) -> str | None:
        """Return the page or file that a name stands for."""
        return _load(self.url)(source)


KINDS = {
    "espnet": EncoderKind(
        "espnet_asr:ESPnetEncoder",
        find="espnet_files:find_espnet",
        files="espnet_files:espnet_files",
        layout="espnet_layout:espnet_layout",
        toolkit="espnet2.tasks.asr",
    ),
    "huggingface": EncoderKind(
        "huggingface:HuggingFaceEncoder",
        keys=(*MODEL_KEYS, "random_weights"),
        find="huggingface_files:find_huggingface",
        files="huggingface_files:huggingface_files",
        layout="huggingface_files:huggingface_layout",
        kept="huggingface_files:kept_huggingface",
        pretraining="huggingface_files:huggingface_pretraining",
        toolkit="transformers.modeling_utils",
    ),
    "torchaudio": EncoderKind(
        "torchaudio_models:TorchaudioEncoder",
        find="torchaudio_files:find_torchaudio",
        files="torchaudio_files:torchaudio_files",
        layout="torchaudio_files:torchaudio_layout",
        source="torchaudio_files:bundle_name",
        url="torchaudio_files:bundle_url",
        is_source="hub_names:is_bundle_name",
        kept="torchaudio_files:kept_torchaudio",
        pretraining="torchaudio_files:torchaudio_pretraining",
        toolkit="torchaudio",
    ),
    "onnx": EncoderKind(
        "onnx_model:OnnxEncoder",
        keys=(
            *("model", "layer", "subsample", "sample_rate", "input", "lengths"),
            *("outputs", "output_lengths", "constants", "normalize", "fbank_conf"),
        ),
        find="onnx_files:find_onnx",
        files="onnx_files:onnx_files",
        layout="onnx_files:onnx_layout",
        source="onnx_files:no_source",
        url="onnx_files:no_source",
        is_source="onnx_files:no_source",
    ),
    # The acoustic baseline, which has no model.
    "none": EncoderKind(
        "fbank:FbankEncoder", keys=("subsample", "sample_rate"), input_kind="fbank"
    ),
}


def _load(target: str | None) -> Any:
    """Import what ``module:name`` stands for."""
    if target is None:
        raise DataError("this kind of encoder has no model of its own")
    module, name = target.split(":")
    return getattr(importlib.import_module(PACKAGE + module), name)


def kind_of(name: str) -> EncoderKind:
    """Return the kind that a trained model names as its encoder's.

    Raises:
        DataError: This version does not know it.
    """
    if name not in KINDS:
        raise DataError(
            f"the model's encoder is {name!r}, and this version has "
            f"{', '.join(KINDS)}: install the version that made the model"
        )
    return KINDS[name]


def encoder_name(name: str | None) -> str:
    """Return an encoder's name in lower case; None is ``none``, the fbank baseline.

    Raises:
        ValueError: There is no such encoder; the message names those there are.
    """
    lower = "none" if name is None else str(name).lower()
    if lower not in KINDS:
        raise ValueError(f"encoder is {name!r}: choose one of {', '.join(KINDS)}")
    return lower


def input_kind(name: str | None) -> str:
    """Return the dump that an encoder eats: ``audio`` or ``fbank``."""
    return KINDS[encoder_name(name)].input_kind


def check_reference(reference: Any, where: str | Path) -> None:
    """Check a model's reference to its encoder, which anybody may have written.

    Args:
        reference: As ``encoder_reference`` returns it, or with the ``source`` by which
            a pack's encoder is downloaded when a user asks for that.
        where: The file that it stands in, for the message.

    Raises:
        DataError: It is no reference, or its source is more than a name.
    """
    if not isinstance(reference, dict) or not isinstance(reference.get("name"), str):
        raise DataError(f"{where} names no encoder: pack or download the model anew")
    digest, source = reference.get("sha256"), reference.get("source")
    if not isinstance(digest, str) or DIGEST.fullmatch(digest) is None:
        raise DataError(
            f"{where} names no SHA-256 of its encoder: pack or download the model anew"
        )
    if source is not None:
        check_source(reference["name"], source, where)


def check_source(name: str, source: Any, where: str | Path) -> None:
    """Check that what an encoder is downloaded by is a name alone.

    Args:
        name: The kind of encoder.
        source: ``owner/name`` or ``owner/name@revision``, or as the kind's own zoo
            calls its models.
        where: What names it, for the message.

    Raises:
        DataError: It is an address, a path or anything else.
    """
    if not isinstance(source, str) or not kind_of(name).names_source(source):
        raise DataError(
            f"{where} has {source!r} as the source of its encoder, which is no name on "
            "a hub (owner/name): name one, or do not use the model"
        )
