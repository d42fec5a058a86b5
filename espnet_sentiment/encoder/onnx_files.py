"""Which files an ONNX encoder consists of: the graph, and weights beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.extras import import_extra

EXTRA = "onnx"


def find_onnx(model: str, download_dir: str | None = None) -> Path:
    """Return an encoder's file.

    Args:
        model: A local path; nothing is downloaded.
        download_dir: Not used.

    Raises:
        DataError: There is no such file.
    """
    path = Path(model).expanduser()
    if not path.is_file():
        raise DataError(
            f"no encoder at {model}: there is no such file. Give the path of an ONNX "
            "file by --encoder_model"
        )
    return path


def onnx_files(path: Path) -> list[Path]:
    """Return the files that define an encoder.

    Raises:
        DataError: It is no ONNX file, or weights beside it are missing.
        UserError: The extra is not installed.
    """
    found = [path]
    for name in sorted(set(_external(_read(path)))):
        file = path.parent / name
        # Names lead nowhere but into the folder, whoever wrote the file.
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(
                f"{path} names its weights {name!r}, outside of its folder: do not use "
                "it, ask for a sound copy"
            )
        if not file.is_file():
            raise DataError(
                f"{file} is missing, which holds weights of {path}: copy it there"
            )
        found.append(file)
    return found


def onnx_layout(path: Path) -> tuple[list[Path], Path]:
    """Return the files that a pack takes, and their folder; see ``onnx_files``."""
    return onnx_files(path), path.parent


def no_source(text: str | Path) -> None:
    """Return None: an ONNX file is downloaded by no name."""
    return None


def _read(path: Path) -> Any:
    """Return the graph without weights that lie elsewhere."""
    onnx = import_extra("onnx", EXTRA)
    try:
        model = onnx.load(path, load_external_data=False)
        if not model.graph.output:
            raise ValueError("it has no outputs")
        return model
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
    # Protocol buffers have their own errors.
    except Exception as error:
        raise DataError(
            f"{path} is no ONNX file ({type(error).__name__}): copy it anew"
        ) from None


def _external(model: Any) -> Iterator[str]:
    """Give the names of files that hold tensors of a graph, or of one within it."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        tensors = list(graph.initializer)
        for node in graph.node:
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                waiting += [attribute.g, *attribute.graphs]
        for tensor in tensors:
            for entry in tensor.external_data:
                if entry.key == "location":
                    yield entry.value
