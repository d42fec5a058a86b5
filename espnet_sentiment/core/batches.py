"""Batches of utterances of like length."""

from collections.abc import Iterator, Mapping


def length_batches[Key: (str, int)](
    num_frames: Mapping[Key, int], batch_frames: int, least: int = 1
) -> Iterator[list[Key]]:
    """Give batches of utterances of like length, the longest first.

    Args:
        num_frames: Frames of every utterance.
        batch_frames: Most frames of a batch, padding included; an utterance that has
            more is a batch of its own.
        least: Frames to which the model pads any utterance, 3000 in Whisper's case.
    """
    batch: list[Key] = []
    for utt in sorted(num_frames, key=lambda u: (-num_frames[u], u)):
        if batch and (len(batch) + 1) * max(num_frames[batch[0]], least) > batch_frames:
            yield batch
            batch = []
        batch.append(utt)
    if batch:
        yield batch
