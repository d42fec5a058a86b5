"""How loud an utterance is: a few numbers that say nothing of its words or voice."""

import numpy as np

from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE

FLOOR_DB = -100.0  # of digital silence
# Those of fbank: 25 ms every 10 ms.
FRAME, HOP = SAMPLE_RATE // 40, SAMPLE_RATE // 100
PERCENTILES = (5, 25, 50, 75, 95)


def loudness(samples: np.ndarray) -> np.ndarray:
    """Measure the samples (N,) of an utterance at 16 kHz.

    Returns:
        Nine numbers, in dB of full scale: RMS of the whole, its peak, and of the RMS
        of frames mean, standard deviation and the percentiles 5, 25, 50, 75 and 95.
    """
    x = np.asarray(samples, np.float64)
    if len(x) < FRAME:
        x = np.pad(x, (0, FRAME - len(x)))
    power = np.square(x)
    frames = np.lib.stride_tricks.sliding_window_view(power, FRAME)[::HOP]
    levels = _db(frames.mean(axis=1))
    whole = [_db(power.mean()), _db(power.max()), levels.mean(), levels.std()]
    return np.array([*whole, *np.percentile(levels, PERCENTILES)])


def _db(power):
    """Return a power in dB of full scale."""
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
