"""Whether an ONNX file answers as PyTorch does, on real recordings."""

import dataclasses
import importlib.resources
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet_sentiment.core.errors import DataError, first_line
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.inference.classifier import Classifier
from espnet_sentiment.inference.waveform import open_recording

# AN4 (CMU, 1991): sentences read by several speakers, in ESPnet's wheel.
AN4 = ("egs3", "mini_an4", "esp2_asr", "downloads.tar.gz")
N_AN4 = 5
# A file that is right for one length only is found out by others.
PARTS = (1, 2, 3)


@dataclasses.dataclass
class Parity:
    """What a file and PyTorch give of the same recordings.

    Attributes:
        posteriors: Most by which a posterior differs.
        attention: Most by which an attention weight differs; None without attention.
        same_labels: Of how many clips the label is the same.
        n_clips: How many clips were compared.
        seconds: Durations of the shortest and the longest.
    """

    posteriors: float = 0.0
    attention: float | None = None
    same_labels: int = 0
    n_clips: int = 0
    seconds: tuple[float, float] = (0.0, 0.0)

    def add(self, ours: np.ndarray, theirs: np.ndarray, seconds: float) -> None:
        """Count a clip's posteriors (n_classes,)."""
        gap = float(np.abs(ours - theirs).max())
        # NaN, which a comparison would pass over, is the largest of all.
        self.posteriors = np.inf if np.isnan(gap) else max(self.posteriors, gap)
        self.same_labels += int(ours.argmax() == theirs.argmax())
        shortest, longest = self.seconds
        shortest = min(shortest, seconds) if self.n_clips else seconds
        self.seconds = (shortest, max(longest, seconds))
        self.n_clips += 1

    def add_attention(self, ours: np.ndarray, theirs: np.ndarray) -> None:
        """Count a clip's attention (n_heads, T)."""
        same = ours.shape == theirs.shape
        gap = float(np.abs(ours - theirs).max()) if same else np.inf
        gap = np.inf if np.isnan(gap) else gap
        self.attention = max(self.attention or 0.0, gap)


def read_clips(
    paths: Sequence[PathLike],
    rate: int,
    shortest: int,
    longest: int | None,
    channel: str | None = None,
) -> list[np.ndarray]:
    """Read recordings, each of them whole, and its first half and third.

    Args:
        paths: Recordings of any kind.
        rate: Rate in Hz of the samples.
        shortest: Samples below which halves and thirds are left out.
        longest: Samples that the file takes; None is any number.
        channel: See ``open_recording``.

    Returns:
        Mono float32 (N,) each.

    Raises:
        DataError: One cannot be read, or is too short or too long.
    """
    clips = []
    for path in paths:
        samples = open_recording(path, None, rate, channel).read(rate)
        if len(samples) < shortest or (longest and len(samples) > longest):
            limit = f" and at most {longest / rate:g} s" if longest else ""
            raise DataError(
                f"--check {path} lasts {len(samples) / rate:.3f} s, and the model "
                f"takes at least {shortest / rate:.3f} s{limit}: name other recordings"
            )
        parts = (samples[: len(samples) // part] for part in PARTS)
        clips += [part for part in parts if len(part) >= shortest]
    return clips


def an4_recordings(folder: Path) -> list[Path]:
    """Unpack some of AN4's utterances, from the shortest to the longest.

    Raises:
        DataError: This ESPnet came without them.
    """
    archive = importlib.resources.files(AN4[0]).joinpath(*AN4[1:])
    try:
        with (
            importlib.resources.as_file(archive) as path,
            tarfile.open(path) as stream,
        ):
            found = [m for m in stream.getmembers() if m.name.endswith(".sph")]
            found.sort(key=lambda member: (member.size, member.name))
            chosen = np.linspace(0, len(found) - 1, N_AN4).round().astype(int)
            names = [found[index] for index in chosen] if found else []
            stream.extractall(folder, names, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise DataError(
            f"ESPnet's recordings cannot be read ({error}): name some by --check"
        ) from None
    return [folder / member.name for member in names]


def compare(
    session: Any, classifier: Classifier, clips: Sequence[np.ndarray], kind: str
) -> Parity:
    """Run a file beside the classifier that it was made of, with a progress bar.

    Args:
        session: onnxruntime's, on the CPU.
        classifier: With its encoder, on the CPU.
        clips: Mono float32 (N,) at the encoder's rate.
        kind: What the file takes: ``samples``, ``frames`` or ``features``, which are
            also compared in one batch.

    Raises:
        DataError: The file fails on one.
    """
    from tqdm import tqdm

    parity = Parity()
    batches = [[clip] for clip in clips]
    if kind == "features":
        batches.append(list(clips))
    for batch in tqdm(batches, "check", unit="batch", leave=False, disable=None):
        theirs = classifier(batch)
        try:
            posteriors, *attention = session.run(None, _inputs(classifier, batch, kind))
        # Its own errors derive from Exception.
        except Exception as error:
            seconds = len(batch[0]) / classifier.encoder.sample_rate
            raise DataError(
                f"the exported file fails on {seconds:.2f} s of speech "
                f"({first_line(error)}): the encoder cannot be exported, try --part "
                "decoder"
            ) from None
        for row, (clip, scores) in enumerate(zip(batch, theirs, strict=True)):
            seconds = len(clip) / classifier.encoder.sample_rate
            parity.add(posteriors[row], scores.posteriors, seconds)
            if scores.attention is not None:
                weights = attention[0][row, :, : scores.attention.shape[1]]
                parity.add_attention(weights, scores.attention)
    return parity


def _inputs(
    classifier: Classifier, batch: Sequence[np.ndarray], kind: str
) -> dict[str, np.ndarray]:
    if kind == "samples":
        return {kind: batch[0][None]}
    if kind == "frames":
        return {kind: classifier.encoder.to_frames(batch)[0].numpy()}
    features, lengths = classifier.encoder(batch)
    return {kind: features.numpy(), "lengths": lengths.numpy()}
