"""Markdown reports of an RNN-T's error rates."""

from collections.abc import Mapping

from espnet_sentiment.core.escape import markdown_text
from espnet_sentiment.scoring.tables import interval, markdown, percent

ERROR_KINDS = ("substitutions", "deletions", "insertions")


def _share(errors: Mapping, kind: str) -> str:
    """Format a kind of error in percent of the reference, so that they add up."""
    length = errors["hits"] + errors["substitutions"] + errors["deletions"]
    return percent(errors[kind] / length) if length else "-"


def _rate(errors: Mapping) -> str:
    return "-" if errors["rate"] is None else percent(errors["rate"])


def _interval(errors: Mapping) -> str:
    return "-" if errors["ci95"] is None else interval(errors["ci95"])


def error_table(results: Mapping) -> str:
    """Write one row for each part that was decoded."""
    header = ["part", "utterances", "words", "WER (%)", "sub", "del", "ins", "CER (%)"]
    rows = [
        [
            name,
            part["n_utterances"],
            part["n_words"],
            _rate(part["wer"]),
            *(_share(part["wer"], kind) for kind in ERROR_KINDS),
            _rate(part["cer"]),
        ]
        for name, part in results["decode"].items()
    ]
    return markdown(header, rows)


def asr_report(results: Mapping) -> str:
    """Write an RNN-T experiment's ``RESULTS.md``."""
    rows = [
        [
            name,
            _interval(part["wer"]),
            _interval(part["cer"]),
            *(_share(part["cer"], kind) for kind in ERROR_KINDS),
        ]
        for name, part in results["decode"].items()
    ]
    header = ["part", "WER 95 %", "CER 95 %", "CER: sub", "del", "ins"]
    seconds = [
        [stage, f"{s:.1f}"] for stage, s in results["seconds"].items() if s is not None
    ]
    return "\n".join(
        [
            f"# {markdown_text(results['asr_exp'])}\n",
            f"{len(results['history']['train_loss'])} epochs, seed {results['seed']}. "
            "Rates are all errors over all reference words or characters, spaces "
            "between words included.\n",
            error_table(results),
            markdown(header, rows),
            "![](learning_curve.png)\n",
            "## Seconds\n",
            markdown(["stage", "s"], seconds),
        ]
    )
