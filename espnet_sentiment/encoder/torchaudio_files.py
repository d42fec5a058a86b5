"""Which files a torchaudio pipeline bundle consists of, and where they lie.

torchaudio keeps an architecture's sizes in its code, not beside the weights. So a
checkpoint is recognised by its file name, which is the one it has for download:
``wav2vec2_fairseq_base_ls960.pth`` is ``WAV2VEC2_BASE``.
"""

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

from espnet_sentiment.compat import bundle_paths
from espnet_sentiment.core.download import download
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.kinds import ASR, SELF_SUPERVISED

# What the paths of torchaudio's bundles are relative to.
HOST = "https://download.pytorch.org/torchaudio/"


class BundleFiles(NamedTuple):
    """A bundle, and the files that it is loaded from.

    Attributes:
        bundle: torchaudio's ``Wav2Vec2Bundle`` or ``RNNTBundle``.
        checkpoint: The weights.
        stats: Mean and inverse deviation of the mel channels, where it uses them.
    """

    bundle: Any
    checkpoint: Path
    stats: Path | None


def bundles() -> dict[str, Any]:
    """Return torchaudio's bundles of speech encoders by name."""
    from torchaudio import pipelines

    kinds = (pipelines.Wav2Vec2Bundle, pipelines.RNNTBundle)
    found = {name: getattr(pipelines, name) for name in pipelines.__all__}
    return {name: b for name, b in found.items() if isinstance(b, kinds)}


def bundle_urls(bundle: Any) -> list[str]:
    """Return the addresses of a bundle's files, the checkpoint's first."""
    return [urljoin(HOST, path) for path in bundle_paths(bundle)]


def find_torchaudio(model: str, download_dir: str | None = None) -> Path:
    """Return a checkpoint, downloaded if a bundle is named and it is not there yet.

    Args:
        model: A local checkpoint or the directory of one, else a bundle's name.
        download_dir: Where downloads are kept; None is ``checkpoints`` in the folder
            of torch.hub, where torchaudio keeps wav2vec 2.0, HuBERT and WavLM, too.

    Raises:
        DataError: There is neither such a path nor such a bundle, or a download fails.
    """
    path = Path(model).expanduser()
    if path.exists():
        return path
    bundle = bundles().get(model)
    if bundle is None:
        raise DataError(
            f"no encoder at {model}: there is no such file, and torchaudio has no "
            "bundle of that name. Give the path of a bundle's checkpoint by "
            f"--encoder_model, or one of {', '.join(bundles())}"
        )
    folder = _hub_folder() if download_dir is None else Path(download_dir).expanduser()
    try:
        files = [download(url, folder / _name(url)) for url in bundle_urls(bundle)]
    except DataError as error:
        raise DataError(
            f"no encoder at {model}: {error}. --encoder_model takes a local copy"
        ) from error
    return files[0]


def _hub_folder() -> Path:
    """Return where torchaudio keeps what it has downloaded."""
    import torch

    return Path(torch.hub.get_dir(), "checkpoints")


def kept_torchaudio(source: str) -> Path | None:
    """Return a bundle's checkpoint in the folder of torch.hub, if it is there."""
    bundle = bundles().get(source)
    path = None if bundle is None else _hub_folder() / _name(bundle_urls(bundle)[0])
    return path if path is not None and path.is_file() else None


def locate(path: Path) -> BundleFiles:
    """Recognise a bundle by its checkpoint's name and find the files it needs.

    Args:
        path: A checkpoint, or a directory that holds one.

    Raises:
        DataError: It is no bundle's checkpoint, several, or lacks a file beside it.
    """
    known = {_name(bundle_urls(b)[0]): b for b in bundles().values()}
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.name in known)
        if len(found) != 1:
            names = f" ({', '.join(file.name for file in found)})" if found else ""
            raise DataError(
                f"{path} holds {len(found)} checkpoints of torchaudio bundles{names}: "
                "name the file by --encoder_model"
            )
        path = found[0]
    bundle = known.get(path.name)
    if bundle is None:
        raise DataError(
            f"{path} is no checkpoint of a torchaudio bundle: they are recognised by "
            f"their file's name. Give it back the one of {', '.join(known)} that it "
            "had, or point --encoder_model to another"
        )
    stats = [path.with_name(_name(url)) for url in bundle_urls(bundle)[1:]]
    for file in stats:
        if not file.is_file():
            raise DataError(
                f"{file} is missing: copy it there from {bundle_urls(bundle)[1]}, for "
                f"{path.name} cannot be used without it"
            )
    return BundleFiles(bundle, path, stats[0] if stats else None)


def torchaudio_files(path: Path) -> list[Path]:
    """Return the files that define an encoder.

    Raises:
        DataError: See ``locate``.
    """
    _, checkpoint, stats = locate(path)
    return [checkpoint] if stats is None else [checkpoint, stats]


def torchaudio_pretraining(path: Path) -> str:
    """Tell how a bundle was trained: ``HUBERT_BASE`` on audio alone, ASR bundles not.

    Raises:
        DataError: See ``locate``.
    """
    from torchaudio.pipelines import RNNTBundle, Wav2Vec2ASRBundle

    recognisers = (RNNTBundle, Wav2Vec2ASRBundle)
    return ASR if isinstance(locate(path).bundle, recognisers) else SELF_SUPERVISED


def torchaudio_layout(path: Path) -> tuple[list[Path], Path]:
    """Return the files that a pack takes, and their folder; see ``locate``."""
    return torchaudio_files(path), path if path.is_dir() else path.parent


def bundle_name(path: Path) -> str | None:
    """Return the name of the bundle that a checkpoint belongs to, if it is there."""
    if not path.exists():
        return None
    bundle = locate(path).bundle
    return next(name for name, known in bundles().items() if known is bundle)


def bundle_url(name: str) -> str | None:
    """Return the address of a bundle's checkpoint; None if there is no such bundle."""
    return bundle_urls(bundles()[name])[0] if name in bundles() else None


def _name(url: str) -> str:
    return url.rpartition("/")[2]
