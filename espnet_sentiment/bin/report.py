"""Stage 6: report.html, an experiment to read, browse and listen to in one file."""

import argparse
import dataclasses

from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import sha256_of
from espnet_sentiment.data.kaldi_dir import read_kaldi_dir
from espnet_sentiment.recipe.experiment import (
    add_experiment_arguments,
    experiments,
    fold_folders,
)
from espnet_sentiment.recipe.stage import Stage, content_hash, stat_hash
from espnet_sentiment.report.languages import language_path
from espnet_sentiment.report.options import add_report_arguments, check_report_arguments
from espnet_sentiment.report.page import SCRIPTS, TEMPLATE
from espnet_sentiment.report.write import ctm_path, recognised_text, write_report


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
    data = read_kaldi_dir(args.data_dir)
    for experiment in experiments(args):
        folders = fold_folders(experiment)
        ctm = ctm_path(experiment, args.alignment)
        decoded = [
            folder / "decode" / name
            for folder in folders.values()
            for name in ("predictions.jsonl", "attention.scp")
        ]
        results = experiment.dir / "results.json"
        deletion = experiment.dir / "deletion.json"
        stage = Stage(
            f"stage 6: report of {experiment.name}",
            experiment.dir / ".report.json",
            {
                "files": stat_hash(
                    [*decoded, results, deletion, ctm, recognised_text(experiment)]
                ),
                "data": sha256_of(dataclasses.asdict(data)),
                "page": content_hash(
                    TEMPLATE / name for name in ("page.html", "page.css", *SCRIPTS)
                ),
                # Its name is hashed, too.
                "language": content_hash([language_path(args.language)]),
                "options": [args.embed, args.min_count, args.channel],
            },
        )
        if not stage.is_done():
            stage.start()
            outputs = write_report(experiment, folders, data, ctm, stage.say, args)
            stage.finish(f"{outputs[0]}", outputs)


if __name__ == "__main__":
    run(main)
