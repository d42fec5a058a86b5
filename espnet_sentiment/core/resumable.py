"""Recognise a set batch by batch, so that a killed run can continue."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from espnet_sentiment.core.batches import length_batches
from espnet_sentiment.core.files import read_table, write_table

# Utterance ids -> the text of each.
Recogniser = Callable[[Sequence[str]], Mapping[str, str]]


def transcribe(
    recognise: Recogniser,
    num_frames: Mapping[str, int],
    batch_frames: int,
    parts: Path,
    least: int = 1,
    desc: str = "transcribe",
) -> dict[str, str]:
    """Recognise all utterances but those that an earlier run has finished.

    Args:
        recognise: Recognises a batch.
        num_frames: Frames of every utterance.
        batch_frames: See ``length_batches``.
        parts: Folder of a table for every finished batch.
        least: See ``length_batches``.
        desc: What the progress bar calls it.

    Returns:
        The text of every utterance.
    """
    done = sorted(parts.glob("text.*"))
    texts = {utt: text for part in done for utt, text in read_table(part).items()}
    todo = {utt: n for utt, n in num_frames.items() if utt not in texts}
    with tqdm(total=len(num_frames), initial=len(texts), desc=desc, unit="utt") as bar:
        batches = length_batches(todo, batch_frames, least)
        for number, utts in enumerate(batches, len(done)):
            part = recognise(utts)
            write_table(parts / f"text.{number:06d}", part)
            texts.update(part)
            bar.update(len(utts))
    return texts
