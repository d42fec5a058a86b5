"""Train one fold on stored features, by ESPnet's task and a loop of our own."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import atomic_path, write_json, write_text
from espnet_sentiment.core.log_file import logging_to
from espnet_sentiment.data.feature_store import (
    CLEAN_SHARE,
    FeatureStore,
    feature_statistics,
)
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.speaker_statistics import (
    SPEAKERS,
    speaker_statistics,
    write_speakers,
)
from espnet_sentiment.data.speed import people
from espnet_sentiment.data.store_layers import layer_numbers
from espnet_sentiment.data.token_list import write_token_list
from espnet_sentiment.data.votes import VoteShares
from espnet_sentiment.data.words import plain_words
from espnet_sentiment.encoder.reference import encoder_reference
from espnet_sentiment.layers.speaker_mvn import SpeakerMVN
from espnet_sentiment.model.checkpoint import save_checkpoint
from espnet_sentiment.model.layout import CHECKPOINT, CONFIG
from espnet_sentiment.scoring.pooled import pool
from espnet_sentiment.tasks.divergence import check_kept
from espnet_sentiment.tasks.resume import load_state
from espnet_sentiment.tasks.sentiment import (
    SentimentTask,
    decoder_choices,
    normalize_choices,
    specaug_choices,
    text_encoder_choices,
)
from espnet_sentiment.tasks.sentiment_trainer import BUDGET
from espnet_sentiment.train.fold_data import table_of
from espnet_sentiment.train.fold_task import FoldTask
from espnet_sentiment.train.fold_trainer import KEPT, STATE, updates_by_epoch
from espnet_sentiment.train.options import checked_options
from espnet_sentiment.train.parts import Part, optimisation, part_faults
from espnet_sentiment.train.served import BY_SIZE, SENTIMENT
from espnet_sentiment.train.tracking import check_tracking, of_fold


def task_defaults(
    config: Mapping, path: Path, extra: Sequence[str], name: str = "--sentiment_args"
) -> dict:
    """Check a sentiment config and complete it with the task's defaults.

    Args:
        config: Contents of ``conf/sentiment/*.yaml``.
        path: That file, for messages.
        extra: ESPnet options that override it, as on a command line.
        name: Where they were given, for messages.

    Raises:
        DataError: A key or an option that the task does not know.
        UserError: Curves are to be written by what is not there.
    """
    options = checked_options(
        SentimentTask,
        config,
        path,
        extra,
        name,
        SENTIMENT,
        lambda options: part_faults(_parts(options), options),
    )
    check_tracking(options)
    return options


def _parts(options: Mapping) -> dict[str, Part]:
    """Return what is built once, small, so that a wrong value is named at once."""
    return {
        "decoder": Part(
            decoder_choices.get_class,
            lambda cls, conf: cls(2, encoder_output_size=2, **conf),
        ),
        "specaug": Part(specaug_choices.get_class, lambda cls, conf: cls(**conf)),
        "text_encoder": Part(
            text_encoder_choices.get_class, lambda cls, conf: cls(2, **conf)
        ),
        # Its statistics are not there yet.
        "normalize": Part(
            normalize_choices.get_class,
            lambda cls, conf: cls is SpeakerMVN and SpeakerMVN.check(**conf),
        ),
        **optimisation(options),
    }


def expected_epochs(options: Mapping, n_utts: int) -> int:
    """Return the most epochs of a training, for a progress bar.

    Args:
        options: SentimentTask options, complete.
        n_utts: Training utterances.
    """
    epochs, least, most = (
        options[key] for key in ("max_epoch", "min_updates", "max_updates")
    )
    if options["batch_type"] not in BY_SIZE:  # how many batches, the lengths decide
        return epochs
    batches = options["num_iters_per_epoch"] or -(-n_utts // options["batch_size"])
    updates = max(1, batches // options["accum_grad"])
    epochs = max(epochs, -(-(least or 0) // updates))
    return min(epochs, -(-most // updates)) if most else epochs


def train_fold(
    out: Path,
    fold: Fold,
    data: KaldiDir,
    store: FeatureStore,
    views: Sequence[Path],
    encoder: Mapping,
    options: Mapping,
    seed: int,
    ngpu: int = 0,
    transcripts: Path | None = None,
) -> list[Path]:
    """Train a fold; a killed training loses a minute at most.

    Args:
        out: Folder of the fold; ``sentiment.pth`` appears in it at the end.
        fold: Utterances to learn from and to validate on; ``test`` and ``no_majority``
            are not looked at.
        data: Labels and votes.
        store: Clean features.
        views: Stores to train on, one of which every utterance draws an epoch.
        encoder: The encoder's config, ``{"encoder": ..., "encoder_conf": ...}``.
        options: SentimentTask options, complete.
        seed: Seed of initialisation, order and views.
        ngpu: 0 trains on the CPU.
        transcripts: Kaldi ``text`` of an ASR model, for a text branch.

    Returns:
        All files that are kept; ``train.log`` is none of them, nor are curves in
        ``tensorboard/`` and ``wandb/``.
    """
    check_tracking(options)  # a cluster's worker may be another machine
    out.mkdir(parents=True, exist_ok=True)
    if options["layer"] == "best" and store.n_layers > 1:
        # It brings scikit-learn along.
        from espnet_sentiment.scoring.layer_probe import best_layer

        place = best_layer(pool(store), fold, data.utt2label, people(data))
        read = encoder["encoder_conf"]["layer"]
        layer = layer_numbers(read, store.n_layers)[place]
        # As if the encoder gave this one alone: so it does from now on in use.
        conf = {**encoder["encoder_conf"], "layer": layer}
        encoder, store = (
            {**encoder, "encoder_conf": conf},
            FeatureStore(store.root, layer),
        )
    reference = encoder_reference(encoder["encoder"], encoder["encoder_conf"])
    options = {**options, **SENTIMENT.fixed}
    # One without a majority has no label.
    learned = {"votes"} if options["target"] == "votes" else {"label"}
    options.update(
        output_dir=str(out),
        token_list=_write_classes(out, data.classes),
        input_size=store.dim,
        # How features are kept is no option of the task.
        encoder=encoder["encoder"],
        encoder_conf=encoder["encoder_conf"],
        encoder_reference=reference,
        # What the store holds is already augmented.
        specaug=None,
        specaug_conf={},
        model_conf=_model_conf(options, fold, data, store),
        train_data_path_and_name_and_type=_sources(
            views, data, transcripts, learned, options["clean"]
        ),
        valid_data_path_and_name_and_type=_sources(
            [store.root], data, transcripts, {"label", *learned}
        ),
        train_shape_file=[_write_shapes(out / "train_shape", fold.train, store)],
        valid_shape_file=[_write_shapes(out / "valid_shape", fold.valid, store)],
        seed=seed,
        ngpu=ngpu,
        **of_fold(options, out),
    )
    if transcripts is not None:
        options |= _text_options(
            out / "text", table_of(str(transcripts)), fold, options
        )
    if options["normalize"] in ("global_mvn", "speaker_mvn"):
        stats = out / "feats_stats.npz"
        with atomic_path(stats) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, **feature_statistics(store, fold.train))
        options["normalize_conf"] = {
            **options["normalize_conf"],
            "stats_file": str(stats),
        }
    if options["normalize"] == "speaker_mvn":
        by_speaker = SpeakerMVN(**options["normalize_conf"])
        write_speakers(
            out / SPEAKERS,
            data.utt2spk,
            speaker_statistics(store, data.utt2spk),
            lambda moments: by_speaker.of_speaker(moments).numpy(),
        )
        for phase in ("train", "valid"):
            options[f"{phase}_data_path_and_name_and_type"].append(
                (str(out / SPEAKERS), "speaker", "speakers")
            )
    with logging_to(out / "train.log"):
        FoldTask.main(argparse.Namespace(**options))
    _keep_result(out, reference, options)
    names = (CHECKPOINT, CONFIG, "history.json", "tokens.txt", "feats_stats.npz")
    shapes = ("train_shape", "valid_shape", "text", SPEAKERS)
    return [out / name for name in (*names, *shapes) if (out / name).exists()]


def _write_classes(out: Path, classes: Sequence[str]) -> str:
    write_text(out / "tokens.txt", "".join(f"{name}\n" for name in classes))
    return str(out / "tokens.txt")


def _write_shapes(path: Path, utts: Sequence[str], store: FeatureStore) -> str:
    """Write ``utterance frames,channels``, by which ESPnet makes its batches."""
    lines = [f"{utt} {store.n_frames(utt)},{store.dim}\n" for utt in utts]
    write_text(path, "".join(lines))
    return str(path)


def _sources(
    views: Sequence[Path],
    data: KaldiDir,
    transcripts: Path | None,
    names: set[str],
    clean: float | None = None,
) -> list[tuple]:
    share = [] if clean is None else [f"{CLEAN_SHARE}{clean}"]
    roots = ",".join([*share, *map(str, views)])
    sources = [(roots, "speech", "feature_views")]
    for name in sorted(names):
        sources.append((str(data.path / f"utt2{name}"), name, "text"))
    if transcripts is not None:
        sources.append((str(transcripts), "text", "text"))
    return sources


def _text_options(
    folder: Path, texts: Mapping[str, str], fold: Fold, options: Mapping
) -> dict:
    """Make the text branch's tokens from the fold's training utterances alone."""
    made = write_token_list(
        folder,
        options["text_token_type"],
        [plain_words(texts[utt]) for utt in fold.train],
        nbpe=options["text_nbpe"],
        min_count=2,
    )
    return {f"text_{key}": value for key, value in made.items()}


def _model_conf(
    options: Mapping, fold: Fold, data: KaldiDir, store: FeatureStore
) -> dict:
    """Add the store's layers; ``class_weights: balanced`` becomes numbers.

    Balanced weights are those of scikit-learn's ``compute_class_weight``, from the
    fold's training utterances; of votes, from how much of them a class has.
    """
    conf = {**options["model_conf"], "n_layers": store.n_layers}
    if conf.get("class_weights") == "balanced" and options["target"] == "votes":
        shares = VoteShares(data.classes, options["other_votes"])
        found = [shares(data.utt2votes[utt]) for utt in fold.train]
        conf["class_weights"] = balanced_weights(np.sum(found, axis=0), data.classes)
    elif conf.get("class_weights") == "balanced":
        from sklearn.utils.class_weight import compute_class_weight

        labels = [data.utt2label[utt] for utt in fold.train]
        weights = compute_class_weight(
            "balanced", classes=np.array(data.classes), y=labels
        )
        conf["class_weights"] = weights.tolist()
    return conf


def balanced_weights(amounts: np.ndarray, classes: Sequence[str]) -> list[float]:
    """Return what weights classes (C,) so that each counts the same.

    Args:
        amounts: Of how many utterances each is, (C,), which may be fractions.
        classes: Their names, for messages.

    Raises:
        DataError: A class has none.
    """
    if none := [name for name, n in zip(classes, amounts, strict=True) if not n]:
        raise DataError(
            f"class_weights: balanced has no weight for {', '.join(none)}, for which "
            "no training utterance of a fold has a vote: give weights as numbers, or "
            "choose other folds"
        )
    return (amounts.sum() / (len(amounts) * amounts)).tolist()


def _keep_result(out: Path, reference: dict[str, str], options: Mapping) -> None:
    """Keep the selected weights and the curves; drop what only resuming needs."""
    kept = load_state(out / KEPT)
    stats = kept["reporter"]["stats"]
    history = _history(stats)
    if any(options[key] is not None for key in BUDGET):
        history["updates"] = updates_by_epoch(stats, options["accum_grad"])
    write_json(out / "history.json", history)
    check_kept(out, kept["model"], "--sentiment_args")
    save_checkpoint(out / CHECKPOINT, kept["model"], reference)
    for name in (STATE, KEPT):
        (out / name).unlink(missing_ok=True)


def _history(stats: Mapping) -> dict[str, list]:
    """Turn ESPnet's statistics into curves: one value an epoch."""
    keys = [("train", "loss"), ("train", "acc")]
    keys += [("valid", key) for key in ("loss", "wa", "ua")]
    return {
        f"{phase}_{key}": [stats[epoch][phase].get(key) for epoch in sorted(stats)]
        for phase, key in keys
    }
