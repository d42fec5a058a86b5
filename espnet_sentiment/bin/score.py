"""Stage 6: WA, UA, tables, confusion matrix and learning curves."""

import argparse
from pathlib import Path

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import read_json, write_json, write_text
from espnet_sentiment.data.dump import features_dir
from espnet_sentiment.data.kaldi_dir import KaldiDir, read_kaldi_dir
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.kinds import input_kind
from espnet_sentiment.recipe.experiment import (
    Experiment,
    add_experiment_arguments,
    experiments,
    fold_folders,
)
from espnet_sentiment.recipe.stage import DONE, Stage, stage_seconds, stat_hash


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    data = read_kaldi_dir(args.data_dir)
    for experiment in experiments(args):
        folders = fold_folders(experiment)
        predictions = [f / "decode" / "predictions.jsonl" for f in folders.values()]
        stage = Stage(
            f"stage 6: {experiment.name}",
            experiment.dir / ".score.json",
            {"predictions": stat_hash(predictions)},
        )
        if not stage.is_done():
            stage.start()
            score_experiment(experiment, folders, data, args)
            outputs = [experiment.dir / n for n in ("results.json", "RESULTS.md")]
            stage.finish(f"results in {experiment.dir}", outputs)
    write_corpus_table(Path(args.exp), data.path.name)


def score_experiment(
    experiment: Experiment, folders: dict[str, Path], data: KaldiDir, args
) -> None:
    """Write an experiment's ``results.json``, ``RESULTS.md`` and plots."""
    from espnet_sentiment.report.plots import plot_confusion, plot_learning_curves
    from espnet_sentiment.scoring.results import read_predictions, score, versions
    from espnet_sentiment.scoring.tables import experiment_report

    by_fold = {
        name: read_predictions(folder / "decode" / "predictions.jsonl")
        for name, folder in folders.items()
    }
    encoder = load_encoder_config(args.encoder, args.encoder_model)
    first = next(iter(folders.values()))
    results = {
        "corpus": experiment.corpus,
        "tag": experiment.name,
        "encoder": experiment.encoder.stem,
        "sentiment": experiment.label,
        **score(by_fold, data.classes, data.utt2votes),
        "seconds": stages_seconds(experiment, folders, input_kind(encoder["encoder"])),
        "config": {
            "encoder": encoder,
            "sentiment": read_config(experiment.sentiment),
            "resolved": read_config(first / "config.yaml"),
        },
        "asr": asr_rates(encoder),
        "versions": versions(),
        "seed": experiment.seed,
    }
    plot_confusion(
        results["confusion"], results["classes"], experiment.dir / "confusion.png"
    )
    histories = {n: read_json(f / "history.json") for n, f in folders.items()}
    plot_learning_curves(histories, experiment.dir / "learning_curves.png")
    write_text(experiment.dir / "RESULTS.md", experiment_report(results))
    write_json(experiment.dir / "results.json", results)


def asr_rates(encoder: dict) -> dict | None:
    """Return WER and CER of the RNN-T that the encoder is out of, if we trained it."""
    path = Path(encoder["encoder_conf"].get("model", "")) / "results.json"
    if not path.is_file():
        return None
    decoded = read_json(path).get("decode", {})
    return {
        part: {"wer": scores["wer"]["rate"], "cer": scores["cer"]["rate"]}
        for part, scores in decoded.items()
    }


def stages_seconds(experiment: Experiment, folders: dict[str, Path], kind: str) -> dict:
    """Return the seconds of every stage's last complete run; None where none ran."""
    stamps: dict[str, list[Path]] = {
        "stage0": [experiment.data_dir / DONE],
        "stage1": [features_dir(experiment.dump, kind, experiment.corpus) / DONE],
        "stage2": [experiment.store.parent / ".encoder.json"],
        "stage3": experiment.encode_stamps,
        "stage4": [folder / DONE for folder in folders.values()],
        "stage5": [folder / "decode" / DONE for folder in folders.values()],
    }
    return {name: stage_seconds(paths) for name, paths in stamps.items()}


def write_corpus_table(exp: Path, corpus: str) -> None:
    """Write and print one row for each model of the corpus that was scored."""
    from espnet_sentiment.scoring.tables import asr_note, corpus_table

    found = [read_json(p) for p in sorted(exp.glob(f"{corpus}_*/results.json"))]
    found = [r for r in found if r["corpus"] == corpus]
    table = "\n".join(filter(None, [corpus_table(found), asr_note(found)]))
    write_text(exp / f"RESULTS_{corpus}.md", table)
    print(table)


if __name__ == "__main__":
    run(main)
