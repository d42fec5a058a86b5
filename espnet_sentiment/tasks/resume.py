"""A checkpoint that survives a kill, whenever it comes.

ESPnet's Trainer overwrites ``checkpoint.pth`` in place and writes the epoch's
weights, ``<n>epoch.pth``, after it. Killed meanwhile, it leaves a broken file, or a
checkpoint whose weights are missing when epochs are averaged. So the checkpoint of the
epoch before is put aside while an epoch runs, and taken back if the newer one is not
whole.
"""

import pickle
from pathlib import Path

import torch
from espnet2.train.distributed_utils import DistributedOption

TRAINER_STATE = "checkpoint.pth"
KEPT = "checkpoint.kept.pth"

# What loading a broken file raises depends on where it ends.
BROKEN = (
    RuntimeError,
    EOFError,
    OSError,
    KeyError,
    ValueError,
    pickle.PickleError,
)


def is_first(distributed_option: DistributedOption) -> bool:
    """Tell whether this process is the one that writes."""
    return not distributed_option.distributed or distributed_option.dist_rank == 0


def keep_checkpoint(folder: Path, distributed_option: DistributedOption) -> None:
    """Put the checkpoint aside; to be called when an epoch begins."""
    if is_first(distributed_option) and (folder / TRAINER_STATE).exists():
        (folder / TRAINER_STATE).replace(folder / KEPT)


def recover_checkpoint(folder: Path) -> int:
    """Make ``checkpoint.pth`` the last whole one; to be called before training.

    Returns:
        Epochs that are complete; 0 starts anew.
    """
    for name in (TRAINER_STATE, KEPT):
        epochs = _whole_epochs(folder, folder / name)
        if epochs:
            (folder / name).replace(folder / TRAINER_STATE)
            return epochs
    for name in (TRAINER_STATE, KEPT):
        (folder / name).unlink(missing_ok=True)
    return 0


def _whole_epochs(folder: Path, checkpoint: Path) -> int:
    """Return the epochs of a checkpoint if it and its last epoch's weights load."""
    try:
        epochs = max(load_state(checkpoint)["reporter"]["stats"])
        load_state(folder / f"{epochs}epoch.pth")
    except BROKEN:
        return 0
    return epochs


def load_state(path: Path) -> dict:
    """Load a file of the Trainer; ESPnet's loader asks at a terminal if it fails."""
    return torch.load(path, map_location="cpu", weights_only=True)
