"""A model of ``espnet-sentiment evaluate``: which it is, and what it answers."""

import argparse
import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_sentiment.cli.model_option import model_name
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import one_line

if TYPE_CHECKING:
    from espnet_sentiment.data.kaldi_dir import Utterance
    from espnet_sentiment.data.manifest import Manifest
    from espnet_sentiment.inference.result import Sentiment
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
    from espnet_sentiment.pack.find import ModelFiles
    from espnet_sentiment.report.scored import ScoredUtterance


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A model that is to be evaluated.

    Args:
        name: Its own among those that are evaluated together.
        files: Its files.
        classes: Those that it chooses among.
    """

    name: str
    files: "ModelFiles"
    classes: list[str]


def choose_models(args: argparse.Namespace, counts: Mapping[str, int]) -> list[Chosen]:
    """Find the models, and check that they know the labels; none is loaded.

    Args:
        args: ``models``, ``fold``, ``data``, ``among`` and ``encoder_model``.
        counts: Utterances by label.

    Raises:
        DataError: There is no such model, it is named twice, or it cannot be used.
    """
    from espnet_sentiment.pack.find import find_model
    from espnet_sentiment.scoring.evaluation import check_labels

    found: dict[Path, ModelFiles] = {}
    for given in args.models:
        files = find_model(model_name(given), args.fold)
        if found.setdefault(files.model_file.resolve(), files) is not files:
            raise DataError(f"{given} is named twice, or a part of it: name it once")
    names = _names([files.description for files in found.values()])
    chosen = []
    for name, files in zip(names, found.values(), strict=True):
        classes = files.description["classes"]
        whose = f" (of {name})" if len(names) > 1 else ""
        check_labels(f"{args.data}{whose}", counts, classes)
        if args.among == "labels":
            classes = [label for label in classes if label in counts]
        if len(classes) < 2:
            raise DataError(
                f"{args.data} has the label {classes[0]} alone: leave --among labels "
                "out"
            )
        chosen.append(Chosen(name, files, classes))
    encoders = {m.files.description["encoder"].get("sha256") for m in chosen}
    if args.encoder_model is not None and len(encoders) > 1:
        raise DataError(
            f"--encoder_model {args.encoder_model} is one encoder, and the models "
            f"learned on {len(encoders)}: leave it out, or name models of one encoder"
        )
    return chosen


def _names(descriptions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return names of their own: with the fold or a number, if need be."""
    names = [str(told["name"]) for told in descriptions]
    numbers = [f"model {i}" for i in range(1, len(names) + 1)]
    folds = [told.get("fold") for told in descriptions]
    for parts in ([f"fold {fold}" if fold else "" for fold in folds], numbers):
        names = [
            f"{name}, {part}" if part and names.count(name) > 1 else name
            for name, part in zip(names, parts, strict=True)
        ]
    return names


def evaluate_model(
    args: argparse.Namespace,
    chosen: Chosen,
    utterances: Sequence["Utterance"],
    manifest: "Manifest",
) -> tuple[dict[str, Any], list["ScoredUtterance"]]:
    """Load a model, answer all utterances and score them.

    Args:
        args: The options of ``evaluate``.
        chosen: Which model.
        utterances: With labels.
        manifest: The data that they are of.

    Returns:
        ``results.json``, and what was answered.

    Raises:
        DataError: The model cannot be used, or no recording be answered.
    """
    from espnet_sentiment.core.versions import versions
    from espnet_sentiment.data.speaker_statistics import BY_ALL, SPEAKER_NORMALISED
    from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
    from espnet_sentiment.model.layout import read_training_config
    from espnet_sentiment.report.evaluation import evaluation_results

    files = chosen.files
    told = files.description
    seen = _learned_from(files.model_file.parent, told.get("corpus"), utterances)
    if seen:
        say(seen)
    begun = time.perf_counter()
    model = Speech2Sentiment(
        files.config_file,
        files.model_file,
        args.encoder_model or files.encoder_model,
        device=args.device,
        dtype=args.dtype,
        channel=args.channel,
    )
    if args.dtype == "auto":
        say(f"dtype auto: {model.dtype}, {model.why_dtype}")
    scored, failed, normalised = _answer(model, utterances, manifest, chosen.classes)
    if not scored:
        raise DataError(f"{args.data}: no recording could be answered by {chosen.name}")
    by_whom = [f"{n} utterances {how}." for how, n in normalised.items() if how]
    n_all = normalised[BY_ALL]
    counts = {SPEAKER_NORMALISED: normalised.total() - n_all, BY_ALL: n_all}
    facts: dict[str, Any] = {
        "corpus": Path(args.data).stem or str(args.data),
        "tag": f"evaluation of {told['name']}",
        "encoder": Path(told["encoder"]["name"]).name,
        "sentiment": told["name"],
        "model": told,
        "data": {**manifest.record, "split": args.split, "among": args.among},
        "said": [_trained_on(told), *([seen] if seen else []), *by_whom],
        **({"normalisation": by_whom[0], "normalised": counts} if by_whom else {}),
        "not_answered": failed,
        "seed": read_training_config(files.config_file)["seed"],
        "seconds": {"evaluate": time.perf_counter() - begun},
        "versions": versions(),
    }
    return evaluation_results(scored, chosen.classes, manifest.groups, facts), scored


def say(line: str) -> None:
    """Print a line for the person in front."""
    print(one_line(line), file=sys.stderr)


def _trained_on(description: dict[str, Any]) -> str:
    """Say what the model learned from, where it tells."""
    corpus, fold = description.get("corpus"), description.get("fold")
    part = f", fold {fold}" if fold else ""
    if how := description.get("trained_on"):
        part = ", all of it" if how == "all" else ", the ensemble of its folds"
    return f"Model: {description['name']}, trained on {corpus or 'unknown data'}{part}."


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


def _answer(
    model: "Speech2Sentiment",
    utterances: Sequence["Utterance"],
    manifest: "Manifest",
    classes: Sequence[str],
) -> tuple[list["ScoredUtterance"], dict[str, str], Counter[str]]:
    """Answer all utterances.

    Returns:
        The answers, sorted by utterance; why others have none; and how many are
        normalised by whose statistics, of a model that is by speaker.
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
    return sorted(scored, key=lambda u: u.utt), failed, normalised


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
