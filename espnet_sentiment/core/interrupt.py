"""Ctrl-C and SIGTERM end a program alike, whatever a library makes of them."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 5  # seconds that an interrupted program has to tidy up


class Interrupted(KeyboardInterrupt):
    """The program was told to end.

    Args:
        number: The signal that told it.

    Attributes:
        status: The exit status that says so, as a shell's does.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.status = 128 + number


@contextlib.contextmanager
def interruptible(ignored_too: bool = False) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the block, which has ``GRACE`` seconds to tidy up.

    Then the system kills the process, since a library may have swallowed the exception;
    the process' own exit has as long.

    Args:
        ignored_too: Obey a signal that the program was started with as ignored, too.

    Raises:
        Interrupted: The block was interrupted, whatever it raised or returned then.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        # A second one, a terminal's beside a shell's, must not break the tidying.
        if len(received) > 1:
            return
        _end_soon()
        raise KeyboardInterrupt

    before = {n: signal.getsignal(n) for n in SIGNALS}
    if not ignored_too:
        before = {n: old for n, old in before.items() if old != signal.SIG_IGN}
    if threading.current_thread() is not threading.main_thread():
        before = {}  # Python lets no other thread set handlers.
    try:
        for number in before:
            signal.signal(number, interrupt)
        yield
    except BaseException as error:
        if received or isinstance(error, KeyboardInterrupt):
            raise Interrupted([*received, signal.SIGINT][0]) from None
        raise
    finally:
        if received:
            _end_soon()  # What is done at exit may hang as well.
        else:
            for number, handler in before.items():
                signal.signal(number, handler)
    if received:
        raise Interrupted(received[0])


def _end_soon() -> None:
    if hasattr(signal, "alarm"):  # not on Windows
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(GRACE)
