"""A map over utterances whose finished batches are kept, so that a kill costs one."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from espnet_sentiment.core.batches import length_batches
from espnet_sentiment.core.files import read_json, write_json


def resumable_map[Value](
    work: Callable[[Sequence[str]], Mapping[str, Value]],
    num_frames: Mapping[str, int],
    batch_frames: int,
    parts: Path,
    least: int = 1,
    desc: str | None = None,
) -> dict[str, Value]:
    """Work on all utterances but those that an earlier run has finished.

    Args:
        work: Gives a JSON value for every utterance of a batch.
        num_frames: Frames of every utterance.
        batch_frames: See ``length_batches``.
        parts: Folder of a file for every finished batch.
        least: See ``length_batches``.
        desc: What the progress bar calls it.

    Returns:
        The value of every utterance.
    """
    done = sorted(parts.glob("part.*.json"))
    found: dict[str, Value] = {}
    for part in done:
        found |= read_json(part)
    todo = {utt: n for utt, n in num_frames.items() if utt not in found}
    with tqdm(total=len(num_frames), initial=len(found), desc=desc, unit="utt") as bar:
        batches = length_batches(todo, batch_frames, least)
        for number, utts in enumerate(batches, len(done)):
            values = dict(work(utts))
            write_json(parts / f"part.{number:06d}.json", values)
            found |= values
            bar.update(len(utts))
    return found
