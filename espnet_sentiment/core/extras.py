"""What an extra of setup.cfg brings: looked for before work begins, or imported."""

import importlib.util
from collections.abc import Sequence
from types import ModuleType

from espnet_sentiment.core.errors import UserError

# An extra, and the modules by which it is seen to be there.
EXTRAS = {
    "cluster": ("dask", "distributed", "dask_jobqueue"),
    "demo": ("gradio",),
    "mini": ("espeakng_loader",),
    "onnx": ("onnx", "onnxruntime"),
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


def _listed(modules: Sequence[str]) -> str:
    names = [module.replace("_", "-") for module in modules]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
