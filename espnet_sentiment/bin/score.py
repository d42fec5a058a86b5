"""Stage 6: WA, UA, tables, confusion matrix and learning curves."""

import argparse
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import run
from espnet_sentiment.core.files import (
    find_json,
    hash_file,
    read_json,
    sha256_of,
    update_text,
    write_json,
    write_text,
)
from espnet_sentiment.core.lock import reading, writing
from espnet_sentiment.core.stamp import ASIDE, SCORED, Stamp, free_name
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.dump import features_dir
from espnet_sentiment.data.feature_store import INDEX
from espnet_sentiment.data.folds import Fold, read_folds
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.votes import check_votes
from espnet_sentiment.encoder.config import load_encoder_config
from espnet_sentiment.encoder.kinds import input_kind
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    PREDICTIONS,
    Experiment,
    add_experiment_arguments,
    decoded,
    experiments,
    model_inputs,
    pretraining_of,
    read_transcripts,
    trained,
)
from espnet_sentiment.recipe.fold_inputs import decoding_inputs, tested_set
from espnet_sentiment.recipe.overlap_file import find_overlap, overlap_inputs
from espnet_sentiment.recipe.speakers import expected_speakers, normalisation_of
from espnet_sentiment.recipe.stage import DONE, Stage, stage_seconds
from espnet_sentiment.recipe.target import learns_votes, scores_votes, vote_shares
from espnet_sentiment.recipe.tuning import RECORD, read_tuning
from espnet_sentiment.report.measured import measured_inputs

ALGORITHM = 7
ENTROPIES = "entropies.png"


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_experiment_arguments(parser)
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        help="channel of recordings with several that reco2file_and_channel lacks, "
        "for the references",
    )
    return parser


def main(argv=None) -> None:
    """Run the stage."""
    args = get_parser().parse_args(argv)
    # Here, so that --help is quick.
    from espnet_sentiment.report.references import read_references

    all_experiments = list(experiments(args))
    with reading(args.data_dir):
        data, folds = read_data(args.data_dir), read_folds(args.data_dir)
        references = read_references(Path(args.exp), data, folds, args.channel)
        # Once for all experiments, if one of them is not up to date.
        overlap = functools.cache(lambda: find_overlap(data, folds))
        for experiment in all_experiments:
            with reading(experiment.dir):
                done = stage_of(experiment, data, folds, references, args).is_done()
            if not done:
                with writing(experiment.dir):
                    stage = stage_of(experiment, data, folds, references, args)
                    stage.start()
                    set_aside_others(experiment, folds, stage)
                    facts = {
                        **stage.inputs,
                        "overlap": overlap(),
                        "references": references,
                    }
                    outputs = score_experiment(
                        experiment, data, folds, facts, stage.say
                    )
                    stage.finish(f"results in {experiment.dir}", outputs)
        write_corpus_table(Path(args.exp), data.path.name, tested_set(data, folds))


def stage_of(
    experiment: Experiment,
    data: KaldiDir,
    folds: Sequence[Fold],
    references: Mapping[str, Any],
    args,
) -> Stage:
    """Return the stage of an experiment."""
    inputs = gather(experiment, data, folds, args)
    return Stage(
        f"stage 6: {experiment.name}",
        experiment.dir / SCORED,
        {
            **inputs,
            "references": sha256_of(references),
            "probed": probes(experiment),
        },
        ALGORITHM,
    )


def probes(experiment: Experiment) -> bool:
    """Tell whether there are features to probe, or were when it was scored.

    What was found in a store stays true when the store is deleted.
    """
    if (experiment.store / CLEAN / INDEX).is_file():
        return True
    kept = find_json(experiment.dir / "results.json")
    return isinstance(kept, dict) and bool(kept.get("regression"))


def set_aside_others(
    experiment: Experiment, folds: Sequence[Fold], stage: Stage
) -> None:
    """Move folds out of the way that the set has no more: nobody is to pack them."""
    named = {experiment.fold_dir(fold.name).name for fold in folds}
    for folder in sorted(experiment.dir.glob("fold*")):
        if folder.is_dir() and folder.name not in named:
            kept = free_name(experiment.dir / ASIDE / folder.name)
            kept.parent.mkdir(exist_ok=True)
            folder.rename(kept)
            stage.say(f"{folder} is no fold of the set any more: set aside as {kept}")


def gather(
    experiment: Experiment, data: KaldiDir, folds: Sequence[Fold], args
) -> dict[str, Any]:
    """Gather all that ``results.json`` is made from, but the times that it tells.

    Raises:
        DataError: A fold is not decoded, or from other inputs than there are now.
    """
    folders = [experiment.fold_dir(fold.name) for fold in folds]
    texts = read_transcripts(experiment, data.utts)
    encoder = load_encoder_config(args.encoder, args.encoder_model)
    model = model_inputs(experiment, encoder, data.classes)
    predictions, decodings, trainings, made = {}, {}, {}, {}
    stamps: dict[str, Stamp] = {}
    for fold, folder in zip(folds, folders, strict=True):
        training, decoding = trained(experiment, fold.name), decoded(folder)
        training.expect({**model, **expected_speakers(training, data)})
        decoding.expect(
            {"training": training.sums(), **decoding_inputs(data, fold, texts)}
        )
        predictions[fold.name] = hash_file(folder / "decode" / PREDICTIONS)
        decodings[fold.name] = sha256_of(decoding.inputs)
        trainings[fold.name] = training.sums()
        made[fold.name] = training.versions
        stamps[fold.name] = training
    return {
        "predictions": predictions,
        "decodings": decodings,
        "trainings": trainings,
        "tested_set": tested_set(data, folds),
        "overlap": overlap_inputs(data.path),
        "classes": data.classes,
        "votes": sha256_of(data.utt2votes),
        "speakers": sha256_of(data.utt2spk),
        "config": {
            "encoder": encoder,
            "sentiment": model["config"],
        },
        "asr": asr_rates(encoder),
        **measured_inputs(experiment.dir),
        "pretraining": pretraining_of(experiment, folds[0].name),
        "versions": made,
        **tuning_part(experiment, stamps),
    }


def tuning_part(
    experiment: Experiment, trainings: Mapping[str, Stamp]
) -> dict[str, Any]:
    """Return ``tuning`` of ``results.json``, where folds chose among settings.

    Raises:
        DataError: The record of it is not that of these folds.
    """
    record = read_tuning(experiment, trainings)
    return {} if record is None else {"tuning": {"file": RECORD, **record}}


def score_experiment(
    experiment: Experiment,
    data: KaldiDir,
    folds: Sequence[Fold],
    facts: Mapping,
    say: Callable[[str], None],
) -> list[Path]:
    """Write an experiment's ``results.json``, ``RESULTS.md`` and plots; return them.

    Args:
        experiment: Decoded.
        data: Labels and votes.
        folds: The set's folds.
        facts: What ``gather`` returned, with what ``find_overlap`` did as ``overlap``,
            and ``read_references`` as ``references``.
        say: Takes a line of progress.
    """
    from espnet_sentiment.report.layers import chosen_layers, layers
    from espnet_sentiment.report.measured import measured_markdown
    from espnet_sentiment.report.plots import (
        plot_confusion,
        plot_entropies,
        plot_layers,
        plot_learning_curves,
    )
    from espnet_sentiment.report.probed import probed, tested_by
    from espnet_sentiment.scoring.predictions import (
        REGRESSION_FILE,
        read_predictions,
        write_answers,
    )
    from espnet_sentiment.scoring.regression import ALGORITHM as PROBE
    from espnet_sentiment.scoring.results import (
        check_predictions,
        common_versions,
        score,
    )
    from espnet_sentiment.scoring.tables import experiment_report

    folders = {fold.name: experiment.fold_dir(fold.name) for fold in folds}
    kind = input_kind(facts["config"]["encoder"]["encoder"])
    by_fold = {}
    for fold in folds:
        path = folders[fold.name] / "decode" / PREDICTIONS
        by_fold[fold.name] = read_predictions(path)
        check_predictions(path, by_fold[fold.name], fold.test, data.utt2label)
    resolved = read_config(experiment.fold_dir(folds[0].name) / "config.yaml")
    found = probed(experiment, data, folds, say)
    results = {
        "corpus": experiment.corpus,
        "tag": experiment.name,
        "encoder": experiment.encoder.stem,
        "sentiment": experiment.label,
        **normalisation_of(resolved),
        **score(by_fold, data.classes, data.utt2votes, data.utt2spk),
        **votes_part(by_fold, data, folds, facts["config"]["sentiment"]),
        **({"tuning": facts["tuning"]} if "tuning" in facts else {}),
        "seconds": stages_seconds(experiment, folders.values(), kind),
        "config": {
            **facts["config"],
            "resolved": resolved,
        },
        "asr": facts["asr"],
        "pretraining": facts["pretraining"],
        "versions": common_versions(facts["versions"]),
        "seed": experiment.seed,
        "tested_set": facts["tested_set"],
        "overlap": facts["overlap"],
        "references": facts["references"],
        "layers": layers(experiment, folds, found["layers"] if found else None),
        "regression": found["regression"] if found else None,
        "probe": PROBE,
    }
    chosen = chosen_layers(experiment, folds)
    for row in results["folds"]:
        if row["fold"] in chosen:
            row["layer"] = chosen[row["fold"]]
    out = experiment.dir
    plot_confusion(results["confusion"], results["classes"], out / "confusion.png")
    histories = {n: read_json(f / "history.json") for n, f in folders.items()}
    plot_learning_curves(histories, out / "learning_curves.png")
    measured = measured_markdown(out, folders, say)
    (out / REGRESSION_FILE).unlink(missing_ok=True)  # never beside other results
    write_text(out / "RESULTS.md", "\n".join([experiment_report(results), *measured]))
    write_json(out / "results.json", results)
    names = ["results.json", "RESULTS.md", "confusion.png", "learning_curves.png"]
    if found:
        keys = tested_by(data, folds).keys
        truth = [data.utt2label[utt] for _, utt in keys]
        write_answers(out / REGRESSION_FILE, keys, truth, found["answers"])
        names.append(REGRESSION_FILE)
    if results["layers"]:
        plot_layers(results["layers"], out / "layers.png")
        names.append("layers.png")
    else:  # that of an earlier encoder
        (out / "layers.png").unlink(missing_ok=True)
    if "votes" in results:
        plot_entropies(results["votes"]["by_entropy"], out / ENTROPIES)
        names.append(ENTROPIES)
    else:  # that of another config
        (out / ENTROPIES).unlink(missing_ok=True)
    return [out / name for name in names]


def votes_part(
    by_fold: Mapping[str, Sequence[dict]],
    data: KaldiDir,
    folds: Sequence[Fold],
    config: Mapping[str, Any],
) -> dict[str, Any]:
    """Return ``votes`` of ``results.json``, where the sentiment config asks for it.

    Raises:
        DataError: Votes for tested utterances cannot be used.
    """
    if not scores_votes(config, data):
        return {}
    from espnet_sentiment.scoring.distribution import score_votes

    shares = vote_shares(config, data.classes)
    check_votes(data, [utt for fold in folds for utt in fold.test], shares)
    rows = [row for predictions in by_fold.values() for row in predictions]
    extra = {utt for fold in folds for utt in fold.no_majority}
    return {
        "votes": {
            "target": config["target"],
            "no_majority_trained": len(extra) if learns_votes(config) else 0,
            "no_majority": len(extra),
            **score_votes(rows, data.utt2votes, shares),
        }
    }


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


def stages_seconds(
    experiment: Experiment, folders: Iterable[Path], kind: str
) -> dict[str, float | None]:
    """Return the seconds of every stage's last complete run; None where none ran."""
    folders = list(folders)
    stamps: dict[str, list[Path]] = {
        "stage0": [experiment.data_dir / DONE],
        "stage1": [features_dir(experiment.dump, kind, experiment.corpus) / DONE],
        "stage2": [experiment.encoder_record.with_name(".encoder.json")],
        "stage3": experiment.encode_stamps,
        "stage4": [
            *(folder / DONE for folder in folders),
            *(t / DONE for f in folders for t in f.parent.glob(f"tune/*/{f.name}")),
        ],
        "stage5": [folder / "decode" / DONE for folder in folders],
    }
    return {name: stage_seconds(paths) for name, paths in stamps.items()}


def write_corpus_table(exp: Path, corpus: str, tested: str) -> None:
    """Write and print one row for each model of the corpus that was scored.

    Args:
        exp: Folder of experiments.
        corpus: Name of the set.
        tested: What ``tested_set`` says of it now.
    """
    from espnet_sentiment.scoring.models import read_runs
    from espnet_sentiment.scoring.tables import asr_note, corpus_table

    path = exp / f"RESULTS_{corpus}.md"
    with writing(path, wait=True):
        found = [dict(run.results) for run in read_runs(exp, corpus, tested)]
        table = "\n".join(filter(None, [corpus_table(found), asr_note(found)]))
        update_text(path, table)
    print(table)


if __name__ == "__main__":
    run(main)
