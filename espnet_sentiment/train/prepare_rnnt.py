"""What RNN-T pre-training reads: written, and checked before hours are spent on it."""

import argparse
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from espnet2.tasks.abs_task import scheduler_classes
from tqdm import tqdm
from typeguard import TypeCheckError

from espnet_sentiment.core.ark import ScpMatrices
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import atomic_path, read_table, write_table
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.speed import copies
from espnet_sentiment.data.token_list import check_token_lengths, write_token_list
from espnet_sentiment.model.rnnt_greedy import MAX_SYMBOLS
from espnet_sentiment.model.rnnt_model import RNNTModel, frame_reduction
from espnet_sentiment.tasks.rnnt import SCP_MATRICES, RNNTTask
from espnet_sentiment.train.options import checked_options
from espnet_sentiment.train.parts import Part, optimisation, part_faults
from espnet_sentiment.train.served import RNNT, criterion_rule

N_MELS = 80
FRAMES_PER_HOUR = 360_000


def rnnt_options(config: Mapping, path: Path, extra: Sequence[str]) -> dict:
    """Check an RNN-T's config and complete it with the task's defaults.

    Args:
        config: Contents of ``conf/asr/*.yaml``.
        path: That file, for messages.
        extra: RNNTTask options that override it, as on a command line.

    Raises:
        DataError: A key, an option or a value that no training takes.
    """
    return checked_options(RNNTTask, config, path, extra, "--asr_args", RNNT, _faults)


def _faults(options: Mapping) -> dict[str, str]:
    """Say by part what would fail after the features are read."""
    options = {**options, **RNNT.fixed}
    _default_decay(options)
    parts = {
        # The whole model is built below.
        choices.name: Part(choices.get_class, lambda cls, conf: None)
        for choices in RNNTTask.class_choices_list
    }
    faults = part_faults({**parts, **optimisation(options)}, options)
    for key, check in (("criterion", _check_criterion), ("model", _try_model)):
        if not faults:
            try:
                check(options)
            except DataError as error:
                faults[key] = str(error)
    return faults


def _try_model(options: Mapping) -> None:
    """Build the model with other tokens than it will have, and no statistics."""
    tokens = ["<blank>", "<unk>", "a", "<sos/eos>"]
    others = {"token_list": tokens, "normalize": None, "token_type": "char"}
    build({**options, **others, "output_dir": ""})


def prepare(
    out: Path, data: KaldiDir, fold: Fold, feats: Path, options: Mapping
) -> tuple[dict, list[str]]:
    """Write what training reads, and check it.

    Args:
        out: Folder of the experiment.
        data: Transcripts.
        fold: Utterances to learn from and to validate on; ``test`` is not looked at.
        feats: Folder of stage 1's ``feats.scp`` and ``utt2num_frames``.
        options: RNNTTask options, complete.

    Returns:
        The options with the files in them, and what there is to know about model and
        data, a line each.

    Raises:
        DataError: An utterance is too short, or a transcript does not fit.
    """
    out.mkdir(parents=True, exist_ok=True)
    frames = read_frames(feats, data, fold)
    parts = find_parts(feats, fold)
    texts = write_texts(out, data, parts)
    tokens = write_tokens(out, data, fold, options)
    stats = out / "feats_stats.npz"
    if not stats.exists():  # else a killed training continues
        write_cmvn(stats, feats / "feats.scp", parts["train"])
    options = complete_options({**options, **tokens}, out, stats)
    n_tokens = count_tokens(options, texts)
    model = build(options).eval()
    n_frames = {key: frames[key] for key in texts}
    tight = check_token_lengths(n_frames, n_tokens, frame_reduction(model), MAX_SYMBOLS)
    for part, keys in parts.items():
        sizes = ((frames, N_MELS), (n_tokens, len(model.token_list)))
        options[f"{part}_shape_file"] = write_shapes(out, part, keys, *sizes)
        options[f"{part}_data_path_and_name_and_type"] = [
            (str(feats / "feats.scp"), "speech", SCP_MATRICES),
            (str(out / "text"), "text", "text"),
        ]
    n_training = [frames[key] for key in parts["train"]]
    return options, describe(model, n_training, tight)


def read_frames(feats: Path, data: KaldiDir, fold: Fold) -> dict[str, int]:
    """Read how many frames stage 1 stored of every utterance and copy.

    Raises:
        DataError: It stored none of an utterance that is needed.
    """
    frames = {u: int(n) for u, n in read_table(feats / "utt2num_frames").items()}
    missing = [u for u in fold.train + fold.valid if u not in frames]
    if missing:
        raise DataError(
            f"utterance {missing[0]} (and {len(missing) - 1} more) of {data.path} is "
            f"not in {feats / 'feats.scp'}: rerun stage 1"
        )
    return frames


def find_parts(feats: Path, fold: Fold) -> dict[str, dict[str, str]]:
    """Return each stored matrix' utterance, by part; only ``train`` has copies."""
    return {
        "train": copies(read_table(feats / "key2utt"), fold.train),
        "valid": dict(zip(fold.valid, fold.valid, strict=True)),
    }


def write_texts(
    out: Path, data: KaldiDir, parts: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Write the transcripts of all matrices, and return them."""
    key2utt = itertools.chain.from_iterable(keys.items() for keys in parts.values())
    texts = {key: data.text[utt] for key, utt in key2utt}
    write_table(out / "text", texts)
    return texts


def write_tokens(out: Path, data: KaldiDir, fold: Fold, options: Mapping) -> dict:
    """Write the tokens of the training transcripts, and return the task's options.

    Raises:
        DataError: As :func:`espnet_sentiment.data.token_list.write_token_list`.
    """
    texts = [data.text[utt] for utt in fold.train]
    kind, bpemode, nbpe = (options[k] for k in ("token_type", "bpemode", "nbpe"))
    return write_token_list(out, kind, texts, bpemode, nbpe)


def complete_options(options: Mapping, out: Path, stats: Path) -> dict:
    """Add what this package decides, and check the criterion.

    Raises:
        DataError: No epoch would be kept by the criterion.
    """
    options = {
        **options,
        "output_dir": str(out),
        **RNNT.fixed,
        "normalize_conf": {"stats_file": str(stats)},
    }
    _default_decay(options)
    _check_criterion(options)
    return options


def count_tokens(options: Mapping, texts: Mapping[str, str]) -> dict[str, int]:
    """Count the tokens of transcripts as the task makes them."""
    args = argparse.Namespace(**options)
    preprocess = RNNTTask.build_preprocess_fn(args, train=False)
    return {
        key: len(preprocess(key, {"text": text})["text"]) for key, text in texts.items()
    }


def write_shapes(
    out: Path,
    part: str,
    keys: Iterable[str],
    speech: tuple[Mapping[str, int], int],
    text: tuple[Mapping[str, int], int],
) -> list[str]:
    """Write the shapes by which ESPnet makes batches, and return the files.

    Args:
        out: Folder of the experiment.
        part: ``train`` or ``valid``.
        keys: What the part holds.
        speech: Frames of each key, and the channels of one.
        text: Tokens of each key, and how many different ones there are.
    """
    files = []
    for name, (lengths, size) in (("speech", speech), ("text", text)):
        file = out / f"{part}_{name}_shape"
        write_table(file, {key: f"{lengths[key]},{size}" for key in keys})
        files.append(str(file))
    return files


def write_cmvn(path: Path, scp: Path, keys: Iterable[str]) -> None:
    """Write the statistics of global CMVN, as ESPnet's ``GlobalMVN`` reads them."""
    total, squares, count = np.zeros(N_MELS), np.zeros(N_MELS), 0
    matrices = ScpMatrices(scp)
    for key in tqdm(keys, desc="CMVN", unit="utt", leave=False):
        feats = matrices[key].astype(np.float64)
        total += feats.sum(axis=0)
        squares += (feats**2).sum(axis=0)
        count += len(feats)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, count=count, sum=total, sum_square=squares)


def build(options: Mapping) -> RNNTModel:
    """Build the model, and once what would else fail after hours.

    Raises:
        DataError: A part of the config does not fit.
    """
    args = argparse.Namespace(**options)
    try:
        model = RNNTTask.build_model(args)
        (optimizer,) = RNNTTask.build_optimizers(args, model)
        if args.scheduler is not None:
            scheduler_classes[args.scheduler](optimizer, **args.scheduler_conf)
    # A config's values reach many constructors.
    except (ValueError, TypeError, TypeCheckError, KeyError, RuntimeError) as error:
        raise DataError(
            f"the model cannot be built ({type(error).__name__}: {error}): mend the "
            "values of its parts"
        ) from error
    return model


def describe(model: RNNTModel, n_frames: list[int], tight: list[str]) -> list[str]:
    """Say what there is to know before training, a line each.

    Args:
        model: The model.
        n_frames: Frames of every training utterance.
        tight: Utterances with more tokens than encoder frames.
    """
    facts = [
        f"{len(n_frames)} training utterances, {sum(n_frames) / FRAMES_PER_HOUR:.2f} "
        f"h, {len(model.token_list)} tokens",
        describe_parameters(model),
    ]
    if model.ctc is not None and tight:
        facts.append(
            f"{len(tight)} utterances have more tokens than encoder frames, for "
            f"example {tight[0]}: CTC learns nothing from them, the transducer does"
        )
    return facts


def describe_parameters(model) -> str:
    """Say how many parameters each part of the model has."""
    counts = {
        "encoder": model.encoder,
        "prediction network": model.decoder,
        "joint network": model.joint_network,
        "CTC": model.ctc,
    }
    said = [
        f"{name} {sum(p.numel() for p in part.parameters()):,}"
        for name, part in counts.items()
        if part is not None
    ]
    total = sum(p.numel() for p in model.parameters())
    return f"{total:,} parameters: {', '.join(said)}"


def _check_criterion(options: Mapping) -> None:
    """Refuse a criterion by which no epoch would be kept, or that nothing reports."""
    criteria = options["best_model_criterion"]
    reported = {"loss", "loss_transducer"}
    reported |= {f"{k}_transducer" for k in ("cer", "wer") if _reports(options, k)}
    if options["model_conf"].get("ctc_weight", 0) > 0:
        reported.add("loss_ctc")
    if (
        len(criteria) != 1
        or criteria[0][0] != "valid"
        or criteria[0][1] not in reported
        or criteria[0][2] not in ("min", "max")
    ):
        raise DataError(
            f"best_model_criterion is {criteria}: name one of validation, with one of "
            f"{', '.join(sorted(reported))} (cer and wer need model_conf.report_cer "
            "and report_wer)"
        )
    losses = [name for name in reported if name.startswith("loss")]
    known = {"train": sorted(losses), "valid": sorted(reported)}
    for key, n_parts in (
        ("val_scheduler_criterion", 2),
        ("early_stopping_criterion", 3),
    ):
        rule = criterion_rule(known, n_parts)
        if not rule.holds(options[key]):
            raise DataError(f"{key} is {options[key]}: {rule.says}")


def _reports(options: Mapping, kind: str) -> bool:
    return options["model_conf"].get(f"report_{kind}", False)


def _default_decay(options: dict) -> None:
    """Let a cosine schedule end with the training unless the config says otherwise."""
    if (options["scheduler"] or "").lower() == "cosineannealinglr":
        options["scheduler_conf"] = {
            "T_max": options["max_epoch"],
            **options["scheduler_conf"],
        }
