"""The architecture of an encoder without its training: what the training is worth."""

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

KEY = "random_weights"  # of encoder_conf
SEEDS = 2**32


def check_seed(seed: int | None) -> None:
    """Refuse what is no seed.

    Raises:
        ValueError: It is neither None nor a whole number from 0 to 2**32 - 1.
    """
    # True is a number to Python, and a seed to nobody.
    if seed is not None and (isinstance(seed, bool) or not 0 <= seed < SEEDS):
        raise ValueError(
            f"{KEY} is {seed!r}: write a seed from 0 to {SEEDS - 1}, or leave it out "
            "for the trained weights"
        )


def draw(
    model_class: "type[PreTrainedModel]", config: "PreTrainedConfig", seed: int
) -> "PreTrainedModel":
    """Build a model as its training begins, float32, in evaluation mode.

    transformers draws the weights from PyTorch's generator, whose state is as it was
    afterwards; they are the same on the same versions of both.

    Args:
        model_class: Its class in transformers.
        config: transformers' configuration.
        seed: Of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model: Any = model_class(config)
    return model.float().eval()
