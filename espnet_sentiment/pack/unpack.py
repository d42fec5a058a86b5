"""Unpacking a model: nothing of the archive is trusted, and nothing of it executed."""

import hashlib
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.core.untrusted import MOST_BYTES, parse_json
from espnet_sentiment.model.layout import check_name
from espnet_sentiment.pack.archive import new_folder
from espnet_sentiment.pack.layout import DESCRIPTION, README, check_description

CHUNK = 1 << 20
# A pack by this package is stored; text in one that was compressed shrinks to a tenth.
MOST_RATIO = 20
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1


def unpack_model(archive: PathLike, folder: PathLike) -> dict[str, Any]:
    """Unpack a pack; the folder appears when it is complete and every SHA-256 fits.

    Args:
        archive: A ``.zip`` made by ``pack_model``.
        folder: Where to, a folder that does not exist or is empty.

    Returns:
        The model's description.

    Raises:
        DataError: The archive is no pack or broken; a name in it is absolute, has
            ``..``, or stands there twice; it holds links; a file has another size or
            SHA-256 than the description promises; or the folder is taken.
    """
    archive, folder = Path(archive), Path(folder).expanduser()
    try:
        with zipfile.ZipFile(archive) as stream:
            infos = _members(stream, archive)
            description = _read_description(stream, infos, archive)
            _check_contents(infos, description, archive)
            with new_folder(folder) as part:
                _check_space(infos.values(), part, archive)
                for name, info in infos.items():
                    _extract(
                        stream,
                        info,
                        part / name,
                        description["files"].get(name),
                        archive,
                    )
    except FileNotFoundError:
        raise DataError(f"{archive} does not exist: name a pack") from None
    # What zipfile, zlib and the disk say of broken archives.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        # A name in the archive that is no UTF-8.
        UnicodeDecodeError,
    ) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"{archive} cannot be unpacked ({reason}): pack or download it anew"
        ) from error
    return description


def _members(stream: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's files by name; folders are made as files need them."""
    infos: dict[str, zipfile.ZipInfo] = {}
    # Some systems tell no upper from lower case.
    seen: set[str] = set()
    for info in stream.infolist():
        check_name(info.filename.removesuffix("/"), archive)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refuse(archive, info.filename, "is a link or no file at all")
        if info.flag_bits & ENCRYPTED or info.compress_type not in COMPRESSIONS:
            raise _refuse(archive, info.filename, "is encrypted or oddly compressed")
        if info.is_dir():
            continue
        if info.filename.casefold() in seen:
            raise _refuse(archive, info.filename, "stands there twice")
        seen.add(info.filename.casefold())
        infos[info.filename] = info
    return infos


def _read_description(
    stream: zipfile.ZipFile, infos: dict, archive: Path
) -> dict[str, Any]:
    info = infos.get(DESCRIPTION)
    if info is None:
        raise DataError(
            f"{archive} holds no {DESCRIPTION}, so 'espnet-sentiment pack' did not "
            "make it: name another"
        )
    # Nothing promises the sizes of config.json and README.md.
    if info.file_size > MOST_BYTES:
        raise _refuse(archive, DESCRIPTION, f"has {info.file_size} bytes")
    with stream.open(info) as member:
        text = member.read(MOST_BYTES + 1)
    try:
        description = parse_json(text)
    except ValueError as error:
        raise DataError(
            f"{archive}: {DESCRIPTION} is not valid JSON ({error}): pack or "
            "download it anew"
        ) from None
    return check_description(description, f"{archive}: {DESCRIPTION}")


def _check_contents(infos: dict, description: dict, archive: Path) -> None:
    """Compare names and sizes with the description, before anything is written."""
    promised = description["files"]
    for name, info in infos.items():
        if name in promised and info.file_size != promised[name]["size"]:
            raise DataError(
                f"{archive}: {name} has {info.file_size} bytes, and {DESCRIPTION} "
                f"promises {promised[name]['size']}: pack or download it anew"
            )
        if name not in promised and name not in (DESCRIPTION, README):
            raise _refuse(archive, name, f"is not in its {DESCRIPTION}")
        if name in (DESCRIPTION, README) and info.file_size > MOST_BYTES:
            raise _refuse(archive, name, f"has {info.file_size} bytes")
    for name in promised:
        if name not in infos:
            raise DataError(f"{archive} lacks {name}: pack or download it anew")
    total, size = sum(i.file_size for i in infos.values()), archive.stat().st_size
    if total > MOST_RATIO * size:
        raise DataError(
            f"{archive} has {size} bytes and would unpack to {total}, "
            "which no model does: do not use it, ask for a sound copy"
        )


def _check_space(infos: Iterable, folder: Path, archive: Path) -> None:
    total = sum(info.file_size for info in infos)
    free = shutil.disk_usage(folder).free
    if total > free:
        raise DataError(
            f"{archive} needs {total} bytes, and {folder.parent} has {free} left: make "
            "room, or unpack elsewhere"
        )


def _extract(
    stream: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    path: Path,
    promised: dict | None,
    archive: Path,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), info.file_size
    with stream.open(info) as source, open(path, "xb") as target:
        while chunk := source.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            digest.update(chunk)
            target.write(chunk)
    if left != 0:
        raise _refuse(archive, info.filename, f"does not have {info.file_size} bytes")
    if promised is not None and digest.hexdigest() != promised["sha256"]:
        raise DataError(
            f"{archive}: {info.filename} is damaged or was changed: its SHA-256 is "
            f"{digest.hexdigest()}, and {DESCRIPTION} promises {promised['sha256']}: "
            "pack or download it anew"
        )


def _refuse(archive: PathLike, name: str, why: str) -> DataError:
    return DataError(
        f"{archive}: {name!r} {why}: do not use the archive, ask for a sound copy"
    )
