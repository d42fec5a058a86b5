"""Single folds, their ensemble and the final model on a corpus that none has heard.

The ensemble is of the folds' posteriors as they are; the final model is what --final
made, with its temperature.

Reads what stage 3 stored of both corpora by the same encoder, so that it takes seconds:

    cd egs/emodb && ./run.sh --final all && cd ../nemo && ./run.sh --stop_stage 3
    exp=../emodb/exp/emodb_whisper_base_rnn_attention_seed0
    python ../../benchmarks/across.py $exp --data_dir data/nemo \\
        --store dump/whisper_base/nemo/clean --map_label fear=,surprised=

Labels are the model's, or are mapped; classes that the data lacks may be answered all
the same, and are wrong then. A model that is normalised by speaker hears all utterances
of every speaker.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from espnet_sentiment.core.batches import length_batches
from espnet_sentiment.core.entry import run
from espnet_sentiment.data.feature_store import FeatureStore
from espnet_sentiment.data.pairs import read_pairs
from espnet_sentiment.data.speaker_statistics import speaker_statistics
from espnet_sentiment.inference.classifier import BATCH_VALUES, Classifier
from espnet_sentiment.model.layout import CHECKPOINT, FINAL
from espnet_sentiment.pack.description import describe_fold, fold_dirs
from espnet_sentiment.recipe.data_set import read_data
from espnet_sentiment.scoring.calibration import reliability
from espnet_sentiment.scoring.evaluation import check_labels
from espnet_sentiment.scoring.metrics import summarize
from espnet_sentiment.scoring.speaker_groups import speaker_groups
from espnet_sentiment.scoring.tables import interval, markdown, percent


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiments", nargs="+", type=Path, help="exp/<set>_<name>")
    parser.add_argument("--data_dir", required=True, help="of the other corpus")
    parser.add_argument("--store", required=True, help="its clean features")
    parser.add_argument("--map_label", default="", help="as of evaluate")
    return parser


def main(argv=None) -> None:
    """Print a table."""
    args = get_parser().parse_args(argv)
    torch.set_num_threads(2)
    data, store = read_data(args.data_dir), FeatureStore(args.store)
    mapped = read_pairs("--map_label", args.map_label)
    labels = {utt: mapped.get(label, label) for utt, label in data.utt2label.items()}
    labels = {utt: label for utt, label in labels.items() if label and utt in store}
    counts = Counter(labels.values())
    spoken = speaker_statistics(store, data.utt2spk)
    rows = []
    for experiment in args.experiments:
        found, classes = {}, []
        for folder in [*fold_dirs(experiment), experiment / FINAL]:
            if not (folder / CHECKPOINT).is_file():
                continue
            classifier = Classifier.of_features(
                folder / CHECKPOINT, store.meta["encoder"], "train on the same encoder"
            )
            classes = classifier.classes
            check_labels(args.data_dir, counts, classes)
            affines = of_speakers(classifier, labels, data.utt2spk, spoken)
            found[folder.name] = posteriors(classifier, store, labels, affines)
        final = described(experiment / FINAL)
        rows += table(experiment.name, found, labels, data.utt2spk, classes, final)
    header = [
        "experiment",
        "model",
        "WA (%)",
        "WA 95 %",
        "UA (%)",
        "UA 95 %",
        "ECE (%)",
    ]
    print(markdown(header, rows), end="")


def described(folder: Path) -> str:
    """Say what the final model is."""
    if not (folder / CHECKPOINT).is_file():
        return ""
    told = describe_fold(folder)
    warm = told.get("calibration", {}).get("temperature", 1)
    return f"final: {told['trained_on']}, temperature {warm}"


def of_speakers(classifier, utts, utt2spk, spoken) -> dict | None:
    """Return what every utterance is normalised by, of a model that is by speaker."""
    if (of_speaker := classifier.of_speaker) is None:
        return None
    affines = {None: of_speaker(None).numpy()}
    for speaker, sums in spoken.items():
        read = {key: classifier.read(sums[key]) for key in ("sum", "sum_square")}
        affines[speaker] = of_speaker({**sums, **read}).numpy()
    return {utt: affines.get(utt2spk[utt], affines[None]) for utt in utts}


def posteriors(classifier, store, labels, affines) -> np.ndarray:
    """Return posteriors (N, n_classes) of the utterances, in the labels' order."""
    found = {}
    lengths = {utt: store.n_frames(utt) for utt in labels}
    for batch in length_batches(lengths, BATCH_VALUES // store.dim, most=64):
        speakers = affines and [affines[utt] for utt in batch]
        scores = classifier.from_store([store[utt] for utt in batch], None, speakers)
        found |= {u: s.posteriors for u, s in zip(batch, scores, strict=True)}
    return np.stack([found[utt] for utt in labels])


def table(name, found, labels, utt2spk, classes, final) -> list[list[str]]:
    """Return the rows of an experiment."""
    truth = list(labels.values())
    groups, _ = speaker_groups([("", utt) for utt in labels], utt2spk)

    def scored(p) -> dict:
        guess = [classes[i] for i in p.argmax(axis=1)]
        right = [t == g for t, g in zip(truth, guess, strict=True)]
        error = reliability(p.max(axis=1).tolist(), right)[1]
        return {**summarize(truth, guess, classes, groups), "ece": error}

    folds = {key: p for key, p in found.items() if key != FINAL}
    single = [scored(p) for p in folds.values()]
    wa, ua = ([s[key] for s in single] for key in ("wa", "ua"))
    spread = [f"{percent(min(x))} - {percent(max(x))}" for x in (wa, ua)]
    rows = [
        [
            *(name, f"{len(folds)} folds: mean, least - most"),
            *(percent(np.mean(wa)), spread[0], percent(np.mean(ua)), spread[1]),
            percent(np.mean([s["ece"] for s in single])),
        ]
    ]
    pooled = {"ensemble of the folds": np.mean([*folds.values()], axis=0)}
    if FINAL in found:
        pooled[final] = found[FINAL]
    for what, p in pooled.items():
        s = scored(p)
        cells = [percent(s["wa"]), interval(s["wa_ci95"])]
        cells += [percent(s["ua"]), interval(s["ua_ci95"]), percent(s["ece"])]
        rows.append([name, what, *cells])
    return rows


if __name__ == "__main__":
    run(main)
