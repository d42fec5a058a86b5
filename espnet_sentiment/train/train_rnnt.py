"""Pre-train an RNN-T on stored fbank with ESPnet's Trainer."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

import kaldiio
import numpy as np
from espnet2.tasks.abs_task import scheduler_classes
from espnet2.train.distributed_utils import get_node_rank
from espnet2.train.reporter import Reporter
from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump
from tqdm import tqdm
from typeguard import TypeCheckError

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import atomic_path, read_table, write_json, write_table
from espnet_sentiment.core.log_file import logging_to
from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.data.speed import copies
from espnet_sentiment.data.token_list import check_token_lengths, write_token_list
from espnet_sentiment.encoder.espnet_files import averaged_checkpoint
from espnet_sentiment.model.rnnt_greedy import MAX_SYMBOLS
from espnet_sentiment.model.rnnt_model import RNNTModel, frame_reduction
from espnet_sentiment.tasks.resume import TRAINER_STATE, load_state, recover_checkpoint
from espnet_sentiment.tasks.rnnt import RNNTTask
from espnet_sentiment.train.data_parallel import run_data_parallel

# What says how a process takes part, not what is trained.
PROCESS_KEYS = ("distributed", "multiprocessing_distributed", "local_rank")

# The curves that history.json keeps, by ESPnet's names.
CURVES = {
    "train_loss": ("train", "loss"),
    "valid_loss": ("valid", "loss"),
    "train_loss_transducer": ("train", "loss_transducer"),
    "valid_loss_transducer": ("valid", "loss_transducer"),
    "valid_loss_ctc": ("valid", "loss_ctc"),
    "valid_cer": ("valid", "cer_transducer"),
    "valid_wer": ("valid", "wer_transducer"),
}


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
    frames = {u: int(n) for u, n in read_table(feats / "utt2num_frames").items()}
    missing = [u for u in fold.train + fold.valid if u not in frames]
    if missing:
        raise DataError(
            f"utterance {missing[0]} (and {len(missing) - 1} more) of {data.path} is "
            f"not in {feats / 'feats.scp'}: rerun stage 1"
        )
    parts = {
        "train": copies(read_table(feats / "key2utt"), fold.train),
        "valid": dict(zip(fold.valid, fold.valid, strict=True)),
    }
    texts = {
        key: data.text[utt] for keys in parts.values() for key, utt in keys.items()
    }
    write_table(out / "text", texts)
    tokens = write_token_list(
        out,
        options["token_type"],
        [data.text[u] for u in fold.train],
        options["bpemode"],
        options["nbpe"],
    )
    stats = out / "feats_stats.npz"
    if not stats.exists():  # else a killed training continues
        write_cmvn(stats, feats / "feats.scp", parts["train"])
    options = {
        **options,
        **tokens,
        "output_dir": str(out),
        "input_size": 80,
        "frontend": None,
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": str(stats)},
        "use_tensorboard": False,
        "use_matplotlib": False,
        "num_att_plot": 0,
        "resume": True,
    }
    _default_decay(options)
    _check_criterion(options)
    preprocess = RNNTTask.build_preprocess_fn(
        argparse.Namespace(**options), train=False
    )
    n_tokens = {
        key: len(preprocess(key, {"text": text})["text"]) for key, text in texts.items()
    }
    model = build(options).eval()
    n_frames = {key: frames[key] for key in texts}
    reduction = frame_reduction(model)
    tight = check_token_lengths(n_frames, n_tokens, reduction, MAX_SYMBOLS)
    for part, keys in parts.items():
        write_table(out / f"{part}_speech_shape", {k: f"{frames[k]},80" for k in keys})
        vocabulary = len(model.token_list)
        write_table(
            out / f"{part}_text_shape", {k: f"{n_tokens[k]},{vocabulary}" for k in keys}
        )
        options[f"{part}_shape_file"] = [
            str(out / f"{part}_speech_shape"),
            str(out / f"{part}_text_shape"),
        ]
        options[f"{part}_data_path_and_name_and_type"] = [
            (str(feats / "feats.scp"), "speech", "kaldi_ark"),
            (str(out / "text"), "text", "text"),
        ]
    hours = sum(frames[key] for key in parts["train"]) / 360_000
    facts = [
        f"{len(parts['train'])} training utterances, {hours:.2f} h, "
        f"{len(model.token_list)} tokens",
        describe_parameters(model),
    ]
    if model.ctc is not None and tight:
        facts.append(
            f"{len(tight)} utterances have more tokens than encoder frames, for "
            f"example {tight[0]}: CTC learns nothing from them, the transducer does"
        )
    return options, facts


def train_rnnt(options: Mapping, seed: int, ngpu: int = 0, nj: int = 1) -> bool:
    """Train; a killed training continues from its last whole epoch.

    Args:
        options: What :func:`prepare` returned.
        seed: Seed of initialisation, order and SpecAugment.
        ngpu: CUDA devices of this machine; 0 trains on the CPU.
        nj: Processes on the CPU, which share every batch.

    Returns:
        Whether this machine is the first of those that train, which keeps the result.
    """
    out = Path(options["output_dir"])
    first = not get_node_rank(options["dist_rank"], options["dist_launcher"])
    if first:
        recover_checkpoint(out)
    options = {**options, "seed": seed, "ngpu": ngpu}
    with logging_to(out / "train.log"):
        if ngpu == 0:
            # AMP is CUDA's here, and the processes are short of cores already.
            cpu = {"use_amp": False, "num_workers": 0}
            run_data_parallel(RNNTTask, {**options, **cpu}, nj)
        else:
            RNNTTask.main(argparse.Namespace(**options))
    if first:
        _keep_result(out)
    return first


def write_cmvn(path: Path, scp: Path, keys: Iterable[str]) -> None:
    """Write the statistics of global CMVN, as ESPnet's ``GlobalMVN`` reads them."""
    total, squares, count = 0.0, 0.0, 0
    matrices = kaldiio.load_scp(str(scp))
    for key in tqdm(keys, desc="CMVN", unit="utt", leave=False):
        feats = matrices[key].astype(np.float64)
        total, squares = total + feats.sum(axis=0), squares + (feats**2).sum(axis=0)
        count += len(feats)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, count=count, sum=total, sum_square=squares)


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
            f"the model cannot be built ({type(error).__name__}: {error}): fix the "
            "RNN-T's config or --asr_args"
        ) from error
    return model


def _check_criterion(options: Mapping) -> None:
    """Refuse a criterion by which no epoch would be kept."""
    criteria = options["best_model_criterion"]
    reported = {"loss", "loss_transducer"}
    reported |= {f"{k}_transducer" for k in ("cer", "wer") if _reports(options, k)}
    if options["model_conf"].get("ctc_weight", 0) > 0:
        reported.add("loss_ctc")
    if (
        len(criteria) != 1
        or criteria[0][0] != "valid"
        or criteria[0][1] not in reported
    ):
        raise DataError(
            f"best_model_criterion is {criteria}: name one of validation, with one of "
            f"{', '.join(sorted(reported))} (cer and wer need model_conf.report_cer "
            "and report_wer)"
        )


def _reports(options: Mapping, kind: str) -> bool:
    return options["model_conf"].get(f"report_{kind}", False)


def _default_decay(options: dict) -> None:
    """Let a cosine schedule end with the training unless the config says otherwise."""
    if (options["scheduler"] or "").lower() == "cosineannealinglr":
        options["scheduler_conf"] = {
            "T_max": options["max_epoch"],
            **options["scheduler_conf"],
        }


def _keep_result(out: Path) -> None:
    """Keep the curves, and a config that is no matter of how many processes trained."""
    averaged_checkpoint(out)  # raises if there is none
    reporter = Reporter()
    reporter.load_state_dict(load_state(out / TRAINER_STATE)["reporter"])
    epochs = [reporter.stats[epoch] for epoch in sorted(reporter.stats)]
    history = {
        name: [epoch[phase].get(key) for epoch in epochs]
        for name, (phase, key) in CURVES.items()
    }
    history["train_seconds"] = [e["train"]["time"].total_seconds() for e in epochs]
    write_json(out / "history.json", history)
    config = read_config(out / "config.yaml")
    defaults = vars(RNNTTask.get_parser().parse_args([]))
    for key in config:
        if key.startswith("dist_") or key in PROCESS_KEYS:
            config[key] = defaults.get(key, False)
    with atomic_path(out / "config.yaml") as temporary:
        temporary.write_text(yaml_no_alias_safe_dump(config, indent=4, sort_keys=False))


def drop_leftovers(out: Path) -> None:
    """Delete what only resuming needs, once the training is known to be complete."""
    averaged = averaged_checkpoint(out).resolve()
    for path in out.glob("*.pth"):
        if path.resolve() != averaged:
            path.unlink()
