"""Kaldi arks: written atomically, and read back.

A table's line is data and nothing more: of what Kaldi allows, a command that is run
(``cmd |``), a range, a whole file, standard input, only ``path:offset`` is read.
"""

import itertools
import math
import os
import re
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, atomic_path, read_table

# What kaldiio writes before a matrix, see https://kaldi-asr.org/doc/io.html: binary
# mark, type, and the sizes of rows and columns, each after its number of bytes.
_HEADER = struct.Struct("<2s3sbibi")
_TYPES: dict[bytes, np.dtype] = {b"FM ": np.dtype("<f4"), b"DM ": np.dtype("<f8")}


class Place(NamedTuple):
    """Where a matrix begins; written ``path:offset`` (bytes)."""

    path: str
    offset: int

    def __str__(self) -> str:
        return f"{self.path}:{self.offset}"


def write_ark(ark: Path, matrices: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Write matrices by utterance id.

    Returns:
        The rows of an scp table: ``path:offset`` of every matrix.
    """
    import kaldiio

    offsets = {}
    with atomic_path(ark) as temporary, open(temporary, "wb") as stream:
        for utt in sorted(matrices):
            # kaldiio writes "<utt> " and then the matrix, where the scp points.
            offsets[utt] = stream.tell() + len(utt.encode()) + 1
            kaldiio.save_ark(stream, {utt: matrices[utt]})
    return {utt: str(Place(str(ark), n)) for utt, n in offsets.items()}


class Spool(Mapping):
    """Matrices that wait on disk, in a file without a name, and not in memory.

    Args:
        folder: On the disk to use.
    """

    def __init__(self, folder: PathLike):
        # It ends with this object.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._places: dict[str, tuple[int, tuple[int, ...], np.dtype]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __setitem__(self, key: str, matrix: np.ndarray) -> None:
        place = self._file.seek(0, os.SEEK_END)
        self._file.write(np.ascontiguousarray(matrix).data)
        self._places[key] = place, matrix.shape, matrix.dtype

    def __getitem__(self, key: str) -> np.ndarray:
        place, shape, dtype = self._places[key]
        self._file.flush()
        # Without a position, so that threads may read at once.
        size = math.prod(shape) * dtype.itemsize
        found = os.pread(self._file.fileno(), size, place)
        return np.frombuffer(found, dtype).reshape(shape)


class ScpMatrices(Mapping):
    """The matrices (rows, columns) of an scp table, read one by one.

    Args:
        scp: The table.
        remedy: What to do where it or an ark is broken.
        beside: Look for the arks in the table's folder, wherever it has been moved to.

    Attributes:
        places: Where every matrix is.

    Raises:
        DataError: The table is missing, or a line names no place in an ark.
    """

    def __init__(
        self, scp: PathLike, remedy: str = "run stage 1 again", beside: bool = False
    ):
        self.scp, self.remedy = Path(scp), remedy
        self.places: dict[str, Place] = {}
        for key, value in read_table(scp).items():
            # As Kaldi reads it, a name that begins or ends with | is a command.
            match = re.fullmatch(r"([^|].*):(\d{1,18})", value)
            if match is None:
                raise self._broken(key, f"{value!r} is not of the form path:offset")
            path = Path(match[1])
            if beside:
                path = self.scp.with_name(path.name)
            self.places[key] = Place(str(path), int(match[2]))

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __getitem__(self, key: str) -> np.ndarray:
        """Read a matrix.

        Raises:
            DataError: It is not there.
        """
        return self._read(key, _read_matrix)

    def shape(self, key: str) -> tuple[int, int]:
        """Read the rows and columns of a matrix, without its values.

        Raises:
            DataError: It is not there.
        """
        return self._read(key, lambda stream: _read_header(stream)[1:])

    def _read[Value](self, key: str, read: Callable[[BinaryIO], Value]) -> Value:
        path, offset = self.places[key]
        try:
            with open(path, "rb") as stream:
                stream.seek(offset)
                return read(stream)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise self._broken(
                key, f"no matrix is at {self.places[key]} ({reason})"
            ) from None

    def _broken(self, key: str, what: str) -> DataError:
        with open(self.scp, encoding="utf-8") as lines:
            starts = (line.split(maxsplit=1)[:1] for line in lines)
            number = next(n for n in itertools.count(1) if next(starts) == [key])
        return DataError(f"{self.scp}:{number}: {key}: {what}: {self.remedy}")


def _read_matrix(stream: BinaryIO) -> np.ndarray:
    """Read a matrix from where the file stands."""
    dtype, rows, columns = _read_header(stream)
    return np.fromfile(stream, dtype, rows * columns).reshape(rows, columns)


def _read_header(stream: BinaryIO) -> tuple[np.dtype, int, int]:
    """Read the type, rows and columns of a matrix.

    Not by kaldiio, which unpickles what begins with ``PKL``, and so runs it.

    Raises:
        ValueError: There is none, or it is cut off.
    """
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise ValueError("the file ends there")
    mark, kind, four, rows, also_four, columns = _HEADER.unpack(header)
    if (mark, four, also_four) != (b"\0B", 4, 4) or kind not in _TYPES:
        raise ValueError("there is something else")
    dtype = _TYPES[kind]
    rest = os.fstat(stream.fileno()).st_size - stream.tell()
    if min(rows, columns) < 0 or math.prod((rows, columns, dtype.itemsize)) > rest:
        raise ValueError(f"{rows} rows of {columns} values do not fit into the file")
    return dtype, rows, columns
