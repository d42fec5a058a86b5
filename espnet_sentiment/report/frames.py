"""Which time a frame of the attention stands for."""

from collections.abc import Sequence

import numpy as np

from espnet_sentiment.core.errors import DataError

FEW = 10


def frame_shift(durations: Sequence[float], n_frames: Sequence[int]) -> float:
    """Return the seconds a frame, from the utterances themselves.

    Encoders round utterances to whole frames and some lose frames at the edges, which
    moves all utterances by the same amount: the slope of duration over frames is the
    shift. Of few utterances, or of one length, the ratio is taken.

    Args:
        durations: Seconds of the utterances.
        n_frames: Their frames T.

    Raises:
        DataError: There is no utterance with a duration and frames.
    """
    if not sum(n_frames):
        raise DataError("no utterance has both a recording and attention")
    if len(n_frames) < FEW or len(set(n_frames)) == 1:
        return float(sum(durations) / sum(n_frames))
    return float(np.polynomial.Polynomial.fit(n_frames, durations, 1).deriv()(0))
