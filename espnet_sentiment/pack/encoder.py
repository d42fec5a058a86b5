"""An encoder's own files, laid out in a pack so that their SHA-256 stays the same."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json
from espnet_sentiment.encoder.espnet_files import (
    ARCHIVES,
    Experiment,
    named_file,
    open_experiment,
    stats_file,
)
from espnet_sentiment.encoder.huggingface_files import (
    huggingface_files,
    tokenizer_files,
)
from espnet_sentiment.encoder.torchaudio_files import (
    bundle_urls,
    bundles,
    locate,
    torchaudio_files,
)
from espnet_sentiment.pack.layout import ENCODER

# What a model says of itself, its licence above all.
NOTICES = ("LICENSE*", "LICENCE*", "NOTICE*", "README.md")
# https://huggingface.co/docs/huggingface_hub/guides/manage-cache
HUB_CACHE = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/[0-9a-f]{40}")
HUB = "https://huggingface.co/"


@dataclasses.dataclass(frozen=True)
class PackedEncoder:
    """Where an encoder's files go.

    Attributes:
        path: The model's path in the pack, what ``--encoder_model`` would be.
        files: What to copy, by its name in the pack.
    """

    path: str
    files: dict[str, Path]


def pack_encoder(name: str, path: Path) -> PackedEncoder:
    """Say which files of an encoder a pack takes, and where they go.

    Args:
        name: ``espnet``, ``huggingface`` or ``torchaudio``.
        path: The model; relative names between its files are kept.

    Raises:
        DataError: A file is missing, or cannot be found again in another folder.
    """
    path = path.absolute()
    files, root = LAYOUTS[name](path)
    found = {_name(file, root): file for file in files}
    return PackedEncoder(_name(path, root), dict(sorted(found.items())))


def _name(path: Path, root: Path) -> str:
    return (Path(ENCODER) / path.relative_to(root)).as_posix()


def _huggingface(path: Path) -> tuple[list[Path], Path]:
    files = huggingface_files(path)
    if read_json(path / "config.json").get("model_type") == "whisper":
        # Without them it is an encoder still, which writes no transcripts.
        with contextlib.suppress(DataError):
            files += tokenizer_files(path)
    return [*files, *_notices(path)], path


def _torchaudio(path: Path) -> tuple[list[Path], Path]:
    return torchaudio_files(path), path if path.is_dir() else path.parent


def _espnet(path: Path) -> tuple[list[Path], Path]:
    if path.is_file() and path.suffix in ARCHIVES:
        return [path], path.parent
    folder = path if path.is_dir() else path.parent
    with open_experiment(path) as experiment:
        config_file = experiment.config_file.absolute()
        files = [config_file, experiment.model_file.absolute()]
        roots = [folder]
        for name, file in _named(experiment):
            files.append(file)
            roots.append(_root(config_file, name, file, folder))
    # They contain one another, as all are above the configuration.
    root = min(roots, key=lambda path: len(path.parts))
    others = [config_file.with_name("tokens.txt"), folder / "meta.yaml"]
    others += _notices(folder)
    return [*files, *filter(Path.is_file, others)], root


def _named(experiment: Experiment) -> Iterator[tuple[str, Path]]:
    """Give the files that a configuration names: statistics and sentencepieces."""
    stats = stats_file(experiment)
    if stats is not None:
        yield experiment.config["normalize_conf"]["stats_file"], stats.absolute()
    pieces = experiment.config.get("bpemodel")
    if isinstance(pieces, str):
        # Without them it is an encoder still, which writes no transcripts.
        with contextlib.suppress(DataError):
            yield pieces, named_file(experiment, pieces).absolute()


def _root(config_file: Path, name: str, file: Path, folder: Path) -> Path:
    """Return the folder to copy from, so that a named file is found in its copy."""
    if file == config_file.with_name(file.name):
        return folder
    parts = Path(name).parts
    if not Path(name).is_absolute() and ".." not in parts:
        start = file.parents[len(parts) - 1]
        if config_file.is_relative_to(start):
            return start if folder.is_relative_to(start) else folder
    raise DataError(
        f"{config_file} names {name}, which no copy of it would find: pack without the "
        "encoder (--without_encoder)"
    )


def _notices(folder: Path) -> list[Path]:
    return [file for pattern in NOTICES for file in sorted(folder.glob(pattern))]


LAYOUTS = {"espnet": _espnet, "huggingface": _huggingface, "torchaudio": _torchaudio}


def known_source(reference: Mapping[str, Any], model: str | None) -> str | None:
    """Return the name by which an encoder can be downloaded; None if none is known.

    Args:
        reference: The checkpoint's.
        model: ``encoder_conf.model`` of the training's config.
    """
    # A packed model says what was known.
    if "source" in reference or reference["name"] == "none":
        return reference.get("source")
    where = Path(model or "")
    if model and not where.is_absolute() and not where.exists():
        return model
    path = str(reference.get("path") or "")
    if (cached := HUB_CACHE.search(path)) is not None:
        return "/".join(cached.groups())
    if reference["name"] == "torchaudio" and Path(path).exists():
        bundle = locate(Path(path)).bundle
        return next(name for name, b in bundles().items() if b is bundle)
    return None


def source_url(name: str, source: str | None) -> str | None:
    """Return the page or file that a source is downloaded from."""
    if source is None:
        return None
    if name == "torchaudio":
        return bundle_urls(bundles()[source])[0] if source in bundles() else None
    return f"{HUB}{source}" if source.count("/") == 1 else None
