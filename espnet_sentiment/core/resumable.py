"""A map over utterances whose finished batches are kept, so that a kill costs one."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from espnet_sentiment.core.batches import length_batches
from espnet_sentiment.core.files import read_json, sha256_of, write_json
from espnet_sentiment.core.seal import seal, sealed


def resumable_map[Value](
    work: Callable[[Sequence[str]], Mapping[str, Value]],
    num_frames: Mapping[str, int],
    batch_frames: int,
    parts: Path,
    of: str,
    least: int = 1,
    desc: str | None = None,
    unit: str = "utt",
) -> dict[str, Value]:
    """Work on all utterances but those that an earlier run has finished.

    Args:
        work: Gives a JSON value for every utterance of a batch.
        num_frames: Frames of every utterance.
        batch_frames: See ``length_batches``.
        parts: Folder of a sealed file for every finished batch.
        of: Hash of what all is made from; what is left of anything else is not kept.
        least: See ``length_batches``.
        desc: What the progress bar calls it.
        unit: What it counts, where that is no utterances.

    Returns:
        The value of every utterance.
    """
    batches = list(length_batches(num_frames, batch_frames, least))
    found: dict[str, Value] = {}
    todo: list[tuple[Path, Sequence[str], str]] = []
    for number, utts in enumerate(batches):
        part = parts / f"part.{number:06d}.json"
        of_part = sha256_of([of, utts])
        if sealed(part, of_part) is None:
            todo.append((part, utts, of_part))
        else:
            found |= read_json(part)
    with tqdm(total=len(num_frames), initial=len(found), desc=desc, unit=unit) as bar:
        for part, batch, of_part in todo:
            values = dict(work(batch))
            write_json(part, values)
            seal(part, of_part)
            found |= values
            bar.update(len(batch))
    return found
