"""Which options of a task the stages serve: the others are refused by name.

Everything that ESPnet's parser knows is honoured, or stands in a table here.
"""

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from espnet_sentiment.core.errors import UserError
from espnet_sentiment.train.tracking import OF_WANDB, OPTIONS, WANDB

BY_STAGE = "is decided by the stage: leave it out"
OR = " or "
BY_SIZE, BY_BINS = ("unsorted", "sorted", "folded"), ("numel", "length")


class Rule(NamedTuple):
    """What an option may be, and what a message says where it is something else."""

    holds: Callable[[Any], bool]
    says: str


@dataclasses.dataclass(frozen=True)
class Served:
    """What a stage makes of a task's options.

    Args:
        never: What the stage computes: refused whatever it is.
        fixed: What the stage sets, with what: another value is refused.
        unused: What has no effect: another value than the default is refused.
        in_config: What is refused on a command line, and why.
        by_option: What is refused in a config, since it is no part of a model.
        needs: What has no effect without another option, unless that is said to be off;
            or without one of several.
        rules: What else an option may be.
        n_shapes: Lengths that batches are made by, which ``fold_length`` has to fit.
    """

    never: Collection[str] = ()
    fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    unused: Collection[str] = ()
    in_config: Mapping[str, str] = dataclasses.field(default_factory=dict)
    by_option: Collection[str] = ()
    needs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    rules: Mapping[str, Rule] = dataclasses.field(default_factory=dict)
    n_shapes: int = 0

    def complaint(
        self,
        key: str,
        given: Collection[str],
        options: Mapping[str, Any],
        defaults: Mapping[str, Any],
    ) -> str | None:
        """Say what is wrong with an option that was given; None if it is served.

        Args:
            key: The option.
            given: All that were given in the same place.
            options: Their values, complete.
            defaults: The task's own.
        """
        value = options[key]
        if (
            key in self.never
            or (key in self.fixed and value != self.fixed[key])
            or (key in self.unused and value != defaults[key])
        ):
            return f"{key} {BY_STAGE}"
        if key in self.rules and not self.rules[key].holds(value):
            return f"{key} is {value!r}: {self.rules[key].says}"
        other = self.needs.get(key)
        if other is not None and not any(
            one in given or options[one] for one in other.split(OR)
        ):
            return f"{key} has no effect without {other}: leave it out, or set {other}"
        least, most = options.get("min_updates"), options.get("max_updates")
        if key in ("min_updates", "max_updates") and least and most and least > most:
            return f"min_updates {least} are more than max_updates {most}: change one"
        if (
            key in ("use_amp", "use_tf32")
            and options["use_amp"]
            and options["use_tf32"]
        ):
            return "use_amp and use_tf32 exclude each other: leave one out"
        return None


# A task by itself, without a stage around it.
ALL = Served()


def check_batches(
    given: Collection[str], options: Mapping[str, Any], n_shapes: int
) -> str | None:
    """Say which size of a batch that was given is not read; None if all are."""
    folded = "folded" in (options["batch_type"], options["valid_batch_type"])
    if folded and len(options["fold_length"]) != n_shapes:
        return f"batch_type folded needs fold_length, {n_shapes} times: give it"
    if "fold_length" in given and not folded:
        return "fold_length has no effect without batch_type folded: leave it out"
    for prefix in ("", "valid_"):
        kind = options[f"{prefix}batch_type"] or options["batch_type"]
        kinds = {kind, options["valid_batch_type"] or kind} if not prefix else {kind}
        for size, readers, instead in (
            ("batch_size", BY_SIZE, "batch_bins"),
            ("batch_bins", BY_BINS, "batch_size"),
        ):
            if prefix + size in given and not kinds & set(readers):
                return (
                    f"{prefix}{size} has no effect with batch_type {kind}: set "
                    f"{prefix}{instead}, or {prefix}batch_type {readers[0]}"
                )
    return None


def check_processes(options: Mapping[str, Any], ngpu: int, nj: int) -> None:
    """Check ESPnet's options of distributed training against the stage's own.

    Args:
        options: RNNTTask options, complete.
        ngpu: CUDA devices; 0 trains on the CPU.
        nj: Processes on the CPU.

    Raises:
        UserError: They contradict each other.
    """
    if ngpu <= 1 and options["multiprocessing_distributed"]:
        raise UserError("multiprocessing_distributed needs --ngpu 2 or more")
    given = [key for key in sorted(_LAUNCH) if options[key] is not None]
    if ngpu == 0 and nj > 1 and given:
        raise UserError(
            f"{given[0]} is for several machines, but --nj {nj} has processes of this "
            "one share every batch: use --nj 1, or --ngpu"
        )


def _is_count(value: Any, least: int = 1) -> bool:
    return type(value) is int and value >= least


def _whole(least: int = 1, optional: bool = False) -> Rule:
    return Rule(
        lambda value: (optional and value is None) or _is_count(value, least),
        f"it must be a whole number from {least}",
    )


def _is_positive(value: Any) -> bool:
    # Infinity clips nothing, which is a choice.
    return type(value) in (int, float) and value > 0 and not math.isnan(value)


def _is_share(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < 1)


def _are_counts(value: Any) -> bool:
    counts = value if isinstance(value, list) else [value]
    return bool(counts) and all(map(_is_count, counts))


def _is_model_conf(value: Any) -> bool:
    conf = value or {}
    weights = conf.get("class_weights")
    smoothing = conf.get("label_smoothing", 0)
    return (
        {*conf} <= {"class_weights", "label_smoothing", "fusion_size"}
        and (
            weights in (None, "balanced")
            or (isinstance(weights, list) and all(map(_is_positive, weights)))
        )
        and type(smoothing) in (int, float)
        and 0 <= smoothing < 1
        and _is_count(conf.get("fusion_size", 1))
    )


def _name_files(value: Any) -> bool:
    return all(Path(str(name).split(":")[0]).is_file() for name in value)


def criterion_rule(reported: Mapping[str, Collection[str]], n_parts: int) -> Rule:
    """Rule of a criterion: phase, statistic, and with three parts the mode."""
    known = [f"{phase} {name}" for phase, names in reported.items() for name in names]
    ends = ", and min or max" if n_parts == 3 else ""
    return Rule(
        lambda value: (
            isinstance(value, list | tuple)
            and len(value) == n_parts
            and all(isinstance(part, str) for part in value)
            and value[1] in reported.get(value[0], ())
            and value[2:] in ([], (), ["min"], ["max"], ("min",), ("max",))
        ),
        f"name one of {', '.join(known)}{ends}",
    )


_POSITIVE = Rule(_is_positive, "it must be above 0; inf clips nothing")

_NEVER = {
    *("config", "output_dir", "seed", "ngpu", "token_list", "pretrain_path"),
    *("train_shape_file", "train_data_path_and_name_and_type"),
    *("valid_shape_file", "valid_data_path_and_name_and_type", "max_cache_fd"),
}

_FIXED = {"num_att_plot": 0, "use_matplotlib": False, "resume": True}

_UNUSED = {
    # The stages have steps, a log and curves of their own.
    *("print_config", "dry_run", "collect_stats", "write_collected_feats"),
    *("no_forward_run", "log_level", "create_graph_in_tensorboard"),
    "wandb_model_log_interval",
    # What is trained has to be found and loaded again.
    *("use_adapter", "adapter", "adapter_conf", "save_strategy", "train_dtype"),
    *("nbest_averaging_interval", "use_deepspeed", "deepspeed_config", "sharded_ddp"),
    # Other data than the stages': chunks, categories, several sets, recordings.
    *("iterator_type", "valid_iterator_type", "multiple_iterator"),
    *("chunk_length", "chunk_shift_ratio", "num_cache_chunks", "chunk_default_fs"),
    *("chunk_excluded_key_prefixes", "chunk_max_abs_length"),
    *("chunk_discard_short_samples", "category_sample_size", "upsampling_factor"),
    *("category_upsampling_factor", "dataset_upsampling_factor", "max_batch_size"),
    *("dataset_scaling_factor", "multi_task_dataset", "allow_variable_data_keys"),
    *("allow_multi_rates", "use_preprocessor"),
}

_DISTRIBUTED = {
    *("dist_backend", "dist_init_method", "dist_world_size", "dist_rank"),
    *("dist_master_addr", "dist_master_port", "dist_launcher", "local_rank"),
    *("multiprocessing_distributed", "unused_parameters", "gradient_as_bucket_view"),
    "ddp_comm_hook",
}

# Without any of these, training is on one machine.
_LAUNCH = {"dist_world_size", "dist_rank", "dist_launcher", "dist_master_addr"}

_NEEDS = {
    "scheduler_conf": "scheduler",
    "val_scheduler_criterion": "scheduler",
    "early_stopping_criterion": "patience",
    "exclude_weight_decay_conf": "exclude_weight_decay",
    "specaug_conf": "specaug",
}

_BATCH_TYPES = (*BY_SIZE, *BY_BINS)

_RULES = {
    **dict.fromkeys(("max_epoch", "batch_size", "batch_bins", "accum_grad"), _whole()),
    **dict.fromkeys(("valid_batch_size", "valid_batch_bins"), _whole(optional=True)),
    **dict.fromkeys(("num_iters_per_epoch", "log_interval"), _whole(optional=True)),
    "min_batch_size": _whole(),
    "patience": _whole(0, optional=True),
    "keep_nbest_models": Rule(_are_counts, "give whole numbers from 1"),
    "grad_clip": _POSITIVE,
    "grad_clip_type": _POSITIVE,
    "init_param": Rule(_name_files, "name files that are there, as FILE:FROM:TO"),
    "batch_type": Rule(_BATCH_TYPES.__contains__, f"choose {', '.join(_BATCH_TYPES)}"),
    "valid_batch_type": Rule(
        (*_BATCH_TYPES, None).__contains__, f"choose {', '.join(_BATCH_TYPES)}"
    ),
}

_REPORTED = {"train": ("loss", "acc"), "valid": ("loss", "acc", "wa", "ua")}

SENTIMENT = Served(
    never={
        *_NEVER,
        *("encoder", "encoder_conf", "encoder_reference", "input_size"),
        *("text_token_list", "text_bpemodel"),
    },
    fixed={**_FIXED, "num_workers": 0, "model": "sentiment"},
    unused={
        *(*_UNUSED, *_DISTRIBUTED, "frontend", "frontend_conf", "use_amp"),
        # Stores lie in the page cache.
        *("max_cache_size", "valid_max_cache_size"),
    },
    in_config={
        **dict.fromkeys(
            ("specaug", "specaug_conf", "views"), "stage 3 makes the views"
        ),
        "text_encoder": "it needs transcripts, which stage 3 writes",
        **dict.fromkeys(("target", "other_votes"), "stage 6 scores by it"),
    },
    by_option=OPTIONS,
    needs={
        **_NEEDS,
        **dict.fromkeys((*OF_WANDB, "wandb_allow_val_change"), WANDB),
        "other_votes": "target",
        "early_stopping_criterion": "patience or patience_updates",
        **dict.fromkeys(("views", "clean"), "specaug"),
        "normalize_conf": "normalize",
        **dict.fromkeys(
            ("text_encoder_conf", "text_token_type", "text_nbpe"), "text_encoder"
        ),
    },
    rules={
        **_RULES,
        "layer": Rule(
            (None, "best").__contains__,
            "choose best, or leave it out; a layer's number belongs into the encoder's "
            "config",
        ),
        "clean": Rule(
            _is_share,
            "it must be from 0, SpecAugment always, and below 1; for no SpecAugment "
            "leave out specaug",
        ),
        "max_updates": _whole(optional=True),
        "min_updates": _whole(optional=True),
        "patience_updates": _whole(0, optional=True),
        "specaug": Rule(
            (None, "specaugment").__contains__,
            "the feature store keeps specaugment alone: name it, or leave it out",
        ),
        "normalize_conf": Rule(
            lambda value: "stats_file" not in (value or {}),
            "the stage makes the stats_file: leave it out",
        ),
        "model_conf": Rule(
            _is_model_conf,
            "it may hold class_weights, label_smoothing and fusion_size: balanced or "
            "numbers above 0, a number from 0 and below 1, a whole number from 1",
        ),
        "val_scheduler_criterion": criterion_rule(_REPORTED, 2),
        "early_stopping_criterion": criterion_rule(_REPORTED, 3),
        "best_model_criterion": Rule(
            lambda value: (
                isinstance(value, list)
                and len(value) == 1
                and criterion_rule({"valid": _REPORTED["valid"]}, 3).holds(value[0])
            ),
            "name one, such as valid,ua,max: valid, one of loss, acc, wa, ua, and min "
            "or max",
        ),
    },
    n_shapes=1,
)

# What prepare_rnnt sets, whatever the config says.
RNNT_FIXED = {
    **_FIXED,
    "use_tensorboard": False,
    "input_size": 80,
    "frontend": None,
    "normalize": "global_mvn",
}

RNNT = Served(
    never={*_NEVER, "bpemodel"},
    fixed=RNNT_FIXED,
    unused={
        *(*_UNUSED, WANDB, *OF_WANDB, "wandb_allow_val_change"),
        *("frontend_conf", "normalize_conf"),
        # Stored features are neither audio nor is their text changed.
        *("speech_volume_normalize", "rir_scp", "rir_apply_prob", "noise_scp"),
        *("noise_apply_prob", "noise_db_range", "short_noise_thres"),
        *("non_linguistic_symbols", "cleaner", "g2p", "aux_ctc_tasks"),
        *("use_lang_prompt", "use_nlp_prompt"),
    },
    needs={
        **_NEEDS,
        "preencoder_conf": "preencoder",
        "postencoder_conf": "postencoder",
    },
    rules={**_RULES, "num_workers": _whole(0)},
    n_shapes=2,
)
