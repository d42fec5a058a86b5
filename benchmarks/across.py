"""Single folds, their ensemble and the final model on a corpus that none has heard.

The ensemble is of the folds' posteriors as they are; the final model is what --final
made, with its temperature.

Reads what stage 3 stored of both corpora by the same encoder (minutes of nEMO):

    cd egs/emodb && ./run.sh --final all && cd ../nemo && ./run.sh --stop_stage 3
    exp=../emodb/exp/emodb_whisper_base_rnn_attention_seed0
    python ../../benchmarks/across.py $exp --data_dir data/nemo \\
        --store dump/whisper_base/nemo/clean --map_label fear=,surprised=

Labels are the model's, or are mapped; classes that the data lacks may be answered all
the same, and are wrong then. A model that is normalised by speaker hears all utterances
of every speaker.

p: paired permutation test over the speakers against the first experiment's row of the
same kind (of single folds, the share of them that is right), corrected over the rows of
that kind (Holm); WA's and UA's apart.
"""

import argparse
import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
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
from espnet_sentiment.scoring.significance import holm, p_shown, permutation_p
from espnet_sentiment.scoring.speaker_groups import speaker_groups
from espnet_sentiment.scoring.tables import interval, markdown, percent

ENSEMBLE = "ensemble"


@dataclasses.dataclass
class Row:
    """A row of the table.

    Args:
        named: Experiment and model.
        wa: The score and its spread.
        ua: Likewise.
        ece: Expected calibration error.
        right: The share of its models that has each utterance right, (N,).
    """

    named: list[str]
    wa: list[str]
    ua: list[str]
    ece: str
    right: np.ndarray


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
    groups, _ = speaker_groups([("", utt) for utt in labels], data.utt2spk)
    spoken = speaker_statistics(store, data.utt2spk)
    kinds: dict[str, list[Row]] = defaultdict(list)
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
        folds = [p for folder, p in found.items() if folder != FINAL]
        found[ENSEMBLE] = np.mean(folds, axis=0)
        final = described(experiment / FINAL)
        for kind, row in scored(experiment.name, found, labels, classes, groups, final):
            kinds[kind].append(row)
    scores = [x for key in ("WA", "UA") for x in (f"{key} (%)", f"{key} 95 %", "p")]
    header = ["experiment", "model", *scores, "ECE (%)"]
    truth = list(labels.values())
    shown = [cells for rows in kinds.values() for cells in tested(rows, truth, groups)]
    print(markdown(header, shown), end="")


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


def scored(name, found, labels, classes, groups, final) -> Iterator[tuple[str, Row]]:
    """Give the rows of an experiment, each with its kind."""
    truth = np.array(list(labels.values()))
    rights, scores = {}, {}
    for folder, p in found.items():
        guess = np.array(classes)[p.argmax(axis=1)]
        rights[folder] = (guess == truth).astype(float)
        error = reliability(p.max(axis=1).tolist(), (guess == truth).tolist())[1]
        summary = summarize(truth.tolist(), guess.tolist(), classes, groups)
        scores[folder] = {**summary, "ece": error}
    folds = [folder for folder in found if folder not in (FINAL, ENSEMBLE)]
    wa, ua, ece = ([scores[f][key] for f in folds] for key in ("wa", "ua", "ece"))
    wa, ua = (
        [percent(np.mean(x)), f"{percent(min(x))} - {percent(max(x))}"]
        for x in (wa, ua)
    )
    named = [name, f"{len(folds)} folds: mean, least - most"]
    right = np.mean([rights[f] for f in folds], axis=0)
    yield "folds", Row(named, wa, ua, percent(np.mean(ece)), right)
    for kind, what in ((ENSEMBLE, "ensemble of the folds"), (FINAL, final)):
        if kind in found:
            s = scores[kind]
            wa, ua = ([percent(s[k]), interval(s[f"{k}_ci95"])] for k in ("wa", "ua"))
            yield kind, Row([name, what], wa, ua, percent(s["ece"]), rights[kind])


def tested(rows: list[Row], truth: list[str], groups: list[str]) -> Iterator[list[str]]:
    """Give the cells of rows, with p of WA and UA against the first of them."""
    base, *others = rows
    tests = [permutation_p(row.right - base.right, truth, groups) for row in others]
    wa_p, ua_p = (
        ["base", *map(p_shown, holm([test[key] for test in tests]))]
        for key in ("wa", "ua")
    )
    for row, wa, ua in zip(rows, wa_p, ua_p, strict=True):
        yield [*row.named, *row.wa, wa, *row.ua, ua, row.ece]


if __name__ == "__main__":
    run(main)
