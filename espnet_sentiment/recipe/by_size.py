"""Learning rate, dropout and budget by the number of training utterances: the rule.

The paper's corpora have thousands, and 30 epochs of them are thousands of updates. Of
a few hundred, 30 epochs at the paper's learning rate leave the decoder near where it
began. Rate, weight decay and dropout did best of four settings on average on EmoDB's
validation speakers, with each of three seeds of ``rnn_attention`` (egs/emodb);
twice its 270 updates are enough, of 60 utterances, too (``benchmarks/budget.py``, whose
table stands in egs/emodb/RESULTS.md); where the rule ends, nobody has tuned.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FEW = 4000  # training utterances, fewer than the paper's corpora have
RATES = {"lr": 0.00208, "weight_decay": 0.000778}  # of Adam
DROPOUT, UPDATES = 0.263, 540
BUDGET = ("max_epoch", "max_updates", "min_updates", "patience", "patience_updates")


def training_utterances(folds: Iterable[Sequence[str]]) -> int:
    """Return the median number of training utterances of the folds, rounded down.

    All folds are trained alike, so that one number decides.
    """
    return int(statistics.median(len(fold) for fold in folds))


def by_size(n_utts: int, config: Mapping[str, Any], extra: Sequence[str]) -> list[str]:
    """Return options of the task as on a command line, to stand before ``extra``.

    What the config names stays as it is there, and what ``extra`` names as it is there:
    a budget of any kind replaces the rule's.

    Args:
        n_utts: Training utterances of a fold.
        config: Contents of a sentiment config.
        extra: Options that the user gives.
    """
    if n_utts >= FEW:
        return []
    options = []
    for key, rate in RATES.items() if "optim" not in config else ():
        if key not in (config.get("optim_conf") or {}):
            options += ["--optim_conf", f"{key}={rate}"]
    if "dropout" not in (config.get("decoder_conf") or {}):
        options += ["--decoder_conf", f"dropout={DROPOUT}"]
    if not any(key in config or _names(extra, key) for key in BUDGET):
        options += ["--min_updates", str(UPDATES)]
    return options


def by_size_message(n_utts: int, options: Sequence[str]) -> str:
    """Say what was chosen in a line."""
    chosen = " ".join(options) or "the config as it is"
    return f"{n_utts} training utterances a fold: {chosen} (--sentiment_args overrides)"


def _names(extra: Sequence[str], key: str) -> bool:
    """Tell whether a command line names an option, maybe abbreviated."""
    given = (text.split("=")[0] for text in extra if text.startswith("--"))
    return any(len(name) > 2 and f"--{key}".startswith(name) for name in given)
