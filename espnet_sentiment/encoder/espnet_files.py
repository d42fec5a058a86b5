"""Where an ESPnet experiment lies, and which of its files define its encoder."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError

COPY = "copy it anew"
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".tbz2", ".bz2", ".txz", ".xz")
# What ESPnet's recipes decode with, and then what they fall back to.
CHECKPOINTS = (
    "valid.acc.ave.pth",
    "valid.loss.ave.pth",
    "valid.acc.best.pth",
    "valid.loss.best.pth",
)
# Whatever the criterion by which epochs were selected.
AVERAGED = "valid.*.ave.pth"


class ESPnetExperiment(NamedTuple):
    """The files of one experiment."""

    config_file: Path
    model_file: Path
    config: dict


def find_espnet(model: str, download_dir: str | None = None) -> Path:
    """Return an experiment's directory, checkpoint or archive.

    Args:
        model: A local path, else a tag of ESPnet's model zoo or the Hugging Face Hub.
        download_dir: Where downloads are kept; None is the zoo's own cache.

    Raises:
        DataError: Nothing is there and nothing can be downloaded.
    """
    path = Path(model).expanduser()
    if path.exists():
        return path
    from espnet_model_zoo.downloader import ModelDownloader

    try:
        return Path(ModelDownloader(download_dir).download(model))
    # The zoo passes on the errors of requests, huggingface_hub and its own.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"no encoder at {model}: there is no such file, and ESPnet's model zoo "
            f"gave nothing of that name ({reason}). Give the path of an experiment by "
            "--encoder_model, or repair the connection"
        ) from None


@contextlib.contextmanager
def open_experiment(path: Path) -> Iterator[ESPnetExperiment]:
    """Give an experiment's files; an archive is unpacked for as long as this lasts.

    Args:
        path: An experiment's directory, one of its checkpoints (``*.pth``), an
            unpacked archive, or an archive by ESPnet's ``pack``.

    Raises:
        DataError: A file is missing or unreadable, or an archive's member would
            leave the folder that it is unpacked into.
    """
    if path.is_file() and path.suffix in ARCHIVES:
        # It imports requests.
        from espnet_sentiment.core.download import unpack

        with tempfile.TemporaryDirectory() as folder:
            # Not ESPnet's, which reads and rewrites whatever YAML there is.
            yield _read(unpack(path, Path(folder) / "unpacked"))
    else:
        yield _read(path)


def _read(path: Path) -> ESPnetExperiment:
    folder = path if path.is_dir() else path.parent
    if path.is_dir() and (path / "meta.yaml").is_file():
        meta = read_config(path / "meta.yaml", broken=COPY)
        try:
            config_file = path / meta["yaml_files"]["asr_train_config"]
            model_file = path / meta["files"]["asr_model_file"]
        except (KeyError, TypeError):
            raise DataError(
                f"{path / 'meta.yaml'} names no asr_train_config and asr_model_file: "
                "only ASR models can be encoders"
            ) from None
        for file in (config_file, model_file):
            # Not resolved: the Hub's snapshots are links into a store beside them.
            if not Path(os.path.normpath(file)).is_relative_to(os.path.normpath(path)):
                raise DataError(f"{path / 'meta.yaml'} names {file}, outside of {path}")
    else:
        config_file = folder / "config.yaml"
        model_file = path if path.is_file() else _choose_checkpoint(path)
    for file in (config_file, model_file):
        if not file.is_file():
            raise DataError(
                f"{file} is missing: copy it there, or point --encoder_model to a "
                "complete ESPnet experiment (config.yaml and a .pth file)"
            )
    return ESPnetExperiment(
        config_file, model_file, read_config(config_file, COPY, COPY)
    )


def averaged_checkpoint(folder: Path) -> Path:
    """Return the checkpoint that averages an experiment's best epochs.

    Raises:
        DataError: There is none, or one for each of several criteria.
    """
    found = sorted(folder.glob(AVERAGED))
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(
            f"{folder} holds no checkpoint {AVERAGED}: train to the end first, or name "
            "another folder"
        )
    raise DataError(
        f"{folder} holds {len(found)} averaged checkpoints "
        f"({', '.join(path.name for path in found)}): keep one, and set one "
        "best_model_criterion for the next training"
    )


def _choose_checkpoint(folder: Path) -> Path:
    for name in CHECKPOINTS:
        if (folder / name).is_file():
            return folder / name
    averaged = list(folder.glob(AVERAGED))
    if len(averaged) == 1:
        return averaged[0]
    # checkpoint.pth is the trainer's state.
    found = sorted(p for p in folder.glob("*.pth") if p.name != "checkpoint.pth")
    if len(found) == 1:
        return found[0]
    raise DataError(
        f"{folder} holds no {CHECKPOINTS[0]}, and {len(found)} other .pth files: name "
        "the one to load by --encoder_model"
    )


def stats_file(experiment: ESPnetExperiment) -> Path | None:
    """Return the statistics that the experiment normalises by, if it does so.

    Raises:
        DataError: The file is not there.
    """
    name = (experiment.config.get("normalize_conf") or {}).get("stats_file")
    if experiment.config.get("normalize") is None or name is None:
        return None
    return named_file(experiment, name)


def named_file(experiment: ESPnetExperiment, name: str) -> Path:
    """Find a file that the experiment's configuration names.

    Configurations name it relative to the recipe, which is a folder above them.

    Raises:
        DataError: The file is not there.
    """
    beside = experiment.config_file.with_name(Path(name).name)
    folders = [*experiment.config_file.absolute().parents, Path()]
    for path in [beside, *(folder / name for folder in folders)]:
        if path.is_file():
            return path
    raise DataError(
        f"{experiment.config_file} names {name}, which is neither under a folder above "
        "it nor under the current one: copy it there"
    )


def espnet_files(path: Path) -> list[Path]:
    """Return the files that define an experiment's encoder.

    Raises:
        DataError: See ``open_experiment``.
    """
    if path.is_file() and path.suffix in ARCHIVES:
        return [path]
    with open_experiment(path) as experiment:
        files = [experiment.config_file, experiment.model_file]
        return sorted(filter(None, [*files, stats_file(experiment)]))
