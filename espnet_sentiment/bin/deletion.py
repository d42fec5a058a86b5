"""Deletion test of the attention: silence where it is high, elsewhere, or all else."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from espnet_sentiment.core.entry import check_gpus, device_of, run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, write_json
from espnet_sentiment.core.resumable import resumable_map
from espnet_sentiment.data.audio import resample
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE, KaldiDir
from espnet_sentiment.recipe.experiment import (
    Experiment,
    add_experiment_arguments,
    fold_folders,
    predictions_hash,
)
from espnet_sentiment.recipe.stage import Stage
from espnet_sentiment.report.measuring import (
    check_hears,
    heard_inputs,
    measure_all,
    measure_once,
    sampled,
)
from espnet_sentiment.report.options import (
    add_deletion_arguments,
    check_deletion_arguments,
)

if TYPE_CHECKING:
    from espnet_sentiment.report.scored import ScoredUtterance

ALGORITHM = 2

# Frames of attention after which what is done is kept.
PART_FRAMES = 300


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    add_deletion_arguments(parser)
    return parser


def main(argv=None) -> None:
    """Measure every experiment on the test utterances of its folds."""
    args = get_parser().parse_args(argv)
    check_gpus(args.ngpu)
    check_deletion_arguments(args)
    measure_all(args, measure_experiment)


def measure_experiment(
    experiment: Experiment, data: KaldiDir, encoder: Mapping, args: argparse.Namespace
) -> None:
    """Measure an experiment, unless that is done, and print what was found.

    Args:
        experiment: Decoded, by a decoder with attention.
        data: Its Kaldi data directory.
        encoder: What ``load_encoder_config`` returned of its encoder.
        args: ``ngpu`` and the options of ``add_deletion_arguments``.

    Raises:
        DataError: The model has no attention or reads transcripts, or a file is
            missing.
    """
    check_hears(experiment)
    # Here, so that --help is quick.
    from espnet_sentiment.report.deletion import deletion_text

    folders = fold_folders(experiment)
    files = [f / "decode" / "attention.scp" for f in folders.values()]
    if not all(path.exists() for path in files):
        raise DataError(
            f"{experiment.dir}: the model has no attention to test: name one that "
            "has, whose decoder is rnn_attention or stats_pooling"
        )
    stage = Stage(
        f"deletion test of {experiment.name}",
        experiment.dir / ".deletion.json",
        {
            **heard_inputs(folders, data, args.per_speaker),
            "options": [args.shares, args.n_draws, args.channel],
        },
        ALGORITHM,
    )
    out, parts = (experiment.dir / f"deletion{x}" for x in (".json", "_parts"))

    def work(parts: Path, of: str) -> list[Path]:
        write_deletions(experiment, folders, data, (out, parts, of), encoder, args)
        return [out]

    measure_once(stage, experiment, parts, work)
    print(deletion_text(read_json(out)), end="")


def _frames(u: "ScoredUtterance") -> tuple[np.ndarray, float]:
    """Return attention (n_heads, T) and the seconds a frame.

    Raises:
        DataError: The utterance has none, or no recording that gives its frames a time.
    """
    if u.attention is None or u.frame_shift is None:
        raise DataError(f"utterance {u.utt} has no attention: run stage 5 again")
    return u.attention, u.frame_shift


def write_deletions(
    experiment: Experiment,
    folders: Mapping[str, Path],
    data: KaldiDir,
    paths: tuple[Path, Path, str],
    encoder: Mapping,
    args,
) -> None:
    """Write ``deletion.json``; what is finished is kept in a folder.

    Args:
        experiment: What is measured.
        folders: Its decoded folds.
        data: Kaldi data directory.
        paths: ``deletion.json``, the folder, and a hash of what all is made from.
        encoder: Its encoder's config.
        args: See ``measure_experiment``.
    """
    from espnet_sentiment.inference.fold_classifiers import load_classifiers
    from espnet_sentiment.report.deletion import (
        choose_frames,
        frame_energies,
        measure,
        summarize,
    )
    from espnet_sentiment.report.scored import read_scored
    from espnet_sentiment.scoring.speaker_groups import speaker_groups

    out, parts, of = paths
    scored = read_scored(folders, data, {}, None, args.channel)
    scored, sample = sampled(scored, data, args.per_speaker)
    classifiers = load_classifiers(
        encoder,
        folders,
        device_of(args.ngpu),
    )
    by_utt = {u.utt: u for u in scored}

    def measure_utterance(utt: str) -> dict[str, Any]:
        u = by_utt[utt]
        attention, frame_shift = _frames(u)
        classifier = classifiers[u.fold]
        rate = classifier.encoder.sample_rate
        samples = resample(u.recording.read(), SAMPLE_RATE, rate)
        frame = frame_shift * rate
        energy = frame_energies(samples, attention.shape[1], frame)
        masks = choose_frames(attention, energy, args.shares, args.n_draws, utt)

        def posteriors(variants: np.ndarray) -> np.ndarray:
            found = np.stack([row.posteriors for row in classifier(list(variants))])
            if not np.isfinite(found).all():
                raise DataError(
                    f"utterance {utt}: the encoder's output is not finite: look at "
                    f"{u.recording.path}"
                )
            return found

        return measure(samples, masks, frame, posteriors)

    found = resumable_map(
        lambda utts: {utt: measure_utterance(utt) for utt in utts},
        {u.utt: _frames(u)[0].shape[1] for u in scored},
        PART_FRAMES,
        parts,
        of,
        desc="delete",
    )
    measured = {utt: found[utt] for utt in sorted(found)}
    keys = [(by_utt[utt].fold, utt) for utt in measured]
    groups, kind = speaker_groups(keys, data.utt2spk)
    write_json(
        out,
        {
            "corpus": experiment.corpus,
            "tag": experiment.name,
            "shares": args.shares,
            "n_draws": args.n_draws,
            "predictions": predictions_hash(folders),
            "n_utterances": len(measured),
            **sample,
            "n_groups": len(set(groups)),
            "groups": kind,
            "summary": summarize(list(measured.values()), groups),
            "utterances": measured,
        },
    )


if __name__ == "__main__":
    run(main)
