"""Why one of several training processes failed, told by the one that started it."""

from pathlib import Path

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.core.files import PathLike, write_text

REASON = "failure.txt"


def keep_reason(folder: PathLike, error: UserError) -> None:
    """Leave a line for :func:`failure`; to be called before the process ends."""
    write_text(Path(folder) / REASON, str(error))


def forget_reason(folder: PathLike) -> None:
    """Drop what an earlier training has left."""
    (Path(folder) / REASON).unlink(missing_ok=True)


def failure(folder: PathLike, otherwise: str) -> UserError:
    """Return the error of a process that has failed.

    Args:
        folder: Where is trained.
        otherwise: What is known where the process has not said why.
    """
    path = Path(folder) / REASON
    if not path.exists():
        return UserError(
            f"{otherwise}: see train.*log in {folder}, then run the same command again"
        )
    error = UserError(path.read_text(encoding="utf-8"))
    forget_reason(folder)
    return error
