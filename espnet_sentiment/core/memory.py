"""Memory that is free, given back to the system."""

import ctypes


def trim() -> None:
    """Give freed memory back, which the C library keeps for later.

    Batches of ever other sizes leave holes behind that none after them fits: a process
    grows with their number, though nothing is kept. It takes milliseconds, so it stands
    between batches that take longer. Only glibc has it:
    https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)
