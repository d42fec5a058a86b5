"""Before the stages: refuse what later ones would, after hours of work.

It runs before every run of a recipe: ESPnet is imported for options alone that are new,
and NumPy not at all.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.cluster.config import add_cluster_argument, check_cluster
from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import (
    add_gpu_argument,
    check_gpus,
    run,
    split_options,
)
from espnet_sentiment.core.files import find_json
from espnet_sentiment.core.stamp import DONE, plan_path
from espnet_sentiment.model.layout import FINALS
from espnet_sentiment.recipe.sentiment_options import (
    add_sentiment_args,
    check_final,
    transcripts_name,
)
from espnet_sentiment.recipe.tune_ranges import (
    Setting,
    add_tune_arguments,
    check_ensemble,
    tuning_inputs,
)
from espnet_sentiment.train.tracking import without_tracking


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentiment", nargs="*", default=[], help="sentiment configs")
    add_sentiment_args(parser)
    parser.add_argument("--transcripts", default="", help="what a text branch reads")
    parser.add_argument("--final", choices=FINALS, default="none", help="as of stage 4")
    parser.add_argument("--tune", type=int, default=0, help="as of stage 4")
    add_tune_arguments(parser)
    parser.add_argument("--asr", help="RNN-T config")
    parser.add_argument("--asr_args", default="", help="options of RNNTTask")
    parser.add_argument("--exp", default="exp", help="folder of experiments")
    add_gpu_argument(parser)
    add_cluster_argument(parser)
    return parser


def main(argv=None) -> None:
    """Check the options of the stages that train."""
    args = get_parser().parse_args(argv)
    check_cluster(args.cluster)
    if args.asr:
        extra = split_options("--asr_args", args.asr_args)
        config = read_config(args.asr)
        # Experiments' folders: a training that began has passed.
        of_rnnt = {"config": config, "asr_args": extra}
        if not has_begun(Path(args.exp), f"asr_*/{DONE}", of_rnnt):
            from espnet_sentiment.train.prepare_rnnt import rnnt_options

            check_gpus(args.ngpu)
            rnnt_options(config, Path(args.asr), extra)
    extra = split_options("--sentiment_args", args.sentiment_args)
    settings: list[Setting] = []
    if args.tune:
        # It imports NumPy, which runs without it need not wait for.
        from espnet_sentiment.recipe.tuning import settings_of

        settings = settings_of(args, Path(args.exp))
    check_ensemble(args.tune_ranges, settings, args.final)
    for sentiment in map(Path, args.sentiment):
        transcripts_name(sentiment, args.transcripts)
        check_final(sentiment, extra, args.final)
        config = read_config(sentiment)
        asked: dict[str, Any] = {
            "config": config,
            "sentiment_args": without_tracking(extra),
            **tuning_inputs(settings),
        }
        if has_begun(Path(args.exp), f"*_{sentiment.stem}*/fold*/{DONE}", asked):
            continue
        check_gpus(0 if args.cluster else args.ngpu)
        if settings:
            from espnet_sentiment.train.tuning import check_settings

            check_settings(config, sentiment, extra, settings, args.tune_ranges)
        else:
            from espnet_sentiment.train.train_fold import task_defaults

            task_defaults(config, sentiment, extra)


def has_begun(exp: Path, stamps: str, asked: Mapping[str, Any]) -> bool:
    """Tell whether a training began with the same config and options.

    Args:
        exp: Folder of experiments.
        stamps: Pattern of the stamps of trainings.
        asked: Keys of their inputs.
    """
    plans: Sequence[Path] = sorted(exp.glob(str(plan_path(Path(stamps)))))
    return any(
        isinstance(plan := find_json(path), dict)
        and all(plan.get(key) == value for key, value in asked.items())
        for path in plans
    )


if __name__ == "__main__":
    run(main)
