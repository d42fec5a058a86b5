"""Stage 6: report.html, an experiment to read, browse and listen to in one file."""

import argparse
import dataclasses
from pathlib import Path

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import sha256_of
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.core.stamp import SCORED, read_stamp
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import (
    Experiment,
    add_experiment_arguments,
    decoded,
    experiments,
    fold_folders,
)
from espnet_sentiment.recipe.stage import Stage, content_hash, stat_hash
from espnet_sentiment.report.languages import language_path
from espnet_sentiment.report.options import add_report_arguments, check_report_arguments
from espnet_sentiment.report.page import SCRIPTS, TEMPLATE
from espnet_sentiment.report.write import ctm_path, recognised_text, write_report

ALGORITHM = 6


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    add_report_arguments(parser)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    check_report_arguments(args)
    with reading(args.data_dir):
        data = read_data(args.data_dir)
        for experiment in experiments(args):
            with reading(experiment.dir):
                done = stage_of(experiment, data, args).is_done()
            if not done:
                with writing(experiment.dir):
                    report(experiment, data, args)


def stage_of(experiment: Experiment, data: KaldiDir, args) -> Stage:
    """Return the stage of an experiment."""
    folders = fold_folders(experiment)
    ctm = ctm_path(experiment, args.alignment)
    tables = [experiment.dir / "results.json", ctm, recognised_text(experiment)]
    if (scored := read_stamp(experiment.dir / SCORED)) is not None:
        scored.check(tables[0])
    embedded = data.wav_scp.values() if args.embed else ()
    return Stage(
        f"stage 6: report of {experiment.name}",
        experiment.dir / ".report.json",
        {
            "decoded": {name: decoded(f).sums() for name, f in folders.items()},
            "tables": {str(path): content_hash([path]) for path in tables},
            # Of each utterance, megabytes in all.
            "deletion": stat_hash([experiment.dir / "deletion.json"]),
            **_drawn(experiment.dir),
            "recordings": stat_hash(embedded),
            "data": sha256_of(dataclasses.asdict(data)),
            "page": content_hash(
                TEMPLATE / name for name in ("page.html", "page.css", *SCRIPTS)
            ),
            # Its name is hashed, too.
            "language": content_hash([language_path(args.language)]),
            "options": [args.embed, args.min_count, args.channel],
        },
        ALGORITHM,
    )


def _drawn(folder: Path) -> dict[str, str]:
    """Hash other measures and their plots; nothing of most experiments."""
    found = {}
    for name in ("speaker_curve", "robustness"):
        paths = [folder / f"{name}.{suffix}" for suffix in ("json", "png")]
        if paths[0].exists():
            found[name] = content_hash(paths)
    return found


def report(experiment: Experiment, data: KaldiDir, args) -> list[Path]:
    """Write the report of an experiment; return its files."""
    stage, folders = stage_of(experiment, data, args), fold_folders(experiment)
    ctm = ctm_path(experiment, args.alignment)
    stage.start()
    outputs = write_report(experiment, folders, data, ctm, stage.say, args)
    stage.finish(f"{outputs[0]}", outputs)
    return outputs


if __name__ == "__main__":
    run(main)
