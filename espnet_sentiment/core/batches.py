"""Batches of utterances of like length."""

from collections.abc import Iterator, Mapping


def length_batches[Key: (str, int)](
    num_frames: Mapping[Key, int],
    batch_frames: int,
    least: int = 1,
    most: int | None = None,
) -> Iterator[list[Key]]:
    """Give batches of utterances of like length, the longest first.

    Args:
        num_frames: Frames of every utterance.
        batch_frames: Most frames of a batch, padding included; an utterance that has
            more is a batch of its own.
        least: Frames to which the model pads any utterance, 3000 in Whisper's case.
        most: Utterances of a batch at most.
    """
    batch: list[Key] = []
    for utt in sorted(num_frames, key=lambda u: (-num_frames[u], u)):
        width = max(num_frames[batch[0] if batch else utt], least)
        if batch and ((len(batch) + 1) * width > batch_frames or len(batch) == most):
            yield batch
            batch = []
        batch.append(utt)
    if batch:
        yield batch
