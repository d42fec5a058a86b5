"""Plots of an experiment, by matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from espnet_sentiment.core.files import atomic_path


def _save(figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        # Without the date, the same results give the same file.
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    plt.close(figure)


def plot_confusion(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], path: Path
) -> None:
    """Plot a confusion matrix: shade by share of the true class, numbers by count."""
    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(5, 4.2), layout="constrained")
    display = ConfusionMatrixDisplay(shares, display_labels=list(classes))
    display.plot(
        ax=axes, cmap="Blues", include_values=False, im_kw={"vmin": 0, "vmax": 1}
    )
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            color = "white" if shares[i, j] > 0.5 else "black"
            label = f"{count}\n{100 * shares[i, j]:.0f} %"
            axes.text(j, i, label, ha="center", va="center", color=color)
    # A name with two $ in it is no formula.
    for text in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        text.set_parse_math(False)
    axes.set(xlabel="prediction", ylabel="truth")
    _save(figure, path)


def plot_learning_curves(histories: Mapping[str, dict[str, list]], path: Path) -> None:
    """Plot loss, WA and UA by epoch: a thin line a fold, a thick one their mean."""
    panels = [
        ("cross-entropy", {"train": "train_loss", "valid": "valid_loss"}),
        ("WA (%)", {"train": "train_acc", "valid": "valid_wa"}),
        ("UA (%)", {"valid": "valid_ua"}),
    ]
    figure, all_axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for axes, (title, curves) in zip(all_axes, panels, strict=True):
        scale = 1 if title == "cross-entropy" else 100
        for phase, key in curves.items():
            color = {"train": "tab:blue", "valid": "tab:orange"}[phase]
            lines = [scale * np.asarray(h[key], float) for h in histories.values()]
            for line in lines:
                axes.plot(range(1, len(line) + 1), line, color=color, alpha=0.2, lw=0.8)
            length = max(map(len, lines))
            padded = [
                np.pad(x, (0, length - len(x)), constant_values=np.nan) for x in lines
            ]
            mean = np.nanmean(padded, axis=0)
            axes.plot(range(1, length + 1), mean, color=color, lw=2, label=phase)
        axes.set(xlabel="epoch", ylabel=title)
        axes.grid(alpha=0.3)
    all_axes[1].legend()
    _save(figure, path)


def plot_layers(layers: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Plot a bar for each layer's weight, and the probe's WA and UA as lines.

    Args:
        layers: As ``report.layers.layers`` returns them.
        path: The file to write.
    """
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    places = range(len(layers))
    weights, errors = ([100 * x[k] for x in layers] for k in ("weight", "weight_std"))
    axes.bar(places, weights, yerr=errors, color="tab:gray", alpha=0.5, capsize=3)
    axes.set(xlabel="layer", ylabel="weight (%)", ylim=(0, None))
    axes.set_xticks(places, [str(x["layer"]) for x in layers])
    if layers[0]["wa"] is not None:
        scores = axes.twinx()
        for key, color in (("wa", "tab:blue"), ("ua", "tab:orange")):
            values = [100 * x[key] for x in layers]
            scores.plot(places, values, "o-", color=color, label=key.upper())
        scores.set(ylabel="probe (%)")
        scores.legend()
    _save(figure, path)


def plot_entropies(bins: Sequence[Mapping[str, float]], path: Path) -> None:
    """Plot the model's entropy by the annotators': means, and the middle halves.

    Args:
        bins: As ``scoring.distribution.entropy_bins`` returns them.
        path: File to write.
    """
    votes, model, low, high, count = (
        np.array([part[key] for part in bins])
        for key in ("votes", "model", "low", "high", "count")
    )
    figure, axes = plt.subplots(figsize=(4.4, 3.8), layout="constrained")
    axes.vlines(votes, low, high, color="tab:blue", alpha=0.4, lw=3)
    axes.scatter(votes, model, s=20 + 80 * np.sqrt(count / count.max()), zorder=2)
    most = max(votes.max(), high.max(), 0.1)
    axes.plot([0, most], [0, most], color="gray", ls="--", lw=1)
    axes.set(xlabel="entropy of the votes (nats)", ylabel="the model's entropy (nats)")
    axes.grid(alpha=0.3)
    _save(figure, path)


def plot_asr_learning_curve(history: Mapping[str, Sequence], path: Path) -> None:
    """Plot an RNN-T's loss, and its validation's CER and WER where known, by epoch."""
    panels = {
        "loss": {"train": "train_loss", "valid": "valid_loss"},
        "error rate (%)": {"CER": "valid_cer", "WER": "valid_wer"},
    }
    figure, all_axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axes, (title, curves) in zip(all_axes, panels.items(), strict=True):
        scale = 1 if title == "loss" else 100
        for label, key in curves.items():
            values = scale * np.asarray(history[key], float)
            axes.plot(range(1, len(values) + 1), values, marker=".", label=label)
        axes.set(xlabel="epoch", ylabel=title)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def plot_speaker_curve(rows: Sequence[Mapping], path: Path) -> None:
    """Plot WA and UA by the tested speaker's utterances; bars: deviation of draws.

    Args:
        rows: ``utterances`` (0, numbers, ``all``), ``wa``, ``ua`` and their ``_std``.
        path: A PNG file to write.
    """
    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    for key in ("wa", "ua"):
        axes.errorbar(
            range(len(rows)),
            [100 * row[key] for row in rows],
            [100 * row[f"{key}_std"] for row in rows],
            marker="o",
            capsize=3,
            label=key.upper(),
        )
    axes.set_xticks(range(len(rows)), [str(row["utterances"]) for row in rows])
    axes.set(xlabel="utterances of the tested speaker, unlabelled", ylabel="%")
    axes.legend()
    _save(figure, path)


def plot_conditions(
    rows: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str], path: Path
) -> None:
    """Plot WA by degradation, and its 95 % interval; a line where clean ones have it.

    Args:
        rows: As ``scoring.robustness.summarize_conditions`` returns them, the clean
            recordings' first.
        titles: What the plot calls them.
        path: A PNG file to write.
    """
    size = (6, 1 + 0.27 * len(rows))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    wa, bounds = (
        100 * np.array([row[key] for row in rows.values()]) for key in ("wa", "wa_ci95")
    )
    errors = np.maximum([wa - bounds[:, 0], bounds[:, 1] - wa], 0)
    axes.axvline(wa[0], color="gray", ls="--", lw=1)
    axes.errorbar(wa, range(len(rows)), xerr=errors, fmt="o", capsize=3)
    axes.set_yticks(range(len(rows)), [titles[name] for name in rows])
    axes.invert_yaxis()
    axes.set(xlabel="WA (%)")
    axes.grid(axis="x", alpha=0.3)
    _save(figure, path)
