"""Packing a trained model: one file, or one folder, that works anywhere."""

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, check_writable, hash_file
from espnet_sentiment.core.untrusted import parse_yaml
from espnet_sentiment.encoder.espnet_files import ARCHIVES
from espnet_sentiment.encoder.kinds import check_source
from espnet_sentiment.encoder.reference import verify_reference, without_places
from espnet_sentiment.model.layout import (
    CONFIG,
    TEXT,
    pieces_name,
    read_training_config,
    stats_name,
)
from espnet_sentiment.pack.archive import Members, check_free, write_folder, write_zip
from espnet_sentiment.pack.encoder import known_source, pack_encoder, source_url
from espnet_sentiment.pack.find import ModelFiles, find_model
from espnet_sentiment.pack.layout import (
    DESCRIPTION,
    META,
    README,
    STATS,
    WEIGHTS,
    settings_hash,
)
from espnet_sentiment.pack.model_card import model_card

# What a training's config says of the machine that it ran on.
MACHINE_SETTINGS: dict[str, Any] = {
    "config": None,
    "deepspeed_config": None,
    "dist_init_method": "env://",
    "init_param": [],
    "output_dir": ".",
    "pretrain_path": None,
    "train_data_path_and_name_and_type": [],
    "train_shape_file": [],
    "use_tensorboard": False,
    "use_wandb": False,
    "valid_data_path_and_name_and_type": [],
    "valid_shape_file": [],
    "wandb_entity": None,
    "wandb_id": None,
    "wandb_name": None,
    "wandb_project": None,
}
# By which keyword ESPnet's from_pretrained passes them on.
META_FILES = {"model_file": WEIGHTS}
META_YAML_FILES = {"train_config": CONFIG}


@dataclasses.dataclass(frozen=True)
class Packed:
    """What was packed.

    Attributes:
        path: The archive or folder; None if it was pushed alone.
        size: Bytes of all files.
        encoder_size: Bytes of the encoder's among them.
        description: What ``config.json`` holds.
        url: The repository that it was pushed to.
    """

    path: Path | None
    size: int
    encoder_size: int
    description: dict[str, Any]
    url: str | None = None


def pack_model(
    model: PathLike,
    out: PathLike | None,
    fold: str | None = None,
    with_encoder: bool = True,
    encoder_model: PathLike | None = None,
    encoder_source: str | None = None,
    licence: str | None = None,
    push: str | None = None,
    private: bool = False,
) -> Packed:
    """Pack a trained model.

    Args:
        model: See ``find_model``.
        out: A ``.zip`` to write, else a folder; None only pushes.
        fold: Which fold of an experiment; None is the model to deploy (``final``),
            where there is one, else the fold with the best validation UA.
        with_encoder: Whether the encoder's files go in; else the model names them by
            SHA-256 and, where it is known, by name on a hub, from which it is
            downloaded when a user asks for it.
        encoder_model: Where the encoder is now, if not where it was.
        encoder_source: Name by which it can be downloaded, where the training did not
            use it.
        licence: The Hub's identifier of the decoder's licence, such as ``cc-by-4.0``.
        push: ``owner/name`` on the Hugging Face Hub to upload it to.
        private: Whether a new repository there is seen by its owner alone.

    Raises:
        DataError: The model or its encoder is missing or not whole, ``out`` is taken,
            or the Hub refuses.
        EncoderMismatchError: The encoder is not the one that the decoder learned on.
    """
    if out is None and push is None:
        raise DataError("nothing to do: name a .zip or folder to write, or --push")
    path = None if out is None else Path(out).expanduser()
    if path is not None:
        _check(path)
    files = find_model(model, fold)
    members, description = pack_members(
        files, with_encoder, encoder_model, encoder_source, licence
    )
    if path is not None:
        _write(members, path)
    url = None if push is None else _push(members, push, private)
    sizes = [entry["size"] for entry in description["files"].values()]
    encoder = [
        e["size"] for n, e in description["files"].items() if n.startswith("encoder/")
    ]
    return Packed(path, sum(sizes), sum(encoder), description, url)


def _check(path: Path) -> None:
    """Refuse what cannot be written before the encoder is read and hashed."""
    if path.suffix.lower() == ".zip":
        check_writable(path)
        return
    if path.suffix.lower() in ARCHIVES:
        raise DataError(f"{path}: packs are .zip archives or folders, name one")
    check_free(path)
    check_writable(path, is_folder=True)


def _write(members: Members, path: Path) -> None:
    if path.suffix.lower() == ".zip":
        write_zip(members, path)
    else:
        write_folder(members, path)


def _push(members: Members, name: str, private: bool) -> str:
    from espnet_sentiment.pack.hub import push_model

    with tempfile.TemporaryDirectory() as folder:
        write_folder(members, Path(folder) / "model")
        return push_model(Path(folder) / "model", name, private)


def pack_members(
    files: ModelFiles,
    with_encoder: bool,
    encoder_model: PathLike | None,
    source: str | None,
    licence: str | None,
) -> tuple[dict[str, bytes | Path], dict[str, Any]]:
    """Return the files of a model folder by name, and its description.

    Args:
        files: What ``find_model`` found.
        with_encoder: See ``pack_model``.
        encoder_model: See ``pack_model``.
        source: See ``pack_model``.
        licence: See ``pack_model``.
    """
    # torch is slow to import, and a mistyped path should be told at once.
    from espnet_sentiment.model.checkpoint import (
        checkpoint_bytes,
        find_encoder,
        read_checkpoint,
    )

    checkpoint = read_checkpoint(files.model_file)
    reference = checkpoint["encoder"]
    config = read_training_config(files.config_file)
    conf_model = (config.get("encoder_conf") or {}).get("model")
    if source is not None:
        check_source(reference["name"], source, "--encoder_source")
    source = source or known_source(reference, conf_model)
    packed: dict[str, Any] = {
        "name": reference["name"],
        "path": None,
        "sha256": reference["sha256"],
        "source": source,
    }
    members: dict[str, bytes | Path] = {}
    where = None
    if with_encoder:
        given = encoder_model or files.encoder_model
        where = find_encoder(reference | {"source": source}, given)
    if where is not None:
        verify_reference(reference, where)
        encoder = pack_encoder(reference["name"], where)
        packed["path"] = encoder.path
        members |= encoder.files
    members |= _decoder_files(files.model_file.parent, config)
    text = _config_yaml(config, packed)
    members[CONFIG] = text.encode()
    members[WEIGHTS] = checkpoint_bytes(checkpoint["state_dict"], packed)
    members[META] = _meta(files.description["versions"]).encode()
    url = source_url(packed["name"], source)
    entries = {name: _entry(members[name]) for name in sorted(members)}
    description = files.description | {
        "encoder": packed
        | {
            "model": source or files.description["encoder"].get("model"),
            "url": url,
            "conf": _encoder_conf(config),
        },
        "licence": licence or files.description.get("licence"),
        "settings": settings_hash(parse_yaml(text), entries),
        "files": entries,
    }
    members[DESCRIPTION] = (
        json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()
    members[README] = model_card(description).encode()
    return members, description


def _encoder_conf(config: Mapping) -> dict[str, Any]:
    return without_places(config.get("encoder_conf") or {})


def _decoder_files(folder: Path, config: Mapping) -> dict[str, Path]:
    """Return what a decoder needs besides its weights."""
    found = {}
    if (stats := stats_name(config)) is not None:
        found[STATS] = folder / stats
    if config.get("text_encoder") is not None:
        found[f"{TEXT}/tokens.txt"] = folder / TEXT / "tokens.txt"
        if (pieces := pieces_name(config)) is not None:
            found[f"{TEXT}/{pieces}"] = folder / TEXT / pieces
    for path in found.values():
        if not path.is_file():
            raise DataError(f"{path} is missing: copy it there, or run stage 4 again")
    return found


def _config_yaml(config: Mapping, encoder: Mapping) -> str:
    """Return the training's config with the paths that it has in the pack."""
    clean = {key: MACHINE_SETTINGS.get(key, value) for key, value in config.items()}
    model = encoder["path"] or encoder["source"]
    clean["encoder_reference"] = dict(encoder)
    if encoder["name"] != "none":
        clean["encoder_conf"] = _encoder_conf(config) | {"model": model}
    if stats_name(config) is not None:
        clean["normalize_conf"] = clean["normalize_conf"] | {"stats_file": STATS}
    if (pieces := pieces_name(config)) is not None:
        clean["text_bpemodel"] = f"{TEXT}/{pieces}"
    return yaml.safe_dump(clean, sort_keys=False, allow_unicode=True)


def _meta(versions: Mapping[str, str]) -> str:
    """Return what ESPnet's ``unpack`` reads; a time in it would change every pack."""
    meta = {"files": META_FILES, "yaml_files": META_YAML_FILES} | dict(versions)
    return yaml.safe_dump(meta)


def _entry(content: bytes | Path) -> dict[str, Any]:
    import hashlib

    if isinstance(content, bytes):
        digest, size = hashlib.sha256(content).hexdigest(), len(content)
    else:
        digest, size = hash_file(content), content.stat().st_size
    return {"size": size, "sha256": digest}
