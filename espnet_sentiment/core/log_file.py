"""ESPnet's log in a file, so that the terminal keeps its progress bars."""

import contextlib
import logging
from pathlib import Path


@contextlib.contextmanager
def logging_to(path: Path):
    """Send log messages, warnings and stderr to the end of a file."""
    root = logging.getLogger()
    handler = logging.FileHandler(path)
    handler.setFormatter(
        logging.Formatter(
            "%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s"
        )
    )
    # Some imports log, and logging then makes a handler that writes to the terminal.
    level, handlers = root.level, root.handlers
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        with open(path, "a") as stream, contextlib.redirect_stderr(stream):
            yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(level)
        root.handlers = handlers
        handler.close()
