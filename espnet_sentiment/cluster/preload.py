"""What a local worker process does as it starts: a Dask preload module."""

import logging
import signal


def dask_setup(worker) -> None:
    """Leave Ctrl-C to the parent, which ends its workers and raises their errors."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)
    # As core/entry.py does: ESPnet warns of what it does without.
    logging.getLogger().setLevel(logging.ERROR)
