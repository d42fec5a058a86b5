"""A checkpoint that survives a kill, whenever it comes.

ESPnet's Trainer overwrites ``checkpoint.pth`` in place and writes the epoch's
weights, ``<n>epoch.pth``, after it. Killed meanwhile, it leaves a broken file, or a
checkpoint whose weights are missing when epochs are averaged. So the checkpoint of the
epoch before is put aside while an epoch runs, and taken back if the newer one is not
whole.
"""

from pathlib import Path

from espnet2.torch_utils.safe_torch_load import safe_torch_load

CHECKPOINT = "checkpoint.pth"
KEPT = "checkpoint.kept.pth"


def keep_checkpoint(folder: Path) -> None:
    """Put the checkpoint aside; to be called when an epoch begins."""
    if (folder / CHECKPOINT).exists():
        (folder / CHECKPOINT).replace(folder / KEPT)


def recover_checkpoint(folder: Path) -> int:
    """Make ``checkpoint.pth`` the last whole one; to be called before training.

    Returns:
        Epochs that are complete; 0 starts anew.
    """
    for name in (CHECKPOINT, KEPT):
        epochs = _whole_epochs(folder, folder / name)
        if epochs:
            (folder / name).replace(folder / CHECKPOINT)
            return epochs
    for name in (CHECKPOINT, KEPT):
        (folder / name).unlink(missing_ok=True)
    return 0


def _whole_epochs(folder: Path, checkpoint: Path) -> int:
    """Return the epochs of a checkpoint if it and its last epoch's weights load."""
    try:
        state = safe_torch_load(checkpoint, map_location="cpu")
        epochs = max(state["reporter"]["stats"])
        safe_torch_load(folder / f"{epochs}epoch.pth", map_location="cpu")
    # What a broken file raises depends on where it ends.
    except (RuntimeError, EOFError, OSError, KeyError, ValueError):
        return 0
    return epochs
