"""Which files of an ESPnet experiment a pack takes, so that they are found again."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.espnet_files import (
    ARCHIVES,
    ESPnetExperiment,
    named_file,
    open_experiment,
    stats_file,
)
from espnet_sentiment.encoder.notices import notices

# Parts that ESPnet makes of another model, which it downloads or looks for elsewhere.
ELSEWHERE = {
    "frontend": ("espnet_ssl", "fused", "huggingface", "s3prl", "whisper"),
    "encoder": (
        "avhubert",
        "beats",
        "hubert",
        "hubert_pretrain",
        "wav2vec2",
        "whisper",
    ),
    "postencoder": ("hugging_face_transformers",),
}


def espnet_layout(path: Path) -> tuple[list[Path], Path]:
    """Return the files that an encoder needs, and the folder above all of them.

    Args:
        path: What ``open_experiment`` takes; absolute.

    Raises:
        DataError: A file is missing, or would not be found in another folder; or a
            part is made of another model.
    """
    folder = path if path.is_dir() else path.parent
    with open_experiment(path) as experiment:
        _check_whole(path, experiment.config)
        if path.is_file() and path.suffix in ARCHIVES:
            return [path], path.parent
        config_file = experiment.config_file.absolute()
        files = [config_file, experiment.model_file.absolute()]
        roots = [folder]
        for name, file in _named(experiment):
            files.append(file)
            roots.append(_root(config_file, name, file, folder))
    # They contain one another, as all are above the configuration.
    root = min(roots, key=lambda path: len(path.parts))
    others = [config_file.with_name("tokens.txt"), folder / "meta.yaml"]
    others += notices(folder)
    return [*files, *filter(Path.is_file, others)], root


def _check_whole(path: Path, config: dict) -> None:
    for part, names in ELSEWHERE.items():
        if (name := str(config.get(part)).lower()) in names:
            raise DataError(
                f"{path}: its {part} {name} is made of another model, which would be "
                "downloaded: pack without the encoder (--without_encoder)"
            )
    if isinstance(config.get("token_list"), str):
        raise DataError(
            f"{path}: its token_list is a path, and no list: write the list into its "
            "config.yaml, or pack without the encoder (--without_encoder)"
        )


def _named(experiment: ESPnetExperiment) -> Iterator[tuple[str, Path]]:
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
