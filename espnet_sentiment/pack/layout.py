"""A model folder's files, its description ``config.json``, and what its sums promise.

A model folder, a pack unpacked or a repository on the Hugging Face Hub, holds::

    config.json         its description: classes, encoder, metrics, versions, SHA-256
    config.yaml         ESPnet's training config, paths relative to the folder
    model.safetensors   the decoder
    feats_stats.npz     what normalises the decoder's input
    text/               tokens of a text branch
    encoder/            the encoder's own files, unless the pack goes without
    meta.yaml           ESPnet's model zoo
    README.md           the model card
"""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import hash_file, sha256_of
from espnet_sentiment.core.names import check_seen
from espnet_sentiment.core.untrusted import parse_json, read_bounded
from espnet_sentiment.encoder.kinds import DIGEST, check_reference
from espnet_sentiment.model.layout import CONFIG, DEPLOYED, check_name

DESCRIPTION = "config.json"
WEIGHTS = "model.safetensors"
STATS = "feats_stats.npz"
ENCODER = "encoder"
META = "meta.yaml"
README = "README.md"

MODEL_TYPE = "espnet_sentiment"
FORMAT_VERSION = 1
REMEDY = "pack or download the model anew"
# What a user reads of a description, and what it has to be.
TEXTS = ("name", "corpus", "fold", "fold_choice", "decoder", "licence")
TABLES = ("metrics", "versions")
SCORES = ("wa", "ua")


def is_model_folder(folder: Path) -> bool:
    """Tell whether a folder has the files without which it is no model folder."""
    return all((folder / name).is_file() for name in (DESCRIPTION, CONFIG, WEIGHTS))


def read_description(path: Path) -> dict[str, Any]:
    """Read and check a description.

    Args:
        path: A ``config.json``.

    Raises:
        DataError: It is no description of this package, or of a later version; it
            names the encoder's source by more than a name; or a name in it has a
            character that nobody sees.
    """
    try:
        description = parse_json(read_bounded(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not valid JSON ({error}): {REMEDY}") from None
    return check_description(description, path)


def check_description(description: Any, path: str | Path) -> dict[str, Any]:
    """Check a description that came out of ``path``.

    Raises:
        DataError: See ``read_description``.
    """
    if not isinstance(description, dict) or description.get("model_type") != MODEL_TYPE:
        raise DataError(
            f"{path} is no description of an {MODEL_TYPE} model: name another"
        )
    if description.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"{path} has format version {description.get('format_version')}, and this "
            f"package reads {FORMAT_VERSION}: install a newer espnet_sentiment"
        )
    files, encoder = description.get("files"), description.get("encoder")
    if not isinstance(files, dict) or not isinstance(encoder, dict):
        raise DataError(f"{path} names no files and no encoder: {REMEDY}")
    for name, entry in files.items():
        check_name(name, path)
        if not _is_entry(entry):
            raise DataError(f"{path}: {name} has no size and SHA-256: {REMEDY}")
    if CONFIG not in files or WEIGHTS not in files:
        raise DataError(f"{path} names no {CONFIG} and {WEIGHTS}: {REMEDY}")
    check_reference(encoder, path)
    packed = encoder.get("path")
    if packed is not None:
        check_name(packed, path)
    _check_told(description, path)
    return description


def _check_told(description: Mapping, path: str | Path) -> None:
    """Check what a user reads of a description."""
    classes = description.get("classes")
    if not isinstance(classes, list) or not all(isinstance(c, str) for c in classes):
        raise DataError(f"{path} names no classes: {REMEDY}")
    for name in classes:
        check_seen(f"{path}: the class", name, REMEDY)
    for key in TEXTS:
        text = description.get(key)
        if not isinstance(text, str | None):
            raise DataError(f"{path}: {key} is no text: {REMEDY}")
        check_seen(f"{path}: {key}", text or "", REMEDY)
    for key in TABLES:
        if not isinstance(description.get(key) or {}, dict):
            raise DataError(f"{path}: {key} is no table: {REMEDY}")
    metrics = description.get("metrics") or {}
    pooled, scores = metrics.get("pooled"), [description.get("valid_ua")]
    if pooled is not None:
        table = pooled if isinstance(pooled, dict) else {}
        scores += [table.get(key, "") for key in SCORES]
    if not all(isinstance(score, int | float | None) for score in scores) or not (
        isinstance(metrics.get("folds", []), list)
    ):
        raise DataError(f"{path}: its metrics are no numbers: {REMEDY}")
    if description.get("trained_on") not in (None, *DEPLOYED):
        known = " and ".join(DEPLOYED)
        raise DataError(f"{path}: trained_on is none of {known}: {REMEDY}")
    calibration = description.get("calibration")
    if calibration is not None and not _is_calibration(calibration):
        raise DataError(f"{path}: its calibration is no numbers: {REMEDY}")


def _is_calibration(found: Any) -> bool:
    if not isinstance(found, dict):
        return False
    numbers = [found.get("temperature"), found.get("utterances")]
    for worth in (found.get("ece"), found.get("cross_entropy")):
        if not isinstance(worth, dict):
            return False
        numbers += [worth.get("before"), worth.get("after")]
    return all(isinstance(n, int | float) for n in numbers)


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("size"), int)
        and entry["size"] >= 0
        and isinstance(entry.get("sha256"), str)
        and DIGEST.fullmatch(entry["sha256"]) is not None
    )


def check_files(folder: Path, description: Mapping, names: Iterable[str]) -> None:
    """Check files of a model folder against the description's sizes and SHA-256.

    ESPnet's model zoo rewrites the paths in ``config.yaml`` as it unpacks; its
    settings are compared then.

    Raises:
        DataError: A file is missing, or another than the description promises.
    """
    for name in names:
        path, entry = folder / name, description["files"][name]
        if not path.is_file():
            raise DataError(f"{path} is missing: {REMEDY}")
        found = hash_file(path)
        if found == entry["sha256"] and path.stat().st_size == entry["size"]:
            continue
        if name == CONFIG and _has_settings(path, description):
            continue
        raise DataError(
            f"{path} is damaged or was changed: its SHA-256 is {found}, and "
            f"{DESCRIPTION} promises {entry['sha256']}: {REMEDY}"
        )


def _has_settings(path: Path, description: Mapping) -> bool:
    try:
        config = read_config(path)
    except DataError:
        return False
    return settings_hash(config, description["files"]) == description.get("settings")


def settings_hash(config: Mapping, names: Iterable[str]) -> str:
    """Hash a training config, whichever folder its paths lie in.

    Args:
        config: What ``config.yaml`` holds.
        names: The files of the model folder.
    """
    by_parts = {PurePosixPath(name).parts: name for name in names}

    def relative(value):
        if isinstance(value, dict):
            return {key: relative(item) for key, item in value.items()}
        if isinstance(value, list):
            return [relative(item) for item in value]
        if isinstance(value, str) and "/" in value:
            parts = PurePosixPath(value).parts
            for start in range(1, len(parts)):
                if parts[start:] in by_parts:
                    return by_parts[parts[start:]]
        return value

    return sha256_of(relative(config))
