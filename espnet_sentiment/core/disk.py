"""What a full or read-only disk says, whichever library met it."""

import errno
import os

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def disk_message(error: BaseException) -> str | None:
    """Return a line that says what to do about a disk that takes no more.

    Args:
        error: Whatever was raised; of its causes, too.

    Returns:
        The line; None if the disk is not to blame.
    """
    seen: BaseException | None = error
    while seen is not None:
        name = getattr(seen, "filename", None)
        where = f" for {name}" if name else ""
        # Libraries in C++ and Rust turn the system's error into a text of their own.
        full = os.strerror(errno.ENOSPC)
        number = seen.errno if isinstance(seen, OSError) else None
        if number in FULL or (number is None and full in str(seen)):
            return (
                f"there is no room left on the disk{where}: make some, then run the "
                "same command again to continue"
            )
        if number in CLOSED:
            return (
                f"this user may not write or read {name or 'a file'} "
                f"({os.strerror(number)}): change its rights, or work in a folder that "
                "is yours, then run the same command again"
            )
        seen = seen.__cause__ or seen.__context__
    return None
