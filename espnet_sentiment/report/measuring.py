"""What is measured of a decoded experiment by encoding its recordings anew."""

import argparse
import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import sha256_of
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.model.layout import CONFIG, read_training_config
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import Experiment, decoded, experiments
from espnet_sentiment.recipe.stage import Stage, stat_hash
from espnet_sentiment.scoring.sample import draw_sample

# Takes an experiment, its data, its encoder's config and the options.
Measure = Callable[[Experiment, KaldiDir, Mapping, argparse.Namespace], None]


def measure_all(args: argparse.Namespace, measure: Measure) -> None:
    """Measure every experiment that the options of a recipe name."""
    data = read_data(args.data_dir)
    for experiment in experiments(args):
        encoder = load_encoder_config(args.encoder, args.encoder_model)
        measure(experiment, data, encoder, args)


def heard_inputs(
    folders: Mapping[str, Path], data: KaldiDir, per_speaker: int | None
) -> dict[str, Any]:
    """Return what is heard anew, and by which models, for a stage.

    Args:
        folders: Folders of decoded folds by name.
        data: Their Kaldi data directory.
        per_speaker: See :func:`sampled`.
    """
    return {
        "decoded": {name: decoded(f).sums() for name, f in folders.items()},
        "data": sha256_of([data.wav_scp, data.segments, data.channels]),
        "recordings": stat_hash(data.wav_scp.values()),
        **({} if per_speaker is None else {"per_speaker": per_speaker}),
    }


def sampled(
    scored: Sequence[Any], data: KaldiDir, per_speaker: int | None
) -> tuple[list[Any], dict[str, Any]]:
    """Draw the utterances to measure, and return what ``sample_text`` says of them.

    Args:
        scored: What ``read_scored`` returned.
        data: Their Kaldi data directory.
        per_speaker: At most so many of each speaker; all, if None.
    """
    if per_speaker is None:
        return list(scored), {}
    drawn = draw_sample([(u.fold, u.utt) for u in scored], data.utt2spk, per_speaker)
    told = {"n_tested": len(scored), "per_speaker": per_speaker}
    return [u for u in scored if u.utt in drawn], told


def check_hears(experiment: Experiment) -> None:
    """Check that an experiment answers by sound alone.

    Raises:
        DataError: It reads transcripts, too, which are of the recordings as they are.
    """
    reads = experiment.text is not None
    # One that its folder names does not say it otherwise.
    for path in itertools.islice(experiment.dir.glob(f"fold*/{CONFIG}"), 1):
        reads = reads or read_training_config(path).get("text_encoder") is not None
    if reads:
        raise DataError(
            f"{experiment.dir}: the model reads transcripts, which are of the "
            "recordings as they are: name an experiment whose sentiment config "
            "has no text_encoder"
        )


def measure_once(
    stage: Stage,
    experiment: Experiment,
    parts: Path,
    work: Callable[[Path, str], Sequence[Path]],
) -> None:
    """Measure, unless that is done; what was killed goes on.

    Args:
        stage: Of what is measured.
        experiment: Of which it is.
        parts: Folder of what is finished before all is.
        work: Takes that folder and a hash of what all is made from; returns what it
            wrote, the main file first.
    """
    if stage.is_done():
        return
    with reading(experiment.data_dir), writing(experiment.dir):
        if not stage.is_done():
            stage.start(parts)
            outputs = work(parts, stage.origin)
            stage.finish(f"{outputs[0]}", outputs)
            shutil.rmtree(parts)
