"""Packages that not every installation has: those of an extra, imported when needed."""

import importlib
from types import ModuleType

from espnet_sentiment.core.errors import UserError


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a package that an extra of ``setup.cfg`` brings.

    Args:
        module: Its name.
        extra: The extra.

    Raises:
        UserError: It is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # One that lacks something of its own says so itself.
        if error.name != module.partition(".")[0]:
            raise
        raise UserError(
            f"{module} is not installed: pip install 'espnet_sentiment[{extra}]'"
        ) from None
