"""A lock that a forked child can take, whoever held it in the parent."""

import os
import threading
import weakref


class ForkLock:
    """``threading.Lock`` for ``with``; a forked child has new ones.

    A child has one thread alone, so nobody would open there what another thread had
    locked.
    """

    _all: "weakref.WeakSet[ForkLock]" = weakref.WeakSet()

    def __init__(self):
        self._lock = threading.Lock()
        self._all.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_) -> None:
        self._lock.release()

    @classmethod
    def renew(cls) -> None:
        """Open all locks."""
        for lock in list(cls._all):
            lock._lock = threading.Lock()


os.register_at_fork(after_in_child=ForkLock.renew)
