"""What an extra of setup.cfg brings: looked for before work begins, never imported."""

import importlib.util
from collections.abc import Sequence

from espnet_sentiment.core.errors import UserError

# An extra, and the modules by which it is seen to be there.
EXTRAS = {
    "cluster": ("dask", "distributed", "dask_jobqueue"),
    "demo": ("gradio",),
    "mini": ("espeakng_loader",),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
}


def check_extra(extra: str, what: str) -> None:
    """Check that an extra is installed.

    Args:
        extra: A key of ``EXTRAS``.
        what: What needs it, as the message's subject.

    Raises:
        UserError: A module of it is missing; the message says how to install it.
    """
    names = EXTRAS[extra]
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise UserError(
            f"{what} needs {_listed(missing)}: run pip install "
            f"'espnet_sentiment[{extra}]'"
        )


def _listed(modules: Sequence[str]) -> str:
    names = [module.replace("_", "-") for module in modules]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
