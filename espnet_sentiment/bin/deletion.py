"""Deletion test of the attention: silence where it is high, and elsewhere."""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from espnet_sentiment.core.entry import check_gpus, device_of, run
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, sha256_of, write_json
from espnet_sentiment.core.resumable import resumable_map
from espnet_sentiment.data.audio import CHANNELS, resample
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE, KaldiDir, read_kaldi_dir
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.model.layout import CHECKPOINT
from espnet_sentiment.recipe.experiment import (
    Experiment,
    add_experiment_arguments,
    experiments,
    fold_folders,
    predictions_hash,
)
from espnet_sentiment.recipe.stage import Stage, stat_hash

if TYPE_CHECKING:
    from espnet_sentiment.inference.classifier import Classifier
    from espnet_sentiment.report.scored import ScoredUtterance

# Frames of attention after which what is done is kept.
PART_FRAMES = 1000

KINDS = {
    "highest": "highest attention",
    "random": "random frames",
    "shifted": "highest, moved to a random place",
    "lowest": "lowest attention",
}


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    parser.add_argument(
        "--share",
        type=float,
        default=0.2,
        help="share of the frames to silence (default 0.2)",
    )
    parser.add_argument(
        "--n_draws", type=int, default=5, help="random choices an utterance (default 5)"
    )
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        default="mix",
        help="channel of recordings that have several (default: mix)",
    )
    return parser


def main(argv=None) -> None:
    """Measure every experiment on the test utterances of its folds."""
    args = get_parser().parse_args(argv)
    check_gpus(args.ngpu)
    if not 0 < args.share < 1 or args.n_draws < 1:
        raise DataError("--share must lie between 0 and 1, --n_draws be 1 or more")
    data = read_kaldi_dir(args.data_dir)
    for experiment in experiments(args):
        folders = fold_folders(experiment)
        files = [f / "decode" / "attention.scp" for f in folders.values()]
        if not all(path.exists() for path in files):
            raise DataError(
                f"{experiment.dir}: the model has no attention to test: name a config "
                "of one that has by --sentiment, such as rnn_attention.yaml"
            )
        stage = Stage(
            f"deletion test of {experiment.name}",
            experiment.dir / ".deletion.json",
            {
                "attention": stat_hash(files),
                "data": sha256_of(data.wav_scp),
                "options": [args.share, args.n_draws, args.channel],
            },
        )
        out, parts = (experiment.dir / f"deletion{x}" for x in (".json", "_parts"))
        if not stage.is_done():
            stage.start(parts)
            write_deletions(experiment, folders, data, (out, parts), args)
            stage.finish(f"{out}", [out])
            shutil.rmtree(parts)
        print(table(read_json(out)))


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
    paths: tuple[Path, Path],
    args,
) -> None:
    """Write ``deletion.json``; what is finished is kept in a folder."""
    from espnet_sentiment.report.deletion import (
        delete,
        deletion_masks,
        summarize_deletions,
    )
    from espnet_sentiment.report.scored import read_scored

    out, parts = paths
    scored = read_scored(folders, data, {}, None, args.channel)
    classifiers = load_classifiers(
        load_encoder_config(args.encoder, args.encoder_model),
        folders,
        device_of(args.ngpu),
    )
    by_utt = {u.utt: u for u in scored}

    def measure(utt: str) -> dict[str, Any]:
        u = by_utt[utt]
        attention, frame_shift = _frames(u)
        masks = deletion_masks(attention, args.share, args.n_draws, utt)
        classifier = classifiers[u.fold]
        rate = classifier.encoder.sample_rate
        samples = resample(u.recording.read(), SAMPLE_RATE, rate)

        def posteriors(variants: np.ndarray) -> np.ndarray:
            return np.stack([row.posteriors for row in classifier(list(variants))])

        return delete(samples, masks, frame_shift * rate, posteriors)

    found = resumable_map(
        lambda utts: {utt: measure(utt) for utt in utts},
        {u.utt: _frames(u)[0].shape[1] for u in scored},
        PART_FRAMES,
        parts,
        desc="delete",
    )
    measured = {utt: found[utt] for utt in sorted(found)}
    summary = summarize_deletions(list(measured.values()))
    write_json(
        out,
        {
            "corpus": experiment.corpus,
            "tag": experiment.name,
            "share": args.share,
            "n_draws": args.n_draws,
            "predictions": predictions_hash(folders),
            "n_utterances": len(measured),
            "summary": summary,
            "utterances": measured,
        },
    )


def load_classifiers(
    config: Mapping, folders: Mapping[str, Path], device: str
) -> dict[str, "Classifier"]:
    """Load the folds' decoders on one encoder, which computes as stage 3's does.

    Args:
        config: What ``load_encoder_config`` returned.
        folders: Folders of trained folds by name.
        device: Where to compute.
    """
    from espnet_sentiment.encoder.choices import build_encoder
    from espnet_sentiment.encoder.freezing import FrozenEncoder
    from espnet_sentiment.encoder.reference import encoder_reference
    from espnet_sentiment.inference.classifier import Classifier
    from espnet_sentiment.inference.speech_encoder import SpeechEncoder

    built = build_encoder(config["encoder"], config["encoder_conf"])
    encoder = SpeechEncoder(FrozenEncoder(built).encoder, device, packed=False)
    found = encoder_reference(config["encoder"], config["encoder_conf"])
    return {
        name: Classifier.of_features(
            folder / CHECKPOINT,
            found,
            "point --encoder_model to the original",
            encoder,
            device,
        )
        for name, folder in folders.items()
    }


def table(found: Mapping) -> str:
    """Write what ``deletion.json`` holds as Markdown, one kind of deletion a row."""
    lines = [
        f"| {found['share']:.0%} of the frames silenced | change of the posterior | "
        "other class predicted (%) | p |",
        "| --- | ---: | ---: | ---: |",
    ]
    for kind, name in KINDS.items():
        row = found["summary"][kind]
        p = "" if "p" not in row else f"{row['p']:.1e}"
        lines.append(
            f"| {name} | {row['change']:.3f} | {100 * row['flipped']:.1f} | {p} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
