"""The parameters of the filter bank features (paper, Section 3.1)."""

FRAME_LENGTH = 0.025
FRAME_SHIFT = 0.01
N_MELS = 80
# Kaldi's own defaults otherwise; snip_edges keeps to frames of real samples.
FBANK_OPTIONS = {
    "num_mel_bins": N_MELS,
    "frame_length": 1000 * FRAME_LENGTH,
    "frame_shift": 1000 * FRAME_SHIFT,
    "dither": 0.0,
    "snip_edges": True,
}
# Kaldi reads 16-bit integers; log-mel values are comparable to its own this way.
SCALE = 2**15
