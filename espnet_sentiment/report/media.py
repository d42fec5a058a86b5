"""An utterance's audio and pictures as data URIs, for a page of one file."""

import base64
import io

import numpy as np
import soundfile

from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE

N_PEAKS = 400
# Of the largest value: quieter is drawn black.
DYNAMIC_RANGE_DB = 70


def media(samples: np.ndarray) -> dict:
    """Return ``audio``, ``spectrogram`` (data URIs) and ``peaks`` of samples (N,)."""
    return {
        "audio": audio_uri(samples),
        "spectrogram": spectrogram_uri(samples),
        "peaks": peaks(samples),
    }


def audio_uri(samples: np.ndarray) -> str:
    """Write 16-bit FLAC, which is lossless and plays in any browser."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return _uri("audio/flac", stream.getvalue())


def peaks(samples: np.ndarray) -> list[int]:
    """Return the largest absolute samples of up to 400 equal parts, in percent."""
    parts = np.array_split(np.abs(samples), min(N_PEAKS, len(samples)))
    return [round(100 * min(1.0, float(part.max()))) for part in parts]


def spectrogram_uri(samples: np.ndarray) -> str:
    """Write an 80-bin log-mel spectrogram (25 ms, 10 ms) as PNG, low frequencies below.

    The paper's input features (Section 3.1); 70 dB from dark to light.
    """
    import matplotlib
    import torch
    import torchaudio
    from PIL import Image

    mel = torchaudio.transforms.MelSpectrogram(
        SAMPLE_RATE, n_fft=512, win_length=400, hop_length=160, n_mels=80
    )
    power = mel(torch.from_numpy(np.ascontiguousarray(samples, np.float32))).numpy()
    decibel = 10 * np.log10(np.maximum(power, 1e-10))
    shade = 1 + (decibel - decibel.max()) / DYNAMIC_RANGE_DB
    image = Image.fromarray((255 * np.clip(shade, 0, 1)).astype(np.uint8)[::-1])
    # A palette: one byte a pixel, a third of what RGB takes.
    colors = matplotlib.colormaps["magma"](np.arange(256), bytes=True)[:, :3]
    image.putpalette(colors.tobytes())
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return _uri("image/png", stream.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
