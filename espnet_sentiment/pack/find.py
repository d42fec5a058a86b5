"""Where a trained model's files are: here, in a pack, or in a hub to download from."""

import dataclasses
import os
import re
import shutil
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import hash_file, sha256_of
from espnet_sentiment.core.stamp import DONE, read_stamp
from espnet_sentiment.encoder.hub_names import is_hub_name
from espnet_sentiment.model.layout import CHECKPOINT, CONFIG
from espnet_sentiment.pack.description import choose_fold, describe_fold, fold_dirs
from espnet_sentiment.pack.layout import (
    DESCRIPTION,
    ENCODER,
    WEIGHTS,
    check_files,
    is_model_folder,
    read_description,
)

CACHE_VARIABLE = "ESPNET_SENTIMENT_CACHE"
ACCEPTED = (
    "a model is a fold's folder or its sentiment.pth, an experiment exp/<set>_<name>, "
    "a folder or .zip made by 'espnet-sentiment pack', the URL of such a .zip, a tag "
    "of ESPnet's model zoo, or owner/name on the Hugging Face Hub"
)
URL = re.compile(r"https?://")


@dataclasses.dataclass(frozen=True)
class ModelFiles:
    """The files of one trained model.

    Attributes:
        config_file: ESPnet's ``config.yaml``.
        model_file: ``sentiment.pth`` or ``model.safetensors``; its folder holds what
            else the decoder needs.
        encoder_model: The encoder that was packed with it; None: as its reference says.
        description: What the model says of itself, as ``config.json`` of a pack:
            ``name``, ``corpus``, ``fold``, ``classes``, ``encoder``, ``metrics``,
            ``versions``.
    """

    config_file: Path
    model_file: Path
    encoder_model: Path | None
    description: dict[str, Any]


def cache_dir() -> Path:
    """Return where packs are unpacked: $ESPNET_SENTIMENT_CACHE, or in ~/.cache."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given or "~/.cache/espnet_sentiment").expanduser()


def find_model(model: str | Path, fold: str | None = None) -> ModelFiles:
    """Find a trained model; nothing is loaded yet, and nothing executed.

    Args:
        model: A fold's folder or its ``sentiment.pth``; an experiment
            ``exp/<set>_<name>``; a model folder; a pack; an http(s) URL of one; a tag
            of ESPnet's model zoo; ``owner/name`` or ``owner/name@revision`` on the
            Hugging Face Hub. Paths come first.
        fold: Which fold of an experiment; None is the model to deploy (``final``),
            where there is one, else the fold with the best validation UA.

    Raises:
        DataError: There is no such model or fold, or a file is missing or damaged; the
            message says what was tried.
    """
    path = Path(model).expanduser()
    if path.exists():
        return _find_local(path, fold)
    text = str(model)
    if URL.match(text):
        return _find_local(_download(text), fold)
    if isinstance(model, Path) or path.is_absolute() or text.startswith((".", "~")):
        raise DataError(f"{model} does not exist: {ACCEPTED}")
    return _find_local(_fetch(text), fold)


def _find_local(path: Path, fold: str | None) -> ModelFiles:
    if path.is_file() and path.suffix.lower() == ".zip":
        path = unpack_once(path)
    folder = path if path.is_dir() else path.parent
    if path.is_file() and path.name not in (CHECKPOINT, WEIGHTS, CONFIG):
        raise DataError(f"{path} is no model: {ACCEPTED}")
    if is_model_folder(folder):
        return _model_folder(folder, fold)
    if (folder / CHECKPOINT).is_file():
        return _trained_fold(folder, fold)
    if fold_dirs(folder):
        chosen, why = choose_fold(folder, fold)
        files = _trained_fold(chosen, None)
        return dataclasses.replace(
            files, description=files.description | {"fold_choice": why}
        )
    raise DataError(f"{path} holds no trained model: {ACCEPTED}")


def _model_folder(folder: Path, fold: str | None) -> ModelFiles:
    description = read_description(folder / DESCRIPTION)
    _check_fold(folder, description.get("fold"), fold)
    _check_model_files(folder, description)
    packed = description["encoder"].get("path")
    encoder = None if packed is None else folder / packed
    return ModelFiles(folder / CONFIG, folder / WEIGHTS, encoder, description)


def _trained_fold(folder: Path, fold: str | None) -> ModelFiles:
    if (stamp := read_stamp(folder / DONE)) is not None:
        stamp.check_all()
    description = describe_fold(folder)
    _check_fold(folder, description["fold"], fold)
    return ModelFiles(folder / CONFIG, folder / CHECKPOINT, None, description)


def _check_fold(folder: Path, found: str | None, wanted: str | None) -> None:
    if wanted is not None and wanted.removeprefix("fold") != found:
        raise DataError(
            f"{folder} is fold {found}, and fold {wanted} is wanted: name the "
            "experiment that holds it, or a pack of it"
        )


def unpack_once(archive: Path) -> Path:
    """Unpack a pack into the cache, unless one of the same SHA-256 is there already.

    Raises:
        DataError: See ``unpack_model``.
    """
    from espnet_sentiment.pack.unpack import unpack_model

    folder = cache_dir() / "models" / hash_file(archive)
    if folder.is_dir() and not _is_sound(folder):
        # Out of the way in one step, should another process read it.
        damaged = folder.with_name(f"{folder.name}.damaged.{os.getpid()}")
        folder.rename(damaged)
        shutil.rmtree(damaged)
    if not folder.is_dir():
        try:
            unpack_model(archive, folder)
        except DataError:
            # Another process may have been quicker.
            if not folder.is_dir():
                raise
    return folder


def _is_sound(folder: Path) -> bool:
    try:
        _check_model_files(folder, read_description(folder / DESCRIPTION))
    except DataError:
        return False
    return True


def _check_model_files(folder: Path, description: dict[str, Any]) -> None:
    # The encoder is large, and checked as it is loaded.
    names = (n for n in description["files"] if not n.startswith(f"{ENCODER}/"))
    check_files(folder, description, names)


def _download(url: str) -> Path:
    from espnet_sentiment.core.download import download

    return download(url, cache_dir() / "downloads" / f"{sha256_of(url)}.zip")


def _fetch(name: str) -> Path:
    """Get a model of that name from the Hugging Face Hub or ESPnet's model zoo."""
    tried = []
    for where, fetch in (
        ("the Hugging Face Hub", _fetch_hub),
        ("ESPnet's model zoo", _fetch_zoo),
    ):
        try:
            return fetch(name)
        # Both pass on the errors of requests, pandas, zipfile and their own.
        except Exception as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            tried.append(f"{where} gave nothing of that name ({reason})")
    raise DataError(
        f"no model at {name}: there is no such path; {'; '.join(tried)}. "
        f"{ACCEPTED[0].upper()}{ACCEPTED[1:]}"
    )


def _fetch_hub(name: str) -> Path:
    from espnet_sentiment.pack.hub import download_model

    if not is_hub_name(name):
        raise DataError("names there are owner/name")
    return download_model(name)


def _fetch_zoo(name: str) -> Path:
    from espnet_model_zoo.downloader import ModelDownloader

    return Path(ModelDownloader().download(name))
