"""Downloads that resume, and archives that stay inside their folder."""

import hashlib
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike

if TYPE_CHECKING:
    import requests

TIMEOUT = 30  # seconds without an answer
CHUNK = 1 << 16  # bytes


def download(
    url: str,
    path: PathLike,
    session: "requests.Session | None" = None,
    sha256: str | None = None,
    option: str | None = None,
) -> Path:
    """Download a file; an interrupted download continues where it stopped.

    Args:
        url: What to fetch.
        path: Where to put it; it appears when it is complete and checked.
        session: Connection settings, for proxies and the like.
        sha256: SHA-256 that the file must have, in hexadecimal digits.
        option: Option that takes a local copy, for messages: ``--corpus DIR``.

    Raises:
        DataError: The server cannot be reached, refuses, or sends too little, or
            something else than the checksum promises.
    """
    path = Path(path)
    if path.exists():
        return path
    # Slow, and most runs download nothing.
    import requests

    local_copy = "give a local copy" + (f" by {option}" if option else "")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with (session or requests.Session()).get(
            url, headers=headers, stream=True, timeout=TIMEOUT
        ) as answer:
            if answer.status_code == 416:  # nothing is left to send
                return _accept(part, path, url, sha256, local_copy)
            answer.raise_for_status()
            resumed = answer.status_code == 206
            total = int(answer.headers.get("Content-Length", 0)) + have * resumed
            with (
                open(part, "ab" if resumed else "wb") as stream,
                tqdm(
                    total=total or None,
                    initial=have * resumed,
                    desc=path.name,
                    unit="B",
                    unit_scale=True,
                ) as bar,
            ):
                for chunk in answer.iter_content(CHUNK):
                    stream.write(chunk)
                    bar.update(len(chunk))
    except requests.RequestException as error:
        raise DataError(
            f"{url} cannot be downloaded ({type(error).__name__}): run the same "
            f"command again to continue, or {local_copy}"
        ) from error
    if total and part.stat().st_size != total:
        raise DataError(f"{url}: the download broke off: run the same command again")
    return _accept(part, path, url, sha256, local_copy)


def _accept(
    part: Path, path: Path, url: str, sha256: str | None, local_copy: str
) -> Path:
    """Give a complete download its name, or remove it when it is not the file."""
    if sha256 is not None:
        with open(part, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            part.unlink()
            raise DataError(
                f"{url} was downloaded, but its SHA-256 is {found} and not {sha256}: "
                "the broken file was removed, run the same command again; should "
                f"that not help, {local_copy}"
            )
    part.replace(path)
    return path


def unpack(archive: PathLike, folder: PathLike) -> Path:
    """Unpack a zip or tar archive; the folder appears when it is complete.

    Raises:
        DataError: The archive is broken, or an entry would leave the folder.
    """
    archive, folder = Path(archive), Path(folder)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as stream:
                for name in stream.namelist():
                    if not (part / name).resolve().is_relative_to(part.resolve()):
                        raise DataError(f"{archive}: entry {name!r} leaves its folder")
                stream.extractall(part)  # noqa: S202 -- its names are checked above
        else:
            with tarfile.open(archive) as stream:
                files = tqdm(stream, desc=archive.name, unit=" files", delay=1)
                stream.extractall(part, members=files, filter="data")
    except (
        OSError,
        EOFError,
        zlib.error,
        tarfile.TarError,
        zipfile.BadZipFile,
    ) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"{archive} cannot be unpacked ({reason}): delete it and download it again"
        ) from error
    part.replace(folder)
    return folder
