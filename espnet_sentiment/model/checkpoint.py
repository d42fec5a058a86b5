"""Sentiment checkpoints: the decoder, and a reference to its frozen encoder.

Training writes ``sentiment.pth``; a pack holds the same as ``model.safetensors``.
Either lies beside its ``config.yaml``.
"""

import argparse
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from espnet2.torch_utils.safe_torch_load import safe_torch_load

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, atomic_path
from espnet_sentiment.core.untrusted import parse_json
from espnet_sentiment.encoder.kinds import check_reference, kind_of
from espnet_sentiment.layers.finite import find_nonfinite
from espnet_sentiment.layers.layer_sum import WeightedLayerSum
from espnet_sentiment.model.build import build_model, build_text_to_tokens
from espnet_sentiment.model.ensemble import Ensemble
from espnet_sentiment.model.layout import (
    CONFIG,
    TEXT,
    check_name,
    ensemble_of,
    pieces_name,
    read_training_config,
    stats_name,
)
from espnet_sentiment.model.sentiment_model import SentimentModel

# Key of a safetensors file's metadata. One alone: the order of several is not fixed.
METADATA = "encoder"


def save_checkpoint(path: PathLike, state_dict: dict, reference: dict) -> None:
    """Write a checkpoint atomically.

    Args:
        path: File to write.
        state_dict: The model's parameters; a frozen encoder has none in it.
        reference: Name, path and SHA-256 of the encoder.
    """
    # Through a stream: into a path of its own, torch writes the path's name, too.
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        torch.save({"state_dict": state_dict, "encoder": dict(reference)}, stream)


def checkpoint_bytes(state_dict: Mapping, reference: Mapping) -> bytes:
    """Return a checkpoint as a safetensors file, the same bytes for the same content.

    Args:
        state_dict: The model's parameters.
        reference: Name, path and SHA-256 of the encoder; a relative path starts from
            the file's folder.
    """
    from safetensors.torch import save

    # Tensors that share memory have no place in the format.
    tensors = {key: value.detach().clone() for key, value in state_dict.items()}
    text = json.dumps(dict(reference), sort_keys=True, allow_nan=False)
    return save(tensors, {METADATA: text})


def read_checkpoint(path: PathLike) -> dict:
    """Read a checkpoint without executing anything in it.

    Returns:
        ``state_dict``, and ``encoder``, the reference.

    Raises:
        DataError: The file is missing or not a sentiment checkpoint, or names its
            encoder by more than a name, or its weights are not finite.
    """
    safe = Path(path).suffix == ".safetensors"
    checkpoint = _read_safetensors(Path(path)) if safe else _read_pth(path)
    name = find_nonfinite(checkpoint.get("state_dict", {}).items())
    if name is not None:
        raise DataError(
            f"{path} holds weights that are not finite ({name}): its training has "
            "diverged. Train it again with a lower learning rate (--sentiment_args "
            '"--optim_conf lr=..."), or ask for a sound copy'
        )
    return checkpoint


def layer_weights(path: PathLike) -> list[float] | None:
    """Return the weights by which a model mixes layers; None if it reads one.

    Raises:
        DataError: As :func:`read_checkpoint`.
    """
    logits = read_checkpoint(path)["state_dict"].get("layer_sum.logits")
    if logits is None:
        return None
    mix = WeightedLayerSum(len(logits))
    mix.load_state_dict({"logits": logits})
    return mix.weights.tolist()


def _read_pth(path: PathLike) -> dict:
    try:
        checkpoint = safe_torch_load(path, map_location="cpu")
    except FileNotFoundError:
        raise DataError(f"{path} is missing: run stage 4 (training)") from None
    except (RuntimeError, EOFError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}): rerun stage 4") from None
    if not isinstance(checkpoint, dict) or "encoder" not in checkpoint:
        raise DataError(f"{path} is not a sentiment checkpoint of this package")
    check_reference(checkpoint["encoder"], path)
    return checkpoint


def _read_safetensors(path: Path) -> dict:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stream:
            reference = parse_json((stream.metadata() or {}).get(METADATA, "null"))
            weights = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise DataError(f"{path} is missing: pack or download it anew") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({error}): pack or download it anew"
        ) from None
    check_reference(reference, path)
    packed = reference.get("path")
    if packed is not None:
        check_name(packed, path)
        packed = str(path.absolute().parent / packed)
    reference["path"] = packed
    return {"state_dict": weights, "encoder": reference}


def load_decoder(
    path: PathLike, device: str = "cpu"
) -> tuple[SentimentModel | Ensemble, dict]:
    """Load a model that reads stored features; its ``config.yaml`` lies beside it.

    Returns:
        The model in evaluation mode and the reference to its encoder.

    Raises:
        DataError: A file is missing or unreadable, or does not fit the other.
    """
    checkpoint = read_checkpoint(path)
    config_file = Path(path).with_name(CONFIG)
    args = _training_args(config_file)
    if getattr(args, "input_size", None) is None:
        raise DataError(f"{config_file} is no config of a decoder: copy it anew")
    model: SentimentModel | Ensemble
    try:
        if folds := ensemble_of(vars(args)):
            model = Ensemble([build_model(args) for _ in folds])
        else:
            model = build_model(args)
        model.load_state_dict(checkpoint["state_dict"])
    except DataError:
        raise
    # yaml's values reach many constructors.
    except Exception as error:
        raise DataError(
            f"{config_file} and {path} do not fit ({type(error).__name__}: {error}): "
            "copy both from one model"
        ) from error
    return model.to(device).eval(), checkpoint["encoder"]


def _training_args(path: Path) -> argparse.Namespace:
    """Read a model's ``config.yaml``; what lies beside it is found there.

    Statistics and sentencepieces are where the model is, wherever its folder has been
    moved to, and nowhere else.

    Raises:
        DataError: The config is missing or unreadable, or a file that it names is.
    """
    config = read_training_config(path)
    if (stats := stats_name(config)) is not None:
        config["normalize_conf"]["stats_file"] = _beside(path, stats)
    if (pieces := pieces_name(config)) is not None:
        config["text_bpemodel"] = _beside(path, f"{TEXT}/{pieces}")
    return argparse.Namespace(**config)


def _beside(config_file: Path, name: str) -> str:
    path = config_file.parent / name
    if not path.is_file():
        raise DataError(
            f"{path} is missing, which {config_file} names: copy it there from where "
            "the model was trained"
        )
    return str(path)


def text_to_tokens(path: PathLike):
    """Return what turns transcripts into a model's tokens; None without a text branch.

    Args:
        path: Checkpoint; its ``config.yaml`` lies beside it.
    """
    return build_text_to_tokens(_training_args(Path(path).with_name(CONFIG)))


def load_sentiment_model(
    path: PathLike, encoder_model: PathLike | None = None, device: str = "cpu"
) -> SentimentModel | Ensemble:
    """Load a model that reads audio: decoder and verified, frozen encoder.

    Args:
        path: Checkpoint; its ``config.yaml`` lies beside it.
        encoder_model: Where the encoder is now, if not where it was.
        device: Where to put the model.

    Raises:
        DataError: The checkpoint is missing or unreadable, or the encoder not found.
        EncoderMismatchError: The encoder is not the one that the decoder learned on.
    """
    from espnet_sentiment.encoder.build import build_encoder
    from espnet_sentiment.encoder.reference import verify_reference

    model, reference = load_decoder(path, device)
    conf = _encoder_conf(reference, Path(path).with_name(CONFIG))
    where = find_encoder(reference, encoder_model)
    folder = Path(path).absolute().parent
    if where is not None and where.absolute().is_relative_to(folder):
        _check_whole(reference["name"], where.absolute(), folder)
    verify_reference(reference, where)
    if where is not None:
        conf["model"] = str(where)
    encoder = build_encoder(reference["name"], conf)
    model.attach_encoder(encoder.frontend, encoder)
    return model.to(device).eval()


def _encoder_conf(reference: Mapping[str, Any], config_file: Path) -> dict[str, Any]:
    """Return how an encoder is read; where it is, a model's config does not say.

    Raises:
        DataError: The config is that of another kind of encoder.
    """
    config = read_training_config(config_file)
    if str(config.get("encoder") or "none").lower() != reference["name"]:
        raise DataError(
            f"{config_file} has the encoder {config.get('encoder')!r}, and the "
            f"checkpoint beside it {reference['name']!r}: copy both from one model"
        )
    from espnet_sentiment.encoder.reference import without_places

    return without_places(config.get("encoder_conf") or {})


def _check_whole(name: str, encoder: Path, folder: Path) -> None:
    """Check that an encoder that came with a model needs nothing outside of its folder.

    Raises:
        DataError: It does.
    """
    for file in kind_of(name).pack_layout(encoder)[0]:
        if not file.is_relative_to(folder):
            raise DataError(
                f"{encoder} names {file}, outside of {folder}: do not use the model, "
                "ask for a sound copy"
            )


def find_encoder(
    reference: Mapping[str, Any], encoder_model: PathLike | None = None
) -> Path | None:
    """Say where the encoder of a checkpoint is; what it is, is not checked yet.

    Args:
        reference: The checkpoint's.
        encoder_model: Where it is now: a path, or a name to download it by.

    Returns:
        Its path; None for fbank, which needs no files. Nothing is downloaded, unless
        ``encoder_model`` asks for it.

    Raises:
        DataError: The checkpoint was packed without its encoder, and no earlier
            download is that; or nothing is at ``encoder_model``.
    """
    name = reference["name"]
    path, source = reference.get("path"), reference.get("source")
    if name == "none":
        return None
    if encoder_model is not None:
        given = Path(encoder_model).expanduser()
        known = given.exists() or given.is_absolute()
        return given if known else kind_of(name).find_model(str(encoder_model))
    if path is not None and (source is None or Path(path).exists()):
        return Path(path)
    what = f"the encoder was not packed with this model ({name}"
    what += f", SHA-256 {reference['sha256']})"
    if source is None:
        raise DataError(f"{what}: give its path by --encoder_model")
    kept = kind_of(name).find_kept(source)
    if kept is not None and _is_encoder(kept, reference):
        return kept
    raise DataError(
        f"{what}: give --encoder_model {shlex.quote(source)} (encoder_model in Python) "
        "to download it, or its path"
    )


def _is_encoder(path: Path, reference: Mapping[str, Any]) -> bool:
    from espnet_sentiment.encoder.reference import hash_encoder

    try:
        return hash_encoder(reference["name"], path) == reference["sha256"]
    except DataError:
        return False
