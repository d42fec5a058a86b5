"""Pages of the configuration: every key of conf/*/*.yaml, and all others there are."""

import argparse
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import yaml
from espnet2.asr_transducer.joint_network import JointNetwork
from espnet2.tasks.abs_task import optim_classes, scheduler_classes

from espnet_sentiment.cluster.config import ENVS
from espnet_sentiment.compat import parser_actions
from espnet_sentiment.data.store_dtype import DTYPES
from espnet_sentiment.encoder.kinds import KINDS
from espnet_sentiment.model.build import CLASS_PATHS, class_of
from espnet_sentiment.recipe.tune_ranges import GROUPS
from espnet_sentiment.tasks.rnnt import JOINT_NETWORK, PREDICTION_NETWORK, RNNTTask
from espnet_sentiment.tasks.sentiment import SentimentTask
from espnet_sentiment.train.served import RNNT, SENTIMENT, Served
from generators.text import cell, code, table

ROOT = Path(__file__).parents[2]
HEAD = ("key", "default", "range", "meaning", "source")
Row = tuple[str, str, str, str, str]
# Groups of parsers with options of ours.
OWN_GROUPS = ("Task related", "RNN-T related")
OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULERS = ("warmuplr", "cosineannealinglr", "reducelronplateau")


def arguments(cls: type) -> dict[str, str]:
    """Return what a class's docstring says of its arguments, by their names."""
    docs = [cls.__doc__ or "", cls.__init__.__doc__ or ""]
    for base in cls.__mro__[1:]:
        docs.append(base.__doc__ or "")
    found: dict[str, str] = {}
    for doc in docs:
        section = re.search(
            r"\bArgs:\n(.*?)(?:\n\s*\n\s*\w+:\n|\Z)", inspect.cleandoc(doc), re.DOTALL
        )
        if section is None:
            continue
        for entry in re.split(r"\n(?=    \S)", "\n" + section[1]):
            match = re.match(r"\s*(\w+)(?: \([^)]*\))?:\s*(.*)", entry, re.DOTALL)
            if match:
                found.setdefault(match[1], match[2].split("\n\n")[0])
    return found


def _plain(annotation: object) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    text = inspect.formatannotation(annotation)
    return re.sub(r"(\w+\.)+(?=\w)", "", text)


def _source(cls: type) -> str:
    root = cls.__module__.split(".")[0]
    if root == "espnet_sentiment":
        return f"{{py:obj}}`{cls.__name__} <{cls.__module__}.{cls.__qualname__}>`"
    return f"`{cls.__module__}.{cls.__name__}`"


def signature_rows(
    prefix: str,
    cls: type,
    only: tuple[str, ...] = (),
    defaults: Mapping[str, object] = MappingProxyType({}),
) -> Iterator[Row]:
    """Give a row for each argument of a class that a config may give.

    Args:
        prefix: What stands before the argument's name, such as ``decoder_conf``.
        cls: The class.
        only: The arguments; where it is empty, those that have a default.
        defaults: What a task sets before the config does.
    """
    told = arguments(cls)
    for name, parameter in inspect.signature(cls).parameters.items():
        if name not in only if only else parameter.default is parameter.empty:
            continue
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        default = "required"
        if parameter.default is not parameter.empty:
            default = code(repr(defaults.get(name, parameter.default)))
        yield (
            code(f"{prefix}.{name}"),
            default,
            code(_plain(parameter.annotation)),
            cell(told.get(name, "")),
            _source(cls),
        )


def _range(action: argparse.Action, served: Served) -> str:
    rule = served.rules.get(action.dest)
    if rule is not None:
        return cell(rule.says)
    if action.choices is not None:
        return ", ".join(code(choice) for choice in action.choices)
    name = getattr(action.type, "__name__", "")
    return code({"str2bool": "true or false"}.get(name, name))


def option_rows(task: type, served: Served) -> Iterator[Row]:
    """Give a row for each option of a task, which is a key of its config.

    Those that the stage decides are said to be so.
    """
    parser = task.get_parser()
    for action in parser_actions(parser):
        if action.dest == "help" or action.help == argparse.SUPPRESS:
            continue
        meaning = cell((action.help or "") % {**vars(action), "prog": ""})
        key = action.dest
        if key in served.never or key in served.unused or key in served.fixed:
            meaning = f"*decided by the stage*; {meaning}"
        if key in served.needs:
            meaning += f" (with {code(served.needs[key])})"
        default = parser.get_default(key)
        yield (
            code(key),
            code(repr(default)),
            _range(action, served),
            meaning,
            _source(task) if action.container.title in OWN_GROUPS else "ESPnet",
        )


def encoder_page() -> str:
    """Return the page of conf/encoder."""
    rows = [
        (
            code("encoder"),
            "required",
            ", ".join(map(code, KINDS)),
            "The kind",
            _source(KINDS["none"].__class__),
        ),
        (
            code("encoder_conf"),
            "",
            "mapping",
            "Arguments of the kind's class, below",
            "",
        ),
        *(
            (
                code(key),
                code(choices[0]),
                ", ".join(map(code, choices)),
                meaning,
                "`espnet_sentiment/data/store_dtype.py`",
            )
            for (key, choices), meaning in zip(
                DTYPES.items(),
                ("What the store keeps features as", "What stage 3 computes in"),
                strict=True,
            )
        ),
    ]
    text = (
        "# conf/encoder\n\nA pre-trained encoder. See [other encoders]"
        "(../guide/encoders.md).\n\n"
    )
    text += table(HEAD, rows)
    for name, kind in KINDS.items():
        text += f"## encoder: {name}\n\n"
        text += table(
            HEAD, signature_rows("encoder_conf", kind.load_class(), kind.keys)
        )
    return text


def _parts(
    options: Mapping[str, type],
    name: str,
    defaults: Mapping[str, object] = MappingProxyType({}),
) -> str:
    text = ""
    for value, cls in options.items():
        rows = list(signature_rows(f"{name}_conf", cls, defaults=defaults))
        text += f"### {name}: {value}\n\n"
        text += table(HEAD, rows) if rows else "It takes nothing.\n\n"
    return text


def _optimisation(task: type) -> str:
    """Return optimisers, with the task's own defaults, and schedulers."""
    defaults = task.get_parser().get_default("optim_conf")
    return (
        "## Optimisers and schedulers\n\nThe usual ones; ESPnet knows more.\n\n"
        + _parts({name: optim_classes[name] for name in OPTIMISERS}, "optim", defaults)
        + _parts({name: scheduler_classes[name] for name in SCHEDULERS}, "scheduler")
    )


def sentiment_page() -> str:
    """Return the page of conf/sentiment."""
    text = (
        "# conf/sentiment\n\nA sentiment model and its training: options of "
        "`SentimentTask`, which are ESPnet's and ours. `--sentiment_args` overrides "
        "them.\n\n"
    )
    text += table(HEAD, option_rows(SentimentTask, SENTIMENT)) + "## Parts\n\n"
    for part in ("decoder", "specaug", "normalize", "text_encoder", "model"):
        names = [name for kind, name in CLASS_PATHS if kind == part]
        text += _parts({name: class_of(part, name) for name in names}, part)
    return text + _optimisation(SentimentTask)


def asr_page() -> str:
    """Return the page of conf/asr."""
    text = (
        "# conf/asr\n\nAn RNN-T and its pre-training: options of `RNNTTask`, ESPnet's "
        "ASR task with the paper's sizes. `--asr_args` overrides them.\n\n"
    )
    text += table(HEAD, option_rows(RNNTTask, RNNT)) + "## Parts\n\n"
    choices = {one.name: one for one in RNNTTask.class_choices_list}
    for part, name, defaults in (
        ("encoder", "conv_blstm", {}),
        ("decoder", "transducer", PREDICTION_NETWORK),
        ("specaug", "specaugment", {}),
        ("model", "rnnt", {}),
    ):
        text += _parts({name: choices[part].get_class(name)}, part, defaults)
    text += "### joint_net\n\n"
    rows = signature_rows("joint_net_conf", JointNetwork, defaults=JOINT_NETWORK)
    return text + table(HEAD, rows) + _optimisation(RNNTTask)


def commented(path: Path) -> Iterator[tuple[str, str, str]]:
    """Give key, value and comment of every line of a small YAML file."""
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.match(r"(\s*)(?:# +)?(\w+):\s*([^#]*?)\s*(?:#\s*(.*))?$", line)
        if match is None or (line.startswith("#")):
            continue
        indent, key, value, comment = match.groups()
        if not indent:
            group = "" if value else f"{key}."
        yield (group if indent else "") + key, value, comment or ""


def cluster_page() -> str:
    """Return the page of conf/cluster."""
    known = {
        "env": ("one of " + ", ".join(ENVS), "Where Dask's workers are"),
        "n_workers": ("a whole number from 1", "Workers that are asked for"),
        "options": ("mapping", "Arguments of Dask's cluster class of that env"),
    }
    text = (
        "# conf/cluster\n\nWorkers of `--cluster FILE`, by Dask. The default is what "
        "the file has.\n\n"
    )
    for path in sorted((ROOT / "conf" / "cluster").glob("*.yaml")):
        rows = []
        for key, value, comment in commented(path):
            valid, meaning = known.get(key, ("as Dask's class takes it", comment))
            rows.append(
                (
                    code(key),
                    code(value),
                    cell(valid),
                    cell(meaning),
                    code(f"conf/cluster/{path.name}"),
                )
            )
        text += f"## {path.name}\n\n" + table(HEAD, rows)
    return text


def tune_page() -> str:
    """Return the page of conf/tune."""
    path = ROOT / "conf" / "tune" / "decoder.yaml"
    rows = [
        (
            code(f"{group}.{key}"),
            code(yaml.safe_dump(how, default_flow_style=True).strip()),
            "`log_uniform: [low, high]`, `uniform: [low, high]` or `choice: [...]`",
            f"What `{group}.{key}` of a sentiment config is drawn from",
            "`conf/tune/decoder.yaml`",
        )
        for group, keys in yaml.safe_load(path.read_text("utf-8")).items()
        for key, how in keys.items()
    ]
    return (
        "# conf/tune\n\nWhat `--tune N` draws from. Groups are "
        f"{', '.join(map(code, GROUPS))}; keys are theirs, as in "
        "[a sentiment config](conf_sentiment.md).\n\n" + table(HEAD, rows)
    )


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    return {
        "conf_encoder.md": encoder_page(),
        "conf_sentiment.md": sentiment_page(),
        "conf_asr.md": asr_page(),
        "conf_cluster.md": cluster_page(),
        "conf_tune.md": tune_page(),
    }
