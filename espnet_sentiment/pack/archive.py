"""Writing what a pack holds: a zip archive or a folder, whole or not at all."""

import shutil
import stat
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import atomic_path

# Content, or the file that has it, by its name in the pack.
Members = Mapping[str, bytes | Path]
# The first that a zip archive can say.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)
MODE = stat.S_IFREG | 0o644
UNIX = 3


def write_zip(members: Members, path: Path) -> None:
    """Write a zip archive: the same members give the same bytes.

    They are sorted, without times or owners, and not compressed: weights hardly shrink,
    and the bytes of a compressed stream depend on the library's version.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(members):
            content = members[name]
            info = zipfile.ZipInfo(name, TIMESTAMP)
            info.create_system, info.external_attr = UNIX, MODE << 16
            if isinstance(content, bytes):
                archive.writestr(info, content)
                continue
            info.file_size = content.stat().st_size
            with open(content, "rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def write_folder(members: Members, folder: Path) -> None:
    """Write a folder; it appears when it is complete.

    Raises:
        DataError: It exists, and is not empty.
    """
    with new_folder(folder) as part:
        for name in sorted(members):
            content, path = members[name], part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                shutil.copyfile(content, path)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside ``folder`` that becomes it on success, and goes otherwise.

    Raises:
        DataError: ``folder`` is a file or a link, or is not empty.
    """
    folder = folder.absolute()
    check_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    part.mkdir()
    try:
        yield part
        check_free(folder)
        # An empty folder is replaced.
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_free(folder: Path) -> None:
    """Refuse what a new folder cannot replace.

    Raises:
        DataError: ``folder`` is a file or a link, or is not empty.
    """
    if folder.is_symlink():
        raise DataError(f"{folder} is a link: name a folder that does not exist yet")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} exists: delete it, or name another folder")
