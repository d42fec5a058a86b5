"""What of a model does not survive a fork, refused before a process waits for ever."""

import os

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.inference.classifier import Classifier


class ForkGuard:
    """Knows in which process a model was loaded.

    Args:
        classifier: The model, which has just been loaded.
    """

    def __init__(self, classifier: Classifier):
        self._home, self._classifier = os.getpid(), classifier

    def check(self, begun: int | None = None) -> None:
        """Refuse what cannot be done in this process.

        Args:
            begun: The process that these answers were begun in; None begins now.

        Raises:
            UserError: The model is on a GPU, or the threads have stayed behind.
        """
        here, device = os.getpid(), self._classifier.device
        if here != self._home and device.type != "cpu":
            raise UserError(
                f"the model is on {device}, which a forked process cannot use: start "
                "processes by multiprocessing.get_context('spawn')"
            )
        if begun not in (None, here):
            raise UserError(
                "these answers were begun before this process was forked: call predict "
                "again in it, for what is left"
            )
