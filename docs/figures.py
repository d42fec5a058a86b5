"""Draws the pictures of the concepts, with the package's own code, on AN4's speech."""

import importlib.resources
import io
import tarfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from matplotlib.figure import Figure

from espnet_sentiment.data.fbank import fbank
from espnet_sentiment.data.folds import leave_one_speaker_out
from espnet_sentiment.scoring.intervals import wilson95
from espnet_sentiment.scoring.metrics import (
    unweighted_accuracy,
    weighted_accuracy,
)
from espnet_sentiment.specaug.specaugment import (
    POLICIES,
    spec_augment,
)

UTTERANCE = "cen8-mwhw-b"


def recordings() -> dict[str, tuple[np.ndarray, int]]:
    """Return AN4's utterances out of ESPnet's wheel: samples (N,) and rate, by id."""
    archive = (
        importlib.resources.files("egs3") / "mini_an4" / "esp2_asr" / "downloads.tar.gz"
    )
    found = {}
    with (
        importlib.resources.as_file(archive) as path,
        tarfile.open(path) as stream,
    ):
        for member in stream:
            if member.name.endswith(".sph"):
                sound = io.BytesIO(stream.extractfile(member).read())
                found[Path(member.name).stem] = soundfile.read(sound, dtype="float32")
    return dict(sorted(found.items()))


def mel(samples: np.ndarray, rate: int) -> torch.Tensor:
    """Return log-mel features (1, T, 80)."""
    return fbank(torch.from_numpy(samples), rate)[None]


def _rows(titles: dict[str, torch.Tensor], height: float = 1.5) -> Figure:
    figure = Figure(figsize=(7, height * len(titles)), layout="constrained")
    axes = figure.subplots(len(titles), sharex=True)
    for axis, (title, feats) in zip(axes, titles.items(), strict=True):
        axis.imshow(feats[0].T, origin="lower", aspect="auto", cmap="magma")
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_ylabel("mel channel", fontsize=8)
    axes[-1].set_xlabel("frames of 10 ms")
    return figure


def specaugment() -> Figure:
    """Draw the steps of SpecAugment's policy LB, one after another."""
    clean = mel(*recordings()[UTTERANCE])
    policy = POLICIES["LB"]._asdict()
    steps = {"log-mel spectrogram (T, 80)": clean}
    chosen: dict[str, float] = {}
    for title, keys in (
        ("time warp: W = 80", ("time_warp",)),
        ("and a frequency mask: F = 27", ("freq_mask_width", "num_freq_masks")),
        ("and a time mask: T = 100", ("time_mask_width", "num_time_masks")),
    ):
        chosen |= {key: policy[key] for key in keys}
        generator = torch.Generator().manual_seed(5)
        steps[title] = spec_augment(clean, fill="mean", generator=generator, **chosen)
    return _rows(steps)


def views() -> Figure:
    """Draw what the encoder reads for a store: the clean utterance, and its views."""
    clean = mel(*recordings()[UTTERANCE])
    shown = {"clean": clean}
    for number in range(4):
        shown[f"view {number}"] = spec_augment(
            clean,
            fill="mean",
            generator=torch.Generator().manual_seed(number),
            **POLICIES["LB"]._asdict(),
        )
    return _rows(shown, 1.2)


def folds() -> Figure:
    """Draw AN4's speakers by fold: who trains, validates and is tested."""
    utt2spk = {utt: utt.split("-")[1] for utt in recordings()}
    speakers = sorted(set(utt2spk.values()))
    made = leave_one_speaker_out(utt2spk)
    grid = np.zeros((len(speakers), len(made)))
    for column, fold in enumerate(made):
        for value, part in ((1, fold.valid), (2, fold.test)):
            for utt in part:
                grid[speakers.index(utt2spk[utt]), column] = value
    figure = Figure(figsize=(5, 3), layout="constrained")
    axis = figure.subplots()
    axis.imshow(grid, cmap="Blues", vmin=0, vmax=2)
    for (row, column), value in np.ndenumerate(grid):
        text, colour = (
            ("train", "black"),
            ("valid", "black"),
            ("test", "white"),
        )[int(value)]
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axis.set_xticks(range(len(made)), [f"fold {fold.name}" for fold in made])
    axis.set_yticks(range(len(speakers)), speakers)
    return figure


def speakers() -> Figure:
    """Draw frames of three speakers by two mel channels, before and after."""
    found: dict[str, list[np.ndarray]] = {}
    for utt, sound in recordings().items():
        found.setdefault(utt.split("-")[1], []).append(mel(*sound)[0].numpy())
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    low, high = 15, 60
    for name in list(found)[:3]:
        frames = np.concatenate(found[name])
        own = (frames - frames.mean(0)) / frames.std(0)
        for axis, feats in zip(axes, (frames, own), strict=True):
            axis.scatter(feats[:, low], feats[:, high], s=4, alpha=0.5, label=name)
    for axis, title in zip(
        axes, ("as they are", "by each speaker's mean and deviation"), strict=True
    ):
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(f"mel channel {low}")
        axis.set_ylabel(f"mel channel {high}")
    axes[0].legend(fontsize=8)
    return figure


def accuracies() -> Figure:
    """Draw WA and UA of a model that says neutral to everything."""
    # Shares of the classes of SWBD-sentiment: the paper, Section 3.1.
    counts = {"neutral": 526, "positive": 304, "negative": 170}
    labels = [name for name, count in counts.items() for _ in range(count)]
    always = ["neutral"] * len(labels)
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.bar(list(counts), [count / 10 for count in counts.values()], color="C0")
    left.set_title("utterances (%)", fontsize=9)
    scores = {"WA": weighted_accuracy(labels, always)}
    scores["UA"] = unweighted_accuracy(labels, always)
    bars = right.bar(
        list(scores), [100 * value for value in scores.values()], color="C1"
    )
    right.bar_label(bars, fmt="%.1f")
    right.set_title('"neutral", always (%)', fontsize=9)
    right.set_ylim(0, 100)
    return figure


def intervals() -> Figure:
    """Draw the 95 % interval of an accuracy of 90 % by the number of utterances."""
    sizes = np.array([20, 50, 100, 200, 339, 1000, 3000, 10000])
    bounds = np.array([wilson95(round(0.9 * n), int(n)) for n in sizes]) * 100
    figure = Figure(figsize=(6, 2.8), layout="constrained")
    axis = figure.subplots()
    axis.fill_between(sizes, bounds[:, 0], bounds[:, 1], alpha=0.3)
    axis.axhline(90, linewidth=1)
    axis.set_xscale("log")
    axis.set_xlabel("tested utterances, each of another speaker")
    axis.set_ylabel("accuracy (%)")
    return figure


FIGURES = (specaugment, views, folds, speakers, accuracies, intervals)


def draw(folder: Path) -> None:
    """Draw all that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).stat().st_mtime
    for function in FIGURES:
        path = folder / f"{function.__name__}.png"
        if not path.exists() or path.stat().st_mtime < source:
            function().savefig(path, dpi=110)
