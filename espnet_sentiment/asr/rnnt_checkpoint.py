"""RNN-T checkpoints: loading, and whether their token list is the one they learned."""

import argparse
from pathlib import Path

import torch

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.encoder.espnet_files import (
    ESPnetExperiment,
    averaged_checkpoint,
    open_experiment,
    stats_file,
)
from espnet_sentiment.layers.finite import find_nonfinite
from espnet_sentiment.model.rnnt_model import RNNTModel

OUTPUT_LAYER = "joint_network.lin_out.weight"


def load_rnnt(asr_exp: PathLike, device: str = "cpu") -> RNNTModel:
    """Load the RNN-T of an experiment.

    Args:
        asr_exp: Folder of the experiment, whose averaged checkpoint is taken, or one
            of its checkpoints.
        device: Where to put the model.

    Returns:
        The model in evaluation mode.

    Raises:
        DataError: A file is missing or broken, or does not fit the others; the
            message names the files.
    """
    path = Path(asr_exp)
    checkpoint = path if path.is_file() else averaged_checkpoint(path)
    with open_experiment(checkpoint) as experiment:
        weights = _read_weights(experiment.model_file)
        _check_tokens(experiment, len(weights[OUTPUT_LAYER]))
        return _build(experiment, weights).to(device).eval()


def _read_weights(path: Path) -> dict:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    # pickle, zipfile and torch each have their own errors.
    except Exception as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}): copy it anew, "
            "or train again"
        ) from error
    if not isinstance(weights, dict) or OUTPUT_LAYER not in weights:
        raise DataError(
            f"{path} holds no {OUTPUT_LAYER}, so it is no RNN-T's checkpoint: name the "
            "folder of an RNN-T experiment"
        )
    name = find_nonfinite(weights.items())
    if name is not None:
        raise DataError(
            f"{path} holds weights that are not finite ({name}): its training has "
            "diverged. Train it again with a lower learning rate (--asr_args "
            '"--optim_conf lr=..."), or ask for a sound copy'
        )
    return weights


def _check_tokens(experiment: ESPnetExperiment, size: int) -> None:
    """Compare the token lists with the checkpoint's output layer and one another."""
    tokens = experiment.config.get("token_list")
    lists = {experiment.config_file: tokens}
    tokens_file = experiment.config_file.with_name("tokens.txt")
    if tokens_file.exists():
        lists[tokens_file] = tokens_file.read_text(encoding="utf-8").splitlines()
    remedy = "restore the token list that it was trained with, or train again"
    for path, found in lists.items():
        if not isinstance(found, list) or len(found) != size:
            count = f"{len(found)} tokens" if isinstance(found, list) else "no list"
            raise DataError(
                f"{path} has {count}, but {experiment.model_file} writes {size}: "
                f"{remedy}"
            )
        # What is no list has been refused above, the config's first.
        if tokens is not None and found != tokens:
            index = next(i for i in range(size) if found[i] != tokens[i])
            raise DataError(
                f"token {index} is {found[index]!r} in {path}, but {tokens[index]!r} "
                f"in {experiment.config_file}, which {experiment.model_file} belongs "
                f"to: {remedy}"
            )


def _build(experiment: ESPnetExperiment, weights: dict) -> RNNTModel:
    # ESPnet's heavy imports wait until the files are known to fit.
    from espnet_sentiment.tasks.rnnt import RNNTTask

    config = dict(experiment.config)
    stats = stats_file(experiment)
    if stats is not None:
        config["normalize_conf"] = config["normalize_conf"] | {"stats_file": str(stats)}
    try:
        model = RNNTTask.build_model(argparse.Namespace(**config))
        model.load_state_dict(weights)
    except DataError:
        raise
    # yaml's values reach many constructors.
    except Exception as error:
        raise DataError(
            f"{experiment.config_file} and {experiment.model_file} do not fit "
            f"({type(error).__name__}: {error}): copy both from one experiment"
        ) from error
    return model
