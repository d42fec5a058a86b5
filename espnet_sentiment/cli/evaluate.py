"""espnet-sentiment evaluate: score a model on labelled recordings."""

import argparse
import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_sentiment.cli.model_option import (
    MODEL_HELP,
    add_computing_options,
    add_fold_option,
    model_name,
)
from espnet_sentiment.core.counts import counted
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import one_line
from espnet_sentiment.recipe.data_options import (
    DATA_HELP,
    add_data_options,
    read_options,
)
from espnet_sentiment.report.languages import DEFAULT, language_names

if TYPE_CHECKING:
    from espnet_sentiment.data.kaldi_dir import Utterance
    from espnet_sentiment.data.manifest import Manifest
    from espnet_sentiment.inference.result import Sentiment
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
    from espnet_sentiment.report.scored import ScoredUtterance

TRAINING = ("final", ".score.json", "sentiment.pth", "config.yaml")
HELP = "score a model on labelled recordings: WA, UA, F1, confusion, calibration"
EPILOG = """\
DATA is a table with the columns path and label, or a folder: LABEL/x.wav,
SPEAKER/LABEL/x.wav, a Hugging Face audiofolder, a Kaldi data directory. Other columns
and labels are named by --map and --map_label, as egs/manifest/README.md says:

  espnet-sentiment evaluate model.zip corpus/ --by speaker --out evaluation
  espnet-sentiment evaluate model.zip nemo/data.tsv --audio_dir nemo/samples \\
    --map path=file_id --map_label fear=,surprised= --by gender

A recording that cannot be answered is named on standard error, counts in no score, and
makes the exit status 1.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP.rpartition(" (")[0])
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_fold_option(parser)
    add_data_options(parser)
    parser.add_argument(
        "--split",
        choices=("train", "valid", "test"),
        help="of data with a column split: this part alone (default: all)",
    )
    parser.add_argument(
        "--among",
        choices=("all", "labels"),
        default="all",
        help="choose among all classes of the model, or among those alone that the "
        "data has as labels (default: all)",
    )
    parser.add_argument(
        "--by",
        default="",
        metavar="COLUMN,...",
        help="also WA and UA by the values of these columns: speaker,gender",
    )
    parser.add_argument("--out", type=Path, help="folder of report and results")
    parser.add_argument(
        "--embed",
        type=int,
        default=40,
        help="utterances in the report with audio and pictures (default: 40)",
    )
    parser.add_argument(
        "--language",
        choices=language_names(),
        default=DEFAULT,
        help=f"of the report (default: {DEFAULT})",
    )
    add_computing_options(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; return the exit status, 1 if a recording could not be answered.

    Raises:
        DataError: The model or the data cannot be used.
    """
    if args.embed < 0:
        args.parser.error("--embed: a number from 0")
    if not Path(args.data).exists():
        raise DataError(f"{args.data} does not exist: check the path")
    if args.out is not None:
        args.out = _check_out(args.out.expanduser())
    from espnet_sentiment.model.layout import read_training_config
    from espnet_sentiment.pack.find import find_model
    from espnet_sentiment.scoring.evaluation import check_labels

    manifest = _read(args)
    for line in manifest.said:
        _say(line)
    part = _part(manifest, args.split)
    utterances = [u for u in part if u.label is not None]
    if without := len(part) - len(utterances):
        _say(f"not scored: {counted(without, 'utterance')} with votes and no label")
    if not utterances:
        raise DataError(f"{args.data}: no utterance with a label is left to score")
    files = find_model(model_name(args.model), args.fold)
    counts = Counter(str(u.label) for u in utterances)
    classes = files.description["classes"]
    check_labels(args.data, counts, classes)
    if args.among == "labels":
        classes = [name for name in classes if name in counts]
    if len(classes) < 2:
        raise DataError(
            f"{args.data} has the label {classes[0]} alone: leave --among labels out"
        )
    shown = ", ".join(f"{label} {n}" for label, n in sorted(counts.items()))
    _say(f"{counted(len(utterances), 'utterance')}: {shown}")
    if absent := [name for name in classes if name not in counts]:
        _say(
            f"no label is {', '.join(absent)}, which the model may answer all the same "
            "(--among labels: it may not)"
        )

    corpus = files.description.get("corpus")
    if seen := _learned_from(files.model_file.parent, corpus, utterances):
        _say(seen)
    begun = time.perf_counter()
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment

    model = Speech2Sentiment(
        files.config_file,
        files.model_file,
        args.encoder_model or files.encoder_model,
        device=args.device,
        dtype=args.dtype,
        channel=args.channel,
    )
    if args.dtype == "auto":
        _say(f"dtype auto: {model.dtype}, {model.why_dtype}")
    scored, failed, by_whom = _answer(model, utterances, manifest, classes)
    if not scored:
        raise DataError(f"{args.data}: no recording could be answered")

    from espnet_sentiment.core.versions import versions
    from espnet_sentiment.report.evaluation import evaluation_results, write_evaluation
    from espnet_sentiment.scoring.evaluation import evaluation_report

    config = read_training_config(files.config_file)
    facts: dict[str, Any] = {
        "corpus": Path(args.data).stem or str(args.data),
        "tag": f"evaluation of {files.description['name']}",
        "encoder": Path(files.description["encoder"]["name"]).name,
        "sentiment": files.description["name"],
        "model": files.description,
        "data": {**manifest.record, "split": args.split, "among": args.among},
        "said": [_trained_on(files.description), *([seen] if seen else []), *by_whom],
        **({"normalisation": by_whom[0]} if by_whom else {}),
        "not_answered": failed,
        "seed": config["seed"],
        "seconds": {"evaluate": time.perf_counter() - begun},
        "versions": versions(),
    }
    results = evaluation_results(scored, classes, manifest.groups, facts)
    print(evaluation_report(results, picture=False).rstrip())
    if args.out is not None:
        for path in write_evaluation(
            args.out, results, scored, args.embed, args.language
        ):
            _say(f"written: {path}")
    return int(bool(failed))


def _read(args: argparse.Namespace) -> "Manifest":
    from espnet_sentiment.data.manifest import read_manifest

    groups = [name.strip() for name in args.by.split(",") if name.strip()]
    reading = read_options(args, list(dict.fromkeys(groups)))
    # Nothing is trained: who has votes and no label is left out, and said.
    reading = dataclasses.replace(reading, no_majority=True)
    return read_manifest(args.data, args.audio_dir, reading)


def _part(manifest: "Manifest", split: str | None) -> list["Utterance"]:
    """Return the utterances of a part.

    Raises:
        DataError: There is no such part.
    """
    parts = manifest.utt2split
    if split is None:
        if parts:
            _say(f"all parts are evaluated: {', '.join(sorted(set(parts.values())))}")
        return manifest.utterances
    if split not in parts.values():
        raise DataError(
            f"{manifest.path} has no part {split}: leave --split out, or choose of "
            f"{', '.join(sorted(set(parts.values()))) or 'none'}"
        )
    return [u for u in manifest.utterances if parts[u.utt] == split]


def _trained_on(description: dict[str, Any]) -> str:
    """Say what the model learned from, where it tells."""
    corpus, fold = description.get("corpus"), description.get("fold")
    part = f", fold {fold}" if fold else ""
    if how := description.get("trained_on"):
        part = ", all of it" if how == "all" else ", the ensemble of its folds"
    return f"Model: {description['name']}, trained on {corpus or 'unknown data'}{part}."


def _check_out(out: Path) -> Path:
    """Return the folder of results, unless that of a training.

    Raises:
        DataError: It is no folder, or holds others' results.
    """
    if out.is_file():
        raise DataError(f"--out {out} is a file: name a folder")
    theirs = [*out.glob("fold*"), *(out / name for name in TRAINING)]
    if found := [path.name for path in theirs if path.exists()]:
        raise DataError(
            f"--out {out} holds a training ({found[0]}), whose results would be lost: "
            "name another folder"
        )
    return out


def _learned_from(
    folder: Path, corpus: str | None, utterances: Sequence["Utterance"]
) -> str | None:
    """Warn of recordings that a model has learned from, where that can be told.

    Args:
        folder: The model's; that of a pack does not tell what it has learned from.
        corpus: What it was trained on, whose data directory lies beside ``exp``.
        utterances: Those that are to be evaluated.
    """
    from espnet_sentiment.core.files import read_table
    from espnet_sentiment.data.kaldi_dir import read_kaldi_dir, utterance_audio

    ids: set[str] = set()
    for name in ("train_shape", "valid_shape"):
        if (folder / name).is_file():
            ids.update(read_table(folder / name))
    recipe = [*folder.absolute().parents][2:3]
    data_dir = Path(*recipe, "data", str(corpus))
    if not ids or not (data_dir / "wav.scp").is_file():
        return None
    data = read_kaldi_dir(data_dir)
    heard = {
        Path(utterance_audio(data, utt, None).path).resolve()
        for utt in ids
        if utt in data.utt2spk
    }
    seen = sum(Path(u.wav).resolve() in heard for u in utterances)
    if not seen:
        return None
    return (
        f"WARNING: the model has learned from the recordings of {seen} of "
        f"{len(utterances)} utterances: scores are too good"
    )


def _say(line: str) -> None:
    print(one_line(line), file=sys.stderr)


def _answer(
    model: "Speech2Sentiment",
    utterances: Sequence["Utterance"],
    manifest: "Manifest",
    classes: Sequence[str],
) -> tuple[list["ScoredUtterance"], dict[str, str], list[str]]:
    """Answer all utterances.

    Returns:
        The answers, sorted by utterance; why others have none; and by whose
        statistics they are normalised, of a model that is by speaker.
    """
    from tqdm import tqdm

    from espnet_sentiment.data.source import Source
    from espnet_sentiment.inference.waveform import Excerpt

    def speech() -> Iterator[Any]:
        for u in utterances:
            source = Source(u.wav, Path(u.wav))
            end = None if u.end is None or u.end < 0 else u.end
            yield Excerpt(source, u.start or 0.0, end, u.channel)

    options: dict[str, Any] = {"on_error": "return"}
    if model.by_speaker and manifest.utt2spk is not None:
        options["speakers"] = [u.speaker for u in utterances]
    scored: list[ScoredUtterance] = []
    failed: dict[str, str] = {}
    normalised: Counter[str] = Counter()
    answers = model.predict(speech(), **options)
    with tqdm(total=len(utterances), unit="utt", desc="evaluate") as bar:
        for u, answer in zip(utterances, answers, strict=True):
            if isinstance(answer, DataError):
                failed[u.utt] = str(answer)
                bar.write(f"error: {one_line(answer)}", file=sys.stderr)
            else:
                scored.append(_scored(u, answer, classes))
                normalised[answer.normalisation or ""] += 1
            bar.update()
    by_whom = [f"{n} utterances {how}." for how, n in normalised.items() if how]
    return sorted(scored, key=lambda u: u.utt), failed, by_whom


def _scored(
    u: "Utterance", answer: "Sentiment", classes: Sequence[str]
) -> "ScoredUtterance":
    from espnet_sentiment.data.kaldi_dir import UtteranceAudio
    from espnet_sentiment.report.scored import ScoredUtterance
    from espnet_sentiment.scoring.evaluation import among

    posteriors = answer.posteriors
    if len(classes) < len(posteriors):
        posteriors = among(posteriors, classes)
    attention = answer.attention
    return ScoredUtterance(
        utt=u.utt,
        label=str(u.label),
        prediction=max(posteriors, key=posteriors.__getitem__),
        posteriors=posteriors,
        fold="all",
        speaker=u.speaker,
        recording=UtteranceAudio(u.wav, u.channel, u.start, u.end),
        duration=answer.duration,
        text=u.text,
        weights=None if attention is None else lambda: attention,
        frame_shift=answer.frame_shift,
        words=None,
    )
